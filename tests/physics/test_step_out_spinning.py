"""A robot that spins upright has a step-out of its own, in the weaker horizontal field."""

import math

import numpy as np
import pytest

from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD, CoilScale, RotatingField
from microtwin.physics import Liquid, World
from microtwin.physics.step_out import step_out_hz
from microtwin.robots import nominal
from microtwin.robots.calibration import lab_coils
from microtwin.scene import resting_gap

STILL = Liquid(kt_pn_um=0.0)
ROBOT = nominal().at(0, 0, resting_gap(nominal(), STILL))


def turns_per_s(gamma_rad, frequency_hz):
    world = World([ROBOT], rng=0, liquid=STILL, coils=lab_coils())
    world.step(RotatingField(0.0, gamma_rad, frequency_hz), 1.0)
    return float(np.linalg.norm(world.spins_rad_s[0])) / (2 * math.pi)


def test_between_the_two_it_rolls_in_step_but_slips_when_it_spins():
    spins, rolls = (step_out_hz(ROBOT, lab_coils(), STILL, gamma_rad=gamma) for gamma in (SPIN_CCW_RAD, PUSH_RAD))
    assert spins is not None and rolls is not None and spins < 0.85 * rolls
    assert step_out_hz(ROBOT, lab_coils(), STILL, gamma_rad=SPIN_CW_RAD) == spins
    assert turns_per_s(SPIN_CCW_RAD, 0.98 * spins) == pytest.approx(0.98 * spins, rel=0.02)
    between = 0.5 * (spins + rolls)
    assert turns_per_s(SPIN_CCW_RAD, between) < 0.8 * between
    assert turns_per_s(PUSH_RAD, between) == pytest.approx(between, rel=0.02)


def test_in_a_round_field_it_is_the_drag_alone_that_tells_them_apart():
    """Spinning about the wall's normal costs a sphere less than rolling along the wall (Goldman et al. 1967)."""
    even = CoilScale((4.0, 4.0, 4.0))
    spins, rolls = (step_out_hz(ROBOT, even, STILL, gamma_rad=gamma) for gamma in (SPIN_CCW_RAD, PUSH_RAD))
    assert spins is not None and rolls is not None and spins > rolls
