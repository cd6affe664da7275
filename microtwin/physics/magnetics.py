"""How a field turns a robot: the mean torque of a locked or slipping moment, or the moment itself through the cycle.

*Averaged*: a body whose moment follows turns with the field, at whatever torque that takes; past what the field can
give it slips and turns at ω − √(ω² − ω_c²) on average (Adler, Proc. IRE 34 (1946) 351; rotating colloids: McNaughton et
al., J. Magn. Magn. Mater. 311 (2007) 127). A field of semi-axes B₁ ≥ B₂ is a circular one of (B₁ + B₂)/2 turning
forward and one of (B₁ − B₂)/2 turning backward; averaging the phase equation to second order in the backward part b,
at forward part a (both as torque over drag), gives the slip rate

    σ = √((ω + b²/(2(2ω − σ)))² − a²),   ω_c = ½(a + √(a² − b²)) = drag⁻¹ m (√B₁ + √B₂)²/4.

*Resolved*: torque m × B(t) on a moment fixed in the body, dm/dt = Ω × m.
"""

import math

from numba import njit

MOMENT_AXIS = (1.0, 0.0, 0.0)  # of a half-coated sphere, in its own frame; the cap's pole is +z
MAX_TURN_RAD = 0.1  # largest turn of the moment or of the field in one inner step


@njit(cache=True)
def mean_rate(rate, forward, backward):
    """Mean angular velocity (rad/s) of a moment in a field turning at ``rate``.

    ``forward`` and ``backward``: moment × field over rotational drag of the field's two circular parts, rad/s.
    """
    b2 = backward * backward
    if rate <= 0.5 * (forward + math.sqrt(max(forward * forward - b2, 0.0))):
        return rate
    slip = 0.0
    for _ in range(8):
        excess = rate + b2 / (2.0 * (2.0 * rate - slip))
        slip = min(math.sqrt(max(excess * excess - forward * forward, 0.0)), rate)
    return rate - slip


@njit(cache=True)
def ellipse(c, s, axis):
    """Unit normal of the field's ellipse into ``axis`` (3,); returns its forward and backward circular parts, mT."""
    axis[0] = c[1] * s[2] - c[2] * s[1]
    axis[1] = c[2] * s[0] - c[0] * s[2]
    axis[2] = c[0] * s[1] - c[1] * s[0]
    area = math.sqrt(axis[0] ** 2 + axis[1] ** 2 + axis[2] ** 2)
    if area > 0.0:
        for k in range(3):
            axis[k] /= area
    square = 0.0
    for k in range(3):
        square += c[k] * c[k] + s[k] * s[k]
    return 0.5 * math.sqrt(square + 2.0 * area), 0.5 * math.sqrt(max(square - 2.0 * area, 0.0))


@njit(cache=True, fastmath={"contract", "nsz"})
def turn(q, wx, wy, wz, dt):
    """Turn the unit quaternion q (w, x, y, z) by the angular velocity (rad/s, world frame) over dt, exactly."""
    rate = math.sqrt(wx * wx + wy * wy + wz * wz)
    half = 0.5 * rate * dt
    k = 0.5 * dt if half < 1e-8 else math.sin(half) / rate
    c = math.cos(half)
    x, y, z = k * wx, k * wy, k * wz
    a, b, d, e = q[0], q[1], q[2], q[3]
    q[0] = c * a - x * b - y * d - z * e
    q[1] = c * b + x * a + y * e - z * d
    q[2] = c * d + y * a + z * b - x * e
    q[3] = c * e + z * a + x * d - y * b
    n = 1.0 / math.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2 + q[3] ** 2)
    for i in range(4):
        q[i] *= n


@njit(cache=True, fastmath={"contract", "nsz"})
def _rate(m, moment, bx, by, bz, free, block):
    """Angular velocity of the robot whose unit moment is m in the field b: free + block (m × b)."""
    tx = moment * (m[1] * bz - m[2] * by)
    ty = moment * (m[2] * bx - m[0] * bz)
    tz = moment * (m[0] * by - m[1] * bx)
    return (
        free[0] + block[0, 0] * tx + block[0, 1] * ty + block[0, 2] * tz,
        free[1] + block[1, 0] * tx + block[1, 1] * ty + block[1, 2] * tz,
        free[2] + block[2, 0] * tx + block[2, 1] * ty + block[2, 2] * tz,
        tx,
        ty,
        tz,
    )


@njit(cache=True, fastmath={"contract", "nsz"})
def _moment(q):
    return (1.0 - 2.0 * (q[2] ** 2 + q[3] ** 2), 2.0 * (q[1] * q[2] + q[0] * q[3]), 2.0 * (q[1] * q[3] - q[0] * q[2]))


@njit(cache=True, fastmath={"contract", "nsz"})
def follow(q, moment, c, s, phase, rate, dt, free, block, torque):
    """Turn the robot through the field's cycle for dt by the explicit midpoint rule; its mean torque into ``torque``.

    Args:
        q: (4,) orientation, updated. moment: pN·µm/mT. c, s: (3,) quadratures of the field, mT.
        phase, rate: the field's phase at the start (rad) and its angular frequency (rad/s).
        free: (3,) angular velocity without magnetic torque, rad/s. block: (3, 3) rotational mobility, rad/(s·pN·µm).
        torque: (3,) out, mean over dt, pN·µm.
    """
    strongest = 0.0
    for k in range(3):
        strongest += c[k] * c[k] + s[k] * s[k]
    fastest = max(rate, moment * math.sqrt(strongest) * max(block[0, 0], block[1, 1], block[2, 2]))
    steps = max(1, math.ceil(fastest * dt / MAX_TURN_RAD))
    h = dt / steps
    torque[:] = 0.0
    sum_x = sum_y = sum_z = 0.0
    half_turn = 0.5 * rate * h
    cos_step, sin_step = math.cos(half_turn), math.sin(half_turn)
    cp, sp = math.cos(phase), math.sin(phase)
    for _ in range(steps):
        m = _moment(q)
        wx, wy, wz, _x, _y, _z = _rate(
            m, moment, c[0] * cp + s[0] * sp, c[1] * cp + s[1] * sp, c[2] * cp + s[2] * sp, free, block
        )
        g = 0.5 * h
        mid = (
            m[0] + g * (wy * m[2] - wz * m[1]),
            m[1] + g * (wz * m[0] - wx * m[2]),
            m[2] + g * (wx * m[1] - wy * m[0]),
        )
        inv = 1.0 / math.sqrt(mid[0] ** 2 + mid[1] ** 2 + mid[2] ** 2)
        mid = (mid[0] * inv, mid[1] * inv, mid[2] * inv)
        cp, sp = cp * cos_step - sp * sin_step, sp * cos_step + cp * sin_step
        wx, wy, wz, tx, ty, tz = _rate(
            mid, moment, c[0] * cp + s[0] * sp, c[1] * cp + s[1] * sp, c[2] * cp + s[2] * sp, free, block
        )
        cp, sp = cp * cos_step - sp * sin_step, sp * cos_step + cp * sin_step
        turn(q, wx, wy, wz, h)
        sum_x += tx
        sum_y += ty
        sum_z += tz
    torque[0] = sum_x / steps
    torque[1] = sum_y / steps
    torque[2] = sum_z / steps
