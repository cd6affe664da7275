"""Exact resistance functions of two spheres of any radius ratio in unbounded Stokes flow.

Source: D. J. Jeffrey & Y. Onishi, J. Fluid Mech. 139 (1984) 261-290, with the axial-rotation
functions X^C from G. B. Jeffery's closed bispherical sum (1915). Each other function is a power
series in z = 2/s, computed once for each radius ratio. Near contact, z → 1, the singular parts
(pole, logarithm, gap × logarithm) are subtracted with Jeffrey & Onishi's coefficients; the next one,
gap² × logarithm, is fitted to the tail of the series, so that what the truncation leaves out is
some 1e-6 at any gap.
"""

from functools import lru_cache

import numpy as np
from numba import njit

from microtwin.errors import InputError

(XA11, XA22, XA12, YA11, YA22, YA12, YB11, YB22, YB12, YB21, XC11, XC22, XC12, YC11, YC22, YC12) = range(16)
ORDER = 500  # highest power of 1/s kept
SERIES_ALONE = 0.9  # below this z the plain series has converged to rounding
FIT_FROM = 200  # terms that fix the weight of gap^2 x logarithm
GAP_LIMITS, RATIO_LIMITS = (1e-8, 1e4), (0.05, 20.0)


@njit(cache=True, fastmath={"reassoc"})
def _terms(family, lam, order):
    """Terms over (2 + 2 lam)^k of family 0: X^A, 1: Y^A and Y^B, 2: Y^C, as [sphere, P or Q, k].

    The P_npq, V_npq, Q_npq are summed over p + q = k with lam^q on the fly: the recurrence of a
    sphere then needs only the sums of the other one, and the factor (1 + lam)^-k turns the binomials
    into probabilities, so nothing grows and the cost is order^3, not order^4.
    """
    a, b = 1.0 / (1.0 + lam), lam / (1.0 + lam)
    size = order + 2
    share = np.zeros((size + 1, size + 1))  # C(n+s, n) a^n b^s
    share[0, 0] = 1.0
    for n in range(size + 1):
        for s in range(size + 1 - n):
            if n > 0:
                share[n, s] += a * share[n - 1, s]
            if s > 0:
                share[n, s] += b * share[n, s - 1]
    half = size // 2 + 1  # harmonics n beyond it never reach n = 1
    T = np.zeros((2, 6, half + 1, half + 1))  # weights of P up, P low, V, Q, (Q equation) Q, P
    for i in range(2):
        mine, other = (a, b) if i == 0 else (b, a)
        for n in range(1, half + 1):
            for s in range(1, min(half, size - n) + 1):
                w = share[n, s] if i == 0 else share[s, n]
                low = n * (2 * n - 1) / (2.0 * (n + 1))
                far = low * (2 * n + 1) / (2 * s + 1)
                if family == 0:
                    up = n * (2 * n + 1) * (2.0 * n * s - n - s + 2) / (2.0 * (n + 1) * (2 * s - 1) * (n + s))
                    low, far = -low, -far
                else:
                    w *= s / (n + 1.0)
                    up = 3.0 * (n + s) - (n * s + 1.0) * (2.0 * n * s - s - n + 2)
                    up *= (2 * n + 1) / (2.0 * (n + 1)) / (s * (n + s) * (2.0 * s - 1))
                    T[i, 3, n, s] = -w * other / mine * 2.0 * (4 * n * n - 1) / (3.0 * (n + 1))
                    T[i, 4, n, s] = w * other * s / (n + 1.0)
                    T[i, 5, n, s] = -w * 1.5 / (n * s * (n + 1.0))
                T[i, 0, n, s], T[i, 1, n, s] = w * up / mine, w * mine * low
                T[i, 2, n, s] = w * other**2 / mine * far
    # row m of P[i] holds the sums of order m - s at column s, so that the sum over s runs along a row
    P, V, Q = np.zeros((2, size, half + 1)), np.zeros((2, size, half + 1)), np.zeros((2, size, half + 1))
    out = np.zeros((2, 2, order + 1))
    for i in range(2):
        (Q if family == 2 else P)[i, 1, 1] = 1.0
        V[i, 1, 1] = 0.0 if family == 2 else 1.0
        out[i, 1 if family == 2 else 0, 0] = 1.0
    for k in range(1, order + 1):
        for n in range(1, min(k + 1, order + 1 - k) + 1):
            m = k - n + 1  # row of the terms of order k - s - n + 1
            last = (m + 1) // 2  # harmonic s first appears at order s - 1
            for i in range(2):
                j, p, v, q = 1 - i, 0.0, 0.0, 0.0
                for s in range(1, last + 1):
                    p += T[i, 0, n, s] * P[j, m, s]
                if m >= 2:
                    for s in range(1, last + 1):
                        v += T[i, 1, n, s] * P[j, m - 2, s]
                        p += T[i, 2, n, s] * V[j, m - 2, s]
                    if family:
                        for s in range(1, last + 1):
                            q += T[i, 4, n, s] * Q[j, m - 2, s]
                if family:
                    for s in range(1, last + 1):
                        p += T[i, 3, n, s] * Q[j, m - 1, s]
                        q += T[i, 5, n, s] * P[j, m - 1, s]
                p += v  # v is the sum P low, times n(2n-1)/(2n+2)
                P[i, k + n, n], Q[i, k + n, n] = p, q
                V[i, k + n, n] = p + 4.0 / ((2 * n - 1) * (2 * n + 3)) * v
                if n == 1:
                    out[i, 0, k], out[i, 1, k] = p, q
    return out


@lru_cache(maxsize=192)
def _scaled_terms(family, lam):
    return _terms(family, lam, ORDER)


def _singular(f, odd, lam):
    """Jeffrey & Onishi's g1 (pole), g2 (logarithm) and g3 (gap x logarithm) of function f."""
    m = 1.0 + lam
    if f == 0:
        return (
            2 * lam**2 / m**3,
            lam * (1 + 7 * lam + lam**2) / (5 * m**3),
            (1 + 18 * lam - 29 * lam**2 + 18 * lam**3 + lam**4) / (42 * m**3),
        )
    if f == 1:
        return (
            0.0,
            4 * lam * (2 + lam + 2 * lam**2) / (15 * m**3),
            2 * (16 - 45 * lam + 58 * lam**2 - 45 * lam**3 + 16 * lam**4) / (375 * m**3),
        )
    if f == 2:
        return 0.0, -lam * (4 + lam) / (5 * m**2), -(32 - 33 * lam + 83 * lam**2 + 43 * lam**3) / (250 * m**2)
    if odd:
        return 0.0, lam**2 / (10 * m), lam * (43 - 24 * lam + 43 * lam**2) / (500 * m)
    return 0.0, 2 * lam / (5 * m), (8 + 6 * lam + 33 * lam**2) / (125 * m)


def _log_series(odd):
    """Power series in z of (1 - z²)^m L for m = 0, 1, 2, where L = -log(1 - z²), or log((1 + z)/(1 - z)) if odd."""
    k = np.arange(ORDER + 1)
    rows = np.zeros((3, ORDER + 1))
    rows[0, 1:] = np.where(k[1:] % 2 == odd, 2.0 / k[1:], 0.0)
    for m in (1, 2):
        rows[m] = rows[m - 1]
        rows[m, 2:] -= rows[m - 1, :-2]
    return rows


@lru_cache(maxsize=1024)
def _series(f, odd, lam, sphere):
    """All terms of a function (the given sphere first), its pole, weights of the logarithms, and the terms left."""
    k = np.arange(ORDER + 1)
    raw = _scaled_terms((0, 1, 1, 2)[f], lam)[sphere, int(f >= 2)] * ((1.0, 1.0, 2.0, 1.0)[f] * (k % 2 == odd))
    if sphere:
        lam = 1.0 / lam
    if f == 3 and odd:
        raw *= lam
    g1, g2, g3 = _singular(f, odd, lam)
    log, gap_log, gap2_log = _log_series(odd)
    rest = raw - g1 * (k % 2 == odd) - g2 * log - g3 * gap_log
    tail = slice(FIT_FROM, None)
    # the terms left fall like k^-3: fit them with equal weight over the tail
    g4 = np.sum(rest[tail] * gap2_log[tail] * k[tail] ** 6.0) / np.sum(gap2_log[tail] ** 2 * k[tail] ** 6.0)
    return raw, g1, (g2, g3, g4), rest - g4 * gap2_log


def _sum(f, odd, lam, sphere, xi):
    s = xi + 2.0
    z, d = 2.0 / s, xi * (xi + 4.0) / s**2  # d = 1 - z^2 without cancellation
    raw, g1, weights, rest = _series(f, odd, lam, sphere)
    far = z < SERIES_ALONE
    out = np.empty_like(xi)
    out[far] = np.polynomial.polynomial.polyval(z[far], raw)
    z, d, log = z[~far], d[~far], np.log((s + 2.0) / xi)[~far] if odd else -np.log(d[~far])
    out[~far] = (
        g1 * (z if odd else 1.0) / d
        + log * np.polynomial.polynomial.polyval(d, weights)
        + np.polynomial.polynomial.polyval(z, rest)
    )
    return out


@njit(cache=True)
def _axial_rotation(xi, lam):
    """X^C_11, X^C_22 and X^C_12: sums of cubed inverse sinh (bispherical images)."""
    out = np.empty((xi.size, 3))
    for i in range(xi.size):
        r, gap = 0.5 * (xi[i] + 2.0) * (1.0 + lam), 0.5 * xi[i] * (1.0 + lam)  # in units of a1
        # cosh(alpha) - 1 of each sphere, written with the gap
        u = gap * (gap + 2.0 * lam) / (2.0 * r)
        v = gap * (gap + 2.0) / (2.0 * r * lam)
        c = np.sqrt(u * (u + 2.0))
        a1 = np.log1p(u + c)
        a2 = np.log1p(v + np.sqrt(v * (v + 2.0)))
        t11, t22, t12 = 0.0, 0.0, 0.0
        for n in range(20000):
            step = n * (a1 + a2)
            if step > 40.0:
                break
            t11 += (c / np.sinh(a1 + step)) ** 3
            t22 += (c / np.sinh(a2 + step)) ** 3
            t12 -= (c / np.sinh(a1 + a2 + step)) ** 3
        out[i, 0], out[i, 1], out[i, 2] = t11, t22 / lam**3, 8.0 * t12 / (1.0 + lam) ** 3
    return out


def pair_functions(gap_over_mean_radius, ratio: float) -> np.ndarray:
    """The 16 resistance functions, (n, 16), at ξ = 2 gap / (a1 + a2) for ratio = a2 / a1.

    Normalisation of Jeffrey & Onishi: A_ab over 3πη(aa + ab), B_ab over πη(aa + ab)² and C_ab over
    πη(aa + ab)³; (B_ab)_ij = Y^B_ab ε_ijk d_k, with d from sphere 1 to sphere 2.

    Raises:
        InputError: a gap or a radius ratio outside ``GAP_LIMITS``, ``RATIO_LIMITS``, or NaN.
    """
    xi = np.atleast_1d(np.asarray(gap_over_mean_radius, dtype=float))
    if xi.ndim != 1:
        raise InputError(f"gap_over_mean_radius has shape {xi.shape}: give a 1-d array")
    bad = ~((xi >= GAP_LIMITS[0]) & (xi <= GAP_LIMITS[1]))
    if bad.any():
        raise InputError(f"gap_over_mean_radius {xi[bad][0]}: give 2*gap/(a1+a2) within {GAP_LIMITS}")
    lam = float(ratio)
    if not RATIO_LIMITS[0] <= lam <= RATIO_LIMITS[1]:
        raise InputError(f"radius ratio {ratio}: give a2/a1 within {RATIO_LIMITS}")
    m, out = 1.0 + lam, np.empty((xi.size, 16))
    for f, (c11, c22, c12) in ((0, (XA11, XA22, XA12)), (1, (YA11, YA22, YA12)), (3, (YC11, YC22, YC12))):
        out[:, c11], out[:, c22] = _sum(f, 0, lam, 0, xi), _sum(f, 0, lam, 1, xi)
        out[:, c12] = _sum(f, 1, lam, 0, xi) * (8.0 / m**3 if f == 3 else -2.0 / m)
    out[:, YB11], out[:, YB22] = _sum(2, 1, lam, 0, xi), -_sum(2, 1, lam, 1, xi)
    out[:, YB12] = -4.0 / m**2 * _sum(2, 0, lam, 0, xi)
    out[:, YB21] = 4.0 * (lam / m) ** 2 * _sum(2, 0, lam, 1, xi)
    out[:, XC11 : XC12 + 1] = _axial_rotation(xi, lam)
    return out


def pair_resistance(gap_um: float, radius_1_um: float, radius_2_um: float, viscosity: float) -> np.ndarray:
    """(12, 12) resistance [F1, F2, T1, T2] = R [U1, U2, Ω1, Ω2], sphere 2 at +x of sphere 1.

    Forces and torques are those applied to the spheres. With the viscosity in Pa·s and velocities
    in µm/s and rad/s, forces come out in pN and torques in pN·µm.

    Raises:
        InputError: a value that is not a positive number, or a pair outside the limits of ``pair_functions``.
    """
    given = {"gap_um": gap_um, "radius_1_um": radius_1_um, "radius_2_um": radius_2_um, "viscosity": viscosity}
    for name, value in given.items():
        if not (np.isfinite(value) and value > 0.0):
            raise InputError(f"{name} {value}: give a positive number")
    a = (float(radius_1_um), float(radius_2_um))
    g = pair_functions([2.0 * gap_um / (a[0] + a[1])], a[1] / a[0])[0]
    along = np.diag([1.0, 0.0, 0.0])
    across = np.eye(3) - along
    turn = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])  # eps_ijk d_k for d = x
    R = np.zeros((12, 12))
    for i, j, xa, ya, yb, xc, yc in (
        (0, 0, XA11, YA11, YB11, XC11, YC11),
        (1, 1, XA22, YA22, YB22, XC22, YC22),
        (0, 1, XA12, YA12, YB12, XC12, YC12),
        (1, 0, XA12, YA12, YB21, XC12, YC12),
    ):
        unit = np.pi * viscosity * (a[i] + a[j])
        u, w = slice(3 * i, 3 * i + 3), slice(6 + 3 * i, 9 + 3 * i)
        uj, wj = slice(3 * j, 3 * j + 3), slice(6 + 3 * j, 9 + 3 * j)
        R[u, uj] = 3.0 * unit * (g[xa] * along + g[ya] * across)
        R[w, wj] = unit * (a[i] + a[j]) ** 2 * (g[xc] * along + g[yc] * across)
        R[w, uj] = unit * (a[i] + a[j]) * g[yb] * turn
        R[uj, w] = R[w, uj].T
    return R
