"""Matching and fitting crops: drawn crops whose truth is known, and pictures without anything to fit."""

import math
from dataclasses import replace

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.otmr.depth import depth_of, focus_um
from microtwin.otmr.fit import fit_shared, fit_turn
from microtwin.otmr.match import GROWN_UM, Target, correlation, grown
from microtwin.otmr.pose import Pose, rotation
from microtwin.otmr.randomisation import plain
from microtwin.otmr.render import microscope, render_sequence
from microtwin.robots.catalogue import robot

TIPPED = rotation(math.radians(30), 0.0)


@pytest.fixture(scope="module")
def drawn():
    """A crop of robot 3 that leans, on a sloping background with dust, and its draw."""
    draw = plain(lean_x_deg=5.0, lean_y_deg=-4.0, in_plane_deg=37.0, gradient_x=0.04, dust=8, spot_um=0.0)
    image = render_sequence(robot(3).mesh, Pose(30, 0), [-1.2], draw, np.random.default_rng(1), origin_um=(0.3, -0.9))
    return image[0], draw


def test_a_drawn_crop_gives_back_its_pose_place_and_depth(drawn):
    image, draw = drawn
    found = fit_turn(Target.of(image), robot(3).mesh, TIPPED, replace(draw, lean_x_deg=0.0, lean_y_deg=0.0), quick=True)
    assert found.score > 0.97
    assert math.hypot(found.lean_deg[0] - 5.0, found.lean_deg[1] + 4.0) < 1.5
    turn = (math.degrees(found.placement.in_plane_rad) - 37.0 + 180.0) % 360.0 - 180.0
    assert abs(turn) < 1.5
    assert depth_of(found.placement.height_um, 0.0, microscope(draw, 0.0)) == pytest.approx(-1.2, abs=0.15)


def test_the_wrong_robot_fits_worse(drawn):
    image, draw = drawn
    target = Target.of(image)
    assert fit_turn(target, robot(8).mesh, TIPPED, draw, quick=True).score < 0.9


def test_depth_and_height_are_inverse():
    scope = microscope(plain(), 0.0)
    assert focus_um(depth_of(1.7, 0.4, scope), 0.4, scope) == pytest.approx(1.7)


def test_correlation_takes_no_notice_of_brightness_contrast_and_what_does_not_count():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(40, 40)).astype(np.float32)
    weights = np.zeros_like(one)
    weights[5:30, 5:30] = 1.0
    other = 3.0 * one + 7.0
    other[weights == 0] = 99.0
    assert correlation(one, other, weights) == pytest.approx(1.0, abs=1e-5)
    assert correlation(one, -other, weights) == pytest.approx(-1.0, abs=1e-5)
    assert abs(correlation(one, rng.normal(size=(40, 40)).astype(np.float32), weights)) < 0.15
    assert correlation(one, other, np.zeros_like(weights)) == -1.0


def test_an_outline_grows_by_a_micrometre():
    outline = np.zeros((101, 101), np.float32)
    outline[50, 50] = 1.0
    reach = math.sqrt(grown(outline, 0.05).sum() / math.pi) * 0.05
    assert reach == pytest.approx(GROWN_UM, rel=0.05)


def test_background_and_its_slope_are_taken_out(drawn):
    image, draw = drawn
    target = Target.of(image)
    corner = target.light[8:30, 8:30]
    assert corner.mean() == pytest.approx(1.0, abs=0.01)
    slope = target.background_dn[128, 250] / target.background_dn[128, 5] - 1
    assert slope == pytest.approx(2 * draw.gradient_x * 245 / 256, abs=0.02)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.zeros((100, 256), np.uint8), "give one of 256"),
        (np.kron(np.eye(2) * 255, np.ones((128, 128))).astype(np.uint8)[:, ::-1] // 2 + 1, "no even"),
    ],
)
def test_what_is_no_crop_is_refused(image, says):
    with pytest.raises(InputError, match=says):
        Target.of(image)


def test_shared_values_climb_to_the_top():
    def score(values):
        return -((values["a"] - 2.0) ** 2) - (values["b"] + 1.0) ** 2

    found = fit_shared(score, {"a": 0.0, "b": 0.0, "c": 9.0}, {"a": 0.5, "b": 0.5}, {}, 200)
    assert found == pytest.approx({"a": 2.0, "b": -1.0, "c": 9.0}, abs=0.02)


def test_shared_values_keep_their_bounds():
    found = fit_shared(lambda values: values["a"], {"a": 0.0}, {"a": 0.5}, {"a": (-1.0, 3.0)}, 100)
    assert found["a"] == pytest.approx(3.0, abs=0.05)
    assert found["a"] <= 3.0


def test_values_of_which_no_body_can_be_made_score_nothing():
    def score(values):
        if values["a"] > 1.0:
            raise InputError("too large: give less")
        return values["a"]

    assert fit_shared(score, {"a": 0.0}, {"a": 0.3}, {}, 60)["a"] == pytest.approx(1.0, abs=0.05)
