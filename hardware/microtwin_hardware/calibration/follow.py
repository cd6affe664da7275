"""Follows one robot by itself; the tracker of :mod:`microtwin.vision` wants a robot and its cargo."""

import math
from dataclasses import replace

import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import to_image, to_world
from microtwin.rig import Frame, LostError

WINDOW_UM = 30.0  # half the side of the square in which the robot is looked for: mostly background
FASTEST_UM_S = 250.0
SIZE = 1.6  # a body whose radius differs by more than this factor is another one; half a robot at the edge is not
LEARNT = 0.2  # of a new radius
LOST_AFTER_S = 1.0


class RobotFollower:
    """Where the robot is: called with every frame.

    The first frame is searched as a whole; it must hold one robot. Later ones near the place where it was last.
    """

    def __init__(self):
        self._place_um: np.ndarray | None = None
        self._radius_um, self._seen_s = 0.0, math.nan

    def __call__(self, frame: Frame) -> np.ndarray:
        """(2,) place in the world, µm; NaN while it is not seen.

        Raises:
            InputError: no robot in the first frame. LostError: not seen for a second.
        """
        found = self._near(frame) if self._place_um is not None else self._first(frame)
        if found is None:
            if frame.time_s - self._seen_s > LOST_AFTER_S:
                raise LostError(
                    f"robot lost for {LOST_AFTER_S:g} s: focus on it, keep dust and other robots away from it"
                )
            return np.full(2, math.nan)
        self._place_um, radius_um = found
        self._radius_um += (LEARNT if math.isfinite(self._seen_s) else 1.0) * (radius_um - self._radius_um)
        self._seen_s = frame.time_s
        return self._place_um + frame.centre_um

    def _first(self, frame: Frame) -> tuple[np.ndarray, float]:
        from microtwin.vision import detect

        bodies = detect(frame)
        robots = [one for one in bodies if one.kind == "robot"] or (bodies if len(bodies) == 1 else [])
        if not robots:
            raise InputError(f"no robot among {len(bodies)} bodies in the picture: bring one into view and focus on it")
        return robots[0].position_um, robots[0].radius_um

    def _near(self, frame: Frame) -> tuple[np.ndarray, float] | None:
        from microtwin.vision import detect
        from microtwin.vision.background import Crop

        assert frame.image is not None and self._place_um is not None
        shape, scale = frame.image.shape, frame.um_per_px
        crop = Crop.around(to_image(self._place_um, shape, scale), WINDOW_UM / scale, shape)
        try:
            bodies = detect(replace(frame, image=np.ascontiguousarray(crop.of(frame.image))))
        except InputError:  # nothing stands out there
            return None
        reach = 2.0 + FASTEST_UM_S * max(frame.time_s - self._seen_s, 0.0)
        best = None
        for one in bodies:
            place = to_world(one.position_px + crop.corner, shape, scale)
            away = float(np.hypot(*(place - self._place_um)))
            if away < reach and abs(math.log(one.radius_um / self._radius_um)) < math.log(SIZE):
                best, reach = (place, one.radius_um), away
        return best


def room_um(frame: Frame) -> np.ndarray:
    """(2,) half the width and height of what the frame shows, µm; infinite for a frame without an image."""
    if frame.image is None:
        return np.full(2, math.inf)
    rows, cols = frame.image.shape[:2]
    return 0.5 * frame.um_per_px * np.array([cols, rows])
