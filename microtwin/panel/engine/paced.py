"""A rig that keeps the wall's time: a twin that can be watched and steered by hand."""

import math
import time
from collections.abc import Callable
from typing import Self

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import Frame, Rig

SPIN_S = 0.001  # a sleep may end this much late: the last of it is slept in short pieces
PIECE_S = 0.0001


class RealTime:
    """Lets :meth:`observe` return at even steps of the wall's clock, one frame time apart.

    Who comes later than a whole step begins a new schedule from there: frames that were missed are not made up for in
    a burst, the twin's time just stood still. Entering and leaving are the rig's.

    Args:
        rig: whose frames are held back. speed: of its time, in its seconds to one of the wall's; infinite: no waiting.
        clock, sleep: the wall's, s.

    Attributes:
        late: how often a new schedule was begun because the caller, or the rig, took too long.

    Raises:
        InputError: a speed that is not positive.
    """

    def __init__(
        self,
        rig: Rig,
        speed: float = 1.0,
        *,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ):
        if not speed > 0:
            raise InputError(f"speed is {speed}: give a positive number, 1 is real time, inf as fast as it goes")
        self.rig, self.speed, self.late = rig, speed, 0
        self._clock, self._sleep = clock, sleep
        self._due_s = -math.inf  # when the last frame was due

    @property
    def frame_rate_hz(self) -> float:
        return self.rig.frame_rate_hz

    @property
    def period_s(self) -> float:
        """Of the wall's time between two frames."""
        return 1.0 / (self.rig.frame_rate_hz * self.speed)

    def command(self, field: RotatingField) -> RotatingField:
        return self.rig.command(field)

    def observe(self) -> Frame:
        frame = self.rig.observe()
        if math.isinf(self.speed):
            return frame
        due_s, now_s = self._due_s + self.period_s, self._clock()
        if now_s > due_s + self.period_s:  # also the first frame
            self.late += math.isfinite(due_s)
            due_s = now_s
        self._due_s = due_s
        self._wait_until(due_s)
        return frame

    def _wait_until(self, due_s: float) -> None:
        while (left_s := due_s - self._clock()) > 0:
            self._sleep(left_s - SPIN_S if left_s > 2 * SPIN_S else min(left_s, PIECE_S))

    def __enter__(self) -> Self:
        self.rig.__enter__()
        self._due_s = -math.inf
        return self

    def __exit__(self, *exception) -> None:
        self.rig.__exit__(*exception)
