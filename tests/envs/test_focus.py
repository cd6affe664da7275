"""``microtwin/Focus-v0``: the checkers, the meaning of action and reward, and that the picture tells the depth."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import microtwin_envs  # noqa: F401  registers
from microtwin.errors import InputError
from microtwin.robots.catalogue import robot

NAME = "microtwin/Focus-v0"
still = {"drift_um_s": 0.0, "vibration_um": 0.0}


def make(**options) -> Any:
    return gym.make(NAME, **({"robot": 7, "max_episode_s": 0.2} | options)).unwrapped


@pytest.mark.parametrize("observation", ["pixels", "state"])
def test_gymnasium_finds_nothing_wrong(observation):
    check_env(make(observation=observation))


@pytest.mark.parametrize("observation", ["pixels", "state"])
def test_stable_baselines_finds_nothing_wrong(observation):
    checker = pytest.importorskip("stable_baselines3.common.env_checker", reason="needs the learn extra")
    checker.check_env(make(observation=observation))


def test_it_is_found_by_module_and_name_and_registered_once():
    assert gym.spec(NAME).entry_point == "microtwin_envs.focus:FocusEnv"
    assert gym.make(f"microtwin_envs:{NAME}").spec is not None  # a second import would warn, and warnings are errors


def test_a_step_up_makes_the_depth_larger_by_as_much_one_frame_later():
    env = make(observation="state", **still)
    before, _ = env.reset(seed=1)
    first = env.step(np.array([0.8], np.float32))[0]
    second = env.step(np.array([0.0], np.float32))[0]
    assert first[0] == pytest.approx(before[0], abs=1e-6)  # that frame was taken before the step, and is a frame late
    assert second[0] == pytest.approx(before[0] + 0.2, abs=1e-3)
    assert second[1] == pytest.approx(0.2, abs=1e-3) and second[2] == before[2]


def test_the_reward_is_minus_the_distance_and_only_time_ends_an_episode():
    env = make(observation="state", max_episode_s=0.5)
    env.reset(seed=0)
    ended = []
    for _ in range(12):
        seen, reward, terminated, truncated, info = env.step(np.array([1.0], np.float32))
        assert reward == pytest.approx(-abs(seen[0] - seen[2]), abs=1e-5)
        assert info["depth_error_um"] == pytest.approx(seen[0] - seen[2], abs=1e-5)
        assert info["is_success"] == (abs(info["depth_error_um"]) <= 0.15)
        assert not terminated
        ended.append(truncated)
    assert ended == [False] * 11 + [True]


def test_a_controller_that_knows_the_truth_holds_what_doing_nothing_loses():
    def errors(gain: float) -> float:
        env = make(observation="state", max_episode_s=6.0)
        seen, _ = env.reset(seed=5)
        found, truncated = [], False
        while not truncated:
            step_um = gain * (seen[2] - seen[0])
            seen, reward, _, truncated, _ = env.step(np.clip([step_um / 0.25], -1, 1).astype(np.float32))
            found.append(reward)
        return -float(np.mean(found[24:]))

    held = errors(0.4)
    assert held < 0.15
    assert errors(0.0) > 3 * held


def test_episodes_repeat_with_their_seed_and_differ_without():
    env = make(robot="any")
    first, again, other = (env.reset(seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first["image"], again["image"])
    assert first["target"] == again["target"]
    assert not np.array_equal(first["image"], other["image"])


def test_targets_lie_within_the_robots_sweep():
    env = make(observation="state", robot=8)
    targets = np.array([env.reset(seed=seed)[0][2] for seed in range(6)])
    assert np.ptp(targets) > 0.2 and np.ptp(targets) < 0.7 * robot(8).depth_range_um


def test_pictures_change_with_depth_and_not_otherwise():
    """Two episodes of one seed that differ by the target alone: the start goes with it, the look does not."""
    near, far, same = (
        make(target_um=target, **still).reset(seed=2)[0]["image"].astype(float) for target in (0.0, 3.0, 0.0)
    )
    assert np.array_equal(near, same)
    assert np.abs(near - far).mean() > 1.0


def test_the_picture_to_look_at():
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (256, 256, 3) and picture.dtype == np.uint8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"robot": 19}, "no robot 19"),
        ({"robot": "all"}, "give 1 to 18, or any"),
        ({"robot": "any", "pose": "P30_R5"}, "has no pose P30_R5"),
        ({"observation": "sound"}, "choose pixels or state"),
        ({"max_episode_s": 0}, "max_episode_s is 0"),
        ({"target_um": float("nan")}, "target is nan µm"),
        ({"target_um": 7.0, "robot": 7}, "target is 7 µm: give a depth of robot 7, -6.0 to 6.0"),
        ({"robot": 3.5}, "no robot 3.5"),
        ({"drift": "leaps"}, "choose ramps or walk"),
        ({"latency_frames": -1}, "latency is -1"),
        ({"render_mode": "ascii"}, "render_mode"),
    ],
)
def test_what_cannot_be_asked_for(options, message):
    from microtwin_envs.focus import FocusEnv

    with pytest.raises(InputError, match=message):
        FocusEnv(**options)


def test_actions_out_of_bounds_are_refused():
    env = make()
    env.reset(seed=0)
    with pytest.raises(InputError, match=r"give a number in \[-1, 1\]"):
        env.step(np.array([1.5]))
