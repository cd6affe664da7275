"""Carrying an object to a goal: rewards of goals alone, episodes of fixed length, hindsight."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.control import goal_task
from microtwin.control.goal_task import GoalTask
from microtwin.errors import InputError
from microtwin_envs.goal_frames import take_in

SPARSE, DENSE = "microtwin_envs:microtwin/Push-v0", "microtwin_envs:microtwin/PushDense-v0"


def make(name=SPARSE, **options) -> Any:
    return gym.make(name, **options).unwrapped


@pytest.mark.parametrize("name", [SPARSE, DENSE])
def test_rewards_are_those_of_the_goals_for_one_and_for_a_batch(name):
    env = make(name, max_episode_s=4.0)
    env.reset(seed=1)
    env.action_space.seed(1)
    achieved, desired, rewards, truncated = [], [], [], False
    for _ in range(24):
        seen, reward, terminated, truncated, info = env.step(env.action_space.sample())
        one = env.compute_reward(seen["achieved_goal"], seen["desired_goal"], info)
        assert reward == one
        assert one.dtype == np.float32
        assert not terminated
        assert env.compute_terminated(seen["achieved_goal"], seen["desired_goal"], info) == False  # noqa: E712
        assert env.compute_truncated(seen["achieved_goal"], seen["desired_goal"], info) == False  # noqa: E712
        achieved.append(seen["achieved_goal"])
        desired.append(seen["desired_goal"])
        rewards.append(reward)
    assert truncated
    batch = env.compute_reward(np.array(achieved), np.array(desired), None)
    np.testing.assert_array_equal(batch, rewards)
    assert env.compute_terminated(np.array(achieved), np.array(desired), None).tolist() == [False] * 24
    if name == DENSE:
        assert len(set(rewards)) > 5


@pytest.mark.parametrize(("away_um", "sparse"), [(0.0, 0.0), (3.99, 0.0), (4.01, -1.0), (60.0, -1.0)])
def test_the_goal_is_reached_within_4_um(away_um, sparse):
    for angle in np.linspace(0, 6, 7):
        goal = np.array([1.5, -2.0], np.float32)
        there = (goal + away_um / 10 * np.array([math.cos(angle), math.sin(angle)])).astype(np.float32)
        assert make().compute_reward(there, goal, {}) == sparse
        assert make(DENSE).compute_reward(there, goal, {}) == pytest.approx(-away_um / 10, abs=1e-6)


def test_goals_and_starts_are_drawn_all_round():
    env = make(latency_frames=0)
    found = []
    for seed in range(80):
        seen, info = env.reset(seed=seed)
        np.testing.assert_array_equal(seen["achieved_goal"], [0, 0])
        robot, cargo = env._rig.rig.world.positions_um[:2, :2]
        x, y = 10 * seen["desired_goal"]
        found.append((np.hypot(x, y), math.atan2(y, x), np.hypot(*(robot - cargo)), math.atan2(*(robot - cargo)[::-1])))
        assert info["distance_um"] == pytest.approx(found[-1][0], rel=1e-5)
        np.testing.assert_allclose(10 * seen["observation"][:2], robot - cargo, atol=0.4)
    goal_um, goal_rad, robot_um, robot_rad = np.array(found).T
    assert 15 <= goal_um.min() < 20 and 55 < goal_um.max() <= 60.001
    assert 15 <= robot_um.min() < 17 and 28 < robot_um.max() <= 30.001
    for angles in (goal_rad, robot_rad):
        assert np.abs(np.exp(1j * angles).mean()) < 0.3  # no side is preferred
    assert np.abs(np.exp(1j * (goal_rad - robot_rad)).mean()) < 0.3


def push(env, seed):
    """Drive straight at the object from behind it; how near the goal it came, and for how long it was there."""
    seen, info = env.reset(seed=seed)
    successes = []
    truncated = False
    while not truncated:
        to_goal = seen["desired_goal"] - seen["achieved_goal"]
        robot, cargo = env._rig.observation.robot_um, env._rig.observation.object_um
        way = to_goal / max(np.hypot(*to_goal), 1e-9)
        if info["distance_um"] < 3.0:
            action = np.array([1, 0, 0, -1], np.float32)
        else:
            behind = cargo - 14.0 * way - robot
            side = way[0] * (cargo - robot)[1] - way[1] * (cargo - robot)[0]
            if (cargo - robot) @ way > 8.0 and abs(side) < 3.0:
                heading = cargo - robot + 0.0 * way
            elif (cargo - robot) @ way < 0.0:  # round it
                out = np.array([-way[1], way[0]]) * (-1 if side > 0 else 1)
                heading = behind + 25.0 * out
            else:
                heading = behind
            heading = heading / np.hypot(*heading)
            action = np.array([*heading, 0.0, 0.2], np.float32)
        seen, reward, _, truncated, info = env.step(action)
        assert (reward == 0.0) == info["is_success"]
        successes.append(info["is_success"])
    return successes


def test_success_does_not_end_the_episode():
    env = make(robot="nominal", frames_per_action=2, max_episode_s=20.0)
    runs = [push(env, seed) for seed in range(6)]
    assert {len(run) for run in runs} == {240}
    assert sum(any(run) for run in runs) >= 3
    assert max(sum(run) for run in runs) > 20


@given(shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)), seed=st.integers(0, 50))
def test_nothing_depends_on_where_the_world_has_its_origin(shift, seed):
    rng = np.random.default_rng(seed)
    task = GoalTask(others=1)
    frames = np.cumsum(rng.normal(0.3, 0.3, (10, 3, 2)), axis=0) + [[-15.0, 1.0], [0.0, 0.0], [20.0, 30.0]]
    actions = rng.uniform(-1, 1, (10, 4))
    found = []
    for move in (np.zeros(2), np.array(shift)):
        row, out, achieved = goal_task.memory(), np.zeros(task.observation_size), np.zeros(2)
        seen = []
        for frame, action in zip(frames, actions, strict=True):
            take_in(row, task.numbers(), 1 / 24, frame + move, out, achieved)
            seen.append([*out, *achieved])
            goal_task.say(row, task.numbers(), action)
        found.append(seen)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@given(angle=st.floats(-math.pi, math.pi), length=st.floats(1e-3, 1.0), spin=st.floats(-1, 1), speed=st.floats(-1, 1))
def test_the_action_is_a_heading_in_the_worlds_axes(angle, length, spin, speed):
    row, task = goal_task.memory(), GoalTask(limit_hz=20.0)
    action = np.array([length * math.cos(angle), length * math.sin(angle), spin, speed])
    alpha, gamma, frequency = goal_task.say(row, task.numbers(), action)
    assert math.remainder(alpha - angle, 2 * math.pi) == pytest.approx(0.0, abs=1e-9)
    assert math.cos(gamma) == pytest.approx(spin, abs=1e-9)
    assert frequency == pytest.approx(10.0 * (speed + 1.0))
    out = np.zeros(task.observation_size)
    goal_task.see(row, task.numbers(), 1 / 24, -15.0, 0.0, 0.0, 0.0, np.empty((0, 2)), out, np.zeros(2))
    np.testing.assert_allclose(out[9:13], [math.cos(alpha), math.sin(alpha), spin, frequency / 60], atol=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"limit_hz": 0.0}, "limit_hz is 0.0"),
        ({"smooth_s": math.nan}, "smooth_s is nan"),
        ({"others": -1}, "others is -1"),
        ({"delay_frames": 9}, "delay is 9"),
    ],
)
def test_a_task_that_cannot_be_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        GoalTask(**values)


def test_hindsight_replay_trains_on_it():
    torch = pytest.importorskip("torch", reason="needs the learn extra")
    torch.set_num_threads(1)
    sb3 = pytest.importorskip("stable_baselines3", reason="needs the learn extra")
    model = sb3.SAC(
        "MultiInputPolicy",
        gym.make(SPARSE, max_episode_s=2.0),
        replay_buffer_class=sb3.HerReplayBuffer,
        replay_buffer_kwargs={"n_sampled_goal": 4, "goal_selection_strategy": "future"},
        learning_starts=60,
        batch_size=32,
        policy_kwargs={"net_arch": [16, 16]},
        seed=0,
        device="cpu",
    )
    model.learn(200)
    sample = model.replay_buffer.sample(256)
    rewards = sample.rewards.numpy().ravel()
    assert set(np.unique(rewards)) == {-1.0, 0.0}  # goals that were reached in hindsight
    achieved, desired = (sample.next_observations[key].numpy() for key in ("achieved_goal", "desired_goal"))
    np.testing.assert_array_equal(rewards, make().compute_reward(achieved, desired, None))
