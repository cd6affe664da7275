"""On a rig where nothing can be put back."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from microtwin.control.path_frame import project
from microtwin.paths import polyline
from microtwin.rig import LostError
from microtwin.simulated import SimulatedRig

PATH, GOAL = "microtwin_envs:microtwin/PushPath-v0", "microtwin_envs:microtwin/Push-v0"
LINE = polyline([(0.0, 0.0), (0.0, 50.0)])


def test_the_path_starts_at_the_object_and_the_robot_is_driven_behind_it(bench):
    env: Any = gym.make(PATH, backend="bench", backend_options={"seed": 3}, observation="tracked", path=LINE).unwrapped
    env.reset(seed=0)
    robot, cargo = bench[0].world.positions_um[:2, :2]
    np.testing.assert_allclose(env._nodes[0], cargo, atol=1.0)  # it moves, and is seen late
    np.testing.assert_allclose(np.diff(env._nodes, axis=0), np.diff(LINE, axis=0), atol=1e-9)
    assert robot[1] < cargo[1] - 6.0 and abs(robot[0] - cargo[0]) < 11.0  # below: the path goes up
    _, _, terminated, _, info = env.step(np.array([1.0, 0.0, 0.0, 0.0], np.float32))
    assert not terminated and info["time_s"] == pytest.approx(1 / 24)
    where = cargo.copy()
    env.reset()
    assert len(bench) == 1  # the same rig goes on
    assert np.hypot(*(env._nodes[0] - where)) < 8.0
    env.close()
    assert bench[0]._field.amplitude == 0.0


def test_the_way_behind_the_object_is_driven_within_the_limit(bench, monkeypatch):
    asked, command = [], SimulatedRig.command
    monkeypatch.setattr(SimulatedRig, "command", lambda rig, field: asked.append(field) or command(rig, field))
    place = polyline([(0.0, 0.0), (0.0, -50.0)])  # the robot is on the wrong side
    options = {"path": place, "cruise_hz": 45.0, "frequency_limit_hz": 12.0}
    gym.make(PATH, backend="bench", observation="tracked", **options).reset(seed=0)
    assert max(field.frequency_hz for field in asked) == 12.0


def test_steering_alone_follows_the_path_there(bench):
    env: Any = gym.make(PATH, backend="bench", observation="tracked", path=LINE, residual=True).unwrapped
    _, info = env.reset(seed=0)
    for _ in range(400):
        _, _, terminated, truncated, info = env.step(np.zeros(3, np.float32))
        if terminated or truncated:
            break
    assert info["is_success"]
    cargo = bench[0].world.positions_um[1, :2]
    _, across = project(env._nodes, env._arc, env._arc[-1] - 8.0, *cargo)
    assert abs(across) < 1.5


def test_a_goal_lies_where_the_object_is(bench):
    env: Any = gym.make(GOAL, backend="bench", observation="tracked").unwrapped
    seen, info = env.reset(seed=0)
    np.testing.assert_array_equal(seen["achieved_goal"], [0.0, 0.0])
    assert 15.0 <= info["distance_um"] <= 60.001
    np.testing.assert_allclose(env._nodes[0], bench[0].world.positions_um[1, :2], atol=0.5)


@pytest.mark.parametrize(("name", "ends"), [(PATH, (True, False)), (GOAL, (False, True))])
def test_a_body_that_is_not_found_ends_the_episode(bench, name, ends):
    env: Any = gym.make(name, backend="bench", observation="tracked").unwrapped
    env.reset(seed=0)

    def lost(frame):
        raise LostError("cargo lost: not found for 1.00 s")

    env._rig.observer = lost
    _, reward, terminated, truncated, _ = env.step(np.array([1.0, 0.0, 0.0, 1.0], np.float32))
    assert (terminated, truncated) == ends
    assert bench[0]._field.amplitude == 0.0  # no one steers until the next reset
    if name == PATH:
        assert reward == -5.0
    env.reset()  # watched anew
    assert env._rig.lost == ""


def test_an_environment_that_was_closed_can_be_reset_again(bench):
    env: Any = gym.make(PATH, backend="bench", backend_options={"seed": 3}, observation="tracked", path=LINE).unwrapped
    env.reset(seed=0)
    env.step(np.zeros(4, np.float32))
    env.close()
    _, info = env.reset()
    assert len(bench) == 2
    assert info["time_s"] == 0.0
    env.close()
