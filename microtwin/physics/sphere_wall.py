"""Exact Stokes resistance of one sphere above a no-slip plane, at any gap.

A sphere of radius a has its centre at height h = a(1 + eps); z points away from the plane.  Everything here is
dimensionless and depends on eps = gap/a alone; the caller multiplies by 6 pi eta a, 6 pi eta a^2, ... as listed in
`wall_functions`.  All forces and torques are those that must be APPLIED to the sphere (except F_S and T_S, which the
flow exerts on a held sphere).

Sources
  normal drag            H. Brenner, Chem. Eng. Sci. 16, 242 (1961), series in the bispherical parameter
  vertical spin          G. B. Jeffery, Proc. Lond. Math. Soc. 14, 327 (1915)
  parallel drag          M. E. O'Neill, Mathematika 11, 67 (1964), m = 1 bispherical series
  horizontal rotation    W. R. Dean & M. E. O'Neill, Mathematika 10, 13 (1963), same series, other boundary data
  held in shear          A. J. Goldman, R. G. Cox & H. Brenner, Chem. Eng. Sci. 22, 653 (1967), same series again

The three horizontal problems share one tridiagonal system and differ only in its right-hand side.  With
cosh(alpha) = h/a, c = a sinh(alpha), S = sqrt(cosh xi - mu), mu = cos eta and sums over n (P_n = P_n(mu)):
  v_z = [z Q/c + 2 W]/2 cos phi,   W  = S sin eta   sum A_n sinh(n+1/2)xi P_n'
  p   = (viscosity/c) Q cos phi,   Q  = S sin eta   sum [B_n cosh(n+1/2)xi + C_n sinh(n+1/2)xi] P_n'
  v_rho = [rho Q/c + U2 + U0]/2 cos phi,  U0 = S    sum [D_n cosh + E_n sinh] P_n
  v_phi = [U2 - U0]/2 sin phi,     U2 = S sin^2 eta sum [F_n cosh + G_n sinh] P_n''
No slip on the plane fixes B, D, F from A.  No slip on the sphere fixes C, E, G from A and the boundary data, all in
closed form.  Continuity then gives the tridiagonal equations for A.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import solve_banded

from microtwin.errors import InputError

__all__ = ["COLUMNS", "F_S", "MIN_GAP", "T_S", "X_R", "X_T", "Y_C", "Y_R", "Y_T", "wall_functions"]

X_T, Y_T, Y_C, X_R, Y_R, F_S, T_S = range(7)
COLUMNS = ("X_t", "Y_t", "Y_c", "X_r", "Y_r", "F_s", "T_s")

MIN_GAP = 1e-7  # smallest gap/a accepted: some 5e4 terms, and the sums still hold about 9 digits
_FAR_GAP = 100.0  # beyond it every column comes from `_far`
_FAR_COUPLING = 30.0  # beyond it Y_c does: its series cancels as (h/a)^3 (both hold to 1e-8 there)


def _terms(alpha: float) -> int:
    """Number of terms N: every sum decays at least as n^3 exp(-2 n alpha), so the tail is below 1e-16."""
    return int(22.0 / alpha) + 15


def _axisymmetric(alpha: float) -> tuple[float, float]:
    """X_t (Brenner 1961) and X_r (Jeffery 1915) from their series at the bispherical parameter `alpha`.

    Brenner's bracket {...} - 1 is written over its common denominator, where no two large numbers are subtracted.
    """
    n = np.arange(1.0, _terms(alpha))
    sh, odd = np.sinh(alpha), 2 * n + 1
    bracket = (-2 * np.expm1(-odd * alpha) + odd * np.sinh(2 * alpha) + (odd * sh) ** 2) / (
        4 * np.sinh(odd * alpha / 2) ** 2 - (odd * sh) ** 2
    )
    x_t = 4 / 3 * sh * np.sum(n * (n + 1) / ((odd - 2) * (odd + 2)) * bracket)
    return float(x_t), float(np.sum((sh / np.sinh(n * alpha)) ** 3))


def _horizontal(alpha: float) -> np.ndarray:
    """Force and torque for the three horizontal boundary data, shape (3, 2).

    Rows: translation along +x (velocity 1), rotation about +y (rate 1), boundary velocity -z x^ (held in the shear
    z x^).  Columns: applied F_x/(6 pi eta) and T_y/(8 pi eta), with a = 1.

    Force and torque sums: O'Neill 1964.  His torque is that of the normal derivative of the velocity alone; the
    transposed gradient adds, for boundary velocities linear in position, (volume) x viscosity x curl, that is
    curl_y/6 here: 1/3 for the rotation (Dean & O'Neill 1963), -1/6 for the shear, 0 for the translation.
    """
    size = _terms(alpha)
    sh, ch = np.sinh(alpha), np.cosh(alpha)
    coth = ch / sh
    n = np.arange(-1.0, size + 2)  # one guard order on each side of 0..size
    k = (n + 0.5) / np.tanh((n + 0.5) * alpha) - coth
    k_lo, k_up, k = k[:-2], k[2:], k[1:-1]
    n = n[1:-1]
    lo, mid, up = 2 * n - 1, 2 * n + 1, 2 * n + 3

    # Boundary data: C, E, G at A = 0.  ratio = sqrt(8) exp(-x)/sinh(x), x = (n+1/2)alpha.
    ratio = 4 * np.sqrt(2.0) / np.expm1(mid * alpha)
    down, grow = np.exp(-alpha), np.exp(alpha)
    c, e, g = np.zeros((3, 3, n.size))
    e[0] = ratio
    c[1] = -ratio * (grow / lo - down / up)
    g[1] = -c[1]
    e[1] = ratio * (mid * sh - ch + (n + 1) * (n + 2) / up * down - n * (n - 1) / lo * grow)
    e[2] = -ratio * sh * mid

    # Continuity at orders 1..size; the coefficients beyond `size` are zero to rounding.
    rhs = np.zeros((3, n.size))
    j = n[1:-1]
    rhs[:, 1:-1] = 0.5 * (
        5 * c[:, 1:-1] - (j - 1) * c[:, :-2] + (j + 2) * c[:, 2:]
        - e[:, :-2] + 2 * e[:, 1:-1] - e[:, 2:]
        + (j - 2) * (j - 1) * g[:, :-2] - 2 * (j - 1) * (j + 2) * g[:, 1:-1] + (j + 2) * (j + 3) * g[:, 2:]
    )  # fmt: skip
    left, right = lo * k_lo - (2 * n - 3) * k, (2 * n + 5) * k - up * k_up
    band = np.zeros((3, size))
    band[0, 1:] = (right * (n + 2) / up)[1:-1]
    band[1] = (-(left * n + right * (n + 1)) / mid)[1:]
    band[2, :-1] = (left * (n - 1) / lo)[2:]
    a = np.zeros((3, size + 3))  # orders -1..size+1
    a[:, 2:-1] = solve_banded((1, 1), band, rhs[:, 1:].T, check_finite=False).T
    a_lo, a_up, a = a[:, :-2], a[:, 2:], a[:, 1:-1]

    c -= 2 * k * ((n - 1) / lo * a_lo - a + (n + 2) / up * a_up)
    e += k * (n * (n - 1) / lo * a_lo - (n + 1) * (n + 2) / up * a_up)
    b = (n - 1) * a_lo - mid * a + (n + 2) * a_up
    d = 0.5 * ((n + 1) * (n + 2) * a_up - (n - 1) * n * a_lo)
    nn, x, w = n * (n + 1), np.exp(-mid * alpha), mid - coth
    force = np.sqrt(2.0) / 6 * sh * np.sum(e + nn * c, axis=1)
    torque = (2 + x) * (nn * (2 * a + c * coth) - w * e) + (2 - x) * (nn * b * coth - w * d)
    torque = -(sh**2) / (12 * np.sqrt(2.0)) * np.sum(torque, axis=1) + np.array([0.0, 2.0, -1.0]) / 6
    return np.stack([force, torque], axis=1)


def _far(height: np.ndarray) -> np.ndarray:
    """Far-field expansions in 1/H, H = h/a; shape (n, 7).

    X_t, Y_t: Lorentz and Faxen (the 135/256 and 45/256 terms are the sphere's own stresslet).  The leading terms of
    Y_c, X_r, Y_r, F_s, T_s are those of Goldman, Cox & Brenner 1967; the further coefficients were identified from
    the series above evaluated with 40 digits.  Truncation at H = 100: below 5e-11 in every column.
    """
    u = 1.0 / height
    out = np.empty((u.size, 7))
    out[:, X_T] = 1 / (1 - 9 / 8 * u + u**3 / 2 - 135 / 256 * u**4 - u**5 / 8)
    out[:, Y_T] = 1 / (1 - 9 / 16 * u + u**3 / 8 - 45 / 256 * u**4 - u**5 / 16)
    out[:, X_R] = 1 + u**3 / 8
    out[:, Y_R] = 1 + 5 / 16 * u**3
    out[:, Y_C] = -(u**4) / 8 * (1 - 15 / 16 * u + 55 / 64 * u**3 - 225 / 256 * u**4) * out[:, Y_T] * out[:, Y_R]
    out[:, F_S] = out[:, Y_T] * (1 - 5 / 16 * u**3)
    out[:, T_S] = 1 - 3 / 16 * u**3 + 9 / 128 * u**4
    return out


def wall_functions(gap_over_radius: ArrayLike) -> np.ndarray:
    """Resistance functions of one sphere at the gaps `gap_over_radius` (eps = gap/a), shape (n,) -> (n, 7).

    Columns (all dimensionless; constants X_T ... T_S name their index):
      X_T  normal drag / (6 pi eta a)
      Y_T  parallel drag / (6 pi eta a)
      Y_C  R[F_x, Omega_y] / (6 pi eta a^2) = R[T_y, U_x] / (6 pi eta a^2), negative: the force to apply along +x to a
           sphere that only rotates about +y (a free sphere under a torque about +y moves along +x)
      X_R  torque of spin about the vertical / (8 pi eta a^3)
      Y_R  torque of rotation about a horizontal axis / (8 pi eta a^3)
      F_S  force on a held sphere in the shear u = gamma z x^: F_x / (6 pi eta a gamma h)
      T_S  torque on it: T_y / (4 pi eta a^3 gamma)

    A scalar counts as one gap.  Relative error against the same series summed with 40 digits, from 1e-5 upwards: below
    5e-11, except Y_C near eps = 30, 1e-8.  Continuous to that level where the expansions in 1/h take over.

    Near contact Y_T, -Y_C and Y_R tend to (8/15)L + 0.9543, (2/15)L - 0.2572 and (2/5)L + 0.3709, L = ln(1/eps).  The
    constants 0.9588, 0.2526 and 0.3817 of Goldman et al. fit the series at h/a = 1.0032 instead: there they hold to
    2e-4, at eps = 1e-4 they are off by 0.07, 0.5 and 0.25 %.

    Raises InputError (a ValueError) for a gap that is NaN, infinite, not positive or below MIN_GAP, or a 2-d input.
    """
    eps = np.atleast_1d(np.asarray(gap_over_radius, dtype=float))
    if eps.ndim != 1:
        raise InputError(f"gap_over_radius has shape {eps.shape}: pass a one-dimensional array, e.g. gaps.ravel()")
    bad = ~(np.isfinite(eps) & (eps >= MIN_GAP))
    if bad.any():
        raise InputError(f"gap_over_radius has {eps[bad][0]!s}: pass finite gap/radius values of at least {MIN_GAP:g}")
    out = _far(1.0 + eps)
    for i in np.flatnonzero(eps <= _FAR_GAP):
        alpha = 2 * np.arcsinh(np.sqrt(eps[i] / 2))  # arccosh(1 + eps) without cancellation
        (y_t, _), (y_c, y_r), (f_s, t_s) = _horizontal(alpha)
        if eps[i] > _FAR_COUPLING:
            y_c = out[i, Y_C]
        x_t, x_r = _axisymmetric(alpha)
        out[i] = x_t, y_t, y_c, x_r, y_r, -f_s / (1 + eps[i]), -2 * t_s
    return out
