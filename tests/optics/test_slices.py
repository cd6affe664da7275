"""Meshes and spheres as slices: volumes, places, and what is refused."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.image_axes import to_image, to_world
from microtwin.optics import fill, sphere_fill

SHAPE, PIXEL, SLICE, LOW = (40, 80, 96), 0.15, 0.2, -1.0
VOXEL = PIXEL * PIXEL * SLICE


def voxels(mesh, shape=SHAPE):
    return fill(mesh.vertices, mesh.faces, shape, PIXEL, SLICE, LOW)


def test_pixels_and_world_are_inverse_and_y_is_up():
    assert to_image(np.zeros(2), (81, 97), PIXEL).tolist() == [40.0, 48.0]
    row, column = to_image(np.array([1.5, 3.0]), (80, 96), PIXEL)
    assert row < 40 < 48 < column
    assert to_world(np.array([row, column]), (80, 96), PIXEL) == pytest.approx((1.5, 3.0))


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_voxel_volume_is_mesh_volume(seed):
    rng = np.random.default_rng(seed)
    mesh = trimesh.creation.box(rng.uniform(1.0, 3.0, 3))
    mesh.apply_transform(trimesh.transformations.random_rotation_matrix(rng.random(3)))
    mesh.apply_translation([*rng.uniform(-2, 2, 2), 3.0])
    stack = voxels(mesh)
    assert stack.sum() * VOXEL == pytest.approx(mesh.volume, rel=5e-3)
    assert stack.dtype == np.float32 and 0 <= stack.min() and stack.max() <= 1


@pytest.mark.parametrize("edge", [1.5, 1.65])
def test_walls_that_run_through_rays_are_counted_once(edge):
    """Faces, edges and their diagonals lie exactly on pixel centres or borders."""
    mesh = trimesh.creation.box((edge, edge, 1.6))
    mesh.apply_translation([PIXEL / 2, PIXEL / 2, 2.0])
    stack = voxels(mesh)
    assert stack.sum() * VOXEL == pytest.approx(mesh.volume, rel=1e-5)


def test_centre_of_a_body_is_where_it_was_put():
    mesh = trimesh.creation.icosphere(3, 1.2)
    mesh.apply_translation([2.0, 1.0, 3.0])
    stack = voxels(mesh)
    z, row, column = (np.sum(stack * axis) / stack.sum() for axis in np.ogrid[:40, :80, :96])
    assert to_world(np.array([row, column]), SHAPE[1:], PIXEL) == pytest.approx((2.0, 1.0), abs=2e-3)
    assert LOW + (z + 0.5) * SLICE == pytest.approx(3.0, abs=2e-3)


def test_sphere_is_its_fine_mesh_and_has_its_volume():
    centre, radius = (0.31, -0.77, 2.45), 1.9
    mesh = trimesh.creation.icosphere(5, radius)
    mesh.apply_translation(centre)
    exact = sphere_fill(centre, radius, SHAPE, PIXEL, SLICE, LOW)
    assert exact.sum() * VOXEL == pytest.approx(4 / 3 * np.pi * radius**3, rel=5e-4)
    assert np.abs(exact - voxels(mesh)).mean() * exact.size < 0.01 * exact.sum()


def test_overlapping_parts_fill_no_voxel_twice():
    one, two = (trimesh.creation.icosphere(3, 1.0) for _ in range(2))
    for mesh, x in ((one, -0.5), (two, 0.5)):
        mesh.apply_translation([x, 0, 2.0])
    both = voxels(trimesh.util.concatenate([one, two]))
    union = np.maximum(voxels(one), voxels(two))
    assert both.max() == 1.0
    assert both.sum() == pytest.approx(union.sum(), rel=0.01)


def test_refuses():
    ball = trimesh.creation.icosphere(2, 1.0)
    ball.apply_translation([0, 0, 2])
    with pytest.raises(InputError, match="not closed"):
        fill(ball.vertices, ball.faces[1:], SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="inside out"):
        fill(ball.vertices, ball.faces[:, ::-1], SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="empty"):
        fill(ball.vertices, np.zeros((0, 3), int), SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="vertex"):
        fill(ball.vertices[:10], ball.faces, SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="NaN"):
        fill(ball.vertices * np.nan, ball.faces, SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="shapes"):
        fill(ball.vertices[:, :2], ball.faces, SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="enlarge the grid"):
        voxels(ball, (40, 10, 96))
    with pytest.raises(InputError, match="slices"):
        voxels(ball, (10, 80, 96))
    with pytest.raises(InputError, match="enlarge the grid"):
        sphere_fill((9.0, 0, 2), 1.0, SHAPE, PIXEL, SLICE, LOW)
    with pytest.raises(InputError, match="radius"):
        sphere_fill((0, 0, 2), 0.0, SHAPE, PIXEL, SLICE, LOW)
