"""The native vector environments give what single ones give, bit for bit."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from microtwin.errors import InputError

PATH, GOAL, DENSE = (f"microtwin_envs:microtwin/{name}-v0" for name in ("PushPath", "Push", "PushDense"))


def native(name, count, **options) -> Any:
    return gym.make_vec(name, num_envs=count, vectorization_mode="vector_entry_point", **options)


def singles(name, count, **options) -> Any:
    how = {"autoreset_mode": AutoresetMode.SAME_STEP}
    return gym.make_vec(name, num_envs=count, vectorization_mode="sync", vector_kwargs=how, **options)


def assert_same(one, other, where=""):
    if isinstance(one, tuple):
        assert_same(dict(enumerate(one)), dict(enumerate(other)), where)
    elif isinstance(one, dict):
        assert set(one) == set(other), where
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, np.ndarray) and one.dtype == object:
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{k}]")
    elif one is None:
        assert other is None, where
    else:
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where)


@pytest.mark.parametrize(
    ("name", "options", "steps", "least_ends"),
    [
        (PATH, {"residual": True, "robot": "population", "path": "random", "flow": "random"}, 700, 4),
        (PATH, {"robot": "population", "path": "random", "objects": 2, "obstacles": 2, "flow": "random"}, 200, 4),
        (PATH, {"residual": True, "frames_per_action": 4, "max_episode_s": 3.0, "latency_frames": 3}, 100, 10),
        (PATH, {"residual": True, "cargo": "cell", "latency_frames": 0, "path": "random", "cruise_hz": 30.0}, 250, 4),
        (GOAL, {"robot": "population", "flow": "random", "obstacles": 2, "objects": 1, "max_episode_s": 5.0}, 100, 8),
        (DENSE, {"robot": "nominal", "frames_per_action": 3, "max_episode_s": 3.0}, 100, 8),
    ],
)
def test_the_same_as_single_environments(name, options, steps, least_ends):
    count = 4
    many, ones = native(name, count, **options), singles(name, count, **options)
    assert_same(many.reset(seed=7), ones.reset(seed=7), "reset")
    many.action_space.seed(1)
    ended = 0
    for k in range(steps):
        action = many.action_space.sample()
        action[: count // 2] *= 0.1  # half of them near Steering's own, or straight ahead: they last longer
        mine, theirs = many.step(action), ones.step(action)
        assert_same(mine, theirs, f"step {k}")
        ended += int((mine[2] | mine[3]).sum())
    assert ended >= least_ends  # the comparison went over the ends of episodes


def test_a_second_reset_with_the_seed_repeats_and_without_it_goes_on():
    env = native(PATH, 3, path="random")
    first, _ = env.reset(seed=5)
    other, _ = env.reset()
    again, _ = env.reset(seed=5)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_threads_do_not_change_anything():
    found = []
    for threads in (1, 2):
        env = native(PATH, 9, threads=threads, residual=True)
        seen, _ = env.reset(seed=1)
        for _ in range(20):
            seen, *_ = env.step(np.zeros((9, 3), np.float32))
        found.append(seen)
    np.testing.assert_array_equal(*found)


def test_observations_are_new_arrays_and_the_final_one_is_of_the_old_episode():
    env = native(GOAL, 2, max_episode_s=0.5)
    kept, _ = env.reset(seed=0)
    before = {key: value.copy() for key, value in kept.items()}
    for _ in range(2):
        assert not env.step(np.zeros((2, 4), np.float32))[3].any()
    seen, _, _, truncated, infos = env.step(np.zeros((2, 4), np.float32))
    assert truncated.all()
    for key in kept:
        np.testing.assert_array_equal(kept[key], before[key])
    for k in range(2):
        np.testing.assert_array_equal(infos["final_obs"][k]["desired_goal"], before["desired_goal"][k])
        assert not np.array_equal(seen["desired_goal"][k], before["desired_goal"][k])
        np.testing.assert_array_equal(seen["achieved_goal"][k], [0, 0])
    np.testing.assert_array_equal(infos["final_info"]["time_s"], [0.5, 0.5])


def test_it_resets_in_the_same_step():
    assert native(PATH, 2).metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_a_bad_action_names_the_environment():
    env = native(PATH, 3)
    env.reset(seed=0)
    action = np.zeros((3, 4), np.float32)
    action[1, 2] = np.nan
    with pytest.raises(InputError, match=r"action 2 of environment 1 is nan: give a number in \[-1, 1\]"):
        env.step(action)
    with pytest.raises(InputError, match=r"shape \(4,\): give \(3, 4\)"):
        env.step(action[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"observation": "pixels"}, "observation is 'pixels'.*state alone"),
        ({"render_mode": "rgb_array"}, "render_mode is 'rgb_array'"),
        ({"num_envs": 0}, "num_envs is 0: give 1 or more"),
        ({"threads": 0}, "threads is 0: give 1 or more"),
        ({"threads": 1.5}, "threads is 1.5: give 1 or more"),
    ],
)
def test_what_it_does_not_have_is_said(options, message):
    from microtwin_envs.push_path_vector import PushPathVectorEnv

    with pytest.raises(InputError, match=message):
        PushPathVectorEnv(**options)


def test_another_backend_than_the_twin_is_refused(monkeypatch):
    from microtwin_envs import options
    from microtwin_envs.push_path_vector import PushPathVectorEnv

    monkeypatch.setattr(options, "known_backend", lambda name: None)
    with pytest.raises(InputError, match=r"backend is 'bench'.*sim alone"):
        PushPathVectorEnv(backend="bench", observation="tracked")


def test_a_step_before_the_first_reset_is_refused():
    env = native(PATH, 2)
    with pytest.raises(gym.error.ResetNeeded, match="call reset before step"):
        env.step(np.zeros((2, 4), np.float32))


def test_seeds_must_be_as_many_as_environments():
    with pytest.raises(InputError, match="2 seeds for 3 environments"):
        native(PATH, 3).reset(seed=[1, 2])
