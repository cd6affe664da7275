"""Rendered light as a source of training images, the task it poses, and what of it is held back."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from microtwin.otmr.pose import Pose
from microtwin.perception.camera import Camera
from microtwin.perception.lights import LIGHT, Lights
from microtwin.perception.prepare import GAIN
from microtwin.perception.rendered import Rendered, held_back, task_of

NOISELESS = Camera(contrast=0.0, gradient=0.0, noise_dn=(0.0, 0.0), dust=0, blur_px=(0.0, 0.0), scale=0.0)


def lights(n: int = 24) -> Lights:
    """A disc as bright as the depth says, which is 0.1 µm a picture; pitch and roll go with it."""
    k = np.arange(n)
    at = np.arange(LIGHT) - (LIGHT - 1) / 2
    disc = np.hypot(at, at[:, None]) < 20
    light = 1.0 + disc * (0.02 * k[:, None, None])
    angles = (k % 3 * 30).astype(np.int16), (k % 2 * 45).astype(np.int16)
    return Lights(
        light.astype(np.float16), *angles, (0.1 * k).astype(np.float32), np.full(n, 3, np.int16), k.astype(np.int32)
    )


def labelled(robot: np.ndarray, sequence: np.ndarray) -> Lights:
    """No light worth a look, only whose it is."""
    n = len(robot)
    zero = np.zeros(n, np.int16)
    light = np.ones((n, 1, 1), np.float16)
    return Lights(light, zero, zero, np.zeros(n, np.float32), robot.astype(np.int16), sequence.astype(np.int32))


def test_an_epoch_is_the_same_every_time_and_no_image_comes_twice():
    source = Rendered(lights(), 32, seed=5)
    first, again, later = (torch.cat([i for i, _ in source.batches(e, 7)]) for e in (2, 2, 3))
    other = torch.cat([i for i, _ in Rendered(lights(), 32, seed=6).batches(2, 7)])
    assert torch.equal(first, again)
    every = torch.cat([first, later, other]).flatten(1).numpy()
    assert len(np.unique(every, axis=0)) == len(every) == 72


@pytest.mark.parametrize("batch", [1, 7, 24, 100])
def test_labels_follow_their_images(batch):
    made = lights()
    source = Rendered(made, 64, NOISELESS, seed=1)
    assert len(source) == 24
    batches = list(source.batches(0, batch))
    sizes = [len(images) for images, _ in batches]
    assert sum(sizes) == 24 and max(sizes) <= batch and max(sizes) - min(sizes) <= 1
    images, (pitch, roll, depth) = (
        torch.cat([images for images, _ in batches]),
        (torch.cat(parts) for parts in zip(*(labels for _, labels in batches), strict=True)),
    )
    assert images.shape == (24, 1, 64, 64) and images.dtype == depth.dtype == torch.float32
    assert sorted(depth.tolist()) == made.depth_um.tolist() and depth.tolist() != made.depth_um.tolist()
    seen = images[:, 0, 32, 32] / GAIN  # the middle of the disc
    torch.testing.assert_close(seen, 0.2 * depth, atol=0.012, rtol=0.0)  # a grey value and a half
    k = torch.round(10 * depth).long()
    assert torch.equal(pitch, k % 3 * 30) and torch.equal(roll, k % 2 * 45)


def test_the_light_itself_is_left_alone():
    made = lights(6)
    before = made.light.copy()
    list(Rendered(made, 32).batches(0, 3))
    np.testing.assert_array_equal(made.light, before)


@pytest.mark.parametrize("kind", ["pose", "depth", "joint"])
def test_the_task_is_what_the_light_shows(kind):
    made = lights()
    task = task_of(replace(made, robot=np.where(made.depth_um > 1, 3, 1).astype(np.int16)), kind)
    assert task.kind == kind and task.robots == (1, 3)
    if kind == "depth":
        assert not task.pitches_deg and not task.rolls_deg and not task.poses
    else:
        assert task.pitches_deg == (0, 30, 60) and task.rolls_deg == (0, 45)
        assert task.poses == tuple(Pose(p, r) for p in (0, 30, 60) for r in (0, 45))
    if kind == "pose":
        assert math.isnan(task.depth_mean) and task.depth_unit is None
    else:
        assert task.depth_unit == "um"
        assert (task.depth_mean, task.depth_sd) == pytest.approx((1.15, 0.1 * math.sqrt((24**2 - 1) / 12)))
    assert type(task).from_json(task.to_json()).to_json() == task.to_json()


def test_light_at_one_depth_can_be_standardised():
    made = lights(1)
    assert 0 < task_of(made, "depth").depth_sd < 0.01


@given(st.dictionaries(st.integers(1, 18), st.tuples(st.integers(2, 45), st.integers(1, 3)), min_size=1, max_size=4))
def test_no_sequence_is_on_both_sides(robots):
    """``robots``: so many sequences of so many images of each."""
    pairs = [(robot, k) for robot, (count, images) in robots.items() for k in range(count) for _ in range(images)]
    robot, sequence = np.array(pairs).T
    teach, check = held_back(labelled(robot, sequence))
    sides = [set(zip(side.robot.tolist(), side.sequence.tolist(), strict=True)) for side in (teach, check)]
    assert not sides[0] & sides[1] and sides[0] | sides[1] == set(pairs)
    assert len(teach) + len(check) == len(pairs)
    for number, (count, _) in robots.items():
        held = sum(robot == number for robot, _ in sides[1])
        assert held == max(count // 10, 1)


def test_every_pose_is_held_back_where_there_are_ten_of_each():
    sequence = np.arange(40 * 10)
    made = labelled(np.full(400, 3), sequence)
    made = replace(made, pitch_deg=(sequence // 10).astype(np.int16))
    teach, check = held_back(made)
    assert sorted(check.pitch_deg.tolist()) == list(range(40))
    assert set(teach.pitch_deg.tolist()) == set(range(40))
    assert len(held_back(made, every=5)[1]) == 80
