"""Scenes of pushing: where things lie at the start, and what is refused."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.paths import from_name
from microtwin.physics import Flow
from microtwin.scene import PushScene

NODES = from_name("circle")
AHEAD = math.atan2(*(NODES[1] - NODES[0])[::-1])


def start(seed=0, **options):
    rig, observer = PushScene(**options).open(NODES, np.random.default_rng(seed))
    return rig, observer


def bearing(rig):
    """Where the robot starts, seen from the cargo, relative to straight behind, rad."""
    robot, cargo = rig.world.positions_um[:2, :2]
    return math.remainder(math.atan2(*(robot - cargo)[::-1]) - AHEAD - math.pi, 2 * math.pi)


@pytest.mark.parametrize("robot", ["paper", "nominal", "population"])
@pytest.mark.parametrize("start_um", [15.0, 30.0])
def test_the_cargo_is_on_the_first_node_and_the_robot_behind(robot, start_um):
    bearings = []
    for seed in range(20):
        rig, _ = start(seed, robot=robot, start_um=start_um)
        np.testing.assert_array_equal(rig.world.positions_um[1, :2], NODES[0])
        assert math.dist(rig.world.positions_um[0, :2], NODES[0]) == pytest.approx(start_um)
        bearings.append(bearing(rig))
    assert np.mean(bearings) == pytest.approx(0.0, abs=0.15)
    assert 0.05 < np.std(bearings) < 0.3  # nobody places a robot exactly


@pytest.mark.parametrize("degrees", [90, 180, -45])
def test_the_start_bearing_turns_counter_clockwise(degrees):
    told = math.radians(degrees)
    rigs = [start(seed, start_bearing_rad=told)[0] for seed in range(20)]
    offs = [math.remainder(bearing(rig) - told, 2 * math.pi) for rig in rigs]
    assert np.mean(offs) == pytest.approx(0.0, abs=0.15)


@pytest.mark.parametrize("cargo", ["bead", "cell"])
@pytest.mark.parametrize("robot", ["paper"])
def test_bodies_start_at_rest(robot, cargo):
    """Without field, drift or thermal motion nothing moves, not even down."""
    rig, _ = start(robot=robot, cargo=cargo, brownian=False, drift_sd_um_s=0.0)
    before = rig.world.positions_um.copy()
    for _ in range(24):
        rig.observe()
    np.testing.assert_allclose(rig.world.positions_um, before, atol=2e-3)


def test_radii_are_those_of_the_paper():
    assert start()[0].world.radii_um.tolist() == [5.0, 5.0]
    assert start(cargo="cell")[0].world.radii_um.tolist() == [5.0, 6.75]


def test_the_run_s_drift_carries_everything():
    rig, _ = start(drift_sd_um_s=2.0, brownian=False)
    before = rig.world.positions_um.copy()
    for _ in range(48):
        rig.observe()
    moved = (rig.world.positions_um - before)[:, :2]
    assert np.hypot(*moved.T).min() > 0.05
    assert np.dot(moved[0], moved[1]) > 0


def test_a_given_flow_is_felt():
    rig, _ = start(robot="nominal", flow=Flow("uniform", speed_um_s=10.0, direction_rad=0.5), brownian=False)
    before = rig.world.positions_um.copy()
    for _ in range(24):
        rig.observe()
    moved = (rig.world.positions_um - before)[1, :2]
    assert math.atan2(moved[1], moved[0]) == pytest.approx(0.5, abs=0.05)
    assert np.hypot(*moved) == pytest.approx(10.0, rel=0.1)


def test_obstacles_are_cells_that_rest():
    rig, _ = start(cargo="cell", obstacles=((0.0, 0.0), (40.0, 10.0)))
    assert rig.world.radii_um.tolist() == [5.0, 6.75, 6.75, 6.75]
    rig.command(RotatingField(0.0, math.pi / 2, 6.0))
    for _ in range(24):
        rig.observe()
    np.testing.assert_allclose(rig.world.positions_um[2:, :2], [[0, 0], [40, 10]], atol=1e-3)


def test_the_same_generator_makes_the_same_scene():
    runs = []
    for seed in (3, 3, 4):
        rig, observer = start(seed, robot="population")
        rig.command(RotatingField(0.0, math.pi / 2, 12.0))
        runs.append(np.array([[o.robot_um, o.object_um] for o in (observer(rig.observe()) for _ in range(20))]))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_the_observer_sees_the_robot_and_the_cargo():
    rig, observer = start()
    seen = observer(rig.observe())
    np.testing.assert_allclose(seen.object_um, NODES[0], atol=0.5)
    assert math.dist(seen.robot_um, NODES[0]) == pytest.approx(30.0, abs=1.0)


@pytest.mark.parametrize(
    "values",
    [
        {"robot": "tank"},
        {"cargo": "brick"},
        {"fidelity": "exact"},
        {"latency_frames": -1},
        {"robot": "population", "cargo": "cell"},  # it has no robots measured in culture medium
    ],
)
def test_what_does_not_exist_is_refused_at_once(values):
    with pytest.raises(InputError, match=str(next(iter(values.values())))) as error:
        PushScene(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"start_um": 9.0},
        {"start_um": math.nan},
        {"start_bearing_rad": math.nan},
        {"obstacles": ((85.6, 5.0),)},
        {"obstacles": ((math.nan, 0.0),)},
        {"range_um": 0.0},
        {"range_um": -0.1},
    ],
)
@pytest.mark.parametrize("robot", ["paper", "nominal"])
def test_scenes_that_cannot_be(robot, values):
    with pytest.raises(InputError) as error:
        start(robot=robot, **values)
    assert "\n" not in str(error.value)
