import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.robots import shapes

lengths = st.floats(0.2, 3.0)
angles = st.floats(-1.5, 1.5)


def closed_and_outward(mesh):
    return mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0


@given(axes=st.tuples(lengths, lengths, lengths), centre=st.tuples(angles, angles, angles))
@settings(max_examples=25, deadline=None)
def test_an_ellipsoid_has_its_volume_and_no_facet_further_inside_than_the_chord(axes, centre):
    mesh = shapes.ellipsoid(axes, centre)
    assert closed_and_outward(mesh)
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * math.prod(axes), rel=4 * shapes.CHORD_UM / min(axes))
    # a facet's middle lies inside the true surface by at most the chord error: scaled radius · largest axis bounds it
    depth = (1 - np.linalg.norm((mesh.triangles_center - centre) / axes, axis=1)) * max(axes)
    assert depth.max() <= shapes.CHORD_UM
    np.testing.assert_allclose(np.linalg.norm((mesh.vertices - centre) / axes, axis=1), 1, atol=1e-9)


@given(start=st.tuples(angles, angles, angles), end=st.tuples(angles, angles, angles), first=lengths, last=lengths)
@settings(max_examples=25, deadline=None)
def test_a_rod_is_a_frustum_in_any_direction(start, end, first, last):
    length = math.dist(start, end)
    assume(length > 0.1)
    mesh = shapes.rod(start, end, first, last)
    assert closed_and_outward(mesh)
    volume = math.pi * length / 3 * (first**2 + first * last + last**2)
    assert mesh.volume == pytest.approx(volume, rel=0.03)
    assert mesh.volume < volume


def test_the_sides_of_a_rod_stay_within_the_chord():
    mesh = shapes.rod((0, 0, 0), (0, 0, 1), 1.5)
    sides = mesh.triangles_center[np.abs(mesh.face_normals[:, 2]) < 0.5]
    edges = np.hypot(*np.mean(mesh.vertices[mesh.edges_unique], axis=1)[:, :2].T)
    assert np.hypot(sides[:, 0], sides[:, 1]).min() > 1.5 - shapes.CHORD_UM
    assert edges[edges > 1.0].min() > 1.5 - shapes.CHORD_UM


@given(chord=lengths, elevation=angles, bend=angles, azimuth=st.floats(-3, 3))
@settings(max_examples=50, deadline=None)
def test_an_arc_ends_where_it_is_told_and_bends_as_told(chord, elevation, bend, azimuth):
    path = shapes.arc(chord, elevation, bend, azimuth)
    level = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    end = chord * (math.cos(elevation) * level + math.sin(elevation) * np.array([0, 0, 1.0]))
    np.testing.assert_allclose(path[0], 0, atol=1e-9)
    np.testing.assert_allclose(path[-1], end, atol=1e-6)
    step = (path[1] - path[0]) / np.linalg.norm(path[1] - path[0])
    slope = math.atan2(step[2], step @ level)
    assert slope == pytest.approx(elevation - bend, abs=math.radians(2.6))


def test_opposite_arcs_that_start_level_lie_on_one_circle():
    elevation = 0.6
    path = np.concatenate([shapes.arc(3.0, elevation, elevation, a) for a in (0.0, math.pi)])
    radius = 1.5 / math.sin(elevation)
    np.testing.assert_allclose(np.linalg.norm(path - (0, 0, radius), axis=1), radius, atol=1e-9)


def test_a_wire_keeps_its_thickness_through_a_corner():
    mesh = shapes.tube(np.array([[0, 0, 0], [3, 0, 0], [3, 3, 0.0]]), 0.4)
    assert closed_and_outward(mesh)
    # two cylinders mitred at 45°: each is as long as its axis
    assert mesh.volume == pytest.approx(math.pi * 0.4**2 * 6, rel=0.03)
    assert np.abs(mesh.vertices[:, 2]).max() == pytest.approx(0.4, abs=shapes.CHORD_UM)


@pytest.mark.parametrize(("turns", "hand"), [(2.0, 1), (-2.0, -1)])
def test_a_helix_turns_as_a_screw_of_its_hand(turns, hand):
    path = shapes.helix(0.7, -1.0, 1.0, turns)
    np.testing.assert_allclose(np.hypot(path[:, 0], path[:, 2]), 0.7)
    np.testing.assert_allclose(path[[0, -1], 1], (-1.0, 1.0))
    turning = np.cross(path[:-1], path[1:])[:, 1]  # about +y, while the path climbs along +y
    assert (np.sign(turning) == hand).all()
    assert closed_and_outward(shapes.tube(path, 0.2))


@given(offset=st.floats(0.0, 1.9))
@settings(max_examples=15, deadline=None)
def test_a_union_counts_what_is_shared_once(offset):
    first, second = shapes.sphere(1.0), shapes.sphere(1.0, (offset, 0, 0))
    mesh = shapes.union([first, second])
    lens = math.pi / 12 * (4 + offset) * (2 - offset) ** 2
    assert closed_and_outward(mesh)
    assert mesh.body_count == 1
    assert shapes.overlap_um3(first, second) == pytest.approx(lens, abs=0.05)
    assert mesh.volume == pytest.approx(8 / 3 * math.pi - lens, rel=0.015)


def test_parts_that_do_not_touch_are_refused():
    with pytest.raises(InputError, match="2 pieces"):
        shapes.union([shapes.sphere(1.0), shapes.sphere(1.0, (3, 0, 0))])


def test_a_hollow_is_no_second_piece():
    ring = [
        shapes.rod(4 * np.array(start), 4 * np.array(end), 1.0)
        for start, end in [
            ((0, 0, 0), (1, 0, 0)),
            ((1, 0, 0), (1, 1, 0)),
            ((1, 1, 0), (0, 1, 0)),
            ((0, 1, 0), (0, 0, 0)),
        ]
    ]
    corners = [shapes.sphere(1.0, (x, y, 0)) for x in (0, 4) for y in (0, 4)]
    lids = [shapes.rod((2, 2, z), (2, 2, z + 0.4), 4.0) for z in (-1.1, 0.7)]
    box = shapes.union([*ring, *corners, *lids])
    assert box.is_watertight
    assert box.body_count == 2  # the outside and the hollow's wall
    assert box.volume < shapes.union(lids[:1] + [shapes.rod((2, 2, -1.1), (2, 2, 1.1), 4.0)]).volume


@given(height=st.floats(-0.9, 0.9))
@settings(max_examples=15, deadline=None)
def test_a_cut_keeps_the_side_of_its_normal(height):
    mesh = shapes.cut(shapes.sphere(1.0), (0, 0, 2.0), height)
    assert closed_and_outward(mesh)
    assert mesh.bounds[0, 2] == pytest.approx(height, abs=1e-6)
    assert mesh.bounds[1, 2] == pytest.approx(1.0, abs=0.01)
    cap = math.pi / 3 * (1 - height) ** 2 * (2 + height)
    assert mesh.volume == pytest.approx(cap, rel=0.06)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shapes.sphere(-1.0), "-1 µm"),
        (lambda: shapes.sphere(math.nan), "above 0"),
        (lambda: shapes.sphere(1.0, (0, math.inf, 0)), "no point"),
        (lambda: shapes.rod((0, 0, 0), (0, 0, 0), 1.0), "equal points"),
        (lambda: shapes.rod((0, 0, 0), (0, 0, 1), 0.0), "radius 0"),
        (lambda: shapes.tube(np.zeros((1, 3)), 1.0), "2 or more"),
        (lambda: shapes.cut(shapes.sphere(1.0), (0, 0, 1), 2.0), "leaves 0 pieces"),
        (lambda: shapes.arc(0.0, 0.1, 0.1), "arc 0"),
    ],
)
def test_shapes_that_cannot_be_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
