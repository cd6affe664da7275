from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from microtwin.errors import InputError
from microtwin.learn.vec_env import VecEnvAdapter


class Walk(gym.Env):
    """A walk on a line that ends at ±1 or after eight steps; the seed sets where it starts."""

    render_mode = "rgb_array"
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, goal: bool):
        box = gym.spaces.Box(-9, 9, (2,), np.float32)
        self.goal = goal
        self.observation_space = (
            gym.spaces.Dict({"observation": box, "achieved_goal": box, "desired_goal": box}) if goal else box
        )

    def _see(self):
        seen = np.array([self.at, self.count], dtype=np.float32)
        return {"observation": seen, "achieved_goal": seen + 1, "desired_goal": seen + 2} if self.goal else seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.count = float(self.np_random.uniform(-0.5, 0.5)), 0
        return self._see(), {"start": self.at, "given": (options or {}).get("given", 0)}

    def step(self, action):
        self.at += 0.3 * float(action[0])
        self.count += 1
        ended = abs(self.at) > 1
        info = {"is_success": self.at > 1, "at": self.at, "inner": {"count": self.count}}
        if self.count % 2:
            info["odd"] = self.count
        return self._see(), abs(self.at), ended, self.count == 8, info

    def render(self):
        return np.full((4, 4, 3), self.count, dtype=np.uint8)

    def compute_reward(self, achieved, desired, info):
        return achieved[..., 0] - desired[..., 0]


def both(goal: bool, count: int = 3):
    vector = SyncVectorEnv([lambda: Walk(goal)] * count, autoreset_mode=AutoresetMode.SAME_STEP)
    return VecEnvAdapter(vector), DummyVecEnv([lambda: Monitor(Walk(goal))] * count)


def same(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            same(a[key], b[key])
    else:
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("goal", [False, True])
def test_same_steps_as_dummy_vec_env(goal):
    ours, theirs = both(goal)
    for env in (ours, theirs):
        assert env.seed(5) == [5, 6, 7]
    same(ours.reset(), theirs.reset())
    rng = np.random.default_rng(0)
    ends = {False: 0, True: 0}
    left: Any = None
    right: Any = None
    for _ in range(60):
        actions = rng.uniform(-1, 1, (3, 1)).astype(np.float32)
        left, right = ours.step(actions), theirs.step(actions)
        same(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])
        np.testing.assert_array_equal(left[2], right[2])
        for a, b in zip(left[3], right[3], strict=True):
            times = [info.get("episode", {}).pop("t", 0.0) for info in (a, b)]
            assert min(times) >= 0
            same(a, b)
            if "episode" in a:
                ends[a["TimeLimit.truncated"]] += 1
        for a, b in zip(ours.reset_infos, theirs.reset_infos, strict=True):
            same(a, b)
    assert ends[False] and ends[True]  # both ways of ending were seen
    assert left[1].dtype == right[1].dtype


def test_reset_begins_the_count_of_an_episode_anew():
    env, _ = both(False, 1)
    env.seed(0)
    env.reset()
    actions = np.zeros((1, 1), dtype=np.float32)
    for _ in range(5):
        env.step(actions)
    env.reset()
    infos: Any = None
    for _ in range(8):
        *_, infos = env.step(actions)
    assert infos[0]["episode"]["l"] == 8


def test_options_are_given_once():
    env, _ = both(False, 2)
    env.set_options({"given": 3})
    env.reset()
    assert [info["given"] for info in env.reset_infos] == [3, 3]
    env.reset()
    assert [info["given"] for info in env.reset_infos] == [0, 0]


def test_attributes_and_methods_of_single_environments():
    env, _ = both(True, 3)
    env.reset()
    assert env.get_attr("goal") == [True] * 3
    env.set_attr("goal", False, indices=[1])
    assert env.get_attr("goal") == [True, False, True]
    rewards = env.env_method("compute_reward", np.ones((4, 2)), np.zeros((4, 2)), None, indices=[0])
    assert len(rewards) == 1
    np.testing.assert_array_equal(rewards[0], np.ones(4))
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(gym.wrappers.TimeLimit, indices=0) == [False]
    assert not env.has_attr("nothing")
    assert np.stack(env.get_images()).shape == (3, 4, 4, 3)  # type: ignore[arg-type]


class Batch(gym.vector.VectorEnv):
    """Counts in one array for all, as a compiled vector environment does: there are no single ones."""

    def __init__(self, mode):
        self.num_envs, self.metadata = 2, {"autoreset_mode": mode}
        self.single_observation_space = gym.spaces.Box(0, 9, (1,), np.float32)
        self.single_action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.level = 4

    def reset(self, *, seed=None, options=None):
        self.count = np.array([0, 2])
        return self.count[:, None].astype(np.float32), {}

    def step(self, actions):
        self.count = self.count + 1
        done = self.count == 3
        final = self.count[:, None].astype(np.float32)
        infos = {"is_success": done, "_is_success": np.ones(2, dtype=bool)}
        if done.any():
            infos |= {"final_obs": final, "_final_obs": done, "final_info": {"is_success": done}, "_final_info": done}
        self.count[done] = 0
        return self.count[:, None].astype(np.float32), np.ones(2), done, np.zeros(2, dtype=bool), infos

    def double(self, value):
        return 2 * value


def test_a_vector_environment_without_single_ones():
    env = VecEnvAdapter(Batch(AutoresetMode.SAME_STEP))
    env.reset()
    observations: Any
    observations, _, dones, infos = env.step(np.zeros((2, 1)))
    assert dones.tolist() == [False, True] and observations[:, 0].tolist() == [1.0, 0.0]
    assert infos[1]["terminal_observation"].tolist() == [3.0] and infos[1]["is_success"] is True
    assert infos[0] == {"TimeLimit.truncated": False, "is_success": False}
    assert env.get_attr("level", indices=[0]) == [4] and env.env_method("double", 3) == [6, 6]
    env.set_attr("level", 5)
    assert env.get_attr("level") == [5, 5]


def test_a_reset_at_the_next_step_is_refused():
    with pytest.raises(InputError, match="SAME_STEP"):
        VecEnvAdapter(Batch(AutoresetMode.NEXT_STEP))
