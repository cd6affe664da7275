"""Dense symmetric positive-definite algebra for matrices of 12–60 rows, where calling LAPACK costs more than the work.

All functions work on the lower triangle, in place, and return False when a pivot is not positive.
"""

import math

from numba import njit

_FAST = {"contract", "arcp", "nsz", "reassoc"}


@njit(cache=True, fastmath=_FAST)
def factor(a):
    """a ← L with a = L Lᵀ (lower triangle; the upper one is left alone)."""
    n = a.shape[0]
    for j in range(n):
        d = a[j, j]
        for k in range(j):
            d -= a[j, k] * a[j, k]
        if not d > 0.0:
            return False
        d = math.sqrt(d)
        a[j, j] = d
        inv = 1.0 / d
        for i in range(j + 1, n):
            t = a[i, j]
            for k in range(j):
                t -= a[i, k] * a[j, k]
            a[i, j] = t * inv
    return True


@njit(cache=True, fastmath=_FAST)
def solve(low, b):
    """b ← (L Lᵀ)⁻¹ b."""
    n = b.size
    for i in range(n):
        t = b[i]
        for k in range(i):
            t -= low[i, k] * b[k]
        b[i] = t / low[i, i]
    for i in range(n - 1, -1, -1):
        t = b[i] / low[i, i]
        b[i] = t
        for k in range(i):
            b[k] -= low[i, k] * t


@njit(cache=True, fastmath=_FAST)
def invert(a, out):
    """out ← a⁻¹, full and symmetric; a is overwritten by its factor's inverse, transposed into the upper triangle."""
    n = a.shape[0]
    if not factor(a):
        return False
    # rows of `out` hold Lᵀ⁻¹: out[j, i] = (L⁻¹)[i, j], i ≥ j
    for j in range(n):
        out[j, j] = 1.0 / a[j, j]
        for i in range(j + 1, n):
            t = 0.0
            for k in range(j, i):
                t -= a[i, k] * out[j, k]
            out[j, i] = t / a[i, i]
    # a⁻¹ = L⁻ᵀ L⁻¹: entry (i, j), i ≤ j, is the product of rows i and j of out over k ≥ j; keep it below the diagonal
    for i in range(n):
        for j in range(i, n):
            t = 0.0
            for k in range(j, n):
                t += out[i, k] * out[j, k]
            a[j, i] = t
    for i in range(n):
        for j in range(i + 1):
            out[i, j] = out[j, i] = a[i, j]
    return True
