"""What waves must do, whatever the object."""

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.image_axes import to_image
from microtwin.optics import ExitField, Microscope, propagate, sphere_fill
from microtwin.optics.multislice import plan
from microtwin.optics.sources import source_points

DRY = Microscope.objective_20x(source_points=7)
OIL = Microscope.oil_100x(source_points=7)
SHAPE, PIXEL, SLICE = (20, 96, 108), 0.1725, 0.25


def bead(centre=(0.0, 0.0, 2.0), contrast: complex = 0.12, low=0.0, scope=DRY, pixel=PIXEL, shape=SHAPE) -> ExitField:
    stack = sphere_fill(centre, 1.5, shape, pixel, SLICE, low)
    stack = stack * np.asarray(contrast, np.complex64 if isinstance(contrast, complex) else np.float32)
    return propagate(stack, scope, pixel, SLICE, low)


def contrast(image):
    return float(np.std(image))


def test_image_of_nothing_is_flat():
    nothing = propagate(np.zeros(SHAPE, np.float32), Microscope.oil_100x(apodisation=True), 0.11, SLICE, 0.0)
    assert nothing.images([-5.0, 0.0, 7.0]) == pytest.approx(1.0, abs=1e-6)
    assert nothing.fields.dtype == np.complex64


def test_energy_is_conserved_without_a_pupil():
    energy = np.mean(np.abs(bead().fields) ** 2, axis=(1, 2))
    print(f"energy is off by {abs(energy - 1).max():.1e} at most")
    assert energy == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("scope", [DRY, OIL])
def test_translated_object_gives_the_translated_image(scope):
    here = bead(scope=scope, pixel=0.11).image(0.5)
    there = bead((5 * 0.11, 3 * 0.11, 2.0), scope=scope, pixel=0.11).image(0.5)
    assert np.roll(here, (-3, 5), axis=(0, 1)) == pytest.approx(there, abs=2e-5)
    assert contrast(here) > 0.05


def test_upper_half_of_the_world_is_the_upper_half_of_the_image():
    power = (bead((3.0, 2.0, 2.0)).image(-2.0) - 1) ** 2
    row, column = (np.sum(power * axis) / power.sum() for axis in np.ogrid[: SHAPE[1], : SHAPE[2]])
    assert (row, column) == pytest.approx(to_image(np.array([3.0, 2.0]), SHAPE[1:], PIXEL), abs=0.5)


def test_raising_object_and_focus_together_changes_nothing():
    assert bead((0, 0, 3.0)).image(1.0) == pytest.approx(bead((0, 0, 2.0)).image(0.0), abs=2e-5)


def test_refocus_composes_with_propagation_through_empty_slices():
    low, high = bead(low=-2.0, shape=(28, *SHAPE[1:])), bead(low=0.0)
    assert low.z_end_um == -2.0 and high.z_end_um == 0.0
    assert low.images([-3.0, 1.0]) == pytest.approx(high.images([-3.0, 1.0]), abs=3e-5)


def test_a_dense_bead_is_a_lens_for_light_coming_down():
    middle = np.s_[SHAPE[1] // 2 - 2 : SHAPE[1] // 2 + 2, SHAPE[2] // 2 - 2 : SHAPE[2] // 2 + 2]
    below, above = (image[middle].mean() for image in bead().images([-3.0, 7.0]))
    assert below > 1.3 > 0.9 > above


def test_uniform_film_absorbs_as_beer_lambert():
    kappa, count = 0.02, 4
    film = np.zeros(SHAPE, np.complex64)
    film[5 : 5 + count] = 0.1 + 1j * kappa
    scope = Microscope.objective_20x(condenser_na=0.0, source_points=1)
    expected = np.exp(-2 * scope.k0 * kappa * count * SLICE)
    assert propagate(film, scope, PIXEL, SLICE, 0.0).image(0.0) == pytest.approx(expected, rel=1e-4)


def test_thin_metal_casts_its_shadow():
    """100 nm of nickel in a 250 nm slice: index averaged over the slice leaves the transmission of the film."""
    film = np.zeros(SHAPE, np.complex64)
    film[8, 24:72, 27:81] = (0.1 / SLICE) * (1.75 - 1.33 + 3.3j)
    image = propagate(film, DRY, PIXEL, SLICE, 0.0).image(2.125)
    assert image[40:56, 46:62].mean() == pytest.approx(np.exp(-2 * DRY.k0 * 0.1 * 3.3), abs=2e-2)
    assert np.mean(image[:8]) == pytest.approx(1.0, abs=0.05)


def test_metal_does_not_pass_for_the_body():
    """The index in which light spreads is the body's, whatever opaque cap it wears."""
    body = sphere_fill((0, 0, 2.0), 1.5, SHAPE, PIXEL, SLICE, 0.0) * np.complex64(0.1)
    capped = np.where((body != 0) & (np.arange(SHAPE[2]) > 60), np.complex64(0.4 + 3.3j), body)
    bare, worn = (plan(stack, np.zeros((1, 2)), DRY.k0, 1.33, PIXEL, SLICE).wavenumbers for stack in (body, capped))
    assert bare[1] == pytest.approx(DRY.k0 * (1.33 + 0.05), rel=4e-3)
    assert worn == pytest.approx(bare, rel=2e-3)


def test_many_depths_are_the_single_ones_and_threads_change_nothing():
    stack = sphere_fill((0, 0, 2.0), 1.5, SHAPE, PIXEL, SLICE, 0.0) * np.float32(0.1)
    one, two = (propagate(stack, DRY, PIXEL, SLICE, 0.0, workers=n) for n in (1, 2))
    assert (one.fields == two.fields).all()
    many = one.images(np.array([0.0, 1.5]))
    assert many.dtype == np.float32 and many.shape == (2, *SHAPE[1:])
    assert (many[1] == one.image(1.5)).all()


def test_image_on_the_whole_grid_is_abbes_sum_itself():
    field = bead()
    scope, (_, ny, nx) = DRY, field.fields.shape
    kx, ky = np.meshgrid(*(2 * np.pi * np.fft.fftfreq(n, PIXEL) for n in (nx, ny)))
    directions, weights = source_points(scope.condenser_na, scope.source_points)
    total = np.zeros((ny, nx))
    for a, (tx, ty), weight in zip(field.fields, scope.k0 * directions, weights, strict=True):
        pupil = scope.pupil(kx + tx, ky + ty) * np.exp(1j * scope.defocus_phase(kx + tx, ky + ty, 0.0, 2.5))
        total += weight * np.abs(np.fft.ifft2(np.fft.fft2(a) * pupil)) ** 2
    assert field.image(2.5) == pytest.approx(total, abs=1e-5)


def test_upsampled_image_passes_through_the_coarse_one():
    field = bead((1.0, 0.5, 2.0))
    assert field.image(1.0, upsample=3)[1::3, 1::3] == pytest.approx(field.image(1.0), abs=1e-5)
    by_four = field.image(1.0, upsample=4).reshape(SHAPE[1], 4, SHAPE[2], 4)
    assert by_four.mean(axis=(1, 3)) == pytest.approx(field.image(1.0), abs=0.03)
    mirrored = bead().image(1.0, upsample=2)
    assert mirrored == pytest.approx(mirrored[::-1, ::-1], abs=1e-4)


@pytest.mark.parametrize(("focus", "upsample"), [(float("nan"), 1), (0.0, 0), (0.0, 1.5)])
def test_refuses_a_focus_or_grid_that_is_none(focus, upsample):
    with pytest.raises(InputError, match="focus_um is" if np.isnan(focus) else "upsample is"):
        bead().image(focus, upsample)


def test_coverslip_of_matched_index_changes_nothing_and_oil_blurs_high_focus():
    plain, matched, oil = (
        Microscope(1.2, 0.1, immersion_index=index, coverslip=slip, source_points=7)
        for index, slip in ((1.33, False), (1.33, True), (1.515, True))
    )
    high = {"centre": (0, 0, 22.0), "low": 20.0, "pixel": 0.11}
    images = [bead(scope=scope, **high).image(20.0) for scope in (plain, matched, oil)]
    assert images[1] == pytest.approx(images[0], abs=3e-4)
    assert contrast(images[2] - images[0]) > 0.1 * contrast(images[0])


def test_paraxial_focus_is_where_the_stage_says():
    """At a small aperture the coverslip's aberration is only the focus shift, which focus_height takes out."""
    plain, slip = (Microscope(0.3, 0.05, coverslip=c, source_points=7) for c in (False, True))
    images = [bead((0, 0, 12.0), low=10.0, scope=scope).image(9.0) for scope in (plain, slip)]
    assert contrast(images[1] - images[0]) < 0.03 * contrast(images[0])


def test_torch_gives_the_same_numbers():
    pytest.importorskip("torch", reason="torch is not installed")
    stack = sphere_fill((0, 0, 2.0), 1.5, SHAPE, PIXEL, SLICE, 0.0) * np.complex64(0.1 + 0.02j)
    ours, theirs = (propagate(stack, DRY, PIXEL, SLICE, 0.0, device=device) for device in (None, "cpu"))
    assert theirs.fields == pytest.approx(ours.fields, abs=1e-4)
    assert theirs.image(1.0) == pytest.approx(ours.image(1.0), abs=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta_n": np.zeros((4, 4))}, "shape"),
        ({"delta_n": np.full((2, 64, 64), np.nan)}, "NaN"),
        ({"pixel_um": 0.5}, "pixel_um is 0.5"),
        ({"pixel_um": 0.0}, "pixel_um is 0"),
        ({"slice_um": -1.0}, "slice_um is -1"),
    ],
)
def test_refuses(change, message):
    good = {"delta_n": np.zeros((2, 64, 64)), "microscope": DRY, "pixel_um": PIXEL, "slice_um": SLICE, "z_low_um": 0.0}
    with pytest.raises(InputError, match=message):
        propagate(**(good | change))
