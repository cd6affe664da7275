"""Identification on robots made up of nothing but a speed, a heading bias and a delay."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.control import identify

FRAME_S = 1 / 24


def drive(speed_per_hz, bias, delay, commands, noise_um=0.0, seed=0, adapt_s=0.2):
    """The memory after a robot carried out the commands, each shown ``delay`` frames after it was given."""
    rng = np.random.default_rng(seed)
    row = identify.memory()
    robot, waiting = np.zeros(2), [(0.0, 0.0)] * (delay - 1)
    for alpha, frequency in commands:
        seen = robot + noise_um * rng.standard_normal(2)
        identify.watch(row, seen[0], seen[1], 12.0, 0.0, FRAME_S, delay, 0.08, adapt_s)
        identify.told(row, alpha, math.pi / 2, frequency)
        waiting.append((alpha, frequency))
        alpha, frequency = waiting.pop(0)
        robot = robot + speed_per_hz * frequency * FRAME_S * np.array([math.cos(alpha + bias), math.sin(alpha + bias)])
    return row, robot


def wandering(frames, frequency=15.0, seed=1):
    rng = np.random.default_rng(seed)
    return [(alpha, frequency) for alpha in np.cumsum(0.3 * rng.standard_normal(frames))]


@given(
    speed=st.floats(0.8, 4.0),
    bias=st.floats(-0.8, 0.8),
    delay=st.integers(1, identify.DELAYS),
    start=st.integers(0, 99),
)
@settings(max_examples=30)
def test_speed_and_bias_are_found_whatever_the_delay(speed, bias, delay, start):
    row, _ = drive(speed, bias, delay, wandering(80, seed=start))
    assert row[identify.SPEED_PER_HZ] == pytest.approx(speed, rel=1e-3)
    assert row[identify.BIAS] == pytest.approx(bias, abs=2e-3)


def test_the_wrong_delay_is_no_use():
    """The test above would pass whatever the delay if it were not used."""
    row = identify.memory()
    robot = np.zeros(2)
    for alpha, frequency in wandering(80):
        identify.watch(row, robot[0], robot[1], 0.0, 0.0, FRAME_S, 3, 0.08, 0.2)
        identify.told(row, alpha, math.pi / 2, frequency)
        robot = robot + 2.0 * frequency * FRAME_S * np.array([math.cos(alpha + 0.3), math.sin(alpha + 0.3)])
    assert abs(row[identify.BIAS] - 0.3) > 0.01


def test_the_tracker_s_noise_averages_out():
    found = [drive(1.7, -0.2, 2, wandering(300, seed=k), noise_um=0.05, seed=k, adapt_s=1.0)[0] for k in range(5)]
    assert np.mean([row[identify.BIAS] for row in found]) == pytest.approx(-0.2, abs=0.02)
    assert np.mean([row[identify.SPEED_PER_HZ] for row in found]) == pytest.approx(1.7, rel=0.02)


@given(delay=st.integers(1, identify.DELAYS), bias=st.floats(-0.5, 0.5))
@settings(max_examples=20)
def test_what_is_expected_comes_true(delay, bias):
    """The robot expected for the next command is where the commands on their way take it, and no others."""
    commands = wandering(90)
    row, robot = drive(2.2, bias, delay, commands)
    identify.watch(row, robot[0], robot[1], 12.0, 0.0, FRAME_S, delay, 0.08, 0.2)
    expected = identify.expect(row, FRAME_S, delay)
    for alpha, frequency in commands[len(commands) - delay + 1 :]:  # told, and not seen yet
        robot = robot + 2.2 * frequency * FRAME_S * np.array([math.cos(alpha + bias), math.sin(alpha + bias)])
    assert expected[:2] == pytest.approx(robot, abs=0.05)
    assert expected[2:] == pytest.approx((12.0, 0.0))


def test_standing_still_teaches_nothing():
    row, _ = drive(2.0, 0.4, 2, [(0.0, 0.0)] * 30)
    assert row[identify.SPEED_PER_HZ] == identify.START_SPEED_PER_HZ
    assert row[identify.BIAS] == 0.0


def test_a_robot_thrown_about_is_not_believed():
    """It goes against its command: touching, spinning, lost. That is no heading bias."""
    row, _ = drive(2.0, 3.0, 2, wandering(60))
    assert row[identify.BIAS] == 0.0


@given(st.floats(-math.pi, math.pi))
def test_a_turned_scene_is_identified_alike(by):
    row, _ = drive(1.9, 0.25, 2, wandering(60))
    other, _ = drive(1.9, 0.25, 2, [(alpha + by, f) for alpha, f in wandering(60)])
    for entry in (identify.BIAS, identify.SPEED_PER_HZ):
        assert other[entry] == pytest.approx(row[entry], abs=1e-9)
    assert math.hypot(other[identify.ROBOT_VX], other[identify.ROBOT_VY]) == pytest.approx(
        math.hypot(row[identify.ROBOT_VX], row[identify.ROBOT_VY])
    )
