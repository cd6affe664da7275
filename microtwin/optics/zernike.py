"""Zernike polynomials over the unit disc, orthonormal, as wavefront errors of the pupil in waves.

Z_n^m = √(2(n+1)/(1+δ_m0)) R_n^|m|(ρ) cos mθ (m ≥ 0) or sin |m|θ (m < 0), so that (1/π)∫Z_a Z_b = δ_ab and a coefficient
is the root-mean-square wavefront error of its term. Noll, J. Opt. Soc. Am. 66 (1976) 207; indices and signs as in
ISO 24157.
"""

import math

import numpy as np

from microtwin.errors import InputError


def check_indices(n: int, m: int) -> None:
    """Refuse indices that name no polynomial.

    Raises:
        InputError: n < 0, |m| > n, or n − |m| odd.
    """
    if n != int(n) or m != int(m) or n < 0 or abs(m) > n or (n - abs(m)) % 2:
        raise InputError(f"Zernike term ({n}, {m}): give whole n ≥ 0 and |m| ≤ n with n − |m| even, as in (4, 0)")


def radial(n: int, m: int, rho: np.ndarray) -> np.ndarray:
    """R_n^|m|(ρ), equal to 1 at ρ = 1; same shape as ``rho``."""
    check_indices(n, m)
    m = abs(m)
    value = np.zeros_like(rho)
    for k in range((n - m) // 2 + 1):
        sign = -1 if k % 2 else 1
        shared = math.factorial(k) * math.factorial((n + m) // 2 - k) * math.factorial((n - m) // 2 - k)
        value += sign * math.factorial(n - k) // shared * rho ** (n - 2 * k)
    return value


def zernike(n: int, m: int, rho: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Z_n^m at (ρ, θ), θ counter-clockwise from +x with y up; defined by its formula outside ρ ≤ 1 too.

    Raises:
        InputError: indices that name no polynomial.
    """
    norm = math.sqrt((n + 1) * (1 if m == 0 else 2))
    angular = np.cos(m * theta) if m >= 0 else np.sin(-m * theta)
    return norm * radial(n, m, rho) * angular


def wavefront(terms: tuple[tuple[int, int, float], ...], px: np.ndarray, py: np.ndarray) -> np.ndarray:
    """Sum of ``terms`` (n, m, waves) at pupil coordinates (x right, y up; 1 at the rim), in waves."""
    rho, theta = np.hypot(px, py), np.arctan2(py, px)
    return sum((waves * zernike(n, m, rho, theta) for n, m, waves in terms), np.zeros_like(rho))
