"""The corridor without a switch: γ runs continuously, to the same side as the corridor's spins; it chatters less."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin import paths
from microtwin.control import Blended, Corridor
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD
from microtwin.pushing import Push
from microtwin.rig import Observation

NODES = np.array([(60.0, 0.0), (80.0, 0.0)])


def gamma_at(offset_um, width_um=8.0, **options):
    controller = Blended(NODES, frequency_hz=12.0, width_um=width_um, **options)
    controller.mode = "push"
    return controller.act(Observation(0, 0.0, np.zeros(2), np.array([12.0, offset_um]))).gamma_rad


def test_gamma_runs_from_one_spin_to_the_other():
    assert gamma_at(0.0) == pytest.approx(PUSH_RAD)
    assert gamma_at(2.0) == pytest.approx(PUSH_RAD + math.pi / 4)
    assert gamma_at(-2.0) == pytest.approx(PUSH_RAD - math.pi / 4)
    assert gamma_at(4.5) == pytest.approx(SPIN_CW_RAD)
    assert gamma_at(-4.5) == pytest.approx(SPIN_CCW_RAD, abs=1e-12)


@given(at=st.floats(-9.0, 9.0), by=st.floats(1e-3, 0.5), width=st.floats(1.0, 15.0))
def test_no_step_anywhere(at, by, width):
    """A small way of the cargo is a small change of the field: that is what the corridor lacks."""
    change = gamma_at(at + by, width) - gamma_at(at, width)
    assert -1e-9 <= change <= math.pi * by / width + 1e-9


@given(offset=st.floats(-9.0, 9.0), width=st.floats(1.0, 15.0))
def test_beyond_the_edge_it_is_the_corridor(offset, width):
    if abs(offset) <= width / 2 + 1e-6:
        return
    corridor = Corridor(NODES, frequency_hz=12.0, width_um=width)
    corridor.mode = "push"
    field = corridor.act(Observation(0, 0.0, np.zeros(2), np.array([12.0, offset])))
    assert gamma_at(offset, width) == pytest.approx(field.gamma_rad, abs=1e-12)


def test_a_smaller_lean_never_spins_on_the_spot():
    assert gamma_at(9.0, lean_rad=math.pi / 4) == pytest.approx(math.radians(135))
    controller = Blended(NODES, frequency_hz=12.0, lean_rad=math.pi / 4)
    controller.mode = "push"
    controller.act(Observation(0, 0.0, np.zeros(2), np.array([12.0, 9.0])))
    assert controller.mode == "push"


@pytest.mark.parametrize("smooth_s", [-0.1, math.nan])
def test_time_constants_that_are_none(smooth_s):
    with pytest.raises(InputError, match="time constant"):
        Blended(NODES, frequency_hz=12.0, smooth_s=smooth_s)


@pytest.mark.parametrize("lean", [0.0, -1.0, 2.0, math.nan])
def test_leans_that_are_none(lean):
    with pytest.raises(InputError, match="lean"):
        Blended(NODES, frequency_hz=12.0, lean_rad=lean)


def test_a_jump_of_the_cargo_is_followed_over_the_time_constant():
    controller = Blended(NODES, frequency_hz=12.0, smooth_s=0.1)
    controller.mode = "push"
    places = [0.0] + [4.5] * 30
    gammas = [
        controller.act(Observation(k, k / 24, np.zeros(2), np.array([12.0, y]))).gamma_rad for k, y in enumerate(places)
    ]
    assert gammas[0] == pytest.approx(PUSH_RAD)
    assert gammas[1] - PUSH_RAD == pytest.approx((1 / 24) / 0.1 * math.pi / 2)
    assert (np.diff(gammas) >= 0).all() and gammas[-1] == pytest.approx(SPIN_CW_RAD, abs=1e-6)


def test_the_frequency_keeps_the_distance():
    def frequency_at(apart, cruise=12.0):
        controller = Blended(NODES, frequency_hz=cruise)
        controller.mode = "push"
        return controller.act(Observation(0, 0.0, np.zeros(2), np.array([apart, 0.0]))).frequency_hz

    assert frequency_at(15.0) == 12.0
    assert frequency_at(10.5) == pytest.approx(8.5)
    assert frequency_at(9.0) == 5.0
    assert frequency_at(9.0, cruise=3.0) == 3.0


def test_it_chatters_less_and_is_neither_slower_nor_less_accurate():
    """Against the corridor's own best on the circle: the fastest width, and the most accurate one."""

    def push(controller, width_um):
        trials = list(Push(paths.circle(), 15.0, controller=controller, width_um=width_um, trials=4).run())
        assert all(trial.success for trial in trials)
        measures = ("completion_time_s", "mae_um", "switches_per_s", "actuation_variation_hz_per_s")
        return np.mean([[getattr(trial, name) for name in measures] for trial in trials], axis=0)

    calm, fast, fine = push("blended", None), push("corridor", 2.0), push("corridor", 5.0)
    assert calm[0] < fast[0] and calm[1] < fine[1]
    assert calm[2] < 0.3 * min(fast[2], fine[2])
    assert calm[3] < 0.3 * min(fast[3], fine[3])
