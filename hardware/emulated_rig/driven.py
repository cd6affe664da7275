"""The lab's coils, with a log of when the board drove them."""

import math

import numpy as np

from emulated_rig.coil_model import CoilModel


class WatchedCoils(CoilModel):
    """Keeps every change between no duty on any coil and some, to a sample (0.125 ms); make it with ``lab()``.

    Attributes:
        intervals_s: [begin, end] of each time the coils were driven, rig's time; the last one's end moves on.
        driven: they are now.
    """

    def __init__(self, *args, **changes):
        super().__init__(*args, **changes)
        self.intervals_s: list[list[float]] = []
        self.driven = False
        self._samples = 0

    def drive(self, duties: np.ndarray) -> np.ndarray:
        on = np.asarray(duties.any(axis=1))
        if self.driven or on.any():
            for at in np.flatnonzero(np.diff(on, prepend=self.driven)).tolist():
                time_s = (self._samples + at) * self.sample_s
                if on[at]:
                    self.intervals_s.append([time_s, time_s])
                else:
                    self.intervals_s[-1][1] = time_s
            self.driven = bool(on[-1]) if len(on) else self.driven
        self._samples += len(duties)
        if self.driven:
            self.intervals_s[-1][1] = self._samples * self.sample_s
        return super().drive(duties)

    @property
    def last_driven_s(self) -> float:
        """When any duty was last not zero; −inf for never."""
        return self.intervals_s[-1][1] if self.intervals_s else -math.inf
