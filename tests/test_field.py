"""The rotating field against Eq. 1 as printed, and what the coils make of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD, CoilScale, RotatingField

angle = st.floats(-7.0, 7.0)


def paper(alpha, gamma, frequency, time):
    """Eq. 1 of the pushing paper, with its α and its negative ω."""
    phase = -2 * math.pi * frequency * time
    return np.array(
        [
            -math.cos(gamma) * math.cos(alpha) * math.cos(phase) - math.sin(alpha) * math.sin(phase),
            -math.cos(gamma) * math.sin(alpha) * math.cos(phase) + math.cos(alpha) * math.sin(phase),
            math.sin(gamma) * math.cos(phase),
        ]
    )


@given(heading=angle, gamma=angle, frequency=st.floats(0, 150), time=st.floats(0, 2))
def test_equation_1(heading, gamma, frequency, time):
    """The paper adds π/2 to the heading to get its α."""
    field = RotatingField(heading, gamma, frequency)
    np.testing.assert_allclose(field.at(time), paper(heading + math.pi / 2, gamma, frequency, time), atol=1e-11)


@given(heading=angle, gamma=angle, amplitude=st.floats(0, 1))
def test_the_field_turns_right_handed_about_its_axis(heading, gamma, amplitude):
    field = RotatingField(heading, gamma, 10.0, amplitude)
    c, s = field.quadratures
    np.testing.assert_allclose(np.cross(c, s), amplitude**2 * field.axis, atol=1e-12)
    assert np.linalg.norm(field.axis) == pytest.approx(1.0)
    times = np.linspace(0, 0.1, 37)
    np.testing.assert_allclose(np.linalg.norm(field.at(times), axis=1), amplitude, atol=1e-12)
    np.testing.assert_allclose(field.at(times) @ field.axis, 0.0, atol=1e-12)


@pytest.mark.parametrize(("gamma", "turn"), [(SPIN_CCW_RAD, 1), (SPIN_CW_RAD, -1)])
@pytest.mark.parametrize("heading", [0.0, 1.0, -2.5])
def test_chirality_seen_from_above(gamma, turn, heading):
    """γ = 0 turns counter-clockwise in the image plane, γ = 180° clockwise; the z coil is silent."""
    field = RotatingField(heading, gamma, 2.0)
    b = field.at(np.linspace(0, 0.5, 41))
    angles = np.unwrap(np.arctan2(b[:, 1], b[:, 0]))
    np.testing.assert_allclose(angles - angles[0], turn * 2 * math.pi * np.linspace(0, 1, 41), atol=1e-9)
    np.testing.assert_allclose(b[:, 2], 0.0, atol=1e-15)
    np.testing.assert_allclose(field.axis, [0, 0, turn], atol=1e-15)


@given(heading=angle)
def test_a_push_rolls_along_the_heading(heading):
    """Rolling without slip with spin n over the glass moves along n × ẑ: that must be the heading."""
    field = RotatingField(heading, PUSH_RAD, 5.0)
    np.testing.assert_allclose(np.cross(field.axis, [0, 0, 1]), [math.cos(heading), math.sin(heading), 0.0], atol=1e-12)


def test_a_push_along_x_passes_up_then_forward_then_down():
    field = RotatingField(0.0, PUSH_RAD, 1.0)
    np.testing.assert_allclose(
        field.at([0, 0.25, 0.5, 0.75]), [[0, 0, 1], [1, 0, 0], [0, 0, -1], [-1, 0, 0]], atol=1e-12
    )


def test_shapes_and_frozen():
    field = RotatingField(0.3, 1.2, 4.0)
    assert field.at(0.1).shape == (3,)
    assert field.at(np.zeros((2, 5))).shape == (2, 5, 3)
    with pytest.raises(AttributeError):
        field.alpha_rad = 1.0  # pyright: ignore[reportAttributeAccessIssue]


def test_off_and_still():
    assert not RotatingField.off().at(np.linspace(0, 1, 9)).any()
    held = RotatingField(0.0, PUSH_RAD, 0.0)
    np.testing.assert_allclose(held.at([0.0, 3.0]), [[0, 0, 1], [0, 0, 1]], atol=1e-15)


@pytest.mark.parametrize("name", ["alpha_rad", "gamma_rad", "frequency_hz", "amplitude"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_commands(name, value):
    with pytest.raises(InputError, match=name) as error:
        RotatingField(**{name: value})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frequency_hz": -1.0}, "frequency is -1.0 Hz: give 0 or more"),
        ({"amplitude": -0.1}, "amplitude is -0.1: give a fraction"),
        ({"amplitude": 1.0001}, "amplitude is 1.0001: give a fraction"),
    ],
)
def test_commands_out_of_range(values, message):
    with pytest.raises(InputError, match=message):
        RotatingField(**values)


def true_field(coils, field, times):
    c, s = coils.quadratures_mt(field)
    phase = 2 * math.pi * field.frequency_hz * np.asarray(times)[:, None]
    return c * np.cos(phase) + s * np.sin(phase)


@given(heading=angle, gamma=angle)
def test_each_axis_has_its_own_full_scale(heading, gamma):
    field = RotatingField(heading, gamma, 3.0, 0.8)
    times = np.linspace(0, 1 / 3, 13)
    coils = CoilScale((3.0, 5.0, 13.0))
    np.testing.assert_allclose(true_field(coils, field, times), field.at(times) * [3, 5, 13], atol=1e-12)


@pytest.mark.parametrize(("heading", "semi_axes"), [(0.0, (3, 13)), (math.pi / 2, (5, 13)), (math.pi, (3, 13))])
def test_the_push_ellipse_depends_on_the_heading(heading, semi_axes):
    strength = np.linalg.norm(
        true_field(CoilScale((3.0, 5.0, 13.0)), RotatingField(heading, PUSH_RAD, 1.0), np.linspace(0, 1, 401)), axis=1
    )
    assert (strength.min(), strength.max()) == pytest.approx(semi_axes, rel=1e-3)


@given(heading=angle, gamma=angle)
def test_equalised_coils_make_a_circle_of_the_weakest(heading, gamma):
    coils = CoilScale((3.0, 5.0, 13.0), equalise=True)
    b = true_field(coils, RotatingField(heading, gamma, 1.0), np.linspace(0, 1, 25))
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), 3.0, rtol=1e-12)


@given(heading=angle, gamma=angle, amplitude=st.floats(0, 1), band=st.floats(0, 0.99))
def test_the_dead_band_comes_off_every_axis(heading, gamma, amplitude, band):
    """The amplitude on each axis loses the band, its phase stays, and a share below the band gives nothing."""
    scale = np.array([3.0, 5.0, 13.0])
    field = RotatingField(heading, gamma, 5.0, amplitude)
    full, cut = CoilScale((3, 5, 13)).quadratures_mt(field), CoilScale((3, 5, 13), dead_band=band).quadratures_mt(field)
    before, after = np.hypot(*full) / scale, np.hypot(*cut) / scale
    np.testing.assert_allclose(after, np.maximum(before - band, 0.0), atol=1e-9)
    np.testing.assert_allclose(full[0] * cut[1], full[1] * cut[0], atol=1e-9)
    assert (full * cut >= -1e-12).all()


def test_the_coils_are_a_first_order_low_pass():
    field = RotatingField(0.4, 1.0, 20.0)
    open_ = CoilScale((3, 5, 13)).quadratures_mt(field)
    for cutoff, gain in ((20.0, 1 / math.sqrt(2)), (20 / math.sqrt(3), 0.5), (1e9, 1.0)):
        np.testing.assert_allclose(
            CoilScale((3, 5, 13), cutoff_hz=cutoff).quadratures_mt(field), gain * open_, rtol=1e-12
        )


def test_no_command_no_field():
    for coils in (CoilScale(), CoilScale(dead_band=0.3), CoilScale(equalise=True, cutoff_hz=30.0)):
        assert not coils.quadratures_mt(RotatingField.off()).any()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"full_scale_mt": (3.0, 5.0)}, "full scale"),
        ({"full_scale_mt": (3.0, 0.0, 13.0)}, "full scale"),
        ({"full_scale_mt": (3.0, math.nan, 13.0)}, "full scale"),
        ({"full_scale_mt": (3.0, math.inf, 13.0)}, "full scale"),
        ({"dead_band": -0.1}, "dead band is -0.1"),
        ({"dead_band": 1.0}, "dead band is 1.0"),
        ({"dead_band": math.nan}, "dead band is nan"),
        ({"cutoff_hz": 0.0}, "cutoff is 0.0"),
        ({"cutoff_hz": math.nan}, "cutoff is nan"),
    ],
)
def test_bad_coils(values, message):
    with pytest.raises(InputError, match=message) as error:
        CoilScale(**values)
    assert "\n" not in str(error.value)
