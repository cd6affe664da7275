"""Cells in focus: granules and hardly an outline."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from microtwin.errors import InputError
from microtwin.optics.appearance import Appearance
from microtwin.optics.microscope import Microscope
from microtwin.optics.scene import Camera, Scene
from microtwin.optics.sensor import Sensor
from microtwin.scene import MEDIUM_INDEX
from microtwin.vision import MaskSettings, Tracker, detect, suggest, to_image
from microtwin.vision.background import Background, whole
from microtwin.vision.granular import granular_mask
from microtwin.vision.mask import body_mask

UM_PER_PX = 0.345
RADIUS_UM = 6.75
SHAPE = (192, 320)


def film(places=(), seed=0, noise=1.0, dust=()):
    """(192, 320) frame of discs of bright and dark granules with the background's mean, and of dark specks."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = np.ones(SHAPE)
    for place in places:
        row, column = to_image(np.array(place), SHAPE, UM_PER_PX)
        grains = gaussian_filter(rng.standard_normal(SHAPE), 0.5 / UM_PER_PX)
        light += (np.hypot(rows - row, cols - column) < RADIUS_UM / UM_PER_PX) * 0.25 * grains / grains.std()
    for place in dust:
        row, column = to_image(np.array(place), SHAPE, UM_PER_PX)
        light -= 0.4 * np.exp(-((np.hypot(rows - row, cols - column) / 4) ** 4))
    return np.clip(np.round(80 * light + noise * rng.standard_normal(SHAPE)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("seed", range(5))
def test_a_body_of_granules_without_an_outline_is_found(seed):
    places = [(-30.0, 5.0), (20.0, -10.0)]
    found = sorted(detect(film(places, seed), um_per_px=UM_PER_PX), key=lambda one: one.position_um[0])
    assert [one.kind for one in found] == ["other", "other"]
    for one, place in zip(found, places, strict=True):
        assert np.hypot(*(one.position_um - place)) < 0.5
        assert one.radius_um == pytest.approx(RADIUS_UM, rel=0.15)
        assert 0.3 < one.score <= 1


@pytest.mark.parametrize("noise", [1.0, 3.0, 8.0])
def test_the_granular_mask_is_whole_where_the_blurred_one_is_torn_and_noise_is_not_in_it(noise):
    image = film([(0.0, 0.0)], noise=noise)
    background = Background(image)
    normalised, settings = background.normalised(image, whole(image)), MaskSettings(lower=0.12)
    area = np.pi * (RADIUS_UM / UM_PER_PX) ** 2
    mask = granular_mask(normalised, settings, UM_PER_PX, background.noise)
    assert np.count_nonzero(mask) == pytest.approx(area, rel=0.2)
    assert np.count_nonzero(body_mask(normalised, MaskSettings(lower=0.12, dilation_px=0))) < 0.8 * area


@pytest.mark.parametrize("noise", [1.0, 3.0, 8.0])
def test_dust_and_noise_are_no_cells(noise):
    dust = [(-40.0, 20.0), (-10.0, -22.0), (3.0, 4.0), (31.0, 12.0)]
    assert [one for one in found_or_none(film((), 3, noise, dust)) if one.radius_um > 2.5] == []
    assert found_or_none(film((), 4, noise)) == []


def found_or_none(image):
    try:
        return detect(image, um_per_px=UM_PER_PX)
    except InputError as error:
        assert "nothing stands out" in str(error)
        return []


def test_a_mask_of_dark_bodies_takes_no_granules():
    image = film([(0.0, 0.0)])
    assert detect(image, suggest(image), UM_PER_PX)
    assert detect(image, MaskSettings(lower=0, upper=0.4, of="brightness"), UM_PER_PX) == []


@pytest.mark.parametrize("defocus_um", [-1.0, 0.0, 1.0])
def test_cells_are_found_on_either_side_of_focus_and_in_it(defocus_um):
    places = [(-30.0, 12.0, 7.0), (0.0, -14.0, 7.0), (33.0, 6.0, 7.0)]
    scene = Scene(
        [Appearance("cell", RADIUS_UM, seed=seed) for seed in range(3)],
        [7.0] * 3,
        microscope=Microscope.objective_20x(medium_index=MEDIUM_INDEX),
        sensor=Sensor(dust=0),
        camera=Camera(shape=SHAPE, binning=2, focus_um=7.0 + defocus_um),
    )
    still = np.tile([1.0, 0.0, 0.0, 0.0], (3, 1)), np.zeros((3, 3))
    image = scene.expose(np.array(places), *still, np.random.default_rng(1))
    found = sorted(detect(image, um_per_px=scene.um_per_px), key=lambda one: one.position_um[0])
    assert [one.kind for one in found] == ["other"] * 3
    for one, place in zip(found, places, strict=True):
        assert np.hypot(*(one.position_um - place[:2])) < 0.8


def test_the_tracker_finds_a_cell_in_focus_without_a_click(body, studio, picture):
    image = studio.image([body((-30.0, 5.0), cap=(0.9, 0.4))])
    rows, cols = np.mgrid[: image.shape[0], : image.shape[1]]
    row, column = to_image(np.array([8.0, -6.0]), image.shape, 0.1725)
    grains = gaussian_filter(np.random.default_rng(2).standard_normal(image.shape), 0.5 / 0.1725)
    inside = np.hypot(rows - row, cols - column) < RADIUS_UM / 0.1725
    grainy = np.clip(np.round(image * (1 + 0.25 * inside * grains / grains.std())), 0, 255).astype(np.uint8)
    tracker = Tracker()
    seen = tracker(picture(grainy, 0, 0.0))
    assert np.hypot(*(seen.robot_um - (-30.0, 5.0))) < 0.4
    assert np.hypot(*(seen.object_um - (8.0, -6.0))) < 0.6
