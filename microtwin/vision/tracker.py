"""The mask tracker: follows the robot and its cargo from frame to frame, through touch, blur and bad frames.

Section III of the pushing paper: a mask for each body, a start by a click, a box that moves with the body, and the
other body's mask (not its box) taken away. Added to it: the two bodies are told apart together, the centre is found by
radial symmetry, and a body that is not found is searched in a growing box and then declared lost.
"""

import math
from typing import Any

import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import check_scale, to_world
from microtwin.rig import LostError, Observation
from microtwin.vision.association import Gate, associate
from microtwin.vision.background import Background, grey_image
from microtwin.vision.detect import Detection, detect
from microtwin.vision.initiation import checked_click, initiate
from microtwin.vision.mask import MaskSettings
from microtwin.vision.track import State, Track


class Tracker:
    """Turns frames into observations: an :class:`~microtwin.rig.Observer` for pixels.

    Args:
        robot, cargo: masks; suggested by the first frame if None.
        um_per_px: scale; the frames' own if None.
        robot_start_px, cargo_start_px: clicks (row, column); a body without one is detected in the first frame.
        max_speed_um_s: the fastest change of place that is believed; with ``gate_um`` it sets how far from its
            predicted place a body is looked for.
        gate_um: that distance for two frames at the same moment.
        lost_after_s: a body that is not found for this long is lost.
        velocity_gain: share of a new frame's surprise that goes into the velocity estimate, 0–1.
        frozen_check: take a frame that repeats the one before it for a frozen camera. Off for cameras without noise.

    Attributes:
        robot, cargo: the two :class:`Track`, from the first frame on.
        frozen: the last frame repeated the one before it. dropped: frames missing from the running numbers so far.

    Raises:
        InputError: a setting outside its range, and at the first frame a click on nothing.
    """

    def __init__(
        self,
        robot: MaskSettings | None = None,
        cargo: MaskSettings | None = None,
        um_per_px: float | None = None,
        robot_start_px: Any = None,
        cargo_start_px: Any = None,
        *,
        max_speed_um_s: float = 150.0,
        gate_um: float = 2.0,
        lost_after_s: float = 1.0,
        velocity_gain: float = 0.5,
        frozen_check: bool = True,
    ):
        for name, value in (("speed", max_speed_um_s), ("gate", gate_um), ("lost-after time", lost_after_s)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"largest {name} is {value}: give a positive number")
        if not 0 < velocity_gain <= 1:
            raise InputError(f"velocity gain is {velocity_gain}: give more than 0, up to 1")
        if um_per_px is not None:
            check_scale(um_per_px)
        self._settings = (robot, cargo)
        self._clicks = (checked_click("robot", robot_start_px), checked_click("cargo", cargo_start_px))
        self._scale = um_per_px
        self._max_speed_um_s = max_speed_um_s
        self._gate_um = gate_um
        self._lost_after_s = lost_after_s
        self._velocity_gain = velocity_gain
        self._frozen_check = frozen_check
        self._last: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()
        self._index = 0
        self._time_s = -math.inf
        self._tracks: tuple[Track, Track] | None = None
        self._centre = (0.0, 0.0)
        self.frozen = False
        self.dropped = 0

    @property
    def robot(self) -> Track:
        return self._both()[0]

    @property
    def cargo(self) -> Track:
        return self._both()[1]

    @property
    def state(self) -> State:
        """``lost`` if either body is, else ``searching`` if either is, else ``tracking``."""
        states = [track.state for track in self._both()]
        return "lost" if "lost" in states else "searching" if "searching" in states else "tracking"

    def _both(self) -> tuple[Track, Track]:
        if self._tracks is None:
            raise RuntimeError("the tracker has seen no frame yet")
        return self._tracks

    def masks(self) -> tuple[np.ndarray, np.ndarray]:
        """Two (H, W) uint8 masks of the last frame, 255 inside: the robot's without the cargo, and the reverse."""
        return self.robot.own_mask(self.cargo, self._shape), self.cargo.own_mask(self.robot, self._shape)

    def detect(self, frame: Any) -> list[Detection]:
        """Every round body in a frame: see :func:`microtwin.vision.detect.detect`."""
        return detect(frame, self._settings[0], self._scale)

    def __call__(self, frame: Any) -> Observation:
        """Where both bodies are in this frame; a body that is being searched is where it is expected.

        Raises:
            LostError: a body was not found, or the camera frozen, for ``lost_after_s``.
            InputError: a frame of another type, shape or scale, or older than the last; a click on nothing.
        """
        image = self._checked(frame)
        if self._tracks is None:
            assert self._scale is not None
            self._tracks = initiate(image, frame.time_s, self._scale, self._clicks, self._settings)
            self._look_different(image)
        else:
            self.dropped += max(0, frame.index - self._index - 1)
            self.frozen = not self._look_different(image) and self._frozen_check
            if self.frozen:
                for track in self._tracks:
                    track.miss(frame.time_s)
            else:
                self._follow(image, frame.time_s)
        self._index, self._time_s = frame.index, frame.time_s
        self._centre = getattr(frame, "centre_um", (0.0, 0.0))
        self._declare_lost(frame.time_s)
        robot, cargo = (
            to_world(track.position_px, self._shape, track.um_per_px) + self._centre for track in self._tracks
        )
        return Observation(frame.index, frame.time_s, robot, cargo)

    def _checked(self, frame: Any) -> np.ndarray:
        image = grey_image(frame)
        if self._scale is None:
            self._scale = getattr(frame, "um_per_px", None)
            if self._scale is None:
                raise InputError("the frame says no scale: give um_per_px, 0.1725 is the 20x camera's")
        scale = getattr(frame, "um_per_px", None) or self._scale
        check_scale(self._scale)
        if abs(scale / self._scale - 1) > 1e-6:
            raise InputError(f"frame of {scale} µm per pixel: the tracker was set up for {self._scale}")
        if self._shape and image.shape != self._shape:
            raise InputError(f"frame of shape {image.shape}: the first one had {self._shape}, start a new tracker")
        if frame.time_s < self._time_s:
            raise InputError(f"frame of {frame.time_s} s follows one of {self._time_s} s: give frames in order")
        self._shape = image.shape
        return image

    def _look_different(self, image: np.ndarray) -> bool:
        """Whether the image differs from the one before it, told by every eighth pixel: no camera repeats its noise."""
        sample = image[::8, ::8].copy()
        same = self._last is not None and np.array_equal(sample, self._last)
        self._last = sample
        return not same

    def _follow(self, image: np.ndarray, now: float) -> None:
        tracks, background = self._both(), Background(image)
        gates = [
            Gate.of(track, background, image, now, self._gate_um + self._max_speed_um_s * (now - track.seen_s))
            for track in tracks
        ]
        found, overlap = associate(tracks, gates)
        for track, gate, one in zip(tracks, gates, found, strict=True):
            track.whole_mask, track.crop = gate.mask, gate.crop
            if one is None:
                track.miss(now)
            else:
                track.learn(*one, now, overlap, self._velocity_gain)

    def _declare_lost(self, now: float) -> None:
        for track in self._both():
            gone = now - track.seen_s
            if track.state != "tracking" and gone >= self._lost_after_s - 1e-9:
                track.state = "lost"
                x, y = to_world(track.seen_px, self._shape, track.um_per_px) + self._centre
                why = "the camera's image is frozen" if self.frozen else "not found"
                raise LostError(f"{track.name} lost: {why} for {gone:.2f} s, last seen at x {x:.1f} µm, y {y:.1f} µm")
