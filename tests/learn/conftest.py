"""A small environment, and trainings in the real one that take seconds."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from microtwin.learn.training import Training
from microtwin.learn.vec_env import VecEnvAdapter


class Still(gym.Env):
    """Nothing moves; observations and actions are as wide as those of a residual policy."""

    observation_space = gym.spaces.Box(-10, 10, (31,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    render_mode = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self.np_random.uniform(-2, 2, 31).astype(np.float32), {}

    def step(self, action):
        self.count += 1
        seen = self.np_random.uniform(-2, 2, 31).astype(np.float32)
        return seen, float(-(action**2).sum()), False, self.count == 10, {"is_success": True}


@pytest.fixture
def still():
    return VecEnvAdapter(SyncVectorEnv([Still] * 2, autoreset_mode=AutoresetMode.SAME_STEP))


QUICK: dict[str, Any] = {
    "ppo": {"n_steps": 32, "net_arch": [16]},
    "sac": {"net_arch": [16], "batch_size": 64, "gradient_steps": 2, "buffer_size": 5000, "learning_starts": 200},
}


def quick(algo: str = "ppo", **changes) -> Training:
    options = {"residual": True, "path": "random", "robot": "population", "flow": "random",
               "frequency_limit_hz": 60.0, "cruise_hz": 15.0, "max_episode_s": 1.5}  # fmt: skip
    values: dict[str, Any] = {
        "steps": 2048,
        "envs": 8,
        "episodes": 4,
        "evaluations": 2,
        "options": options,
        "hyper": QUICK[algo],
    }
    return Training(algo, **(values | changes))


def quick_goal(algo: str = "sac", **changes) -> Training:
    values: dict[str, Any] = {"task": "goal", "steps": 1200, "envs": 8, "episodes": 4, "evaluations": 2,
                              "hyper": QUICK["sac"], "options": {"max_episode_s": 2.0}}  # fmt: skip
    return Training(algo, **(values | changes))
