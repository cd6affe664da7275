"""Coils against the twin's own account of them, closed forms, and the fit of the field they make."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulated_rig import arc
from emulated_rig.coil_model import CoilModel
from microtwin.errors import InputError
from microtwin.field import CoilScale, RotatingField
from microtwin.robots.calibration import lab_coils

DT = 0.000125


def pins(axes: np.ndarray) -> np.ndarray:
    """(n, 12) half-bridge inputs for (n, 3) signed duties along x, y, z: opposite coils with opposite sign."""
    signed = axes[:, [1, 0, 1, 0, 2, 2]] * [1, 1, -1, -1, 1, -1]
    duties = np.zeros((len(axes), 12))
    duties[:, 0::2], duties[:, 1::2] = np.maximum(signed, 0), np.maximum(-signed, 0)
    return duties


@pytest.mark.parametrize("frequency_hz", [1, 5, 12, 25, 60])
def test_the_fundamental_is_the_twins(frequency_hz):
    field = RotatingField(0.7, 1.2, frequency_hz, 1.0)
    times_s = np.arange(round(8 / frequency_hz / DT)) * DT
    made = CoilModel.lab(sample_s=DT).drive(pins(field.at(times_s)))
    turn = 2 * math.pi * frequency_hz * times_s[len(times_s) // 2 :]
    settled = made[len(times_s) // 2 :]
    fundamental = 2 * np.abs((settled * np.exp(1j * turn)[:, None]).mean(axis=0))
    assert fundamental == pytest.approx(np.hypot(*lab_coils().quadratures_mt(field)), rel=0.01)


def test_a_step_rises_as_r_and_l_say():
    model = CoilModel((3.0, 5.0, 13.0), 0.2, 100.0, resistance_ohm=2.0, supply_v=10.0, sample_s=DT)
    duty = 0.6
    made = model.drive(pins(np.full((80, 3), -duty)))
    time_s = np.arange(1, 81) * DT
    share = (duty - math.pi / 4 * 0.2) * (1 - np.exp(-2 * math.pi * 100.0 * time_s))
    assert made == pytest.approx(-share[:, None] * [3.0, 5.0, 13.0], rel=1e-9)
    assert np.abs(model.currents_a) == pytest.approx(np.full(6, 5.0 * share[-1]), rel=1e-9)
    assert np.sign(model.currents_a).tolist() == [-1, -1, 1, 1, -1, 1]


def test_short_pulses_give_nothing_and_one_coil_gives_half():
    model = CoilModel((3.0, 5.0, 13.0), 0.2, sample_s=DT)
    assert not model.drive(pins(np.full((5, 3), 0.15))).any()
    alone = np.zeros((1, 12))
    alone[0, 2] = 1.0  # R of +X
    assert model.drive(alone)[0] == pytest.approx([1.5 * (1 - math.pi / 20), 0, 0])
    alone[0, 3] = 1.0  # L too: both ends at the supply
    assert not model.drive(alone).any()


@given(cuts=st.lists(st.integers(0, 200), max_size=6), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_field_does_not_depend_on_how_time_is_cut(cuts, seed):
    duties = np.random.default_rng(seed).uniform(0, 1, (200, 12))
    whole, cut = CoilModel.lab(), CoilModel.lab()
    parts = [cut.drive(part) for part in np.split(duties, sorted(cuts))]
    assert np.concatenate(parts) == pytest.approx(whole.drive(duties), abs=1e-12)
    assert cut.currents_a == pytest.approx(whole.currents_a, abs=1e-12)


@pytest.mark.parametrize(
    "wrong",
    [{"dead_band": 1.0}, {"dead_band": math.nan}, {"cutoff_hz": 0.0}, {"resistance_ohm": -1.0}, {"supply_v": math.nan}],
)
def test_impossible_coils(wrong):
    with pytest.raises(InputError, match="coil"):
        CoilModel(**wrong)


@given(
    alpha=st.floats(-3.1, 3.1),
    gamma=st.floats(0, math.pi),
    frequency=st.floats(0.05, 200.0),
    begin=st.floats(0, 1),
    count=st.sampled_from([83, 84]),
)
@settings(max_examples=200, deadline=None)
def test_an_arc_of_any_ellipse_is_found(alpha, gamma, frequency, begin, count):
    """Slow or fast, the fit is the field to within a few steps of the 8-bit PWM."""
    field, full = RotatingField(alpha, gamma, frequency, 1.0), np.array([3.0, 5.0, 13.0])
    times_s = np.arange(1, count + 1) * DT
    stepped = np.round(field.at(begin + times_s) * 255) / 255 * full
    (c, s), f = arc.fit(stepped, times_s, 1 / 96)
    turn = 2 * math.pi * f * times_s[:, None]
    missed = (c * np.cos(turn) + s * np.sin(turn) - field.at(begin + times_s) * full) / full
    assert np.abs(missed).max() < 0.012
    if 20 < frequency < 150 and math.sin(gamma) > 0.5:
        assert f == pytest.approx(frequency, rel=0.03)


def test_no_field_and_a_still_field():
    times_s = np.arange(1, 84) * DT
    assert arc.fit(np.zeros((83, 3)), times_s, 1 / 96)[0].tolist() == [[0, 0, 0], [0, 0, 0]]
    (c, s), f = arc.fit(np.tile([1.0, -2.0, 0.0], (83, 1)), times_s, 1 / 96)
    turn = 2 * math.pi * f * times_s[:, None]
    assert np.abs(c * np.cos(turn) + s * np.sin(turn) - [1.0, -2.0, 0.0]).max() < 0.01


def test_the_labs_coils_are_those_of_the_calibration():
    known = lab_coils()
    assert isinstance(known, CoilScale)
    model = CoilModel.lab(supply_v=24.0)
    assert model.full_scale_mt.tolist() == list(known.full_scale_mt)
    assert model.dead_zone == pytest.approx(math.pi / 4 * known.dead_band)
