"""What the coils make of a commanded field, compiled, for one field and for many at once."""

import math
from pathlib import Path

import numpy as np
from numba import njit

from microtwin import field
from microtwin.kernels import drop_stale

drop_stale(Path(__file__).parent)  # equation_1 is compiled into these kernels, and stands in another file

_equation_1 = njit(cache=True)(field.equation_1)


@njit("void(f8, f8, f8, f8, f8, f8, f8, f8, f8, f8[:, ::1])", cache=True)
def fill_quadratures(alpha, gamma, frequency, amplitude, full_x, full_y, full_z, dead_band, cutoff, found):
    """found (2, 3) ← vectors c, s of the true field, mT: :meth:`microtwin.field.CoilScale.quadratures_mt`.

    Angles in rad, frequency and cutoff in Hz, full scale in mT; amplitude and dead band are fractions of full scale.
    """
    turned_down = 1.0 / math.hypot(1.0, frequency / cutoff)
    full = (full_x, full_y, full_z)
    c, s = _equation_1(alpha, gamma, amplitude)
    for axis in range(3):
        strength = math.hypot(c[axis], s[axis])
        found[0, axis] = found[1, axis] = 0.0
        if strength > dead_band:
            scale = full[axis] * turned_down * (1.0 - dead_band / strength)
            found[0, axis], found[1, axis] = scale * c[axis], scale * s[axis]


@njit("void(f8[:, ::1], f8[:, ::1], f8[:, :, ::1])", cache=True)
def fill_all_quadratures(commands, coils, found):
    """found (W, 2, 3) ← the same of W fields: rows of ``commands`` are α, γ, f, amplitude; of ``coils`` the rest."""
    for w in range(len(commands)):
        alpha, gamma, frequency, amplitude = commands[w]
        full_x, full_y, full_z, dead_band, cutoff = coils[w]
        fill_quadratures(alpha, gamma, frequency, amplitude, full_x, full_y, full_z, dead_band, cutoff, found[w])


def coil_row(scale: field.CoilScale) -> np.ndarray:
    """(5,) what :func:`fill_all_quadratures` needs to know of the coils."""
    return np.array([*scale.applied_mt, scale.dead_band, scale.cutoff_hz])
