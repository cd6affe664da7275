"""The rotating magnetic field: what every controller emits and all coils accept.

Eq. 1 of Sokolich et al., "Autonomous vision-based magnetic microrobotic pushing of micro-objects and cells" (2025), in
the world frame (x right, y up, z away from the glass). The paper adds π/2 to its α to steer; here α *is* the heading.
"""

import math
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError

PUSH_RAD = math.pi / 2  # γ that rolls along α
SPIN_CCW_RAD = 0.0  # γ that spins counter-clockwise seen from above
SPIN_CW_RAD = math.pi


def equation_1(alpha: float, gamma: float, amplitude: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """c, s of :attr:`RotatingField.quadratures`: plain arithmetic, which :mod:`microtwin.coils` compiles."""
    ca, sa = math.cos(alpha), math.sin(alpha)
    cg, sg = math.cos(gamma), math.sin(gamma)
    return (amplitude * cg * sa, -amplitude * cg * ca, amplitude * sg), (amplitude * ca, amplitude * sa, 0.0)


@dataclass(frozen=True, slots=True)
class RotatingField:
    """A field that turns about the axis n = (−sin γ sin α, sin γ cos α, cos γ).

    Attributes:
        alpha_rad: heading, counter-clockwise from +x.
        gamma_rad: attitude of the axis: π/2 rolls along α, 0 spins CCW, π spins CW.
        frequency_hz: turns per second; 0 holds the field still.
        amplitude: fraction of the coils' full scale, 0 (off) to 1.

    Raises:
        InputError: NaN, a negative frequency, an amplitude outside [0, 1].
    """

    alpha_rad: float = 0.0
    gamma_rad: float = PUSH_RAD
    frequency_hz: float = 0.0
    amplitude: float = 1.0

    def __post_init__(self):
        for name in ("alpha_rad", "gamma_rad", "frequency_hz", "amplitude"):
            value = getattr(self, name)
            if not math.isfinite(value):
                raise InputError(f"field {name} is {value}: give a finite number")
        if self.frequency_hz < 0:
            raise InputError(f"field frequency is {self.frequency_hz} Hz: give 0 or more (turn α by π to go back)")
        if not 0 <= self.amplitude <= 1:
            raise InputError(f"field amplitude is {self.amplitude}: give a fraction of full scale, 0 to 1")

    @classmethod
    def off(cls) -> "RotatingField":
        """No field at all."""
        return cls(amplitude=0.0)

    @property
    def quadratures(self) -> np.ndarray:
        """(2, 3) dimensionless vectors c, s with B ∝ c cos 2πft + s sin 2πft (Eq. 1 with α + π/2); c × s = n."""
        return np.array(equation_1(self.alpha_rad, self.gamma_rad, self.amplitude))

    @property
    def axis(self) -> np.ndarray:
        """(3,) unit rotation axis n of the commanded (circular) field."""
        sg = math.sin(self.gamma_rad)
        return np.array([-sg * math.sin(self.alpha_rad), sg * math.cos(self.alpha_rad), math.cos(self.gamma_rad)])

    def at(self, time_s) -> np.ndarray:
        """(..., 3) dimensionless field at the times ``time_s``, phase zero at t = 0."""
        phase = 2 * math.pi * self.frequency_hz * np.asarray(time_s)[..., None]
        c, s = self.quadratures
        return c * np.cos(phase) + s * np.sin(phase)


@dataclass(frozen=True, slots=True)
class CoilScale:
    """What full duty means on each axis, so that the true field may be an ellipse.

    Attributes:
        full_scale_mt: field at 100 % duty in x, y, z, mT (3, 5, 13 in the paper, section III).
        equalise: scale the stronger axes down to the weakest, so that the field is a circle.
        dead_band: fraction of full duty that gives no field (half-bridges do nothing with the shortest pulses).
        cutoff_hz: corner of the coils' low-pass, R/2πL; infinite for none.

    Raises:
        InputError: a full scale that is not three positive numbers, a dead band outside [0, 1), a cutoff ≤ 0.
    """

    full_scale_mt: tuple[float, float, float] = (3.0, 5.0, 13.0)
    equalise: bool = False
    dead_band: float = 0.0
    cutoff_hz: float = math.inf

    def __post_init__(self):
        if len(self.full_scale_mt) != 3 or not all(math.isfinite(b) and b > 0 for b in self.full_scale_mt):
            raise InputError(f"coil full scale is {self.full_scale_mt} mT: give three positive numbers (x, y, z)")
        if not 0 <= self.dead_band < 1:
            raise InputError(f"coil dead band is {self.dead_band}: give a fraction of full duty, 0 to below 1")
        if not self.cutoff_hz > 0:
            raise InputError(f"coil cutoff is {self.cutoff_hz} Hz: give a positive frequency, or inf for none")

    @property
    def applied_mt(self) -> tuple[float, float, float]:
        """Field at full duty on x, y and z, equalised if asked for, mT."""
        weakest = min(self.full_scale_mt)
        return (weakest, weakest, weakest) if self.equalise else self.full_scale_mt

    def quadratures_mt(self, field: RotatingField) -> np.ndarray:
        """(2, 3) vectors c, s of the true field B = c cos 2πft + s sin 2πft, mT.

        The dead band takes its share off each axis's amplitude (its describing function, which the calibration tracks
        cannot tell from the waveform's exact clipping); the low-pass turns down all axes alike. Compiled in
        :mod:`microtwin.coils`, for one field and for many.
        """
        from microtwin.coils import fill_quadratures  # here: whoever only sends fields needs no compiler

        found = np.empty((2, 3))
        fill_quadratures(
            field.alpha_rad, field.gamma_rad, field.frequency_hz, field.amplitude,
            *self.applied_mt, self.dead_band, self.cutoff_hz, found,
        )  # fmt: skip
        return found


def lock_strength_mt(quadratures_mt: np.ndarray) -> float:
    """Strength of the circular field that a moment follows up to the same frequency as this elliptical one, mT.

    For semi-axes B₁, B₂ it is (√B₁ + √B₂)²/4, by averaging the phase equation to second order
    (:mod:`microtwin.physics.magnetics`).
    """
    c, s = quadratures_mt
    area = float(np.linalg.norm(np.cross(c, s)))  # B₁B₂
    return 0.25 * math.sqrt(float(c @ c + s @ s) + 2 * area) + 0.5 * math.sqrt(area)
