"""What moves a robot through the focus: slow drift of the sample or the stand, and vibration of the building."""

import math
from typing import Literal

import numpy as np

from microtwin.errors import InputError

DriftKind = Literal["ramps", "walk"]
WALK_S = 5.0  # how long a walk keeps its speed
# Middles of the third-octave bands from 8 to 80 Hz (ISO 266). Floors are rated by criteria that allow the same velocity
# in each of them (Gordon, Generic criteria for vibration-sensitive equipment, Proc. SPIE 1619 (1992) 71), so their
# displacements go as 1/f.
BANDS_HZ = np.array([8.0, 10.0, 12.5, 16.0, 20.0, 25.0, 31.5, 40.0, 50.0, 63.0, 80.0])


class Drift:
    """A depth that starts at 0, drifts at some speed and turns round at both ends of a range.

    Args:
        kind: ``ramps`` at exactly ``speed_um_s``; ``walk``: a speed that wanders about 0 with that standard deviation,
            an Ornstein–Uhlenbeck process of WALK_S.
        speed_um_s: 0 for none. range_um: from one turning point to the other.
        rng: where in the range it starts, which way, and how it wanders.

    Raises:
        InputError: an unknown kind, a negative speed, a range that is not positive.
    """

    def __init__(self, kind: DriftKind, speed_um_s: float, range_um: float, rng: np.random.Generator):
        if kind not in ("ramps", "walk"):
            raise InputError(f"drift is {kind!r}: choose ramps or walk")
        if not (math.isfinite(speed_um_s) and speed_um_s >= 0):
            raise InputError(f"drift is {speed_um_s} µm/s: give 0 or more")
        if not (math.isfinite(range_um) and range_um > 0):
            raise InputError(f"drift turns round after {range_um} µm: give a positive range")
        self._range_um, self._spread_um_s, self._rng = range_um, speed_um_s, rng
        self._wanders = kind == "walk"
        self._rate_um_s = speed_um_s * (rng.standard_normal() if self._wanders else 1.0)
        self._gone_um = rng.uniform(0.0, 2 * range_um)
        self._first_um = self._folded()
        self.depth_um = 0.0

    def advance(self, duration_s: float) -> None:
        """Let time pass."""
        self._gone_um += self._rate_um_s * duration_s
        self.depth_um = self._folded() - self._first_um
        if self._wanders:
            kept = math.exp(-duration_s / WALK_S)
            push = self._spread_um_s * math.sqrt(1 - kept**2)
            self._rate_um_s = kept * self._rate_um_s + push * self._rng.standard_normal()

    def _folded(self) -> float:
        """An unbounded way, there and back between the ends of the range."""
        return abs(math.remainder(self._gone_um, 2 * self._range_um))


class Vibration:
    """A depth that shakes: one sine in each of BANDS_HZ, amplitudes as 1/f, frequencies and phases drawn.

    Args:
        rms_um: root mean square over long times; 0 for none.

    Raises:
        InputError: a negative size.
    """

    def __init__(self, rms_um: float, rng: np.random.Generator):
        if not (math.isfinite(rms_um) and rms_um >= 0):
            raise InputError(f"vibration is {rms_um} µm: give 0 or more, the root mean square")
        self._omega = 2 * math.pi * BANDS_HZ * 2 ** rng.uniform(-1 / 6, 1 / 6, len(BANDS_HZ))
        self._phase = rng.uniform(0.0, 2 * math.pi, len(BANDS_HZ))
        self._amplitude_um = rms_um * math.sqrt(2) / BANDS_HZ / np.linalg.norm(1 / BANDS_HZ)

    def depth_um(self, time_s: float) -> float:
        """At one moment."""
        return float(self._amplitude_um @ np.sin(self._omega * time_s + self._phase))
