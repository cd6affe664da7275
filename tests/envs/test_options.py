"""What the environments refuse, each in one line."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import microtwin_envs.options
from microtwin.errors import InputError
from microtwin.physics import Flow

PATH, GOAL = "microtwin_envs:microtwin/PushPath-v0", "microtwin_envs:microtwin/Push-v0"


@pytest.mark.parametrize("name", [PATH, GOAL])
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("observation", "sonar", "observation is 'sonar': choose state, tracked or pixels"),
        ("robot", "fast", "robot is 'fast'"),
        ("cargo", 3, "cargo is 3"),
        ("flow", "wild", "flow is 'wild'"),
        ("objects", -1, "objects is -1"),
        ("obstacles", 2.5, "obstacles is 2.5: give a whole number"),
        ("obstacles", True, "obstacles is True"),
        ("latency_frames", -1, "latency_frames is -1"),
        ("frames_per_action", 0, "frames_per_action is 0"),
        ("max_episode_s", 0.0, "max_episode_s is 0.0: give a positive"),
        ("max_episode_s", float("nan"), "max_episode_s is nan"),
        ("frequency_limit_hz", "20", "frequency_limit_hz is '20'"),
        ("render_mode", "paper", "render_mode is 'paper'"),
        ("backend", 7, "backend is 7"),
    ],
)
def test_a_bad_option_is_named_with_the_remedy(name, option, value, message):
    module = pytest.importorskip("microtwin_envs.push_path" if name == PATH else "microtwin_envs.push")
    make = module.PushPathEnv if name == PATH else module.PushEnv
    with pytest.raises(InputError, match=message) as error:
        make(**{option: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "moebius"}, "path 'moebius': give circle"),
        ({"path": 3}, "path is 3"),
        ({"path": [["a", "b"], ["c", "d"]]}, "path is .*array in µm"),
        ({"path": [[0.0, 1.0], [2.0]]}, "path is .*array in µm"),
        ({"path": [[0.0, 0.0], [float("nan"), 1.0]]}, "finite"),
        ({"path": [[0.0, 0.0], [3.0, 0.0]]}, "stays within 3 µm of its start"),
        ({"path": [[0.0, 0.0], [30.0, 0.0], [30.0, 0.0]]}, "equal neighbours"),
        ({"cruise_hz": 0}, "cruise_hz is 0"),
        ({"error_scale_um": -1.0}, "error_scale_um is -1.0"),
        ({"residual": "yes"}, "residual is 'yes'"),
        ({"robot": "population", "cargo": "cell"}, "choose paper"),
    ],
)
def test_a_bad_path_or_law_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        gym.make(PATH, **options)


def test_more_bodies_than_there_is_room_for():
    env = gym.make(PATH, path=[[0.0, 0.0], [30.0, 0.0]], objects=20, obstacles=20)
    with pytest.raises(InputError, match=r"no room for 40 other bodies.*ask for fewer"):
        env.reset(seed=0)


@pytest.mark.parametrize("name", [PATH, GOAL])
def test_an_unknown_backend_names_the_choices(name):
    for observation in ("tracked", "state"):
        with pytest.raises(InputError, match=r"backend 'nope' is not installed: choose one of .*sim"):
            gym.make(name, backend="nope", observation=observation)


@pytest.mark.parametrize("options", [{"observation": "state"}, {"objects": 1}, {"obstacles": 1}, {"flow": Flow()}])
def test_what_only_the_twin_has_is_refused_elsewhere(options, monkeypatch):
    monkeypatch.setattr(microtwin_envs.options, "known_backend", lambda name: None)
    with pytest.raises(InputError, match=r"on backend 'bench': (choose tracked or pixels|leave it out)"):
        gym.make(PATH, **{"backend": "bench", "observation": "tracked", **options})


@pytest.mark.parametrize(("index", "value"), [(0, np.nan), (1, 1.001), (3, -np.inf), (2, -1.0 - 2e-6)])
@pytest.mark.parametrize("name", [PATH, GOAL])
def test_an_action_out_of_bounds_is_named(name, index, value):
    env = gym.make(name)
    env.reset(seed=0)
    action = np.zeros(4)
    action[index] = value
    with pytest.raises(InputError, match=rf"action {index} is .*: give a number in \[-1, 1\]"):
        env.step(action)


@pytest.mark.parametrize("action", [np.zeros(3), np.zeros((4, 1)), "left", None, [[1], [2, 3]]])
def test_an_action_of_another_shape_is_refused(action):
    env = gym.make(PATH)
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"action .*\(4,\)"):
        env.step(action)


def test_rounding_is_forgiven():
    env = gym.make(PATH)
    env.reset(seed=0)
    env.step(np.array([1.0, 0.0, 0.0, -1.0 - 5e-7]))


def test_a_pair_of_limits_draws_one_for_every_episode():
    env = gym.make_vec("microtwin_envs:microtwin/PushPath-v0", num_envs=64, frequency_limit_hz=(15, 60), residual=True)
    seen, _ = env.reset(seed=0)
    limits = 60 * seen[:, 28]
    assert 15 <= limits.min() < 20 and 55 < limits.max() <= 60
    assert np.all(60 * seen[:, 30] <= limits + 1e-4)  # Steering cruises no faster
    with pytest.raises(InputError, match="60 to 15: give the smaller one first"):
        gym.make("microtwin_envs:microtwin/PushPath-v0", frequency_limit_hz=(60, 15))
    with pytest.raises(InputError, match="frequency_limit_hz is"):
        gym.make("microtwin_envs:microtwin/Push-v0", frequency_limit_hz=(15, 60))


def test_mixed_robots_are_the_papers_and_the_populations():
    env: Any = gym.make("microtwin_envs:microtwin/PushPath-v0", robot="mixed").unwrapped
    ranges = []
    for seed in range(24):
        env.reset(seed=seed)
        ranges.append(env._rig.rig.world.bodies[0].range_um)
    often = max(ranges.count(value) for value in ranges)
    assert 5 <= often <= 19  # the paper's robot is always the same one
    assert len(set(ranges)) == 25 - often
