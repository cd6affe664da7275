"""The bodies of the last detection, and when to look again: beads at rest drift slowly, about once a second will do."""

import time
from collections.abc import Callable

import numpy as np

from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.place import Seen, in_order
from microtwin.panel.messages import Body, Point
from microtwin.rig import Frame
from microtwin.vision.detect import detect
from microtwin.vision.initiation import CLICK_REACH_UM
from microtwin.vision.mask import MaskSettings

REFRESH_S = 1.0  # between detections while watching
SHARE = 50.0  # and at least this many times what one detection takes


class Detected:
    """See the module.

    Args:
        clock: s; monotonic.

    Attributes:
        bodies: as they were seen last, in an order that stays.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.bodies: list[Seen] = []
        self._clock = clock
        self._next_s = 0.0

    def clear(self) -> None:
        """Another scene: nothing was seen."""
        self.bodies = []

    def look(self, frame: Frame, settings: MaskSettings | None) -> list[Seen]:
        """Detect all bodies, with this mask or a suggested one.

        Raises:
            InputError: nothing stands out.
        """
        view = FieldOfView.of(frame)
        seen = [Seen(view.to_world(one.position_px[::-1]), one.radius_um, one.kind) for one in detect(frame, settings)]
        self.bodies = in_order(seen, self.bodies)
        return self.bodies

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._clock() >= self._next_s

    def refresh(self, frame: Frame) -> list[Seen]:
        """Look again; nothing in a picture in which nothing stands out."""
        begun_s = self._clock()
        try:
            self.look(frame, None)
        except InputError:
            self.bodies = []
        self._next_s = begun_s + max(REFRESH_S, SHARE * (self._clock() - begun_s))
        return self.bodies

    def at(self, frame: Frame, at_px: Point, settings: MaskSettings | None, body: Body) -> Seen:
        """The body at or next to a place (x, y) of the picture, clicked on for the robot or the object.

        Raises:
            InputError: there is none.
        """
        view = FieldOfView.of(frame)
        click = view.to_world(np.array(at_px, dtype=float))
        if not np.isfinite(click).all() or not view.contains(click):
            raise InputError(f"click on the {body} is outside the picture: click on a body")

        def outside(one: Seen) -> float:
            return float(np.hypot(*(one.at_um - click))) - one.radius_um

        nearest = min(self.look(frame, settings), key=outside, default=None)
        if nearest is None or outside(nearest) > CLICK_REACH_UM:
            raise InputError(f"click on the {body} is on nothing: click on a body, or lower the mask's threshold")
        return nearest
