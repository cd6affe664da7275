"""How even, how late and how fast the loop runs."""

import time
from collections import deque
from collections.abc import Callable

import numpy as np

WINDOW_S = 10.0
LAST_WAITS = 24  # one second's


class Timing:
    """Statistics of the last ten seconds of ticks.

    Args:
        clock: s; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self._clock = clock
        self._steps: deque[tuple[float, float]] = deque()  # when a tick began, and how long after the one before
        self._last_s: float | None = None
        self._waits_s: deque[float] = deque(maxlen=LAST_WAITS)

    def restart(self) -> None:
        """The loop stood still for a reason: the step over the gap does not count."""
        self._last_s = None

    def tick(self) -> None:
        """A frame is in hand."""
        now = self._clock()
        if self._last_s is not None:
            self._steps.append((now, now - self._last_s))
        self._last_s = now
        while self._steps and now - self._steps[0][0] > WINDOW_S:
            self._steps.popleft()

    def answered(self) -> None:
        """The coils have answered the command that this frame led to."""
        if self._last_s is not None:
            self._waits_s.append(self._clock() - self._last_s)

    @property
    def wait_ms(self) -> float:
        """From the frame in hand to the coils' answer: mean of the last second in which there were any."""
        return 1e3 * sum(self._waits_s) / len(self._waits_s) if self._waits_s else 0.0

    @property
    def ticks_per_s(self) -> float:
        whole_s = sum(step for _, step in self._steps)
        return len(self._steps) / whole_s if whole_s else 0.0

    def jitter_ms(self, period_s: float) -> float:
        """95th percentile of |step − period|; a period of 0 (no pacing) stands for the mean step."""
        if not self._steps:
            return 0.0
        steps = np.array([step for _, step in self._steps])
        return 1e3 * float(np.percentile(np.abs(steps - (period_s or steps.mean())), 95))
