"""The greatest duty a field asks of each axis, and how far the limit turns it down: the board's rule, for the host.

The duty of axis i is gain_i · A · (c_i cos φ + s_i sin φ + k n_i) / (1 + k) with k = 1/tan ψ
(hardware/firmware/PROTOCOL.md); n is the axis of rotation and ψ the cone that the field turns on.
"""

import math
from dataclasses import replace

import numpy as np

from microtwin.field import CoilScale, RotatingField
from microtwin_hardware.config import CoilsConfig

NO_CONE_RAD = math.pi / 2


def coil_scale(config: CoilsConfig) -> CoilScale:
    """Field at full duty, mT, as the settings have it."""
    return CoilScale(full_scale_mt=config.full_scale_mt, equalise=config.equalise)


def axis_gains(config: CoilsConfig) -> tuple[float, float, float]:
    """Fraction of full duty on x, y and z, so that ``equalise`` gives a circle; negative where an axis is turned."""
    applied, full = coil_scale(config).applied_mt, config.full_scale_mt
    x, y, z = (sign * to / of for sign, to, of in zip(config.polarity, applied, full, strict=True))
    return x, y, z


def peak_duties(field: RotatingField, gains: tuple[float, float, float], cone_rad: float = NO_CONE_RAD) -> np.ndarray:
    """(3,) greatest |duty| of each axis over a turn of the field."""
    k = 1.0 / math.tan(cone_rad)
    c, s = field.quadratures
    swing = np.hypot(c, s) + k * field.amplitude * np.abs(field.axis)
    return np.abs(gains) * swing / (1.0 + k)


def turned_down(
    field: RotatingField, gains: tuple[float, float, float], max_duty: float, cone_rad: float = NO_CONE_RAD
) -> RotatingField:
    """The field with its amplitude such that no axis goes above ``max_duty``; its shape is kept."""
    peak = float(peak_duties(field, gains, cone_rad).max())
    return replace(field, amplitude=field.amplitude * max_duty / peak) if peak > max_duty * (1 + 1e-9) else field
