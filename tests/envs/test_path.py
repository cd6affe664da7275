"""Following a path: what an episode is, what it is worth, what the options do."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.control import identify, path_task
from microtwin.control.path_frame import arc_lengths
from microtwin.control.path_task import PathTask
from microtwin.paths import path_length, polyline
from microtwin.rig import LostError
from microtwin.vision import Tracker
from microtwin_envs import curves, surroundings
from microtwin_envs.path_frames import take_in

PATH = "microtwin_envs:microtwin/PushPath-v0"
LINE = polyline([(0.0, 0.0), (60.0, 0.0)])


def make(**options) -> Any:
    return gym.make(PATH, **options).unwrapped


def run(env, seed=0, action=None, steps=10_000):
    """Rewards, infos and the last step's flags of one episode."""
    env.reset(seed=seed)
    action = np.zeros(env.action_space.shape, np.float32) if action is None else action
    rewards, infos, terminated, truncated = [], [], False, False
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        infos.append(info)
        if terminated or truncated:
            break
    return rewards, infos, terminated, truncated


def bodies(env):
    return env._rig.rig.world.positions_um[:, :2].copy()


def test_steering_alone_gets_there_and_that_terminates():
    rewards, infos, terminated, truncated = run(make(path=LINE, residual=True))
    assert (terminated, truncated) == (True, False)
    assert infos[-1]["is_success"] and infos[-1]["progress"] == 1.0
    assert not any(info["is_success"] for info in infos[:-1])
    assert infos[-1]["time_s"] == pytest.approx(len(infos) / 24)
    assert infos[-1]["error_um"] < 1.0
    # 52 µm of progress (the last 8 µm need not be gone), worth 1 for 10 µm where there is no error, and 1 at the end
    assert 4.0 < sum(rewards) < 6.3


def test_a_lost_object_ends_it_and_costs():
    back = np.array([-1.0, 0.0, 0.0, 1.0], np.float32)
    rewards, infos, terminated, truncated = run(make(path=LINE), action=back)
    assert (terminated, truncated) == (True, False)
    assert not infos[-1]["is_success"]
    assert rewards[-1] == pytest.approx(-5.0, abs=0.1)
    assert min(rewards[:-1]) > -0.5


def test_time_runs_out():
    still = np.array([1.0, 0.0, 0.0, -1.0], np.float32)
    env = make(path=LINE, max_episode_s=2.0, frames_per_action=5)
    _, infos, terminated, truncated = run(env, action=still)
    assert (terminated, truncated) == (False, True)
    assert infos[-1]["time_s"] == 2.0
    assert len(infos) == 10  # 48 frames: the last action is cut short


def test_the_default_time_grows_with_the_path():
    longer = polyline([(0.0, 0.0), (160.0, 0.0)])
    limits = []
    for path in (LINE, longer):
        env = make(path=path)
        env.reset(seed=0)
        limits.append(env._limit / 24)
    assert limits[1] - limits[0] == pytest.approx(100.0 / 5.0, abs=0.1)


def test_the_reward_is_progress_discounted_by_error():
    """Recomputed from the positions that the observer gave."""
    env = make(path=LINE, residual=True, error_scale_um=0.7)
    env.reset(seed=2)
    follower = env.options.task.follow(LINE, 1 / 24)
    seen = env._rig.observation
    follower.see(seen.robot_um, seen.object_um)
    action = np.array([0.3, 0.0, 0.2], np.float32)
    furthest = -math.inf
    for _ in range(30):
        follower.say(action)
        furthest = max(furthest, follower.row[identify.S])
        _, reward, terminated, _, _ = env.step(action)
        assert not terminated
        seen = env._rig.observation
        follower.see(seen.robot_um, seen.object_um)
        s, across = follower.row[identify.S], follower.row[path_task.ACROSS]
        gained = max(0.0, s - furthest)
        assert reward == pytest.approx(gained / 10.0 * math.exp(-abs(across) / 0.7), abs=1e-12)


def test_going_back_and_forth_is_paid_for_once():
    """Back far off the path, where an error costs least, and forth on it: a round trip must not be worth anything."""
    task, path = PathTask(), polyline([(0.0, 0.0), (60.0, 0.0)])
    arc, row, out = arc_lengths(path), path_task.memory(), np.zeros(task.observation_size)
    once = [(0.5 * k, 0.0) for k in range(60)]
    back = [(30.0 - 0.5 * k, 6.0) for k in range(40)]
    paid = []
    for trip in (once, back, [(10.0 + 0.5 * k, 0.0) for k in range(40)]):
        rewards = [
            take_in(row, path, arc, task.numbers(), 1.5, 1 / 24, np.array([(x - 15.0, y), (x, y)]), out)[1]
            for x, y in trip
        ]
        paid.append(sum(rewards))
    assert paid[0] == pytest.approx(2.95, abs=0.1)
    assert paid[1] + paid[2] < 0.1


def test_a_seed_repeats_the_episode_and_the_next_one_differs():
    first, second = (
        make(path="random", robot="population", flow="random"),
        make(path="random", robot="population", flow="random"),
    )
    for env in (first, second):
        env.reset(seed=11)
    np.testing.assert_array_equal(first._nodes, second._nodes)
    run(second, seed=11, steps=7)  # however long an episode was, the next one is the same
    starts = [env.reset()[0] for env in (first, second)]
    np.testing.assert_array_equal(*starts)
    again, _ = first.reset(seed=11)
    assert not np.array_equal(again, starts[0])


def test_the_robot_starts_behind_the_object():
    env = make(path=LINE, latency_frames=0)
    found = []
    for seed in range(60):
        env.reset(seed=seed)
        robot, cargo = bodies(env)[:2]
        away = cargo - robot
        found.append((np.hypot(*away), math.atan2(away[1], away[0])))
    distance, bearing = np.array(found).T
    assert 13.0 <= distance.min() < 14.5 and 18.5 < distance.max() <= 20.0
    assert np.std(bearing) == pytest.approx(0.25, abs=0.07)
    assert abs(np.mean(bearing)) < 0.1


@pytest.mark.parametrize("cargo", ["bead", "cell"])
def test_other_bodies_lie_beside_the_path(cargo):
    env = make(path="random", objects=2, obstacles=3, cargo=cargo)
    radius = surroundings.CELL_UM if cargo == "cell" else surroundings.BEAD_UM
    for seed in range(10):
        seen, _ = env.reset(seed=seed)
        world = env._rig.rig.world
        assert [b.kind for b in world.bodies] == ["robot", cargo, cargo, cargo, "cell", "cell", "cell"]
        assert [b.anchored for b in world.bodies] == [False] * 4 + [True] * 3
        for body in world.bodies[2:]:
            gap = np.hypot(*(env._nodes - body.position_um[:2]).T).min() - body.radius_um
            assert max(5.0, radius) < gap < 40.0
        told = 40.0 * seen[29:].reshape(5, 2)
        assert (np.diff(np.hypot(*told.T)) > 0).all()  # nearest first
        apart = np.hypot(*(bodies(env)[2:] - bodies(env)[1]).T)
        near = np.sort(apart) < 300.0
        np.testing.assert_allclose(np.hypot(*told.T)[near], np.sort(apart)[near], atol=1.0)


def test_the_tracker_tells_of_obstacles_alone():
    env = make(path=LINE, objects=1, obstacles=1, observation="tracked")
    assert env.observation_space.shape == (29 + 2,)
    assert make(path=LINE, objects=1, obstacles=1).observation_space.shape == (29 + 4,)
    env.reset(seed=0)
    place = np.array(env._scene.obstacles[0]) - env._rig.observation.object_um
    np.testing.assert_allclose(40 * env._out[29:], place, atol=4.0)  # in axes that lean with the path, here by nothing


def test_latency_shows_the_past():
    starts = {}
    for frames in (0, 1, 4):
        env = make(path=LINE, latency_frames=frames, residual=True)
        env.reset(seed=4)
        for _ in range(40):
            env.step(np.zeros(3, np.float32))
        starts[frames] = np.hypot(*(bodies(env)[0] - env._rig.observation.robot_um))
        assert env._rig.rig.world.time_s == pytest.approx((40 + frames) / 24)
    assert starts[0] < 0.3 < starts[1] < starts[4]


def test_a_policy_is_told_of_its_robot_and_flow_anew_each_episode():
    env = make(path="random", robot="population", flow="random")
    drawn = []
    for seed in range(8):
        env.reset(seed=seed)
        flow = env._scene.flow
        assert flow.kind == "poiseuille" and 0 <= flow.speed_um_s <= 60 and 0.05 <= flow.pulsation_hz <= 0.5
        drawn.append((flow.speed_um_s, env._rig.rig.world.bodies[0].range_um, len(env._nodes)))
    assert all(len(set(column)) > 1 for column in zip(*drawn, strict=True))


def test_bodies_that_are_not_found_in_the_first_frame_are_named(monkeypatch):
    def nothing(self, frame):
        raise LostError("no robot in the frame")

    monkeypatch.setattr(Tracker, "__call__", nothing)
    with pytest.raises(LostError, match="no robot in the frame"):
        make(observation="tracked").reset(seed=0)


def test_a_collision_truncates(monkeypatch):
    env = make(path=LINE)
    env.reset(seed=0)
    first, *_ = env.step(np.zeros(4, np.float32))

    def collide(*_):
        raise ArithmeticError("bodies collide")

    monkeypatch.setattr(env._rig.rig.world, "step", collide)
    last, reward, terminated, truncated, info = env.step(np.zeros(4, np.float32))
    assert (reward, terminated, truncated, info["failed"]) == (0.0, False, True, True)
    np.testing.assert_array_equal(first, last)


@given(
    angle=st.floats(-math.pi, math.pi),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
    seed=st.integers(0, 50),
    residual=st.booleans(),
)
def test_observation_and_reward_do_not_change_when_all_is_turned_and_shifted(angle, shift, seed, residual):
    rng = np.random.default_rng(seed)
    nodes = curves.smooth(rng, 120.0, 0.0)
    task = PathTask(residual=residual, others=1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    frames = np.cumsum(rng.normal(0.3, 0.3, (10, 3, 2)), axis=0) + [[-15.0, 1.0], [0.0, 0.0], [20.0, 30.0]]
    actions = rng.uniform(-1, 1, (10, 4))
    found = []
    for how in (np.eye(2), turn):
        move = np.zeros(2) if how is not turn else np.array(shift)
        path = np.ascontiguousarray(nodes @ how.T + move)
        row, out = path_task.memory(), np.zeros(task.observation_size)
        seen = []
        for frame, action in zip(frames, actions, strict=True):
            state, reward = take_in(
                row, path, arc_lengths(path), task.numbers(), 1.0, 1 / 24, frame @ how.T + move, out
            )  # fmt: skip
            seen.append([*out, state, reward])
            path_task.say(row, task.numbers(), action)
        found.append(seen)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_episodes_do_not_depend_on_where_the_path_lies():
    found = []
    for shift in (0.0, 300.0):
        env = make(path=LINE + [shift, -shift], residual=True)
        env.reset(seed=0)
        found.append([env.step(np.zeros(3, np.float32))[0] for _ in range(30)])
    np.testing.assert_allclose(*found, atol=1e-3)


def test_random_paths_are_of_two_kinds_and_fit_the_camera():
    rng = np.random.default_rng(0)
    tightest, corners = [], 0
    for _ in range(200):
        nodes = curves.random_path(rng)
        assert 125 < path_length(nodes) < 330
        assert (np.ptp(nodes, axis=0) <= curves.LARGEST_UM).all()
        np.testing.assert_array_equal(nodes[0], [0, 0])
        steps = np.diff(nodes, axis=0)
        bends = np.abs(np.angle(np.exp(1j * np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))))))
        corners += bends.max() > 0.45
        tightest.append(bends.max())
    assert 20 < corners < 80
    assert np.median(tightest) < 0.3
