"""The sliding frame: a round trip onto the path, no change when everything is turned and shifted, and its ends."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from microtwin import paths
from microtwin.control.path_frame import advance_goal, arc_lengths, place, project, smooth_tangent, wrapped
from microtwin.errors import InputError

CIRCLE = paths.circle()
ARC = arc_lengths(CIRCLE)
angle = st.floats(-math.pi, math.pi)
coordinate = st.floats(-500.0, 500.0)


def turned(points, by, shift):
    rotation = np.array([[math.cos(by), -math.sin(by)], [math.sin(by), math.cos(by)]])
    return np.ascontiguousarray(np.asarray(points) @ rotation.T + shift)


def lines(seed):
    """A path that bends by at most 60° a node."""
    rng = np.random.default_rng(seed)
    headings = np.cumsum(rng.uniform(-1, 1, 15)) + rng.uniform(-3, 3)
    steps = rng.uniform(2, 9, 15)
    return np.concatenate(
        ([[0.0, 0.0]], np.cumsum(steps[:, None] * np.stack([np.cos(headings), np.sin(headings)], 1), 0))
    )


@given(st.floats(-1e3, 1e3))
def test_wrapping_keeps_the_direction(value):
    found = wrapped(value)
    assert -math.pi <= found <= math.pi
    assert math.cos(found) == pytest.approx(math.cos(value), abs=1e-9)
    assert math.sin(found) == pytest.approx(math.sin(value), abs=1e-9)


@given(s=st.floats(0.0, ARC[-1]), near=st.floats(-6.0, 6.0))
def test_a_point_of_the_path_projects_to_itself(s, near):
    x, y, tx, ty = place(CIRCLE, ARC, s)
    assert math.hypot(tx, ty) == pytest.approx(1.0)
    found, across = project(CIRCLE, ARC, s + near, x, y)
    assert found == pytest.approx(s, abs=1e-6)
    assert across == pytest.approx(0.0, abs=1e-6)


@given(segment=st.integers(0, 98), part=st.floats(0.1, 0.9), across=st.floats(-15.0, 15.0))
def test_left_of_the_path_is_positive(segment, part, across):
    s = ARC[segment] + part * (ARC[segment + 1] - ARC[segment])
    x, y, tx, ty = place(CIRCLE, ARC, s)
    found, distance = project(CIRCLE, ARC, s, x - across * ty, y + across * tx)
    # from inside the circle a neighbouring segment may be a little nearer
    assert distance == pytest.approx(across, abs=0.05)
    assert found == pytest.approx(s, abs=1.2)
    wx, wy, *_ = place(CIRCLE, ARC, found)
    assert math.hypot(wx - (x - across * ty), wy - (y + across * tx)) == pytest.approx(abs(distance), abs=1e-9)


@given(
    seed=st.integers(0, 999), part=st.floats(0.1, 0.9), dx=st.floats(-4, 4), dy=st.floats(-4, 4), by=angle, x=coordinate
)
def test_what_is_written_in_the_frame_does_not_turn(seed, part, dx, dy, by, x):
    nodes = lines(seed)
    arc = arc_lengths(nodes)
    s = part * arc[-1]
    point = np.array(place(nodes, arc, s)[:2]) + [dx, dy]
    there = turned(nodes, by, [x, -x])
    one, other = project(nodes, arc, s, *point), project(there, arc_lengths(there), s, *turned(point, by, [x, -x]))
    equally_near = abs(abs(one[1]) - abs(other[1])) < 1e-6 and abs(one[0] - other[0]) > 1e-6
    assume(not equally_near)  # two points of the path
    assert other == pytest.approx(one, abs=1e-6)
    assert wrapped(smooth_tangent(there, arc, s, 7.0) - smooth_tangent(nodes, arc, s, 7.0) - by) == pytest.approx(
        0.0, abs=1e-6
    )


@given(st.floats(0.1, 200.0))
def test_the_ends_go_straight_on(beyond):
    last = CIRCLE[-1] - CIRCLE[-2]
    x, y, *_ = place(CIRCLE, ARC, ARC[-1] + beyond)
    np.testing.assert_allclose([x, y], CIRCLE[-1] + beyond * last / np.hypot(*last), atol=1e-9)
    first = CIRCLE[1] - CIRCLE[0]
    x, y, *_ = place(CIRCLE, ARC, -beyond)
    np.testing.assert_allclose([x, y], CIRCLE[0] - beyond * first / np.hypot(*first), atol=1e-9)


def test_a_crossing_keeps_to_its_own_branch():
    """In the middle of a figure of eight two branches pass through one point; the one it came on counts."""
    nodes = paths.figure_eight()
    arc = arc_lengths(nodes)
    near_middle = np.flatnonzero(np.hypot(*nodes.T) < 6.0)
    first, second = arc[near_middle[0]], arc[near_middle[-1]]
    assert second - first > 100
    assert project(nodes, arc, first, 0.0, 0.0)[0] == pytest.approx(first, abs=8.0)
    assert project(nodes, arc, second, 0.0, 0.0)[0] == pytest.approx(second, abs=8.0)


def test_goals_are_taken_in_order_and_all_at_once():
    nodes = np.column_stack((5.0 * np.arange(6), np.zeros(6)))
    assert advance_goal(nodes, 0, -9.0, 0.0, 8.0) == 0
    assert advance_goal(nodes, 0, 0.0, 0.0, 8.0) == 2
    assert advance_goal(nodes, 0, 12.0, 0.0, 8.0) == 0  # the first is too far: none behind it counts
    assert advance_goal(nodes, 4, 22.0, 0.0, 8.0) == 6


@pytest.mark.parametrize(
    "nodes", [[[0.0, 0.0]], np.zeros((4, 3)), [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [math.nan, 1.0]], [0.0, 1.0]]
)
def test_nodes_that_are_no_path(nodes):
    with pytest.raises(InputError, match="path") as error:
        arc_lengths(np.asarray(nodes, dtype=float))
    assert "\n" not in str(error.value)
