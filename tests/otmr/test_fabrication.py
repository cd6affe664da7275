"""Prints: still closed, as rough and as stretched as asked, round where they were sharp, cut where they stood."""

import math

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.optics import fill
from microtwin.otmr.fabrication import developed, printed
from microtwin.otmr.pose import rotation
from microtwin.otmr.randomisation import plain

PIXEL, SLICE = 0.11, 0.2
SHAPE = (40, 64, 64)
LOW = (-31.5 * PIXEL, -31.5 * PIXEL, -19.5 * SLICE)


def box(*size):
    made = trimesh.creation.box(size)
    return np.array(made.vertices), np.array(made.faces)


def ball(radius=1.4):
    made = trimesh.creation.icosphere(3, radius)
    return np.array(made.vertices), np.array(made.faces)


def voxels(mesh):
    return fill(mesh[0], mesh[1], SHAPE, PIXEL, SLICE, -20 * SLICE)


@settings(max_examples=20, deadline=None)
@given(
    size=st.lists(st.floats(0.5, 6.0), min_size=3, max_size=3), rough=st.floats(1.0, 60.0), seed=st.integers(0, 2**31)
)
def test_a_rough_print_is_still_closed(size, rough, seed):
    smooth = box(*size)
    vertices, faces = printed(smooth, plain(roughness_nm=rough, print_seed=seed))
    made = trimesh.Trimesh(vertices, faces, process=False)
    assert made.is_watertight and made.is_winding_consistent
    assert np.linalg.norm(vertices[faces] - vertices[np.roll(faces, -1, axis=1)], axis=2).max() < 0.4 + 0.5
    assert made.volume == pytest.approx(math.prod(size), rel=0.4)


def test_roughness_is_what_was_asked_and_smooth():
    vertices, _ = printed(ball(3.0), plain(roughness_nm=40.0, roughness_length_um=0.6))
    height = 1e3 * (np.linalg.norm(vertices, axis=1) - 3.0)
    assert np.std(height) == pytest.approx(40.0, rel=0.25)
    apart = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    agreement = np.multiply.outer(height, height) / height.var()
    assert agreement[(apart > 0) & (apart < 0.25)].mean() > 0.85  # exp(−r²/2ℓ²)
    assert abs(agreement[(apart > 1.5) & (apart < 2.5)].mean()) < 0.25


def test_size_errors_stretch_the_axes_of_the_body():
    vertices, _ = printed(box(2, 4, 6), plain(size_error_x=0.02, size_error_z=-0.05))
    assert np.ptp(vertices, axis=0) == pytest.approx([2.04, 4.0, 5.7])


def test_a_plain_print_is_the_mesh():
    mesh = ball()
    for made, drawn in zip(printed(mesh, plain()), mesh, strict=True):
        assert np.array_equal(made, drawn)


def test_the_spot_rounds_corners_and_keeps_faces():
    sharp = voxels(box(3, 3, 3))
    solid = developed(sharp, np.eye(3), LOW, plain(spot_um=0.12, spot_aspect=2.5), PIXEL, SLICE)
    assert solid.min() >= 0 and solid.max() == 1
    assert 0.9 < solid.sum() / sharp.sum() < 1.0
    lost = (sharp - solid) > 0.5
    rows, columns = np.nonzero(lost.any(axis=0))
    across = np.abs(np.stack([rows, columns]) - 31.5) * PIXEL
    assert len(rows) > 0 and across.max(axis=0).min() > 1.0  # all of it at the edges


@pytest.mark.parametrize("turn", [np.eye(3), rotation(math.radians(50), 0.4, 1.1), rotation(math.radians(90), 0.0)])
def test_the_spot_fuses_what_is_closer_than_itself_along_the_body_s_own_axes(turn):
    """A gap of 0.36 µm is filled where the spot is long, along the body's z, and stays where it is short."""
    draw = plain(spot_um=0.14, spot_aspect=3.0)

    def gap(axis: int, draw) -> float:
        half, faces = box(*np.where(np.arange(3) == axis, 1.0, 1.8))
        away = np.eye(3)[axis] * 0.68
        vertices = np.concatenate([half - away, half + away]) @ turn.T
        stack = voxels((vertices, np.concatenate([faces, faces + len(half)])))
        return float(developed(stack, turn, LOW, draw, PIXEL, SLICE)[19:21, 31:33, 31:33].mean())

    assert gap(2, plain(spot_um=0.0)) < 0.3
    assert gap(2, draw) > 0.8
    assert gap(0, draw) < 0.3
    assert gap(1, draw) < 0.3


@pytest.mark.parametrize("turn", [np.eye(3), rotation(math.radians(60), 0.3, 1.0)])
def test_a_cut_takes_the_body_s_lowest_layer_in_every_pose(turn):
    vertices, faces = box(2, 2, 4)
    sharp = voxels((vertices @ turn.T, faces))
    left = developed(sharp, turn, LOW, plain(spot_um=0.0, cut_um=1.0), PIXEL, SLICE)
    assert left.sum() / sharp.sum() == pytest.approx(3 / 4, abs=0.05)
    z, y, x = (np.indices(SHAPE).T @ np.diag([SLICE, -PIXEL, PIXEL]) + [LOW[2], -LOW[1], LOW[0]]).T
    up = turn[0, 2] * x + turn[1, 2] * y + turn[2, 2] * z
    assert left[up < -1.3].sum() < 0.01 * sharp.sum() < sharp[up < -1.3].sum()


def test_a_residue_reaches_out_from_under_the_body():
    sharp = voxels(ball())
    kept = developed(sharp, np.eye(3), LOW, plain(spot_um=0.0, residue_um=0.3), PIXEL, SLICE)
    added = kept - sharp
    assert added.min() >= 0 and added.sum() > 5
    slices = np.flatnonzero(added.sum(axis=(1, 2)) > 0.1)
    heights = LOW[2] + slices * SLICE
    assert -1.8 < heights.min() and heights.max() < -0.9
