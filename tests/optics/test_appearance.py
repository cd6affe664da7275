"""What the bodies of the 20× scene are to light: an opaque cap that thins towards its rim, grains from a seed."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.optics.appearance import CELL, GRAIN, NICKEL, SILICA, Appearance

MEDIUM, SHAPE, PIXEL_UM, SLICE_UM, WAVELENGTH_UM = 1.333, (96, 96), 0.1725, 0.5, 0.55
UP, ALONG_X = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)


def slices(look: Appearance, axis=UP) -> np.ndarray:
    return look.delta_n(axis, MEDIUM, SHAPE, PIXEL_UM, SLICE_UM)


def film_path(axis, film_um: float = 0.1) -> np.ndarray:
    """(rows, columns) µm of nickel that light crosses, from what the film adds to the bare sphere's absorption."""
    return np.imag(slices(Appearance("robot", 5.0, film_um=film_um), axis)).sum(axis=0) * SLICE_UM / NICKEL.imag


def test_the_cap_is_opaque_through_its_pole():
    absorbed = 2 * math.pi / WAVELENGTH_UM * np.imag(slices(Appearance("robot", 5.0))).sum(axis=0) * SLICE_UM
    pole = np.exp(-absorbed[47:49, 47:49])
    assert pole == pytest.approx(math.exp(-2 * math.pi / WAVELENGTH_UM * NICKEL.imag * 0.1), rel=0.01)
    assert pole.max() ** 2 < 0.001  # of the intensity; 100 nm of nickel is a mirror


def test_the_film_thins_as_the_cosine_towards_the_equator():
    path = film_path(UP)
    radius_um = np.hypot(*np.meshgrid(*2 * [PIXEL_UM * (np.arange(96) - 47.5)]))
    for at in (0.0, 1.5, 3.0, 4.0):  # crossed at an angle, whose cosine cancels the film's until it curves away
        normal = path[np.abs(radius_um - at) < 0.15] * math.sqrt(1 - (at / 5) ** 2)
        assert normal == pytest.approx(0.1 * math.sqrt(1 - (at / 5) ** 2), rel=0.08)
    assert np.all(path[radius_um > 5.0] == 0)


def test_a_cap_on_its_side_covers_one_half():
    path = film_path(ALONG_X)
    assert path[:, :48].max() < 1e-6
    assert path[48, 60:76].min() > 0.02  # both crossings, 2.2 to 4.9 µm right of the middle
    assert np.all(np.diff(path[48, 49:70]) > 0)  # thin at the equator, which is seen as the middle


def test_up_and_down_put_the_film_into_the_upper_and_the_lower_half():
    up, down = (np.imag(slices(Appearance("robot", 5.0), (0.0, 0.0, z))).sum(axis=(1, 2)) for z in (1.0, -1.0))
    middle = len(up) // 2
    assert up[:middle].sum() == 0 and up[middle:].sum() > 0
    assert down[middle:].sum() == 0 and down[:middle].sum() == pytest.approx(up[middle:].sum(), rel=0.02)


def test_a_bead_is_bare_silica():
    delta = slices(Appearance("bead", 5.0))
    assert np.all(np.imag(delta) == 0)
    assert np.real(delta).max() == pytest.approx(SILICA - MEDIUM)
    volume = np.real(delta).sum() * PIXEL_UM**2 * SLICE_UM / (SILICA - MEDIUM)
    assert volume == pytest.approx(4 / 3 * math.pi * 125, rel=0.002)


def test_a_cell_s_grains_have_the_stated_mean_and_spread():
    delta = np.real(slices(Appearance("cell", 6.75, seed=5)))
    inside = delta[6:-6, 30:66, 30:66]  # a box well within the sphere
    assert inside.mean() == pytest.approx(CELL - MEDIUM, abs=0.003)
    assert inside.std() == pytest.approx(GRAIN, rel=0.3)


def test_a_cell_s_grains_come_from_its_seed():
    one, again, other = (slices(Appearance("cell", 6.75, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    inner = np.stack([np.real(look[4:-4, 30:66, 30:66]).ravel() for look in (one, other)])
    assert abs(np.corrcoef(inner)[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("kind", "radius_um", "message"),
    [
        ("ghost", 5.0, "appearance is 'ghost': choose"),
        ("bead", 0.0, "bead radius is 0.0 µm: give"),
        ("cell", math.nan, "cell radius is nan µm: give"),
    ],
)
def test_what_no_body_can_look_like_is_refused(kind, radius_um, message):
    with pytest.raises(InputError, match=message):
        Appearance(kind, radius_um)


def test_a_body_larger_than_its_grid_is_refused():
    with pytest.raises(InputError, match="enlarge the grid"):
        slices(Appearance("bead", 9.0))
