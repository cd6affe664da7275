"""Pixels for a policy and pictures for people."""

import sys
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
import pytest

from microtwin.image_axes import to_image
from microtwin.paths import polyline
from microtwin.rig import Frame
from microtwin_envs import pixels

PATH, GOAL = "microtwin_envs:microtwin/PushPath-v0", "microtwin_envs:microtwin/Push-v0"
LINE = polyline([(0.0, 0.0), (0.0, 60.0)])  # upwards: a picture in the path's frame lies on its side


def spot(at_um, shape=(200, 300), um_per_px=0.4, centre_um=(3.0, -2.0)):
    """A frame that is dark but for a bright spot."""
    rows, columns = np.indices(shape)
    row, column = to_image(np.asarray(at_um) - centre_um, shape, um_per_px)
    image = (255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 18)).astype(np.uint8)
    return Frame(0, 0.0, image, um_per_px, centre_um)


@pytest.mark.parametrize("direction", [0.0, 0.7, -2.5])
@pytest.mark.parametrize("away", [(0.0, 0.0), (20.0, 0.0), (0.0, 12.0), (-15.0, -8.0)])
def test_the_picture_is_in_the_tasks_frame(direction, away):
    """What is ahead is to the right, what is to the left is above; 64 µm are 96 pixels."""
    here = np.array([5.0, 4.0])
    ahead, left = np.array([np.cos(direction), np.sin(direction)]), np.array([-np.sin(direction), np.cos(direction)])
    frame = spot(here + away[0] * ahead + away[1] * left)
    assert frame.image is not None
    picture = pixels.cut_out(frame, frame.image, here, direction)
    assert picture.shape == (96, 96, 3) and picture.dtype == np.uint8
    bright = picture[..., 0].astype(float)
    bright[bright < 140] = 0.0  # neither the dark nor what lies outside the frame
    rows, columns = np.indices(bright.shape)
    found = np.array([(columns * bright).sum(), (rows * bright).sum()]) / bright.sum()
    np.testing.assert_allclose(found, 47.5 + 1.5 * np.array([away[0], -away[1]]), atol=0.3)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 1])
    assert not picture[..., 2].any()


def test_a_policys_picture_shows_robot_object_and_path():
    env: Any = gym.make(PATH, observation="pixels", path=LINE, residual=True).unwrapped
    first, _ = env.reset(seed=0)
    seen = first
    for _ in range(3):
        seen, *_ = env.step(np.zeros(3, np.float32))
    assert seen.shape == (96, 96, 3) and seen.dtype == np.uint8
    np.testing.assert_array_equal(first[..., 0], first[..., 1])  # no frame before the first
    assert not np.array_equal(seen[..., 0], seen[..., 1])
    way = seen[..., 2] > 128
    columns = np.flatnonzero(way.any(axis=0))
    assert columns.max() == 95 and 44 <= columns.min() <= 50  # from the object to the right edge
    assert np.abs(np.nonzero(way)[0] - 47.5).max() < 5
    grey = seen[..., 0].astype(float)
    middle = grey[40:56, 40:56].std()
    behind = grey[36:60, 12:36].std()
    assert min(middle, behind) > 2 * grey[8:24, 60:90].std()  # bodies there, and none above the path


@pytest.mark.parametrize("name", [PATH, GOAL])
@pytest.mark.parametrize("observation", ["state", "tracked"])
def test_a_rendered_picture_is_the_frame_with_an_overlay(name, observation):
    env: Any = gym.make(name, observation=observation, render_mode="rgb_array", max_episode_s=5.0)
    env.reset(seed=0)
    first = env.render()
    env.step(env.action_space.sample())
    second = env.render()
    assert first.ndim == 3 and first.shape[2] == 3 and first.dtype == np.uint8
    assert first.shape == second.shape and not np.array_equal(first, second)
    grey = np.ptp(first.astype(int), axis=2) == 0
    assert 0.5 < grey.mean() < 0.9995  # a grey frame with some colour on it
    red = (first[..., 0] > 200) & (first[..., 2] < 100)
    assert red.sum() > 50  # the path
    assert env.metadata["render_modes"] == ["human", "rgb_array"]
    seconds = env.step(env.action_space.sample())[4]["time_s"] / 2
    assert env.metadata["render_fps"] == pytest.approx(1 / seconds)  # a video lasts as long as the episode


def test_rendering_changes_nothing():
    found = []
    for mode in (None, "rgb_array"):
        env: Any = gym.make(PATH, path=LINE, residual=True, render_mode=mode)
        seen, _ = env.reset(seed=0)
        for _ in range(5):
            seen, *_ = env.step(np.zeros(3, np.float32))
            env.render() if mode else None
        found.append(seen)
    np.testing.assert_array_equal(*found)


def test_a_window_is_drawn_without_being_asked():
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    env: Any = gym.make(PATH, path=LINE, residual=True, render_mode="human")
    env.reset(seed=0)
    figure = plt.figure("microtwin")
    (image,) = figure.axes[0].images
    before = np.asarray(image.get_array()).copy()
    env.step(np.zeros(3, np.float32))
    assert not np.array_equal(before, np.asarray(image.get_array()))
    env.close()
    assert not plt.fignum_exists("microtwin")


def test_no_window_is_needed_for_arrays(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    env: Any = gym.make(PATH, path=LINE, render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().any()
    env.close()
