import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microtwin import metrics, paths
from microtwin.errors import InputError
from microtwin.field import RotatingField

positions = arrays(float, st.tuples(st.integers(1, 30), st.just(2)), elements=st.floats(-1e3, 1e3))


@given(st.floats(0.0, 50.0), st.integers(1, 8))
def test_error_of_a_concentric_track_is_the_difference_of_the_radii(offset, finer):
    nodes = paths.circle()
    track = np.vstack([paths.circle(start_angle_rad=k * 2 * math.pi / 100 / finer) for k in range(finer)])
    radius = np.hypot(*nodes[0])
    assert metrics.mean_absolute_error(nodes, track * (1 + offset / radius)) == pytest.approx(offset, abs=1e-9)


def test_error_of_a_track_that_stops_half_way_along_a_line():
    # Nodes at 0, 1 … 100; the track ends at 50: the nodes beyond are 1 … 50 away.
    nodes = np.column_stack((np.arange(101.0), np.zeros(101)))
    track = nodes[:51]
    assert metrics.mean_absolute_error(nodes, track) == pytest.approx(sum(range(1, 51)) / 101)


@given(positions, positions)
def test_error_and_closest_points_agree_with_the_definition(nodes, track):
    distance = np.linalg.norm(nodes[:, None] - track[None], axis=2)
    assert metrics.mean_absolute_error(nodes, track) == pytest.approx(distance.min(axis=1).mean(), abs=1e-9)
    closest = metrics.closest_points(nodes, track)
    assert np.linalg.norm(closest - nodes, axis=1) == pytest.approx(distance.min(axis=1), abs=1e-9)
    assert (closest[:, None] == track[None]).all(axis=2).any(axis=1).all()


@given(positions, positions)
def test_error_ignores_order(nodes, track):
    assert metrics.mean_absolute_error(nodes[::-1], track[::-1]) == pytest.approx(
        metrics.mean_absolute_error(nodes, track), abs=1e-9
    )


@given(st.lists(st.booleans(), min_size=1))
def test_spin_fraction_counts_frames(spinning):
    assert metrics.spin_fraction(spinning) == pytest.approx(sum(spinning) / len(spinning))


frames = st.integers(2, 60)


def field(seed, count):
    """Times that rise, and any field at each."""
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.uniform(0.01, 0.1, count))
    return time_s, rng.uniform(-9, 9, count), rng.uniform(0, math.pi, count), rng.uniform(0.5, 60, count)


def test_modes_are_told_from_the_field():
    """The paper's own blend, 45° and 135°, counts as a spin."""
    degrees = [0, 45, 59, 61, 90, 119, 121, 135, 180]
    assert metrics.field_modes(np.radians(degrees)).tolist() == [1, 1, 1, 0, 0, 0, -1, -1, -1]


@given(st.lists(st.sampled_from([0.0, math.pi / 2, math.pi]), min_size=2, max_size=60))
def test_switches_are_counted_per_second(gammas):
    time_s = np.arange(len(gammas)) / 24
    changes = sum(a != b for a, b in itertools.pairwise(gammas))
    found = metrics.switches_per_s(time_s, gammas, np.full(len(gammas), 15.0))
    assert found == pytest.approx(changes / time_s[-1])


def test_a_pause_neither_makes_nor_hides_a_switch():
    spin, push, hz = 0.0, math.pi / 2, [9.0, 0.0, 0.0, 9.0]
    assert metrics.switches_per_s([0, 1, 2, 3], [push, spin, spin, push], hz) == 0
    assert metrics.switches_per_s([0, 1, 2, 3], [push, push, push, spin], hz) == pytest.approx(1 / 3)


def test_variation_of_a_heading_that_goes_round_and_of_switches():
    time_s = np.arange(2401) / 2400
    rolling = np.full(2401, math.pi / 2)
    turning = metrics.actuation_variation(time_s, 2.0 * time_s, rolling, np.full(2401, 12.0))
    assert turning == pytest.approx(2.0 * 12.0, rel=1e-5)
    switch = metrics.actuation_variation([0, 1], [0.7, 0.7], [math.pi / 2, 0.0], [12.0, 12.0])
    assert switch == pytest.approx(math.sqrt(2) * 12.0)
    faster = metrics.actuation_variation([0, 0.5], [0.7, 0.7], [1.0, 1.0], [3.0, 5.0])
    assert faster == pytest.approx(4.0)


@given(st.integers(0, 999), frames, st.floats(-9, 9))
def test_variation_does_not_see_how_the_rig_is_turned(seed, count, by):
    time_s, alpha, gamma, hz = field(seed, count)
    here = metrics.actuation_variation(time_s, alpha, gamma, hz)
    assert metrics.actuation_variation(time_s, alpha + by, gamma, hz) == pytest.approx(here, rel=1e-9)
    assert metrics.actuation_variation(time_s, -alpha, math.pi - gamma, hz) == pytest.approx(here, rel=1e-9)
    assert metrics.actuation_variation(time_s, alpha + 2 * math.pi, gamma, hz) == pytest.approx(here, rel=1e-9)


@given(st.integers(0, 999), frames)
def test_variation_agrees_with_the_field_s_own_axis(seed, count):
    time_s, alpha, gamma, hz = field(seed, count)
    rotations = [f * RotatingField(a, g, f).axis for a, g, f in zip(alpha, gamma, hz, strict=True)]
    steps = [math.dist(a, b) for a, b in itertools.pairwise(rotations)]
    expected = sum(steps) / (time_s[-1] - time_s[0])
    assert metrics.actuation_variation(time_s, alpha, gamma, hz) == pytest.approx(expected)


LINE = np.array([(0.0, 0.0), (10.0, 0.0)])


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.mean_absolute_error(LINE, np.empty((0, 2))),
        lambda: metrics.mean_absolute_error(np.empty((0, 2)), LINE),
        lambda: metrics.mean_absolute_error(LINE, np.zeros((3, 3))),
        lambda: metrics.mean_absolute_error(LINE, np.array([(0.0, math.nan)])),
        lambda: metrics.closest_points(LINE, np.zeros(4)),
        lambda: metrics.spin_fraction([]),
        lambda: metrics.spin_fraction(["spin", "push"]),
        lambda: metrics.spin_fraction([[True]]),
        lambda: metrics.switches_per_s([0.0], [0.0], [1.0]),
        lambda: metrics.switches_per_s([0.0, 1.0], [0.0], [1.0, 1.0]),
        lambda: metrics.switches_per_s([1.0, 1.0], [0.0, 0.0], [1.0, 1.0]),
        lambda: metrics.switches_per_s([0.0, 1.0], [0.0, math.nan], [1.0, 1.0]),
        lambda: metrics.actuation_variation([0.0, 1.0], [[0.0], [0.0]], [0.0, 0.0], [1.0, 1.0]),
    ],
)
def test_bad_input_is_refused_in_one_line(call):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
