"""The mean rotation in a rotating field, against the phase equation; exact turns; the moment through the cycle."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.physics import magnetics
from microtwin.physics.magnetics import ellipse, follow, mean_rate, turn


def phase_equation(rate, forward, backward, turns=160, per_turn=60):
    """Mean dθ/dt of dθ/dt = a sin(ωt − θ) − b sin(ωt + θ), by fourth-order Runge–Kutta, for arrays of ω."""
    rate = np.asarray(rate, dtype=float)
    dt = 2 * np.pi / rate / per_turn
    theta = half = np.full(rate.shape, -0.3)

    def slope(phase, theta):
        return forward * np.sin(phase - theta) - backward * np.sin(phase + theta)

    for k in range(turns * per_turn):
        phase = 2 * np.pi * k / per_turn
        step = np.pi / per_turn
        if k == turns * per_turn // 2:
            half = theta.copy()
        k1 = slope(phase, theta)
        k2 = slope(phase + step, theta + dt / 2 * k1)
        k3 = slope(phase + step, theta + dt / 2 * k2)
        k4 = slope(phase + 2 * step, theta + dt * k3)
        theta = theta + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return (theta - half) / (dt * (turns * per_turn - turns * per_turn // 2))


@given(rate=st.floats(0.1, 1e3), limit=st.floats(1.0, 500.0))
def test_circular_field_is_adlers_equation(rate, limit):
    expected = rate if rate <= limit else rate - math.sqrt(rate**2 - limit**2)
    assert mean_rate(rate, limit, 0.0) == pytest.approx(expected, rel=1e-9)


def test_the_phase_equation_gives_adler():
    """The oracle itself."""
    rate = np.array([0.5, 0.99, 1.05, 1.3, 2.0, 3.0])
    expected = np.where(rate < 1, rate, rate - np.sqrt(np.maximum(rate**2 - 1, 0)))
    np.testing.assert_allclose(phase_equation(rate, 1.0, 0.0, turns=600), expected, rtol=0.015)


# semi-axes, and how far the second-order closed form is above the true limit: 3.4 % at 3 : 13
AXES = [(3.0, 13.0, 0.04), (5.0, 13.0, 0.02), (3.0, 5.0, 0.01), (4.0, 4.5, 0.005)]


@pytest.mark.parametrize(("b1", "b2", "tolerance"), AXES)
def test_an_ellipse_lets_go_where_the_closed_form_says(b1, b2, tolerance):
    """The body locks below (√B₁ + √B₂)²/4 and slips above: judged by the integrated phase equation."""
    forward, backward = (b1 + b2) / 2, (b2 - b1) / 2
    limit = (math.sqrt(b1) + math.sqrt(b2)) ** 2 / 4
    rate = limit * np.linspace(0.93, 1.03, 51)
    turning = phase_equation(rate, forward, backward, turns=300)
    locked = np.abs(turning / rate - 1) < 1e-3
    assert locked[0] and not locked[-1]
    last = rate[locked].max()
    assert last == pytest.approx(limit, rel=tolerance)
    assert mean_rate(limit * 0.9999, forward, backward) == limit * 0.9999
    assert mean_rate(limit * 1.0001, forward, backward) < limit


@pytest.mark.parametrize(("b1", "b2"), [axes[:2] for axes in AXES])
def test_an_ellipse_past_its_limit(b1, b2):
    forward, backward = (b1 + b2) / 2, (b2 - b1) / 2
    limit = (math.sqrt(b1) + math.sqrt(b2)) ** 2 / 4
    rate = limit * np.array([1.1, 1.2, 1.5, 2.0, 3.0])
    found = [mean_rate(w, forward, backward) for w in rate]
    np.testing.assert_allclose(found, phase_equation(rate, forward, backward, turns=400), rtol=0.025)


@given(rate=st.floats(0.1, 500.0), b1=st.floats(0.0, 100.0), b2=st.floats(0.0, 100.0))
def test_the_mean_rate_is_between_rest_and_the_field(rate, b1, b2):
    found = mean_rate(rate, (b1 + b2) / 2, abs(b1 - b2) / 2)
    assert 0 <= found <= rate


@given(st.lists(st.floats(-10, 10), min_size=6, max_size=6))
def test_the_ellipse_splits_into_two_circles(values):
    c, s = np.array(values[:3]), np.array(values[3:])
    axis = np.empty(3)
    forward, backward = ellipse(c, s, axis)
    strongest, weakest = np.linalg.svd(np.array([c, s]), compute_uv=False)  # the semi-axes
    assert forward == pytest.approx((strongest + weakest) / 2, abs=1e-6)
    assert backward == pytest.approx((strongest - weakest) / 2, abs=1e-6)
    normal = np.cross(c, s)
    if np.linalg.norm(normal) > 1e-6:
        np.testing.assert_allclose(axis, normal / np.linalg.norm(normal), atol=1e-7)


def matrix(q):
    """Rotation matrix of a unit quaternion (w, x, y, z)."""
    w, v = q[0], np.array(q[1:])
    cross = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


def rodrigues(vector):
    angle = np.linalg.norm(vector)
    if angle == 0:
        return np.eye(3)
    k = vector / angle
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


component = st.floats(-40, 40)


@given(w=st.tuples(component, component, component), start=st.tuples(component, component, component))
def test_a_turn_is_exact_at_any_size(w, start):
    q = np.array([1.0, 0, 0, 0])
    turn(q, start[0], start[1], start[2], 0.1)
    before = matrix(q)
    turn(q, w[0], w[1], w[2], 0.1)
    np.testing.assert_allclose(matrix(q), rodrigues(0.1 * np.array(w)) @ before, atol=1e-12)
    assert np.linalg.norm(q) == pytest.approx(1.0, abs=1e-14)


def test_a_million_small_turns_stay_a_rotation():
    q = np.array([1.0, 0, 0, 0])
    for _ in range(20_000):
        turn(q, 0.0, 0.0, 1.0, 1e-4)
    np.testing.assert_allclose(q, [math.cos(1.0), 0, 0, math.sin(1.0)], atol=1e-11)


def follow_for(q, moment, c, s, rate, seconds, step, mobility, phase=0.0):
    torque, total = np.empty(3), np.zeros(3)
    steps = round(seconds / step)
    for _ in range(steps):
        follow(q, moment, c, s, phase, rate, step, np.zeros(3), mobility, torque)
        phase += rate * step
        total += torque
    return total / steps


@pytest.mark.parametrize("lag", [0.2, 0.6, 0.95])
def test_the_locked_moment_lags_by_the_angle_that_carries_the_drag(lag):
    """sin(lag) = ω/ω_c and a torque of drag × ω about the axis."""
    moment, field, drag = 2.0, 3.0, 0.5
    limit = moment * field / drag
    rate = lag * limit
    q = np.array([1.0, 0, 0, 0])  # moment along x
    c, s = np.array([field, 0, 0]), np.array([0, field, 0])
    seconds = 400 / limit
    follow_for(q, moment, c, s, rate, seconds, 0.01, np.eye(3) / drag)
    phase = rate * round(seconds / 0.01) * 0.01
    m = matrix(q) @ magnetics.MOMENT_AXIS
    b = np.array([math.cos(phase), math.sin(phase), 0])
    assert math.asin(np.cross(m, b)[2]) == pytest.approx(math.asin(lag), abs=0.01)
    torque = follow_for(q, moment, c, s, rate, 0.01, 0.01, np.eye(3) / drag, phase)
    np.testing.assert_allclose(torque, [0, 0, drag * rate], atol=0.01 * drag * rate)


@pytest.mark.parametrize("excess", [1.1, 1.5, 3.0])
def test_the_slipping_moment_turns_at_adlers_rate(excess):
    moment, field, drag = 2.0, 3.0, 0.5
    limit = moment * field / drag
    rate = excess * limit
    slip = math.sqrt(rate**2 - limit**2)
    q = np.array([1.0, 0, 0, 0])
    c, s = np.array([field, 0, 0]), np.array([0, field, 0])
    torque = follow_for(q, moment, c, s, rate, 40 * 2 * math.pi / slip, 0.01, np.eye(3) / drag)
    assert torque[2] / drag == pytest.approx(rate - slip, rel=0.03)


def test_the_moment_leaves_its_start_for_the_plane_of_the_field():
    """Wherever it starts, a locked moment ends in the field's plane."""
    moment, field, drag = 2.0, 3.0, 0.5
    q = np.array([1.0, 0, 0, 0])
    turn(q, 0.0, -1.3, 0.0, 1.0)  # moment 74° out of the plane
    assert (matrix(q) @ magnetics.MOMENT_AXIS)[2] > 0.9
    follow_for(q, moment, np.array([field, 0, 0]), np.array([0, field, 0]), 4.0, 20.0, 0.01, np.eye(3) / drag)
    assert abs((matrix(q) @ magnetics.MOMENT_AXIS)[2]) < 1e-3
