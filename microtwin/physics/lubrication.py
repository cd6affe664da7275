"""What wall-RPY misses near contact, ΔR = R_exact − R_RPY, tabulated once and splined in the logarithm of the gap.

Sprinkle et al., Soft Matter 16 (2020) 7982, eq. 10: R = M_RPY⁻¹ + Σ_walls ΔR + Σ_pairs ΔR. The exact functions are the
bispherical series of :mod:`~microtwin.physics.sphere_wall` and the Jeffrey–Onishi series of
:mod:`~microtwin.physics.sphere_sphere`. The pair correction, made in unbounded liquid, fades out where a wall at the
usual heights screens it: full up to ξ = ``PAIR_FADE[0]``, none beyond ``PAIR_FADE[1]``.
"""

import math
from functools import lru_cache

import numpy as np
from numba import njit
from scipy.interpolate import CubicSpline

from microtwin.physics import sphere_sphere as pair
from microtwin.physics.sphere_wall import wall_functions
from microtwin.physics.wall_mobility import self_mobility

WALL_GAPS = (1e-5, 1e2)  # gap/a
PAIR_GAPS = (1e-5, 4.0)  # ξ = 2 gap/(a₁ + a₂)
PAIR_FADE = (2.0, 4.0)
_KNOTS = 320


def _spline(log_low, log_high, values):
    """(knots − 1, columns, 4) cubic coefficients in the local coordinate 0…1 of each uniform cell."""
    x = np.linspace(log_low, log_high, len(values))
    step = x[1] - x[0]
    c = CubicSpline(x, values).c  # (4, cells, columns), highest power first
    scale = step ** np.array([3, 2, 1, 0])
    return np.ascontiguousarray(np.moveaxis(c * scale[:, None, None], 0, -1)[..., ::-1])


@lru_cache(maxsize=1)
def wall_table() -> np.ndarray:
    """Spline of (ΔX_t, ΔY_t, ΔY_c, ΔX_r, ΔY_r, F_E, T_E) against ln(gap/a), dimensionless.

    The first five are the resistance correction in 6πηa, 6πηa, 6πηa², 8πηa³, 8πηa³. F_E (6πηa·γh) and T_E (4πηa³γ)
    are what a shear γ exerts on a held sphere beyond the drag of its centre's velocity and half its vorticity.
    """
    gaps = np.geomspace(*WALL_GAPS, _KNOTS)
    f = wall_functions(gaps)
    h = 1.0 + gaps
    rpy = np.array([self_mobility(height, 1.0, 1.0 / (6.0 * math.pi)) for height in h])
    par, perp, couple, rot_par, rot_perp = rpy.T
    det = par * rot_par - couple**2  # unit 6πηa = 1, so 8πηa³ = 4/3
    exact = f.copy()
    f[:, 0] -= 1.0 / perp
    f[:, 1] -= rot_par / det
    f[:, 2] += couple / det
    f[:, 3] -= 0.75 / rot_perp
    f[:, 4] -= 0.75 * par / det
    f[:, 5] = exact[:, 5] - exact[:, 1] - exact[:, 2] / (2.0 * h)
    f[:, 6] = exact[:, 6] - exact[:, 4] - 1.5 * exact[:, 2] * h
    return _spline(math.log(WALL_GAPS[0]), math.log(WALL_GAPS[1]), f)


def _rpy_pair_functions(xi: np.ndarray, ratio: float) -> np.ndarray:
    """The 16 Jeffrey–Onishi functions of two spheres in unbounded Rotne–Prager–Yamakawa."""
    a, b = 2.0 / (1.0 + ratio), 2.0 * ratio / (1.0 + ratio)  # a + b = 2
    r = 2.0 + xi
    n = len(xi)
    m = np.zeros((n, 12, 12))  # U1 U2 Ω1 Ω2, d along x, 8πη = 1
    for k, radius in enumerate((a, b)):
        for i in range(3):
            m[:, 3 * k + i, 3 * k + i] = 4.0 / (3.0 * radius)
            m[:, 6 + 3 * k + i, 6 + 3 * k + i] = 1.0 / radius**3
    s2 = (a * a + b * b) / r**2
    m[:, 0, 3] = m[:, 3, 0] = (2.0 - 2.0 / 3.0 * s2) / r
    m[:, 6, 9] = m[:, 9, 6] = 1.0 / r**3
    for i in (1, 2):
        m[:, i, 3 + i] = m[:, 3 + i, i] = (1.0 + s2 / 3.0) / r
        m[:, 6 + i, 9 + i] = m[:, 9 + i, 6 + i] = -0.5 / r**3
    # Ω_i = F_j × (x_i − x_j)/r³
    for field, source, sign in ((0, 1, -1.0), (1, 0, 1.0)):
        w = sign / r**2
        for i, j, e in ((1, 2, 1.0), (2, 1, -1.0)):  # (F × x̂)_y = F_z, (F × x̂)_z = −F_y
            m[:, 6 + 3 * field + i, 3 * source + j] = m[:, 3 * source + j, 6 + 3 * field + i] = e * w
    resist = np.linalg.inv(m) * 8.0 * math.pi  # η = 1
    pi = math.pi
    f = np.empty((n, 16))
    sizes = ((0, 0, 2 * a), (1, 1, 2 * b), (0, 1, 2.0))
    for column, (i, j, total) in enumerate(sizes):
        f[:, pair.XA11 + column] = resist[:, 3 * i, 3 * j] / (3 * pi * total)
        f[:, pair.YA11 + column] = resist[:, 3 * i + 1, 3 * j + 1] / (3 * pi * total)
        f[:, pair.XC11 + column] = resist[:, 6 + 3 * i, 6 + 3 * j] / (pi * total**3)
        f[:, pair.YC11 + column] = resist[:, 7 + 3 * i, 7 + 3 * j] / (pi * total**3)
    for column, i, j, total in ((pair.YB11, 0, 0, 2 * a), (pair.YB22, 1, 1, 2 * b), (pair.YB12, 0, 1, 2.0),
                                (pair.YB21, 1, 0, 2.0)):  # fmt: skip
        f[:, column] = resist[:, 7 + 3 * i, 3 * j + 2] / (pi * total**2)  # B_yz = Y^B ε_yzx
    return f


@lru_cache(maxsize=1024)
def pair_table(ratio: float) -> np.ndarray:
    """Spline of the 16 ΔR functions of two spheres, small over large radius = ``ratio``, against ln ξ, dimensionless.

    Sphere 1 is the larger one; normalisation as in :mod:`~microtwin.physics.sphere_sphere`.
    """
    xi = np.geomspace(*PAIR_GAPS, _KNOTS)
    f = pair.pair_functions(xi, ratio) - _rpy_pair_functions(xi, ratio)
    t = np.clip((xi - PAIR_FADE[0]) / (PAIR_FADE[1] - PAIR_FADE[0]), 0.0, 1.0)
    f *= (1.0 - t * t * (3.0 - 2.0 * t))[:, None]
    return _spline(math.log(PAIR_GAPS[0]), math.log(PAIR_GAPS[1]), f)


def pair_tables(radii_um: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tables for every pair of bodies: ``(which (N, N) int, tables (ratios, cells, 16, 4))``, one for each ratio.

    Worlds of the same radii share them: they are not to be changed.
    """
    return _pair_tables(tuple(np.asarray(radii_um, dtype=float).tolist()))


@lru_cache(maxsize=64)
def _pair_tables(radii_um: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    kinds, kind = np.unique(radii_um, return_inverse=True)
    ratios = np.minimum.outer(kinds, kinds) / np.maximum.outer(kinds, kinds)
    distinct, which = np.unique(ratios, return_inverse=True)
    tables = np.array([pair_table(float(ratio)) for ratio in distinct])
    return which.reshape(ratios.shape)[np.ix_(kind, kind)], tables


_WALL_LOG = math.log(WALL_GAPS[0])
_WALL_STEP = (math.log(WALL_GAPS[1]) - _WALL_LOG) / (_KNOTS - 1)
_PAIR_LOG = math.log(PAIR_GAPS[0])
_PAIR_STEP = (math.log(PAIR_GAPS[1]) - _PAIR_LOG) / (_KNOTS - 1)


@njit(cache=True)
def _evaluate(table, x, step, out):
    position = max(x / step, 0.0)
    cell = min(int(position), table.shape[0] - 1)
    t = position - cell
    for c in range(table.shape[1]):
        out[c] = table[cell, c, 0] + t * (table[cell, c, 1] + t * (table[cell, c, 2] + t * table[cell, c, 3]))


@njit(cache=True)
def wall_correction(table, gap_over_radius, out):
    """out (7,) ← the columns of :func:`wall_table`; zero beyond its last gap, held below its first."""
    if gap_over_radius >= WALL_GAPS[1]:
        out[:] = 0.0
    else:
        _evaluate(table, math.log(max(gap_over_radius, WALL_GAPS[0])) - _WALL_LOG, _WALL_STEP, out)


@njit(cache=True)
def pair_correction(table, xi, out):
    """out (16,) ← the columns of :func:`pair_table`; call it for ξ < PAIR_GAPS[1] only."""
    _evaluate(table, math.log(max(xi, PAIR_GAPS[0])) - _PAIR_LOG, _PAIR_STEP, out)
