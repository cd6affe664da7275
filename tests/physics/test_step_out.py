"""The step-out that the twin states is the one that its robots have."""

import math
from dataclasses import replace

import numpy as np
import pytest

from microtwin.field import PUSH_RAD, RotatingField
from microtwin.physics import Liquid, World
from microtwin.physics.step_out import step_out_hz
from microtwin.robots import bead, nominal
from microtwin.robots.calibration import lab_coils
from microtwin.scene import resting_gap
from microtwin.simulated import SimulatedRig

STILL = Liquid(kt_pn_um=0.0)
ROBOT = nominal().at(0, 0, resting_gap(nominal(), STILL))


def turns_per_s(heading_rad, frequency_hz):
    world = World([ROBOT], rng=0, liquid=STILL)
    world.step(RotatingField(heading_rad, PUSH_RAD, frequency_hz), 1.0)
    return float(np.linalg.norm(world.spins_rad_s[0])) / (2 * math.pi)


def test_below_it_the_robot_follows_in_every_direction_and_above_it_slips_in_some():
    found = step_out_hz(ROBOT, lab_coils(), STILL)
    assert found is not None
    headings = np.linspace(0, math.pi, 9)
    for heading in headings:
        assert turns_per_s(heading, 0.98 * found) == pytest.approx(0.98 * found, rel=0.02)
    assert min(turns_per_s(heading, 1.05 * found) for heading in headings) < 0.8 * found


def test_it_lies_where_the_calibration_tracks_have_it():
    found = step_out_hz(ROBOT, lab_coils(), STILL)
    assert found is not None and 45 < found < 75  # median of nine rollers: past 55 Hz


def test_it_grows_with_the_moment_and_falls_with_the_liquid_s_viscosity():
    usual = step_out_hz(ROBOT, lab_coils(), STILL)
    strong = step_out_hz(replace(ROBOT, moment_pn_um_per_mt=1.5 * ROBOT.moment_pn_um_per_mt), lab_coils(), STILL)
    thick = step_out_hz(ROBOT, lab_coils(), replace(STILL, viscosity_pa_s=2e-3))
    assert usual is not None and strong is not None and thick is not None
    assert strong > 1.3 * usual
    assert thick < 0.6 * usual


def test_what_has_no_moment_has_none_and_what_hardly_has_one_never_follows():
    assert step_out_hz(bead(range_um=0.04).at(0, 0, 0.4), lab_coils()) is None
    assert step_out_hz(replace(ROBOT, moment_pn_um_per_mt=0.1), lab_coils()) == 0.0
    assert step_out_hz(replace(ROBOT, moment_pn_um_per_mt=1e5), lab_coils()) is None


def test_a_rig_states_its_weakest_robot_s():
    weak = replace(ROBOT, moment_pn_um_per_mt=0.5 * ROBOT.moment_pn_um_per_mt, position_um=(60.0, 0.0, 5.3))
    alone, both = (SimulatedRig(World(bodies, rng=0, liquid=STILL)) for bodies in ([ROBOT], [ROBOT, weak]))
    assert both.step_out_hz == step_out_hz(weak, lab_coils(), STILL)
    assert alone.step_out_hz == step_out_hz(ROBOT, lab_coils(), STILL)
    assert SimulatedRig(World([bead(range_um=0.04).at(0, 0, 0.4)], rng=0)).step_out_hz is None
