"""What a network is shown: scale, size and brightness."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from microtwin.errors import InputError
from microtwin.perception.prepare import GAIN, HIGHEST, LOWEST, normalised, prepare
from microtwin.rig import LostError


@given(arrays.arrays(np.uint8, (2, 16, 16)), st.sampled_from([16, 32, 64, 128, 256]))
def test_blocks_of_equal_pixels_come_back(blocks, size):
    crops = blocks.repeat(16, axis=1).repeat(16, axis=2)
    np.testing.assert_array_equal(prepare(crops, size), blocks.repeat(size // 16, axis=1).repeat(size // 16, axis=2))


def test_pixels_are_averaged_not_picked():
    crops = np.random.default_rng(0).integers(0, 256, (3, 256, 256), dtype=np.uint8)
    mean = crops.reshape(3, 64, 4, 64, 4).mean(axis=(2, 4))
    assert np.abs(prepare(crops, 64) - mean).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [100, 224, 255])
def test_any_size_keeps_the_mean_and_the_sides(size):
    ramp = np.broadcast_to(np.linspace(0, 255, 256).round().astype(np.uint8), (1, 256, 256))
    small = prepare(ramp, size)[0]
    assert small.shape == (size, size)
    assert small.mean() == pytest.approx(127.5, abs=0.3)
    assert (np.diff(small.astype(int), axis=1) >= 0).all() and np.ptp(small, axis=0).max() == 0


def test_what_was_given_is_left_alone():
    crops = np.full((1, 256, 256), 90, np.uint8)
    prepare(crops, 256)[:] = 0
    assert (crops == 90).all()


def test_a_frame_is_cropped_around_its_robot(frame):
    image, (row, column) = frame()
    prepared = prepare(image[None], 256)
    window = image[row - 128 : row + 128, column - 128 : column + 128]
    shifts = [(v, u) for v in range(-4, 5) for u in range(-4, 5)]
    there = [np.array_equal(prepared[0], image[row - 128 + v :, column - 128 + u :][:256, :256]) for v, u in shifts]
    assert prepared.shape == (1, 256, 256) and window.shape == (256, 256)
    assert sum(there) == 1  # its own pixels, within 4 of the middle


def test_an_empty_frame_has_lost_its_robot():
    noise = np.random.default_rng(0).normal(110, 1.5, (1, 488, 678)).round().astype(np.uint8)
    with pytest.raises(LostError, match="no robot found"):
        prepare(noise, 64)


def test_no_images_are_prepared_as_none():
    assert prepare(np.empty((0, 256, 256), np.uint8), 64).shape == (0, 64, 64)
    assert prepare(np.empty((0, 488, 678), np.uint8), 64).shape == (0, 64, 64)


@pytest.mark.parametrize(
    ("images", "size", "message"),
    [
        (np.zeros((1, 255, 256), np.uint8), 64, r"images of 255 × 256 px: give crops of 256 × 256"),
        (np.zeros((256, 256), np.uint8), 64, r"images of 256 × 256 px"),
        (np.zeros((1, 256, 256)), 64, r"images are float64"),
        (np.zeros((1, 256, 256), np.uint8), 15, r"size is 15 px: give 16 to 256"),
        (np.zeros((1, 256, 256), np.uint8), 257, r"size is 257 px"),
    ],
)
def test_other_shapes_types_and_sizes_are_refused(images, size, message):
    with pytest.raises(InputError, match=message):
        prepare(images, size)


def shown(images: np.ndarray) -> np.ndarray:
    return normalised(torch.as_tensor(images)).numpy()


def test_the_background_is_zero_and_deviations_are_shares_of_it():
    image = np.full((1, 32, 32), 100, np.uint8)
    image[0, 10, 10], image[0, 11, 11] = 150, 0
    out = shown(image)
    assert out.shape == (1, 1, 32, 32) and out.dtype == np.float32
    assert out[0, 0, 0, 0] == 0.0
    assert out[0, 0, 10, 10] == pytest.approx(0.5 * GAIN)
    assert out[0, 0, 11, 11] == pytest.approx(-GAIN) == LOWEST


def test_only_the_rim_is_the_background():
    image = np.full((1, 64, 64), 200, np.uint8)
    image[0, 4:-4, 4:-4] = 50  # a rim of 64/16 on every side stays
    assert shown(image)[0, 0, 0].max() == 0.0 and shown(image)[0, 0, 32, 32] == pytest.approx(-0.75 * GAIN)
    image[0, :, 3] = image[0, 3] = 60  # a fringe that reaches into it changes nothing
    assert shown(image)[0, 0, 0, 0] == 0.0


@given(st.floats(0.3, 2.0), st.integers(0, 2**32 - 1))
def test_brightness_does_not_matter(factor, seed):
    light = 60 + 40 * np.random.default_rng(seed).random((2, 24, 24))
    dim = torch.as_tensor(light)[:, None].float()
    np.testing.assert_allclose(normalised(factor * dim[:, 0]), normalised(dim[:, 0]), atol=1e-5)


@given(arrays.arrays(np.uint8, (2, 20, 20)))
def test_any_picture_gives_numbers_in_range(images):
    out = shown(images)
    assert np.isfinite(out).all() and out.min() >= LOWEST and out.max() <= HIGHEST
    np.testing.assert_array_equal(out[:1], shown(images[:1]))  # each picture for itself


@given(arrays.arrays(np.uint8, (2, 40, 40)))
def test_the_background_is_the_median_of_each_pixel_of_the_rim_once(images):
    rim = np.ones((40, 40), bool)
    rim[2:-2, 2:-2] = False
    background = np.array([max(np.sort(image[rim])[(rim.sum() - 1) // 2], 1) for image in images.astype(float)])
    expected = np.clip(GAIN * (images / background[:, None, None] - 1), LOWEST, HIGHEST)
    np.testing.assert_allclose(shown(images)[:, 0], expected, atol=1e-4)


def test_of_two_levels_in_equal_shares_none_in_the_corners_counts_twice():
    image = np.full((1, 32, 32), 100, np.uint8)
    image[0, :2], image[0, -2:] = 120, 120  # 128 bright pixels of 240: counted twice, corners would not change that
    image[0, :2, 2:7] = 100  # 118 of 240 are bright now; with the corners of one side twice, 126 of 248
    assert shown(image)[0, 0, 16, 16] == 0.0
