"""The approach on the twin: it ends, behind the cargo, and leaves the cargo about where it was."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.control import Corridor
from microtwin.control.approach import approach_point
from microtwin.paths import from_name
from microtwin.scene import PushScene

NODES = from_name("circle")


@given(
    x=st.floats(-99, 99), y=st.floats(-99, 99), heading=st.floats(-3, 3), away=st.floats(0.1, 99), d=st.floats(1, 50)
)
def test_the_approach_point_is_behind_the_cargo(x, y, heading, away, d):
    cargo = np.array([x, y])
    goal = cargo + away * np.array([math.cos(heading), math.sin(heading)])
    behind = approach_point(cargo, goal, d)
    assert math.dist(behind, cargo) == pytest.approx(d)
    assert math.dist(behind, goal) == pytest.approx(d + away)


def test_an_approach_point_without_direction_is_finite():
    assert np.isfinite(approach_point(np.ones(2), np.ones(2), 15.0)).all()


def approach(scene, frequency_hz, seed, limit_s=60.0):
    """Run a scene to the end of its approach: (greatest displacement of the cargo µm, time s, controller, rig)."""
    rig, observer = scene.open(NODES, np.random.default_rng(seed))
    controller = Corridor(NODES, frequency_hz=frequency_hz, width_um=5.0)
    start = rig.world.positions_um[1, :2].copy()
    moved = 0.0
    with rig:
        while rig.world.time_s < limit_s:
            rig.command(controller.act(observer(rig.observe())))
            if controller.mode != "approach":
                break
            moved = max(moved, math.dist(rig.world.positions_um[1, :2], start))
    return moved, rig.world.time_s, controller, rig


@pytest.mark.parametrize("start_um", [15.0, 20.0, 30.0, 45.0, 60.0])
@pytest.mark.parametrize("frequency_hz", [3.0, 12.0])
def test_the_cargo_is_not_knocked_away(frequency_hz, start_um):
    """From any bearing the cargo moves by less than its own diameter.

    The flow of a roller reaches far (at five radii a bead ahead moves at a third of its speed), so that even a straight
    approach from behind pushes the bead ahead by 7 µm before the robot is at the approach point.
    """
    for bearing in range(0, 360, 30):
        for seed in (0, 1):
            scene = PushScene(robot="nominal", start_um=start_um, start_bearing_rad=math.radians(bearing))
            moved, _, controller, rig = approach(scene, frequency_hz, [seed, bearing])
            assert controller.mode != "approach", f"never behind, from {bearing}°"
            assert moved < 10.0, f"from {bearing}° the cargo moved {moved:.1f} µm"
            robot, cargo = rig.world.positions_um[:2, :2]
            goal = NODES[controller.goal_index]
            behind = math.remainder(math.atan2(*(goal - cargo)[::-1]) - math.atan2(*(cargo - robot)[::-1]), 2 * math.pi)
            assert abs(behind) < math.radians(45), f"from {bearing}° it ended {math.degrees(behind):.0f}° off"


@pytest.mark.parametrize("kind", ["paper", "population"])
def test_any_robot_gets_behind(kind):
    for bearing in range(0, 360, 45):
        moved, _, controller, _ = approach(
            PushScene(robot=kind, start_bearing_rad=math.radians(bearing), drift_sd_um_s=0.0), 12.0, bearing
        )
        assert controller.mode != "approach"
        assert moved < 15.0


def test_a_robot_gets_behind_a_cell():
    for bearing in range(0, 360, 45):
        scene = PushScene(cargo="cell", start_bearing_rad=math.radians(bearing), drift_sd_um_s=0.0)
        moved, _, controller, _ = approach(scene, 6.0, bearing)
        assert controller.mode != "approach"
        assert moved < 13.5


@pytest.mark.parametrize("frequency_hz", [3.0, 15.0, 50.0])
def test_a_robot_beside_the_cargo_gets_off_it(frequency_hz):
    """A micrometre apart the two can roll off together, side by side, and never part."""
    for bearing in range(30, 360, 30):
        scene = PushScene(robot="nominal", start_um=11.0, start_bearing_rad=math.radians(bearing))
        moved, time_s, controller, _ = approach(scene, frequency_hz, bearing, limit_s=30.0)
        assert controller.mode != "approach", f"from {bearing}° still at it after {time_s:.0f} s"
        assert moved < 25.0
