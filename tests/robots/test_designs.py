import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.robots.designs import DESIGNS, design
from microtwin.robots.shapes import CHORD_UM, sphere


def holds(mesh, points):
    """Are the points inside? By the winding number: 1 inside a closed surface, 0 outside (van Oosterom & Strackee)."""
    a, b, c = (mesh.triangles[None, :, k] - np.asarray(points, float)[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(side, axis=-1) for side in (a, b, c))
    top = np.einsum("pfi,pfi->pf", a, np.cross(b, c))
    dot = np.einsum("pfi,pfi->pf", a, b) * lc + np.einsum("pfi,pfi->pf", b, c) * la
    dot += np.einsum("pfi,pfi->pf", c, a) * lb
    return np.arctan2(top, la * lb * lc + dot).sum(axis=1) / (2 * math.pi) > 0.5


@pytest.mark.parametrize("number", range(1, 19))
def test_every_design_makes_one_closed_outward_body_with_its_origin_in_its_middle(number):
    mesh = design(number).mesh()
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
    assert mesh.body_count == 1
    assert 84 + 50 * len(mesh.faces) < 2**20  # a binary STL's bytes
    assert 2.0 < mesh.extents.max() < 12.0  # the paper's robots
    if number not in (11, 15):  # a lattice and a ring have nothing in their middle
        assert holds(mesh, [(0.013, 0.007, 0.011)]).all()


@given(
    elevation=st.floats(-80, 80),
    bend=st.floats(-60, 60),
    arm=st.floats(3.0, 7.0),
    rod=st.floats(0.8, 2.0),
    ball=st.floats(2.1, 3.5),
)
@settings(max_examples=15, deadline=None)
def test_a_v_puts_its_balls_where_its_sizes_say(elevation, bend, arm, rod, ball):
    mesh = design(3).mesh(
        elevation_deg=elevation, bend_deg=bend, arm_um=arm, arm_diameter_um=rod, ball_diameter_um=ball
    )
    assert mesh.is_watertight and mesh.volume > 0
    up = math.radians(elevation)
    centres = arm * np.array([[math.cos(up), 0, math.sin(up)], [-math.cos(up), 0, math.sin(up)]])
    assert holds(mesh, centres).all()
    # half of each ball sticks out: beyond its centre, seen from the hub, its surface is the robot's
    for centre in centres:
        out = centre / arm
        assert holds(mesh, [centre + out * (ball / 2 - 2 * CHORD_UM)]).all()
        assert not holds(mesh, [centre + out * (ball / 2 + CHORD_UM)]).any()


@pytest.mark.parametrize(("number", "arms"), [(1, 4), (2, 6), (8, 2), (10, 8)])
def test_a_star_has_its_arms_at_equal_angles(number, arms):
    sizes = design(number).sizes
    out = sizes["arm_um"] * math.cos(math.radians(sizes["elevation_deg"]))
    up = sizes["arm_um"] * math.sin(math.radians(sizes["elevation_deg"]))
    angles = 2 * math.pi * np.arange(arms) / arms
    reach = out + 0.45 * sizes["ball_diameter_um"]  # inside a ball, beyond any rod
    at = np.stack([reach * np.cos(angles), reach * np.sin(angles), np.full(arms, up)], axis=1)
    mesh = design(number).mesh()
    assert holds(mesh, at).all()
    between = angles + math.pi / arms
    assert not holds(mesh, np.stack([reach * np.cos(between), reach * np.sin(between), at[:, 2]], axis=1)).any()


def test_flat_arms_make_a_flat_star():
    mesh = design(1).mesh(elevation_deg=0, bend_deg=0, ball_diameter_um=2.6)
    np.testing.assert_allclose(mesh.bounds[:, 2], (-1.3, 1.3), atol=0.01)
    assert mesh.center_mass[2] == pytest.approx(0, abs=1e-3)


def test_sagging_rods_hang_below_their_balls_and_straight_ones_do_not():
    sizes = design(15).sizes
    half, sag = sizes["side_um"] / 2, 1.2
    bowed, straight = design(15).mesh(sag_um=sag), design(15).mesh(sag_um=0)
    middle = [(half, 0.0, 0.0), (0.0, half, 0.0), (-half, 0.0, 0.0), (0.0, -half, 0.0)]
    assert holds(bowed, middle).all()
    assert holds(bowed, [(half, half, sag)]).all()
    assert not holds(bowed, [(half, 0.0, sag)]).any()
    assert holds(straight, middle).all() and straight.bounds[0, 2] == pytest.approx(-straight.bounds[1, 2], abs=1e-3)


def test_the_chain_is_flat_where_it_was_cut():
    mesh = design(16).mesh(flat_um=0.5)
    assert mesh.bounds[0, 1] == pytest.approx(-0.5, abs=1e-6)
    base = mesh.facets_area[np.argmin([mesh.triangles_center[f][:, 1].mean() for f in mesh.facets])]
    assert base > 3.0  # µm²: the cut passes through several balls


def test_the_springs_are_coils_round_a_spine():
    sizes = design(17).sizes
    mesh = design(17).mesh()
    y = np.linspace(-0.5, 0.5, 401) * (sizes["body_length_um"] - 2 * sizes["holder_length_um"])
    y = y[np.abs(y) > sizes["core_length_um"] / 2]
    assert holds(mesh, np.stack([0 * y, y, 0 * y], axis=1)).all()
    rim = sizes["coil_diameter_um"] / 2 - 0.03
    inside = holds(mesh, np.stack([0 * y, y, 0 * y - rim], axis=1))  # below the arms: wire, gap, wire, ...
    assert inside.any() and not inside.all()


def test_one_size_changed_changes_that_alone():
    plain, longer = design(5).mesh(cylinder_length_um=5.0), design(5).mesh(cylinder_length_um=6.0)
    np.testing.assert_allclose(longer.extents - plain.extents, (0, 1, 0), atol=1e-6)


def test_a_ball_is_a_ball():
    assert design(7).mesh(ball_diameter_um=3.0).volume == pytest.approx(sphere(1.5).volume)


@pytest.mark.parametrize(
    ("number", "changes", "message"),
    [
        (3, {"wings_um": 1.0}, "no size wings_um: choose from ellipsoid_length_um"),
        (3, {"ball_diameter_um": -1.0}, "ball_diameter_um -1"),
        (3, {"ball_diameter_um": math.nan}, "ball_diameter_um nan"),
        (3, {"elevation_deg": 91.0}, "-90 to 90"),
        (9, {"arc_deg": 350.0}, "less than 340"),
        (4, {"holder_length_um": 5.0}, "does not fit"),
        (17, {"wire_diameter_um": 1.5}, "does not fit"),
        (16, {"balls": 1.0}, "2 or more"),
        (16, {"ball_diameter_um": 0.5, "flat_um": 0.1}, "pieces"),
        (18, {"spacing_um": 20.0}, "pieces"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(number, changes, message):
    with pytest.raises(InputError, match=message) as error:
        design(number).mesh(**changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", [0, 19, -1])
def test_an_unknown_robot_is_refused(number):
    with pytest.raises(InputError, match=f"no robot {number}: choose 1 to 18"):
        design(number)


def test_sizes_name_their_units():
    for item in DESIGNS.values():
        assert all(name.endswith(("_um", "_deg")) or name in ("balls", "coils") for name in item.sizes)
