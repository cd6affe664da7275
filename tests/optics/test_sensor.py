"""The camera chip's means and variances in closed form, and the patterns that stay with it."""

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.optics import Sensor

CLEAN = Sensor(shape=(300, 400), read_noise_e=0, prnu=0, dsnu_e=0, gradient=(0, 0), dust=0, black_dn=5)
FLAT = np.ones((300, 400), np.float32)


@pytest.mark.parametrize("level", [0.25, 0.5, 1.0, 2.0])
def test_photon_transfer(level):
    """Mean K N + black, variance K² (N + σ²) + 1/12 of rounding: EMVA 1288."""
    sensor = Sensor(**{**vars_of(CLEAN), "read_noise_e": 40.0})
    frame = sensor.expose(level * FLAT, np.random.default_rng(1)).astype(float)
    electrons = level * sensor.electrons
    assert frame.dtype == float and frame.mean() == pytest.approx(sensor.gain * electrons + 5, abs=0.02)
    assert frame.var() == pytest.approx(sensor.gain**2 * (electrons + 40**2) + 1 / 12, rel=0.03)


def test_fixed_patterns_have_their_spread_and_stay_with_the_chip():
    sensor = Sensor(shape=(300, 400), electrons=1e9, full_well_e=1e12, prnu=0.02, gradient=(0, 0), dust=0)
    whole = sensor.expose(FLAT, np.random.default_rng(1))
    assert whole.astype(float).std() == pytest.approx(0.02 * 80, rel=0.03)
    part = sensor.expose(FLAT[:50, :60], np.random.default_rng(2), origin=(100, 200))
    assert np.abs(part.astype(int) - whole[100:150, 200:260]).max() <= 1
    assert np.mean(part != whole[100:150, 200:260]) < 0.02
    other = Sensor(**{**vars_of(sensor), "seed": 1}).expose(FLAT, np.random.default_rng(1))
    assert np.corrcoef(other.ravel(), whole.ravel())[0, 1] == pytest.approx(0, abs=0.02)


def vars_of(sensor):
    return {name: getattr(sensor, name) for name in sensor.__dataclass_fields__}


def test_dark_offsets():
    sensor = Sensor(shape=(300, 400), black_dn=20, read_noise_e=0, dsnu_e=400)
    dark = sensor.expose(0 * FLAT, np.random.default_rng(1)).astype(float)
    assert dark.mean() == pytest.approx(20, abs=0.1)
    assert dark.std() == pytest.approx(400 * sensor.gain, rel=0.03)


def test_illumination_slopes_from_edge_to_edge():
    sensor = Sensor(**{**vars_of(CLEAN), "gradient": (0.1, -0.2)})
    frame = sensor.expose(FLAT, np.random.default_rng(1)).astype(float) - 5
    assert frame[:, -20:].mean() / frame[:, :20].mean() == pytest.approx(1.095 / 0.905, rel=5e-3)
    assert frame[:20].mean() > frame[-20:].mean()


def test_dust_darkens_spots_only():
    dusty = Sensor(**{**vars_of(CLEAN), "dust": 20, "dust_depth": 0.5, "electrons": 1e8, "full_well_e": 1e12})
    frame = dusty.expose(FLAT, np.random.default_rng(1)).astype(int)
    assert np.median(frame) == 80 and frame.max() <= 81
    assert 0.002 < np.mean(frame < 75) < 0.03


def test_saturates_at_the_scale_and_at_full_well():
    rng = np.random.default_rng(1)
    assert (CLEAN.expose(10 * FLAT, rng) == 255).all()
    shallow = Sensor(**{**vars_of(CLEAN), "full_well_e": 12800})
    assert (shallow.expose(3 * FLAT, rng) == 5 + 150).all()
    assert (CLEAN.expose(-FLAT, rng) == 5).all()


def test_same_seed_same_frame():
    frames = [Sensor(shape=(300, 400)).expose(FLAT, np.random.default_rng(3)) for _ in range(2)]
    assert frames[0].dtype == np.uint8
    assert (frames[0] == frames[1]).all()


def test_jpeg_stays_close():
    pytest.importorskip("cv2", reason="opencv is not installed")
    plain, squeezed = (
        Sensor(shape=(300, 400), jpeg_quality=q).expose(FLAT, np.random.default_rng(3)) for q in (None, 90)
    )
    assert squeezed.shape == plain.shape
    assert 0 < np.abs(squeezed.astype(int) - plain).mean() < 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (0, 5)}, "shape"),
        ({"electrons": 0}, "electrons"),
        ({"full_well_e": -1}, "full_well_e"),
        ({"prnu": -0.1}, "prnu"),
        ({"read_noise_e": float("nan")}, "read_noise_e"),
        ({"background_dn": 300}, "background_dn"),
        ({"gradient": (0.6, 0.5)}, "gradient"),
        ({"dust_depth": 2}, "dust_depth"),
        ({"jpeg_quality": 0}, "jpeg_quality"),
    ],
)
def test_refuses_a_chip(change, message):
    with pytest.raises(InputError, match=message):
        Sensor(**change)


def test_refuses_an_image_that_leaves_the_chip():
    with pytest.raises(InputError, match="leave the chip"):
        CLEAN.expose(FLAT, np.random.default_rng(0), origin=(1, 0))
    with pytest.raises(InputError, match="one image"):
        CLEAN.expose(FLAT[None], np.random.default_rng(0))
