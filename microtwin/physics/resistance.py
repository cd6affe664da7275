"""Grand resistance R = M_RPY⁻¹ + ΔR of spheres above a no-slip plane (Sprinkle et al. 2020, eq. 10)."""

import math

import numpy as np
from numba import njit

from microtwin.errors import InputError
from microtwin.physics import cholesky
from microtwin.physics.lubrication import PAIR_GAPS, pair_correction, pair_tables, wall_correction, wall_table
from microtwin.physics.sphere_sphere import XA11, XC11, YA11, YB11, YB12, YB21, YB22, YC11
from microtwin.physics.validation import checked_spheres
from microtwin.physics.wall_mobility import fill_mobility

_SMALL = 24  # rows up to which the hand-written inverse beats LAPACK


@njit(cache=True)
def _add_wall(resist, body, n, gap, radius, viscosity, table, values):
    wall_correction(table, gap / radius, values)
    u = 3 * body
    o = 3 * n + u
    force = 6.0 * math.pi * viscosity * radius
    torque = 8.0 * math.pi * viscosity * radius**3
    resist[u, u] += force * values[1]
    resist[u + 1, u + 1] += force * values[1]
    resist[u + 2, u + 2] += force * values[0]
    resist[o, o] += torque * values[4]
    resist[o + 1, o + 1] += torque * values[4]
    resist[o + 2, o + 2] += torque * values[3]
    couple = force * radius * values[2]
    resist[u, o + 1] += couple
    resist[o + 1, u] += couple
    resist[u + 1, o] -= couple
    resist[o, u + 1] -= couple


@njit(cache=True)
def _add_pair(resist, i, j, n, d, radii, viscosity, f):
    """Add the pair correction of bodies i (sphere 1) and j (sphere 2), d the unit vector from i to j."""
    m = 3 * n
    for p in range(2):
        for q in range(2):
            total = radii[i if p == 0 else j] + radii[i if q == 0 else j]
            k = 2 if p != q else p
            force = 3.0 * math.pi * viscosity * total
            torque = math.pi * viscosity * total**3
            xa, ya = force * f[XA11 + k], force * f[YA11 + k]
            xc, yc = torque * f[XC11 + k], torque * f[YC11 + k]
            if p == q:
                yb = f[YB11] if p == 0 else f[YB22]
            else:
                yb = f[YB12] if p == 0 else f[YB21]
            yb *= math.pi * viscosity * total**2
            row = 3 * (i if p == 0 else j)
            column = 3 * (i if q == 0 else j)
            for a in range(3):
                for b in range(3):
                    dd = d[a] * d[b]
                    resist[row + a, column + b] += (xa - ya) * dd
                    resist[m + row + a, m + column + b] += (xc - yc) * dd
                resist[row + a, column + a] += ya
                resist[m + row + a, m + column + a] += yc
            # torque on p from velocity of q: Y^B ε_abk d_k; force on q from rotation of p is its transpose
            for a in range(3):
                b = (a + 1) % 3
                c = (a + 2) % 3
                resist[m + row + a, column + b] += yb * d[c]
                resist[m + row + b, column + a] -= yb * d[c]
                resist[column + b, m + row + a] += yb * d[c]
                resist[column + a, m + row + b] -= yb * d[c]


@njit(cache=True)
def fill_resistance(positions, radii, viscosity, walls, which, pairs, work, resist):
    """resist (6N, 6N) ← R; ``work`` is scratch of the same shape. False when M is not positive definite."""
    n = radii.size
    values = np.empty(16)
    fill_mobility(positions, radii, viscosity, work)
    if 6 * n <= _SMALL:
        if not cholesky.invert(work, resist):
            return False
    else:
        resist[:] = np.linalg.inv(work)
    for i in range(n):
        _add_wall(resist, i, n, positions[i, 2] - radii[i], radii[i], viscosity, walls, values)
        for j in range(i):
            large, small = (i, j) if radii[i] >= radii[j] else (j, i)
            x = positions[small, 0] - positions[large, 0]
            y = positions[small, 1] - positions[large, 1]
            z = positions[small, 2] - positions[large, 2]
            r = math.sqrt(x * x + y * y + z * z)
            total = radii[i] + radii[j]
            xi = 2.0 * (r - total) / total
            if xi < PAIR_GAPS[1]:
                pair_correction(pairs[which[i, j]], xi, values)
                _add_pair(resist, large, small, n, (x / r, y / r, z / r), radii, viscosity, values)
    return True


def resistance(positions_um, radii_um, viscosity_pa_s: float = 1e-3) -> np.ndarray:
    """Grand resistance of N spheres above the glass, exact for one sphere at any gap.

    Args:
        positions_um: (N, 3) centres, glass at z = 0.
        radii_um: (N,) radii, or one number for all.
        viscosity_pa_s: viscosity of the liquid, Pa·s.

    Returns:
        (6N, 6N) symmetric positive-definite R with [F₁…F_N, T₁…T_N] = R [U₁…U_N, Ω₁…Ω_N], the forces and torques
        *applied to* the spheres, in pN, pN·µm, µm/s, rad/s. Gaps below 1e-5 radii count as 1e-5.

    Raises:
        InputError: wrong shapes, NaN, a body touching or below the glass, touching or overlapping bodies, radii that
            differ by more than 20:1.
    """
    positions, radii, viscosity = checked_spheres(positions_um, radii_um, viscosity_pa_s, min_gap_um=1e-9)
    size = 6 * radii.size
    result = np.empty((size, size))
    which, tables = pair_tables(radii)
    if not fill_resistance(positions, radii, viscosity, wall_table(), which, tables, np.empty((size, size)), result):
        raise InputError("these bodies have no positive mobility: move them apart")
    return 0.5 * (result + result.T)
