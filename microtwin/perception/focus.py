"""A robot held at a commanded depth: what a frame says of it, and where the stage has to go.

Nothing here knows whether frames and stage are a twin's. Depth is µm of stage travel, as the image set labels it, so a
move of the stage changes it by as much.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.framing import CROP, PIXEL_UM
from microtwin.perception.focus_filter import DriftFilter
from microtwin.rig import Frame, LostError
from microtwin.vision import roi
from microtwin.vision.background import grey_image

SCALE_ERROR = 0.02  # of the image that is not worth drawing it anew
COARSEST_UM = 0.25  # per pixel: above it there are no fringes left to see
WINDOW_PX = 512  # of a large frame, round where the robot was
UNSURE_UM = 1.0  # standard deviation of a reading that says nothing; trained estimators have 0.05 to 0.3
FORGET_S = 0.5  # without a reading, after which the drift is unknown again
FASTEST_UM_S = 40.0


class Reading(NamedTuple):
    """What one frame says of the robot's depth."""

    depth_um: float
    sd_um: float


Sight = Callable[[Any], Reading]  # of a frame; raises LostError


class Estimator(Protocol):
    """As :class:`microtwin.perception.estimator.Estimator`: (n, 256, 256) uint8 to ``depth_um``, ``depth_sd_um``."""

    def __call__(self, images: np.ndarray, /) -> Any: ...


class FromPixels:
    """Finds the robot in a frame, cuts it out as the image set does, and asks an estimator.

    Raises:
        LostError: when called: nothing in the frame, or the estimator does not know. InputError: a frame without an
            image, too coarse, or too small.
    """

    def __init__(self, estimator: Estimator):
        self._estimator = estimator
        self._at: tuple[float, float] | None = None  # row, column, of the image at PIXEL_UM

    def __call__(self, frame: Frame) -> Reading:
        try:
            crop = self._crop(frame)
        except LostError:
            self._at = None
            raise
        estimates = self._estimator(crop[None])
        reading = Reading(float(estimates.depth_um[0]), float(estimates.depth_sd_um[0]))
        if not (math.isfinite(reading.depth_um) and reading.sd_um <= UNSURE_UM):
            raise LostError(f"depth unknown: {reading.depth_um:.2f} ± {reading.sd_um:.2f} µm")
        return reading

    def _crop(self, frame: Frame) -> np.ndarray:
        """(256, 256) uint8 at PIXEL_UM."""
        image = grey_image(frame)
        ratio = 1.0 if math.isnan(frame.um_per_px) else frame.um_per_px / PIXEL_UM
        if frame.um_per_px > COARSEST_UM:
            raise InputError(
                f"scale of the camera is {frame.um_per_px:g} µm per pixel: depth is read at up to {COARSEST_UM:g}, "
                f"{PIXEL_UM:g} is the image set's"
            )
        if abs(ratio - 1) > SCALE_ERROR:
            how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=how)
        if min(image.shape) < CROP[0]:
            raise InputError(
                f"frame is {image.shape[1]} × {image.shape[0]} pixels at {PIXEL_UM:g} µm each: depth is read from "
                f"{CROP[0] * PIXEL_UM:.0f} × {CROP[0] * PIXEL_UM:.0f} µm, give the camera a larger region"
            )
        if image.shape == CROP:
            roi.locate(image)  # raises where nothing is to be seen
            return image
        first = (0, 0)
        if self._at is not None and min(image.shape) > WINDOW_PX:
            rows, columns = (
                int(min(max(at - WINDOW_PX / 2, 0), side - WINDOW_PX))
                for at, side in zip(self._at, image.shape, strict=True)
            )
            image, first = image[rows : rows + WINDOW_PX, columns : columns + WINDOW_PX], (rows, columns)
        found = roi.crop(image, CROP[0])
        self._at = first[0] + found.region.row, first[1] + found.region.column
        return found.image


class FocusController:
    """Drives a stage so that the robot is at ``target_um``.

    A reading is compared with where the stage was when its frame was taken; the rest is drift, which a filter follows
    and foresees until the next frame that can show the stage's answer. While the robot is lost the stage stands.

    Args:
        sight: reads the depth of a frame.
        travel_um: of the stage; never left.
        latency_s: from exposure to here, as far as it is known.
        period_s: of the frames.
        fastest_um_s: of the stage's commands.

    Attributes:
        sight: as given. target_um, travel_um: may be changed at any time.
        reading: of the last frame; NaN when there was none. lost: why there was none, or empty.
        stage_um: where the stage was when the last frame was taken.
        drift: the filter.

    Raises:
        InputError: a target that is no number, a latency below 0, a period or speed that is not positive.
    """

    def __init__(
        self,
        sight: Sight,
        target_um: float,
        *,
        travel_um: tuple[float, float],
        period_s: float,
        latency_s: float = 0.0,
        fastest_um_s: float = FASTEST_UM_S,
    ):
        if not math.isfinite(target_um):
            raise InputError(f"target is {target_um}: give a depth in µm")
        for name, value in (("frame period", period_s), ("speed", fastest_um_s)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        if not (math.isfinite(latency_s) and latency_s >= 0):
            raise InputError(f"latency is {latency_s} s: give 0 or more")
        self.target_um, self.travel_um = float(target_um), travel_um
        self.drift, self.lost, self.stage_um = DriftFilter(), "", math.nan
        self.reading = Reading(math.nan, math.nan)
        self.sight, self._latency_s, self._period_s = sight, latency_s, period_s
        self._step_um = fastest_um_s * period_s
        self._way: deque[tuple[float, float]] = deque(maxlen=3 + math.ceil(latency_s / period_s))

    def act(self, frame: Frame, stage_um: float) -> float | None:
        """Where the stage shall head for, given a new frame and where it is now; None to leave it alone."""
        now_s = frame.time_s + self._latency_s
        self._way.append((now_s, stage_um))
        times_s, places_um = np.array(self._way).T
        self.stage_um = float(np.interp(frame.time_s, times_s, places_um))
        try:
            self.reading, self.lost = self.sight(frame), ""
        except LostError as error:
            self.reading, self.lost = Reading(math.nan, math.nan), str(error)
            if self.drift.started and frame.time_s - self.drift.time_s > FORGET_S:
                self.drift.forget()
            return None
        self.drift.take(frame.time_s, self.reading.depth_um - self.stage_um, self.reading.sd_um)
        wanted_um = self.target_um - self.drift.ahead(now_s + self._period_s)
        low, high = self.travel_um
        near = min(max(wanted_um, stage_um - self._step_um), stage_um + self._step_um)
        return min(max(near, low), high)
