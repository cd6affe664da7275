"""A step under a measured field is a step under the command that makes it."""

import math
from typing import Literal

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.physics import World
from microtwin.robots import bead, nominal

FIELD = RotatingField(0.7, 1.3, 12.0)


def world(fidelity: Literal["averaged", "resolved"] = "resolved") -> World:
    return World([nominal().at(0, 0, 0.1), bead(range_um=0.03).at(12, 3, 0.1)], rng=4, fidelity=fidelity)


@pytest.mark.parametrize("fidelity", ["averaged", "resolved"])
def test_the_coils_own_field_measured_is_the_same_step_bit_for_bit(fidelity):
    commanded, measured = world(fidelity), world(fidelity)
    commanded.step(FIELD, 0.3)
    measured.step_in(measured.coils.quadratures_mt(FIELD), FIELD.frequency_hz, 0.3)
    assert np.array_equal(commanded.positions_um, measured.positions_um)
    assert np.array_equal(commanded.turns, measured.turns)
    assert commanded.time_s == measured.time_s
    commanded.step(RotatingField.off(), 0.1)  # and a command after it is obeyed
    measured.step(RotatingField.off(), 0.1)
    assert np.array_equal(commanded.positions_um, measured.positions_um)


def test_a_command_is_looked_at_again_after_a_measured_field():
    one, two = world(), world()
    one.step(FIELD, 0.1)
    one.step_in(np.zeros((2, 3)), 0.0, 0.1)
    assert not one.torques_pn_um.any()
    one.step(FIELD, 0.1)
    two.step(FIELD, 0.1)
    two.step(RotatingField.off(), 0.1)
    two.step_in(two.coils.quadratures_mt(FIELD), FIELD.frequency_hz, 0.1)
    assert np.array_equal(one.positions_um, two.positions_um)


def test_phase_begins_with_the_step():
    """Pieces whose quadratures are turned on by what has passed make the whole: the rotation lies in c and s."""
    whole = World([nominal().at(0, 0, 0.1)], rng=4, fidelity="resolved")
    pieces = World([nominal().at(0, 0, 0.1)], rng=4, fidelity="resolved")
    c, s = whole.coils.quadratures_mt(FIELD)
    step_s = 1 / 96
    whole.step_in(np.stack([c, s]), 12.0, 24 * step_s)
    for k in range(24):
        cos, sin = math.cos(2 * math.pi * 12.0 * k * step_s), math.sin(2 * math.pi * 12.0 * k * step_s)
        pieces.step_in(np.stack([c * cos + s * sin, s * cos - c * sin]), 12.0, step_s)
    assert pieces.positions_um == pytest.approx(whole.positions_um, abs=1e-9)


@pytest.mark.parametrize(
    ("field", "frequency_hz", "duration_s", "message"),
    [
        (np.zeros(3), 1.0, 0.1, "measured field"),
        (np.full((2, 3), math.nan), 1.0, 0.1, "measured field"),
        (np.zeros((2, 3)), -1.0, 0.1, "frequency of the measured field"),
        (np.zeros((2, 3)), math.inf, 0.1, "frequency of the measured field"),
        (np.zeros((2, 3)), 1.0, 0.0, "step duration"),
    ],
)
def test_bad_fields(field, frequency_hz, duration_s, message):
    one = world()
    before = one.positions_um.copy()
    with pytest.raises(InputError, match=message):
        one.step_in(field, frequency_hz, duration_s)
    assert np.array_equal(one.positions_um, before) and one.time_s == 0.0
