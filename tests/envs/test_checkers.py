"""Gymnasium's and Stable-Baselines3's own checkers, for every environment and kind of observation."""

import subprocess
import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import microtwin_envs  # noqa: F401  registers

IDS = ("microtwin/PushPath-v0", "microtwin/Push-v0", "microtwin/PushDense-v0")
OBSERVATIONS = ("state", "tracked", "pixels")

each = pytest.mark.parametrize("observation", OBSERVATIONS)
every = pytest.mark.parametrize("name", IDS)


@every
@each
def test_gymnasium_finds_nothing_wrong(name, observation):
    env = gym.make(name, observation=observation, max_episode_s=0.5)
    check_env(env.unwrapped)
    env.close()


@every
@each
@pytest.mark.filterwarnings("ignore:.*image observation")
def test_stable_baselines_finds_nothing_wrong(name, observation, capsys):
    checker = pytest.importorskip("stable_baselines3.common.env_checker", reason="needs the learn extra")
    checker.check_env(gym.make(name, observation=observation, max_episode_s=0.5).unwrapped)


@every
@each
def test_observations_are_in_their_space_and_never_shared(name, observation):
    env = gym.make(name, observation=observation, max_episode_s=1.0)
    first, _ = env.reset(seed=3)
    arrays = first if isinstance(first, dict) else {"observation": first}
    kept = {key: value.copy() for key, value in arrays.items()}
    env.action_space.seed(0)
    seen: Any = first
    for _ in range(3):
        seen, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(seen)
    for key, value in arrays.items():
        np.testing.assert_array_equal(value, kept[key])
    changed = seen["observation"] if isinstance(seen, dict) else seen
    assert not np.array_equal(changed, arrays["observation"])


def test_they_are_found_by_module_and_name():
    spec = gym.make("microtwin_envs:microtwin/Push-v0").spec
    assert spec is not None and spec.id == "microtwin/Push-v0"


def test_importing_them_is_light():
    script = (
        "import sys, microtwin_envs; "
        "print([m for m in ('torch', 'matplotlib', 'numba', 'pandas', 'cv2', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
