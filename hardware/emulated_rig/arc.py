"""A stretch of the measured field as what the world takes: c cos ωt + s sin ωt."""

import math

import numpy as np

ZERO_MT = 1e-6  # a field below this turns nothing
SLOWEST_RAD = 0.2  # least turn over a stretch; a slower field is an arc that any slow ω follows to (0.2)²/24 of it
SHARES = (3, 6, 12)  # lags tried, as shares of the stretch: the last tells ω up to six turns of the stretch apart


def fit(field_mt: np.ndarray, times_s: np.ndarray, duration_s: float) -> tuple[np.ndarray, float]:
    """The ellipse that follows the field best, by least squares.

    ω comes from Prony's estimate for one frequency: cos ωτ = Σ (B(t+τ) + B(t−τ))·B(t) / 2Σ B·B. Short lags are
    unambiguous, long ones hardly feel the steps of the PWM: of several, the one whose ellipse fits best is taken.

    Args:
        field_mt: (n, 3) samples. times_s: (n,) evenly spaced, from the start of the stretch.
        duration_s: of the stretch.

    Returns:
        (2, 3) vectors c, s of B = c cos 2πft + s sin 2πft, mT, and f, Hz; zeros where there is no field.
    """
    if len(field_mt) < 3 or np.abs(field_mt).max() < ZERO_MT:
        return np.zeros((2, 3)), 0.0
    spacing = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    rates = {SLOWEST_RAD / duration_s}
    for share in SHARES:
        lag = max(1, len(field_mt) // share)
        middle = field_mt[lag:-lag]
        power = 2 * float((middle * middle).sum())
        if power > ZERO_MT**2:
            cosine = float(((field_mt[2 * lag :] + field_mt[: -2 * lag]) * middle).sum()) / power
            rates.add(max(math.acos(min(max(cosine, -1.0), 1.0)) / (lag * spacing), SLOWEST_RAD / duration_s))
    best, found = math.inf, (np.zeros((2, 3)), 0.0)
    for rate in sorted(rates):
        basis = np.stack([np.cos(rate * times_s), np.sin(rate * times_s)], axis=1)
        quadratures = np.linalg.solve(basis.T @ basis, basis.T @ field_mt)
        missed = float(((basis @ quadratures - field_mt) ** 2).sum())
        if missed < best:
            best, found = missed, (quadratures, rate / (2 * math.pi))
    return found
