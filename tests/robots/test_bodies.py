"""Bodies: weights against the published numbers, copies, refusals."""

import math
from dataclasses import replace

import pytest

from microtwin.errors import InputError
from microtwin.robots.bodies import Body, bead, cell, janus_robot, sphere_weight_pn


def test_weights_of_silica_spheres():
    """10 µm silica in water: 5.1 pN; with a cap about 5.7 pN."""
    assert bead(range_um=0.04).weight_pn == pytest.approx(5.1, rel=0.02)
    assert janus_robot(moment_pn_um_per_mt=500, range_um=0.04).weight_pn == pytest.approx(5.7, rel=0.02)
    cap = janus_robot(moment_pn_um_per_mt=500, range_um=0.04).weight_pn - bead(range_um=0.04).weight_pn
    assert cap == pytest.approx(9.81e-3 * 7.9 * math.pi * 25 * 0.1)


def test_a_cell_is_light():
    assert cell(range_um=0.01).weight_pn == pytest.approx(0.06 * 4 / 3 * math.pi * 6.75**3 * 9.81e-3)


def test_weight_grows_with_the_volume():
    assert sphere_weight_pn(2.0, 1.0) == pytest.approx(8 * sphere_weight_pn(1.0, 1.0))


def test_at_places_the_lowest_point():
    body = bead(3.0, range_um=0.04, friction=0.2)
    placed = body.at(1.0, -2.0, 0.5)
    assert placed.position_um == (1.0, -2.0, 3.5)
    assert (placed.radius_um, placed.weight_pn, placed.friction) == (3.0, body.weight_pn, 0.2)
    assert body.position_um != placed.position_um


def test_kinds_and_moments():
    robot = janus_robot(
        4.0, moment_pn_um_per_mt=300, range_um=0.05, heading_offset_rad=0.1, friction=0.3, lift_pn_um3_s2=2
    )
    assert (robot.kind, robot.radius_um, robot.range_um, robot.moment_pn_um_per_mt) == ("robot", 4.0, 0.05, 300)
    assert (robot.heading_offset_rad, robot.friction, robot.lift_pn_um3_s2) == (0.1, 0.3, 2)
    assert bead(range_um=0.04).kind == "bead" and bead(range_um=0.04).moment_pn_um_per_mt == 0
    assert cell(range_um=0.04).kind == "cell" and cell(range_um=0.04).moment_pn_um_per_mt == 0


@pytest.mark.parametrize("name", ["radius_um", "range_um"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_lengths_must_be_positive(name, value):
    good = Body("bead", (0, 0, 10), 5.0, 5.0, 0.04)
    with pytest.raises(InputError, match=name) as error:
        replace(good, **{name: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["weight_pn", "moment_pn_um_per_mt", "friction", "lift_pn_um3_s2"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_strengths_must_not_be_negative(name, value):
    with pytest.raises(InputError, match=name):
        replace(Body("robot", (0, 0, 10), 5.0, 5.0, 0.04), **{name: value})


def test_heading_offset_must_be_finite():
    with pytest.raises(InputError, match="heading offset"):
        janus_robot(moment_pn_um_per_mt=500, range_um=0.04, heading_offset_rad=math.nan)
