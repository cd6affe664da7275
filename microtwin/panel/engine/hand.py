"""The operator's hand on keys or a gamepad: what it wants now, if it may."""

import math
import threading
import time
from collections.abc import Callable

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.panel.messages import DRIVE_LAPSES_S, Drive

FASTEST_HZ = 200.0  # no coils of the rigs turn a field faster
GRASP_S = 0.5  # a key that goes down this soon after a stop may have gone down before it


class Hand:
    """Drive commands as a wish for a field, which lapses unless it is renewed.

    After a stop a key that is still held does nothing: it must be let go first. Thread-safe.

    Args:
        clock: s; monotonic, the one by which stops are timed.

    Attributes:
        stops: number of stops (:class:`~microtwin.panel.engine.interlock.Interlock`) when the wish was last heard.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self.stops = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._field = RotatingField.off()
        self._heard_s = -math.inf
        self._held = self._barred = False

    def hear(self, drive: Drive, stops: int, stopped_s: float = -math.inf) -> None:
        """Take in a command.

        Args:
            stops, stopped_s: how often the interlock was stopped so far, and when last.

        Raises:
            InputError: a frequency or an angle that cannot be; the hand then counts as let go.
        """
        with self._lock:
            before, self._field = self._held, RotatingField.off()
            self._held = False
            if not (math.isfinite(drive.frequency_hz) and 0 <= drive.frequency_hz <= FASTEST_HZ):
                raise InputError(f"frequency is {drive.frequency_hz} Hz: give 0 to {FASTEST_HZ:g}")
            field = RotatingField(drive.heading_rad, drive.gamma_rad, drive.frequency_hz)
            now = self._clock()
            self._held = drive.frequency_hz > 0
            if not self._held:
                self._barred = False
            elif stops != self.stops and before:
                self._barred = True
            elif not before and now - stopped_s < GRASP_S:
                self._barred = True
            if self._held and not self._barred:
                self._field = field
            self.stops, self._heard_s = stops, now

    @property
    def barred(self) -> bool:
        """It holds on, but must let go first."""
        return self._held and self._barred

    def wish(self, stops: int) -> RotatingField:
        """The field that it wants now; none if it was not renewed, or heard before the last of these stops."""
        with self._lock:
            if stops != self.stops or self._clock() - self._heard_s > DRIVE_LAPSES_S:
                return RotatingField.off()
            return self._field
