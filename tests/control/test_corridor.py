"""The corridor algorithm: sides in a y-up frame, the three cases, symmetry, and the list of nodes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.control import Corridor
from microtwin.control.corridor import side_of
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD
from microtwin.rig import Observation

angle = st.floats(-math.pi, math.pi)
coordinate = st.floats(-500.0, 500.0)
draw = st.integers(0, 2**32 - 1)


def seen(robot, cargo, index=0):
    return Observation(index, index / 24, np.asarray(robot, dtype=float), np.asarray(cargo, dtype=float))


def unit(heading):
    return np.array([math.cos(heading), math.sin(heading)])


def left_of(heading):
    return unit(heading + math.pi / 2)


def pushing(nodes, width=5.0, **options):
    """A controller that has ended its approach."""
    controller = Corridor(np.asarray(nodes, dtype=float), frequency_hz=12.0, width_um=width, **options)
    controller.mode = "push"
    return controller


def turned(a, b):
    """Difference of two headings, folded into ±π."""
    return math.remainder(a - b, 2 * math.pi)


@given(x=coordinate, y=coordinate, heading=angle, length=st.floats(1.0, 300.0), along=coordinate, across=coordinate)
def test_side_is_the_distance_to_the_left(x, y, heading, length, along, across):
    """The cross product of a y-up frame over the length: counter-clockwise of the line is positive."""
    start = np.array([x, y])
    end = start + length * unit(heading)
    point = start + along * unit(heading) + across * left_of(heading)
    assert side_of(start, end, point) == pytest.approx(across, abs=1e-8)
    assert side_of(end, start, point) == pytest.approx(-across, abs=1e-8)
    cross = np.cross(np.append(end - start, 0.0), np.append(point - start, 0.0))[2]
    assert side_of(start, end, point) == pytest.approx(cross / length, abs=1e-8)


def test_left_of_a_line_along_x_is_up():
    start, end = np.zeros(2), np.array([10.0, 0.0])
    assert side_of(start, end, np.array([5.0, 2.0])) == pytest.approx(2.0)
    assert side_of(start, end, np.array([5.0, -2.0])) == pytest.approx(-2.0)


def test_a_line_without_length_has_no_side():
    assert side_of(np.ones(2), np.ones(2), np.array([3.0, 4.0])) == 0.0


@given(
    x=coordinate,
    y=coordinate,
    heading=angle,
    along=st.floats(5.0, 25.0),
    across=st.floats(-15.0, 15.0),
    width=st.floats(0.05, 25.0),
)
def test_the_three_cases(x, y, heading, along, across, width):
    """Left of the corridor spins clockwise, right of it counter-clockwise, inside rolls from the robot to the goal."""
    robot = np.array([x, y])
    goal = robot + 60.0 * unit(heading)
    cargo = robot + along * unit(heading) + across * left_of(heading)
    controller = pushing([goal, goal + 20.0 * unit(heading)], width=width)
    field = controller.act(seen(robot, cargo))
    assert field.frequency_hz == 12.0 and field.amplitude == 1.0
    if abs(abs(across) - width / 2) < 1e-6:
        return
    if across > width / 2:
        assert (controller.mode, field.gamma_rad) == ("spin_cw", SPIN_CW_RAD)
    elif across < -width / 2:
        assert (controller.mode, field.gamma_rad) == ("spin_ccw", SPIN_CCW_RAD)
    else:
        assert (controller.mode, field.gamma_rad) == ("push", PUSH_RAD)
        assert turned(field.alpha_rad, heading) == pytest.approx(0.0, abs=1e-9)


def test_the_angles_are_those_of_the_paper():
    """γ = 180° for an object on the left, 0 on the right, 90° between (section IV-C)."""
    fields = [pushing([(60, 0), (80, 0)]).act(seen((0, 0), (12, y))) for y in (8, -8, 0)]
    assert [math.degrees(f.gamma_rad) for f in fields] == pytest.approx([180.0, 0.0, 90.0])


def tour(seed, frames=12):
    """A random scene: nodes, and a robot and a cargo that wander about the first of them."""
    rng = np.random.default_rng(seed)
    nodes = np.cumsum(rng.uniform(-9, 9, (12, 2)), axis=0) + rng.uniform(-50, 50, 2)
    cargo = nodes[0] + rng.uniform(-25, 25, 2) + np.cumsum(rng.normal(0, 3, (frames, 2)), axis=0)
    robot = cargo + rng.uniform(-35, 35, 2) + np.cumsum(rng.normal(0, 2, (frames, 2)), axis=0)
    return nodes, robot, cargo, float(rng.uniform(0.5, 20))


def play(nodes, robots, cargos, width, mode):
    controller = Corridor(nodes, frequency_hz=7.0, width_um=width)
    controller.mode = mode
    out = []
    for index, (robot, cargo) in enumerate(zip(robots, cargos, strict=True)):
        field = controller.act(seen(robot, cargo, index))
        out.append((controller.mode, controller.goal_index, controller.done, field.gamma_rad, field.alpha_rad))
    return out


@given(seed=draw, by=angle, x=coordinate, y=coordinate, mode=st.sampled_from(["approach", "push"]))
def test_a_turned_and_moved_scene_is_controlled_alike(seed, by, x, y, mode):
    nodes, robots, cargos, width = tour(seed)
    rotation = np.array([[math.cos(by), -math.sin(by)], [math.sin(by), math.cos(by)]])
    here = play(nodes, robots, cargos, width, mode)
    nodes, robots, cargos = (points @ rotation.T + [x, y] for points in (nodes, robots, cargos))
    there = play(nodes, robots, cargos, width, mode)
    for (*state, alpha), (*other, beta) in zip(here, there, strict=True):
        assert state == other
        if state[0] in ("push", "approach"):  # a spin keeps whatever heading it had
            assert turned(beta, alpha + by) == pytest.approx(0.0, abs=1e-6)


@given(seed=draw, mode=st.sampled_from(["approach", "push"]))
def test_the_mirror_image_spins_the_other_way(seed, mode):
    nodes, robots, cargos, width = tour(seed)
    flip = np.array([1.0, -1.0])
    other = {"spin_cw": "spin_ccw", "spin_ccw": "spin_cw"}
    here = play(nodes, robots, cargos, width, mode)
    there = play(nodes * flip, robots * flip, cargos * flip, width, mode)
    for (name, goal, done, gamma, alpha), (name2, goal2, done2, gamma2, alpha2) in zip(here, there, strict=True):
        assert (other.get(name, name), goal, done) == (name2, goal2, done2)
        assert gamma2 == pytest.approx(gamma if name not in other else math.pi - gamma)
        if name in ("push", "approach"):
            assert turned(alpha2, -alpha) == pytest.approx(0.0, abs=1e-9)


@given(at=st.integers(0, 29), spacing=st.floats(0.5, 5.4))
def test_all_nodes_reached_at_once_are_passed(at, spacing):
    """Nodes 5.4 µm apart with a threshold of 8 µm: several are reached in one frame."""
    nodes = np.column_stack((spacing * np.arange(30), np.zeros(30)))
    controller = pushing(nodes)
    controller.goal_index = at
    field = controller.act(seen(nodes[at] - [12, 0], nodes[at]))
    beyond = np.flatnonzero(nodes[:, 0] > nodes[at, 0] + 8.0)
    if (np.abs(nodes[:, 0] - nodes[at, 0] - 8.0) < 1e-9).any():
        return  # exactly on the threshold: either will do
    if beyond.size:
        assert controller.goal_index == beyond[0] and not controller.done
        assert field.amplitude == 1.0
    else:
        assert controller.done and controller.mode == "done"
        assert field.amplitude == 0.0


def test_nodes_are_taken_in_order():
    """The cargo lies on node 5, but node 0 was never reached: it comes first."""
    nodes = np.column_stack((20.0 * np.arange(8), np.zeros(8)))
    controller = pushing(nodes)
    controller.act(seen((88, 0), (100, 0)))
    assert controller.goal_index == 0


def test_the_last_node_ends_it_and_it_stays_ended():
    controller = pushing([(0, 0), (50, 0)])
    controller.goal_index = 1
    assert controller.act(seen((30, 0), (41, 0))).amplitude == 1.0 and not controller.done
    assert controller.act(seen((30, 0), (43, 0))).amplitude == 0.0
    assert (controller.done, controller.mode, controller.goal_index) == (True, "done", 1)
    assert controller.act(seen((30, 0), (60, 0))).amplitude == 0.0  # whatever happens to the cargo afterwards
    assert (controller.done, controller.mode) == (True, "done")


@pytest.mark.parametrize("robot", [(-60, 0), (0, -55), (25, 0)])
def test_a_lost_cargo_is_approached_again(robot):
    """Too far away, or behind the robot; the robot turns back in that very frame."""
    controller = pushing([(60, 0), (80, 0)])
    field = controller.act(seen(robot, (0, 0)))
    assert controller.mode == "approach"
    assert field == controller.act(seen(robot, (0, 0)))
    assert field.gamma_rad == PUSH_RAD


def test_the_approach_ends_behind_the_cargo():
    controller = Corridor(np.array([(60.0, 0.0), (80.0, 0.0)]), frequency_hz=3.0, width_um=5.0, approach_um=15.0)
    field = controller.act(seen((-40, 0), (0, 0)))
    assert controller.mode == "approach"
    assert turned(field.alpha_rad, 0.0) == pytest.approx(0.0, abs=1e-9)
    controller.act(seen((-20, 0), (0, 0)))
    assert controller.mode == "push"


def test_rows_of_an_observation_are_not_touched():
    robot, cargo = np.array([0.0, 0.0]), np.array([12.0, 1.0])
    pushing([(60, 0), (80, 0)]).act(Observation(0, 0.0, robot, cargo))
    np.testing.assert_array_equal([robot, cargo], [[0, 0], [12, 1]])


@pytest.mark.parametrize("value", [0.0, -5.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["frequency_hz", "width_um", "threshold_um", "approach_um"])
def test_values_that_are_not_positive(name, value):
    values = {"frequency_hz": 12.0, "width_um": 5.0} | {name: value}
    with pytest.raises(InputError, match=str(value)) as error:
        Corridor(np.array([(0.0, 0.0), (50.0, 0.0)]), **values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("nodes", [np.zeros((0, 2)), np.zeros((4, 3)), np.zeros(2), [[0, 0], [math.nan, 1]]])
def test_nodes_that_are_no_path(nodes):
    with pytest.raises(InputError, match="node"):
        Corridor(np.asarray(nodes, dtype=float), frequency_hz=12.0, width_um=5.0)


@pytest.mark.parametrize("lost", [10.0, math.nan])
def test_the_approach_point_must_not_count_as_lost(lost):
    """Otherwise the approach would begin again for ever."""
    with pytest.raises(InputError, match="lost"):
        Corridor(np.array([(0.0, 0.0), (50.0, 0.0)]), frequency_hz=12.0, width_um=5.0, lost_um=lost)
