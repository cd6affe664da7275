"""From the half-bridge inputs to the field: bridges with a dead zone, coils of R and L, six of them in three pairs."""

import math
from typing import Self

import numpy as np
from scipy.signal import lfilter

from microtwin.errors import InputError
from microtwin.robots.calibration import lab_coils

PLUS, MINUS = [1, 0, 4], [3, 2, 5]  # coils of the axes x, y, z in the order +Y +X −Y −X +Z −Z


class CoilModel:
    """Duties in, currents and field out; the coils' currents are kept from call to call.

    A bridge gives nothing for the shortest pulses: its output is sign(d)·max(|d| − δ, 0) at a duty d = R − L. The twin
    knows this dead band by its describing function, ``dead_band`` off the amplitude of a sine
    (:class:`microtwin.field.CoilScale`); a zone of δ = π/4 · ``dead_band`` has that one to second order in δ/amplitude.
    Each coil follows L di/dt = V − R i, solved exactly for duties that hold through a sample. Opposite coils are driven
    with opposite sign and add up: B = full_scale · (i₊ − i₋)/(2 V/R).

    Args:
        full_scale_mt: field at full duty in x, y, z. dead_band: share of full duty, see above.
        cutoff_hz: corner of the low-pass, R/2πL. resistance_ohm: of one coil. supply_v: of the bridges.
        sample_s: time between two rows of duties.

    Raises:
        InputError: a number that is not positive (or, for the dead band, not in [0, 1)).
    """

    def __init__(
        self,
        full_scale_mt: tuple[float, float, float] = (3.0, 5.0, 13.0),
        dead_band: float = 0.0,
        cutoff_hz: float = math.inf,
        resistance_ohm: float = 2.4,
        supply_v: float = 12.0,
        *,
        sample_s: float = 0.000125,
    ):
        positive = {
            "full scale": min(full_scale_mt),
            "cutoff": cutoff_hz,
            "resistance": resistance_ohm,
            "supply": supply_v,
            "sample time": sample_s,
        }
        for name, value in positive.items():
            if not value > 0:
                raise InputError(f"coil {name} is {value}: give a positive number")
        if not 0 <= dead_band < 1:
            raise InputError(f"coil dead band is {dead_band}: give a fraction of full duty, 0 to below 1")
        self.full_scale_mt = np.array(full_scale_mt, dtype=float)
        self.dead_zone = math.pi / 4 * dead_band
        self.full_current_a = supply_v / resistance_ohm
        self.sample_s = sample_s
        self._kept = math.exp(-2 * math.pi * cutoff_hz * sample_s)
        self.currents_a = np.zeros(6)

    @classmethod
    def lab(cls, **changes) -> Self:
        """The coils of the pushing paper, as the twin's calibration has them; ``changes`` go to the constructor."""
        coils = lab_coils()
        known = {"full_scale_mt": coils.full_scale_mt, "dead_band": coils.dead_band, "cutoff_hz": coils.cutoff_hz}
        return cls(**(known | changes))

    def drive(self, duties: np.ndarray) -> np.ndarray:
        """Let the coils see (n, 12) duties R, L of +Y +X −Y −X +Z −Z, each for ``sample_s``.

        Returns:
            (n, 3) field at the end of each sample, mT. ``currents_a`` (6,) is left at the last one.
        """
        if not len(duties):
            return np.zeros((0, 3))
        signed = duties[:, 0::2] - duties[:, 1::2]
        wanted = np.sign(signed) * np.maximum(np.abs(signed) - self.dead_zone, 0.0) * self.full_current_a
        # i ← kept · i + (1 − kept) · wanted; lfilter's state is what the last output gives to the next
        currents, _ = lfilter(
            [1.0 - self._kept], [1.0, -self._kept], wanted, axis=0, zi=(self._kept * self.currents_a)[None]
        )
        self.currents_a = currents[-1]
        return self.full_scale_mt * (currents[:, PLUS] - currents[:, MINUS]) / (2 * self.full_current_a)
