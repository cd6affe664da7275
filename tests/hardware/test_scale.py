"""µm per pixel from lines and from beads whose true scale is known."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from microtwin.errors import InputError
from microtwin.rig import Frame
from microtwin_hardware.calibration.scale import from_bead, from_grating


def lines(pitch_px, angle_rad, *, shape=(360, 480), dark=0.5, blur_px=2.0, noise=6.0, seed=0, lamp=0.2):
    """A frame of dark lines along ``angle_rad``, averaged over each pixel; ``dark`` is their share of the pitch."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform()
    fine = (np.arange(4) - 1.5) / 4
    rows = (np.arange(shape[0])[:, None] + fine).ravel()[:, None]
    cols = (np.arange(shape[1])[:, None] + fine).ravel()[None, :]
    across = (-math.sin(angle_rad) * cols - math.cos(angle_rad) * rows) / pitch_px + phase
    inside = (across % 1 < dark).reshape(shape[0], 4, shape[1], 4).mean(axis=(1, 3))
    image = gaussian_filter(140 - 80 * inside, blur_px)
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    image = image * (1 + lamp * x - lamp * y**2) + noise * rng.standard_normal(shape)
    return Frame(0, 0.0, np.clip(np.round(image), 0, 255).astype(np.uint8), 0.1725)


@pytest.mark.parametrize(
    ("pitch_px", "dark", "angle_deg"),
    [
        (57.97, 0.5, 0.0),
        (57.97, 0.5, -38.0),
        (20.3, 0.15, 1.5),
        (20.3, 0.15, 89.0),
        (42.0, 0.15, 0.0),
        (42.0, 0.15, -38.0),
    ],
)
def test_grating(pitch_px, dark, angle_deg):
    found = from_grating([lines(pitch_px, math.radians(angle_deg), dark=dark)], 10.0)
    assert found.um_per_px == pytest.approx(10.0 / pitch_px, rel=1.5e-3)
    assert math.remainder(found.angle_rad - math.radians(angle_deg), math.pi) == pytest.approx(0, abs=2e-3)
    assert found.count == pytest.approx(360 / pitch_px, rel=0.01)


def test_thin_lines_that_are_sharp_are_not_taken_for_finer_ones():
    found = from_grating([lines(50.0, 0.3, dark=0.06, blur_px=0.5, noise=1.0)], 10.0)
    assert found.um_per_px == pytest.approx(0.2, rel=1e-3)


def test_several_frames_tell_their_spread():
    frames = [lines(20.0, 0.1, noise=20.0, seed=k, shape=(256, 320)) for k in range(6)]
    found = from_grating(frames, 10.0)
    assert 0 < found.error_um_per_px < 1e-4
    assert found.um_per_px == pytest.approx(0.5, abs=5 * found.error_um_per_px)


def test_no_lines():
    empty = np.random.default_rng(0).normal(120, 5, (256, 320)).clip(0, 255).astype(np.uint8)
    with pytest.raises(InputError, match="no lines in the picture"):
        from_grating([Frame(0, 0.0, empty, 0.1725)], 10.0)
    with pytest.raises(InputError, match=r"finer grating|no lines"):
        from_grating([lines(150.0, 0.0, noise=1.0)], 10.0)
    with pytest.raises(InputError, match="give at least one"):
        from_grating([], 10.0)
    for pitch in (0.0, -10.0, math.nan):
        with pytest.raises(InputError, match="pitch of the grating"):
            from_grating([lines(40.0, 0.0)], pitch)


@pytest.fixture(scope="module")
def bead_frames():
    """Frames of rendered beads through the 20× objective: (radius, binning, height of focus over the middle)."""
    from microtwin.optics.appearance import Appearance
    from microtwin.optics.microscope import Microscope
    from microtwin.optics.scene import Camera, Scene

    def make(radius_um, binning, focus_um, guess):
        rng = np.random.default_rng(3)
        height = radius_um + 0.1
        camera = Camera(shape=(256 // binning,) * 2, binning=binning, focus_um=height + focus_um)
        optics = Microscope.objective_20x(medium_index=1.333)
        scene = Scene([Appearance("bead", radius_um)], [height], microscope=optics, camera=camera)
        places = [np.array([[*rng.uniform(-2, 2, 2), height]]) for _ in range(4)]
        images = [scene.expose(place, np.eye(3)[None], np.zeros((1, 3)), rng) for place in places]
        return [Frame(0, 0.0, image, guess * scene.um_per_px) for image in images], scene.um_per_px

    return make


@pytest.mark.parametrize("focus_um", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize(
    ("radius_um", "binning", "within"), [(2.5, 1, 0.04), (5.0, 1, 0.025), (5.0, 2, 0.025), (7.5, 1, 0.025)]
)
def test_bead(bead_frames, radius_um, binning, within, focus_um):
    frames, truth = bead_frames(radius_um, binning, focus_um, guess=1.1)
    assert from_bead(frames, 2 * radius_um).um_per_px == pytest.approx(truth, rel=within)


def test_no_bead():
    empty = np.random.default_rng(0).normal(120, 3, (256, 320)).clip(0, 255).astype(np.uint8)
    with pytest.raises(InputError):
        from_bead([Frame(0, 0.0, empty, 0.1725)], 10.0)
    with pytest.raises(InputError, match="diameter of the bead"):
        from_bead([Frame(0, 0.0, empty, 0.1725)], -10.0)
