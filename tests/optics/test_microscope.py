"""The microscope's description: what it refuses, its source points and its pupil."""

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.optics import Microscope, propagate, sphere_fill
from microtwin.optics.sources import source_points
from microtwin.optics.zernike import wavefront, zernike


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"na": 1.3}, "above the immersion index 1.0"),
        ({"na": 0.0}, "na is 0"),
        ({"na": float("nan")}, "na is nan"),
        ({"condenser_na": 0.5}, "give 0 to 0.4"),
        ({"condenser_na": -0.1}, "condenser_na is -0.1"),
        ({"wavelength_um": -1}, "wavelength_um"),
        ({"medium_index": 0.9}, "medium_index"),
        ({"slice_um": 0}, "slice_um"),
        ({"pixel_um": 0}, "pixel_um"),
        ({"source_points": 20}, "19 or 37"),
        ({"source_points": 0}, "source_points is 0"),
        ({"aberrations": ((2, 1, 0.1),)}, "Zernike term"),
        ({"aberrations": ((4, 0, float("inf")),)}, "finite"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(InputError, match=message) as caught:
        Microscope.objective_20x(**change)
    assert "\n" not in str(caught.value)


def test_presets_and_focus_behind_the_coverslip():
    assert Microscope.objective_20x().pixel_um == 0.1725
    oil = Microscope.oil_100x(condenser_na=0.15)
    assert (oil.na, oil.condenser_na) == (1.3, 0.15)
    assert oil.focus_height(1.0) == pytest.approx(0.878, abs=1e-3)
    assert oil.stage_travel(oil.focus_height(3.0)) == pytest.approx(3.0)


def test_no_wave_steeper_than_the_liquid_allows_passes():
    steep = Microscope(na=1.45, condenser_na=0.1, immersion_index=1.515)
    assert steep.cutoff == pytest.approx(steep.k0 * 1.33)
    k = steep.k0 * np.array([0.0, 1.3, 1.4])
    assert list(np.abs(steep.pupil(k, np.zeros(3)))) == [1, 1, 0]


@pytest.mark.parametrize("count", [7, 19, 37, 61, 127])
def test_source_points_fill_the_disc_evenly(count):
    points, weights = source_points(0.3, count)
    assert points.shape == (count, 2)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ points == pytest.approx(0.0, abs=1e-12)
    second = (weights[:, None, None] * points[:, :, None] * points[:, None]).sum(axis=0)
    assert second == pytest.approx(0.3**2 / 4 * np.eye(2), abs=0.3**2 / 4 * 0.6 / np.sqrt(count))
    assert np.hypot(*points.T).max() < 0.3


def test_closed_condenser_is_one_wave():
    points, weights = source_points(0.0, 37)
    assert points.tolist() == [[0.0, 0.0]] and weights.tolist() == [1.0]


def test_zernike_terms_are_orthonormal():
    rho, w = np.polynomial.legendre.leggauss(20)
    rho, w = (rho + 1) / 2, w / 2
    theta = 2 * np.pi * np.arange(40) / 40
    r, t = np.meshgrid(rho, theta)
    area = np.broadcast_to(2 * w * rho / 40, r.shape)
    terms = [zernike(n, m, r, t) for n in range(7) for m in range(-n, n + 1, 2)]
    gram = np.array([[np.sum(area * a * b) for a in terms] for b in terms])
    assert gram == pytest.approx(np.eye(len(terms)), abs=1e-12)


def test_wavefront_is_spherical_aberration_where_asked():
    assert wavefront(((4, 0, 0.1),), np.array([0.0, 1.0]), np.zeros(2)) == pytest.approx(0.1 * np.sqrt(5) * np.ones(2))


@pytest.mark.parametrize(("term", "moved"), [((1, 1), (0, -1)), ((1, -1), (1, 0))])
def test_tilted_wavefront_moves_the_image(term, moved):
    """2c waves at the rim move the image by 2cλ/NA, against the slope: x left, or y down, which is rows down."""
    waves, pixel = 0.5, 0.11
    scope = Microscope.objective_20x(condenser_na=0.1, source_points=7)
    tilted = Microscope.objective_20x(condenser_na=0.1, source_points=7, aberrations=((*term, waves),))
    stack = sphere_fill((0, 0, 2), 1.5, (16, 125, 125), pixel, 0.25, 0.0) * np.float32(0.1)
    straight, aside = (propagate(stack, s, pixel, 0.25, 0.0).image(0.0) for s in (scope, tilted))
    shift = np.array(moved) * 2 * waves * scope.wavelength_um / scope.na / pixel
    rows, columns = (np.fft.fftfreq(125) for _ in range(2))
    phase = np.exp(-2j * np.pi * (rows[:, None] * shift[0] + columns * shift[1]))
    assert aside == pytest.approx(np.fft.ifft2(np.fft.fft2(straight) * phase).real, abs=1e-4)
