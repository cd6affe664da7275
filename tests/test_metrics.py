import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microtwin import metrics, paths
from microtwin.errors import InputError

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
    ],
)
def test_bad_input_is_refused_in_one_line(call):
    with pytest.raises(InputError) as caught:
        call()
    assert "\n" not in str(caught.value)
