"""What lamp, lens and chip make of rendered light."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.otmr.draw import GRID_UM
from microtwin.perception.camera import Camera
from microtwin.perception.lights import LIGHT

STILL = Camera(
    in_plane=False, centring_um=0.0, scale=0.0, blur_px=(0.0, 0.0), contrast=0.0, gradient=0.0,
    background_dn=(100.0, 100.0), noise_dn=(0.0, 0.0), dust=0,
)  # fmt: skip
NOTHING = np.ones((4, LIGHT, LIGHT), dtype=np.float16)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def blob(sigma_px: float = 6.0, x: float = 0.0, y: float = 0.0, height: float = 0.5) -> np.ndarray:
    """(1, LIGHT, LIGHT) a bright spot, so many pixels right of and below the middle."""
    at = np.arange(LIGHT) - (LIGHT - 1) / 2
    return (1 + height * np.exp(-((at - x) ** 2 + (at[:, None] - y) ** 2) / (2 * sigma_px**2)))[None].astype(np.float16)


def moments(image: np.ndarray) -> tuple[np.ndarray, float]:
    """(column, row) of what stands out from a background of 100, from the middle; its mean square radius per axis."""
    rest = image.astype(float) - 100.0
    at = np.arange(len(rest)) - (len(rest) - 1) / 2
    mean = np.array([(rest * at).sum(), (rest * at[:, None]).sum()]) / rest.sum()
    square = (rest * ((at - mean[0]) ** 2 + (at[:, None] - mean[1]) ** 2)).sum() / rest.sum() / 2
    return mean, float(square)


def test_light_without_a_camera_is_its_middle():
    light = blob(x=9.0, y=-4.0)
    (seen,) = STILL.expose(light, 128, rng())
    np.testing.assert_allclose(seen, 100 * light[0, 8:136, 8:136].astype(float), atol=0.6)


def test_the_background_is_where_it_was_asked_for():
    seen = replace(STILL, background_dn=(72.0, 134.0)).expose(np.repeat(NOTHING, 50, axis=0), 32, rng())
    levels = seen.reshape(len(seen), -1)
    assert (levels.min(axis=1) == levels.max(axis=1)).all()
    assert 72 <= levels.min() < 75 and 131 < levels.max() <= 134
    assert levels[:, 0].std() == pytest.approx((134 - 72) / np.sqrt(12), rel=0.2)


@pytest.mark.parametrize(("light", "expected"), [(1.0, 3.0), (0.25, 1.5)])
def test_noise_is_as_asked_and_falls_with_the_light(light, expected):
    seen = replace(STILL, noise_dn=(3.0, 3.0)).expose(np.float16(light) * NOTHING, 128, rng()).astype(float)
    assert seen.mean() == pytest.approx(100 * light, abs=0.1)
    assert np.hypot(expected, np.sqrt(1 / 12)) == pytest.approx(seen.std(), rel=0.03)  # and a grey value's step
    left, right = seen[..., :-1] - seen.mean(), seen[..., 1:] - seen.mean()
    assert abs((left * right).mean()) < 0.05 * seen.var()  # of each pixel its own


def test_small_pictures_have_less_noise_as_areas_are_averaged():
    seen = replace(STILL, noise_dn=(4.0, 4.0)).expose(NOTHING, 32, rng()).astype(float)
    assert seen.std() == pytest.approx(np.hypot(4.0 / 4, np.sqrt(1 / 12)), rel=0.1)


def test_grey_values_end_at_black_and_white():
    noisy = replace(STILL, noise_dn=(5.0, 5.0))
    assert (STILL.expose(4 * NOTHING, 128, rng()) == 255).all()
    assert (noisy.expose(0 * NOTHING, 128, rng()) == 0).all()
    bright = noisy.expose(np.float16(2.55) * NOTHING, 128, rng())
    assert bright.max() == 255 and bright.min() > 200  # nothing has wrapped


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([16, 32, 100, 128, 200, 256]), st.integers(0, 2**31))
def test_pictures_depend_on_the_generator_alone_at_any_size(size, seed):
    light = np.concatenate([blob(x=9.0), blob(y=5.0)])
    before = light.copy()
    one, again = (Camera().expose(light, size, rng(seed)) for _ in range(2))
    assert one.shape == (2, size, size) and one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    np.testing.assert_array_equal(light, before)
    assert (one != Camera().expose(light, size, rng(seed + 1))).any()


@pytest.mark.parametrize("size", [32, 64, 256])
def test_another_size_shows_the_same_field(size):
    light = blob(x=14.0, y=-9.0, height=1.0)
    (full,), (other,) = STILL.expose(light, 128, rng()), STILL.expose(light, size, rng())
    (place, square), (there, other_square) = moments(full), moments(other)
    np.testing.assert_allclose(there, place * size / 128, atol=0.06 * size / 128)
    assert other_square == pytest.approx(square * (size / 128) ** 2, rel=0.06)


def test_every_angle_is_taken_and_light_is_kept():
    camera, light = replace(STILL, in_plane=True), np.repeat(blob(x=30.0), 200, axis=0)
    places = np.array([moments(image)[0] for image in camera.expose(light, 128, rng())])
    np.testing.assert_allclose(np.hypot(*places.T), 30.0, atol=0.2)
    counts = np.histogram(np.arctan2(places[:, 1], places[:, 0]), bins=4, range=(-np.pi, np.pi))[0]
    assert counts.min() > 30


def test_what_comes_in_from_outside_is_background():
    light = 0.5 * np.ones((20, LIGHT, LIGHT), dtype=np.float16)
    seen = replace(STILL, in_plane=True).expose(light, 128, rng())
    corners = seen[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == 100).any() and (seen[:, 64, 64] == 50).all()
    assert seen.max() <= 108  # but for the interpolation's overshoot


def test_place_and_scale_vary_as_asked():
    light = np.repeat(blob(), 300, axis=0)
    places = np.array([moments(i)[0] for i in replace(STILL, centring_um=0.3).expose(light, 128, rng())])
    assert np.abs(places.mean(axis=0)).max() < 0.6
    np.testing.assert_allclose(places.std(axis=0) * GRID_UM, 0.3, rtol=0.15)
    squares = np.array([moments(i)[1] for i in replace(STILL, scale=0.1).expose(light, 128, rng())])
    sizes = np.sqrt(squares / moments(STILL.expose(light[:1], 128, rng())[0])[1])
    assert sizes.mean() == pytest.approx(1.0, abs=0.02) and sizes.std() == pytest.approx(0.1, rel=0.15)


def test_blur_and_contrast_are_as_asked():
    light = blob(2.0, height=1.0)
    (sharp,), (soft,) = (replace(STILL, blur_px=(b, b)).expose(light, 128, rng()) for b in (0.0, 1.2))
    assert moments(sharp)[1] == pytest.approx(4.0, rel=0.03)
    assert moments(soft)[1] - moments(sharp)[1] == pytest.approx(0.6**2, rel=0.25)
    peaks = replace(STILL, contrast=0.15).expose(np.repeat(light, 100, axis=0), 128, rng()).max(axis=(1, 2))
    change = (peaks - 100.0) / (sharp.max() - 100.0) - 1
    assert 0.12 < change.max() < 0.16 and -0.16 < change.min() < -0.12


def test_the_lamp_slopes_by_as_much_as_asked():
    seen = replace(STILL, gradient=0.2).expose(np.repeat(NOTHING, 25, axis=0), 64, rng()).astype(float)
    edges = np.stack([seen[:, :, -1].mean(1) - seen[:, :, 0].mean(1), seen[:, -1].mean(1) - seen[:, 0].mean(1)])
    steepest = np.hypot(*edges) / 200
    assert 0.15 < steepest.max() < 0.205 and steepest.min() < 0.03
    assert (edges.max(axis=1) > 5).all() and (edges.min(axis=1) < -5).all()
    np.testing.assert_allclose(seen.mean(axis=(1, 2)), 100, atol=0.5)


def test_dust_takes_light_in_specks_and_no_more_than_asked():
    seen = replace(STILL, dust=10, dust_depth=0.4).expose(np.repeat(NOTHING, 10, axis=0), 128, rng())
    dark = seen < 100
    assert 0 < dark.mean() < 10 * 9 / 128**2
    assert seen.max() == 100 and 40 <= seen.min() < 75
    (clean,) = STILL.expose(NOTHING[:1], 128, rng())
    assert (clean == 100).all()
