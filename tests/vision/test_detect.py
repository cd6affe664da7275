"""Masks, suggestion, detection and the axes."""

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.vision import MaskSettings, detect, suggest, to_image, to_world
from microtwin.vision.background import Background, Crop, whole
from microtwin.vision.granular import mass_centre
from microtwin.vision.mask import body_mask


def test_axes():
    shape = (512, 640)
    assert to_world(np.array([255.5, 319.5]), shape, 0.1725) == pytest.approx((0, 0))
    assert to_world(np.array([0, 0]), shape, 0.1725) == pytest.approx((-55.11, 44.07), abs=0.01)  # top left
    there = np.random.default_rng(0).uniform(-40, 40, (7, 2))
    assert to_world(to_image(there, shape, 0.1725), shape, 0.1725) == pytest.approx(there)


def test_robot_bead_and_cell_are_told_apart(studio, body, picture):
    bodies = [
        body((-20.0, 5.0), cap=(0.9, 0.4)),
        body((10.0, -12.0)),
        body((25.0, 20.0), contrast=0.2, radius_um=6.0),
    ]
    found = {one.kind: one for one in detect(picture(studio.image(bodies), 0, 0.0))}
    assert set(found) == {"robot", "cargo", "other"}
    for kind, one in zip(("robot", "cargo", "other"), bodies, strict=True):
        assert found[kind].position_um == pytest.approx(one.position_um, abs=0.3)
        assert found[kind].radius_um == pytest.approx(one.radius_um, rel=0.15)
        assert 0 < found[kind].score <= 1


@pytest.mark.parametrize("roll", [0.0, 0.8, 1.57, 2.5, 3.14])
def test_the_robot_is_known_however_it_has_rolled(studio, body, picture, roll):
    found = detect(picture(studio.image([body((0.0, 0.0)), body((10.2, 0.0), cap=(roll, 2.0))]), 0, 0.0))
    assert len(found) == 2
    robot = next(one for one in found if one.kind == "robot")
    assert robot.position_um == pytest.approx((10.2, 0), abs=0.4)


@pytest.mark.parametrize("light", [0.7, 1.0, 1.3])
def test_light_changes_neither_mask_nor_suggestion(studio, body, light):
    image = studio.image([body((0.0, 0.0)), body((-20.0, 9.0), cap=(1.0, 0.0))], light=light)
    settings = suggest(image)
    assert settings.lower == pytest.approx(0.12, abs=0.02)
    mask = body_mask(Background(image).normalised(image, whole(image)), settings)
    assert np.count_nonzero(mask) == pytest.approx(2 * np.pi * (5 / 0.1725) ** 2, rel=0.13)


def test_background_is_flat_once_normalised(studio):
    image = studio.image([])
    background = Background(image)
    flat = background.normalised(image, whole(image))
    assert flat.mean() == pytest.approx(1, abs=0.003)
    assert flat[:, :60].mean() == pytest.approx(flat[:, -60:].mean(), abs=0.004)
    assert background.noise == pytest.approx(2 / 110, rel=0.25)
    crop = Crop.around(np.array([100.0, 100.0]), 30, image.shape)
    assert np.allclose(background.normalised(image, crop), crop.of(flat))


def test_brightness_band_takes_the_dark_alone(studio, body):
    image = studio.image([body((0.0, 0.0), cap=(0.0, 0.0)), body((25.0, 0.0), contrast=0.4)])
    mask = body_mask(
        Background(image).normalised(image, whole(image)), MaskSettings(lower=0, upper=0.5, of="brightness")
    )
    assert mask[256, 320] and not mask[:, 420:].any()


def test_colour_frames(studio, body, picture):
    grey = studio.image([body((0.0, 0.0)), body((-20.0, 9.0), cap=(1.0, 0.0))])
    first, second = [
        [one.position_um for one in detect(picture(image, 0, 0.0))]
        for image in (grey, np.repeat(grey[..., None], 3, 2))
    ]
    assert np.allclose(first, second)


def test_bad_input(studio):
    bands: list[dict] = [
        {"lower": 0.5, "upper": 0.1},
        {"lower": -1},
        {"lower": float("nan")},
        {"blur_px": 50},
        {"dilation_px": 1.5},
        {"of": "colour"},
    ]
    for bad in bands:
        with pytest.raises(InputError) as error:
            MaskSettings(**bad)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="nothing stands out"):
        suggest(studio.image([]))
    with pytest.raises(InputError, match="give um_per_px"):
        detect(studio.image([]))


def test_centre_of_mass_leaves_a_touching_neighbour_out():
    rows, cols = np.mgrid[:120, :200]
    mask = ((np.hypot(rows - 60, cols - 60.4) < 30) | (np.hypot(rows - 60, cols - 120) < 30)).astype(np.uint8)
    alone = mass_centre(mask, np.array([63.0, 55.0]), 30.0, [(np.array([60.0, 120.0]), 30.0)])
    assert alone == pytest.approx((60, 60.4), abs=0.3)
