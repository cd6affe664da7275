"""Images of a sphere against vector Mie theory: 2.5 µm, λ 0.6 µm, NA 1.3, defocus −3 to 3 µm."""

import numpy as np
import pytest

from microtwin.optics import Microscope, propagate, sphere_fill

DEFOCUS_UM = (-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3)  # the halves are printed only: contrast is least there
PIXEL_UM, SIZE, RADIUS_UM = 0.11, 128, 1.25


def errors(mie, scope, index, slice_um):
    """Root mean square of the difference over that of the oracle's contrast, within 6 µm, per defocus."""
    count = 2 * round(1.3 / slice_um)
    low = -count * slice_um / 2
    body = sphere_fill((0, 0, 0), RADIUS_UM, (count, SIZE, SIZE), PIXEL_UM, slice_um, low)
    field = propagate(body * np.float32(index - scope.medium_index), scope, PIXEL_UM, slice_um, low)
    ours = field.images([-z for z in DEFOCUS_UM])
    truth = mie.images(scope, RADIUS_UM, index, SIZE, PIXEL_UM, DEFOCUS_UM)
    middle = np.s_[:, SIZE // 2 - 55 : SIZE // 2 + 55, SIZE // 2 - 55 : SIZE // 2 + 55]
    difference, contrast = (ours - truth)[middle], (truth - 1)[middle]
    found = np.sqrt(np.mean(difference**2, (1, 2)) / np.mean(contrast**2, (1, 2))).tolist()
    shown = "  ".join(f"{z:+g} µm {error:.1%}" for z, error in zip(DEFOCUS_UM, found, strict=True))
    print(f"NA_c {scope.condenser_na}, {scope.source_points} sources, slices {slice_um} µm, n {index}: {shown}")
    return {z: error for z, error in zip(DEFOCUS_UM, found, strict=True) if z == int(z)}


@pytest.mark.parametrize(("condenser_na", "sources", "away"), [(0.1, 19, 0.12), (0.3, 37, 0.10)])
@pytest.mark.parametrize("slice_um", [0.1, 0.25])
def test_polymer_sphere_is_as_close_as_a_scalar_model_gets(mie, condenser_na, sources, away, slice_um):
    scope = Microscope(1.3, condenser_na, wavelength_um=0.6, immersion_index=1.515, source_points=sources)
    found = errors(mie, scope, 1.51, slice_um)
    assert found.pop(0) <= 0.26
    assert max(found.values()) <= away


def test_the_two_theories_meet_for_a_faint_sphere(mie):
    scope = Microscope(0.6, 0.1, wavelength_um=0.6, immersion_index=1.0, source_points=7)
    found = errors(mie, scope, 1.34, 0.1)
    assert found.pop(0) <= 0.045
    assert max(found.values()) <= 0.015


def test_without_a_sphere_the_oracle_is_flat(mie):
    scope = Microscope(1.3, 0.3, immersion_index=1.515, source_points=7)
    assert mie.images(scope, 1.0, 1.33 + 1e-9, 32, 0.11, (0.0,)) == pytest.approx(1.0, abs=1e-6)
