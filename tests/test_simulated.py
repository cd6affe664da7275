"""The simulated rig: 24 frames a second, late by exactly the latency, silent when left; the observer's noise."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.physics import Liquid, World
from microtwin.physics.surface_forces import rest_gap
from microtwin.robots import bead, nominal
from microtwin.simulated import SimulatedFrame, SimulatedRig, TruthObserver

ROLL = RotatingField(0.0, math.pi / 2, 10.0)


def calm_world():
    """A resting robot and a bead far from it, without thermal motion: what moves was told to."""
    liquid = Liquid(kt_pn_um=0.0)
    bodies = [nominal(), bead(range_um=0.04)]
    gaps = [rest_gap(b.weight_pn, b.radius_um, b.range_um, liquid.hamaker_pn_um) for b in bodies]
    placed = [b.at(200.0 * i, 0.0, gap) for i, (b, gap) in enumerate(zip(bodies, gaps, strict=True))]
    return World(placed, rng=0, liquid=liquid)


@pytest.mark.parametrize("latency", [0, 1, 4])
@pytest.mark.parametrize("rate", [24.0, 60.0])
def test_frames_come_at_the_camera_s_rate_and_none_twice(rate, latency):
    rig = SimulatedRig(calm_world(), frame_rate_hz=rate, latency_frames=latency)
    frames = [rig.observe() for _ in range(50)]
    assert [f.index for f in frames] == list(range(50))
    np.testing.assert_allclose([f.time_s for f in frames], np.arange(50) / rate, atol=1e-9)


@pytest.mark.parametrize("latency", [0, 1, 2, 5])
def test_a_command_is_seen_as_many_frames_late_as_stated(latency):
    """With no latency the next frame shows the robot moved; with k frames of it, k frames later."""
    rig = SimulatedRig(calm_world(), latency_frames=latency)
    still = [rig.observe().positions_um[0, 0] for _ in range(10)][-1]
    rig.command(ROLL)
    moved = [rig.observe().positions_um[0, 0] - still for _ in range(latency + 3)]
    assert np.abs(moved[:latency]).max(initial=0.0) < 1e-6
    assert moved[latency] > 0.3  # 24 µm/s for a 24th of a second
    assert (np.diff(moved[latency:]) > 0.3).all()


def test_a_frame_shows_the_past_and_keeps_it():
    rig = SimulatedRig(calm_world(), latency_frames=3)
    rig.command(ROLL)
    frame = rig.observe()
    before = frame.positions_um.copy()
    shown = [rig.observe() for _ in range(6)][-1]
    assert shown.time_s == pytest.approx(rig.world.time_s - 3 / 24)
    np.testing.assert_array_equal(frame.positions_um, before)


def drift_after(rig):
    start = rig.world.positions_um[0, :2].copy()
    for _ in range(12):
        rig.observe()
    return math.dist(rig.world.positions_um[0, :2], start)


def test_the_field_is_off_before_the_first_command_and_after_leaving():
    rig = SimulatedRig(calm_world())
    assert drift_after(rig) < 1e-3
    with rig:
        rig.command(ROLL)
        assert drift_after(rig) > 5.0
    assert drift_after(rig) < 1e-3


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_an_exception_turns_the_field_off_and_goes_on(kind):
    rig = SimulatedRig(calm_world())
    with pytest.raises(kind), rig:
        rig.command(ROLL)
        rig.observe()
        raise kind
    assert drift_after(rig) < 1e-3


@pytest.mark.parametrize("rate", [0.0, -24.0, math.nan])
def test_bad_frame_rates(rate):
    with pytest.raises(InputError, match=f"frame rate is {rate}"):
        SimulatedRig(calm_world(), frame_rate_hz=rate)


@pytest.mark.parametrize("latency", [-1, 10**30])
def test_bad_latencies(latency):
    with pytest.raises(InputError, match=f"latency is {latency}"):
        SimulatedRig(calm_world(), latency_frames=latency)


def test_the_observer_adds_the_stated_noise():
    """The same on each axis of each body, centred, and new in every frame."""
    observer = TruthObserver(np.random.default_rng(1), noise_um=0.06)
    truth = np.array([[10.0, -20.0, 5.3], [30.0, 40.0, 5.4]])
    seen = [observer(SimulatedFrame(i, i / 24, positions_um=truth)) for i in range(5000)]
    noise = np.array([[o.robot_um, o.object_um] for o in seen]) - truth[:, :2]
    np.testing.assert_allclose(noise.std(axis=0), 0.06, rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.005)
    correlation = np.corrcoef(noise.reshape(-1, 4).T)
    np.testing.assert_allclose(correlation, np.eye(4), atol=0.06)
    flat = noise.reshape(-1, 4)
    assert np.abs(np.mean(flat[1:] * flat[:-1], axis=0)).max() < 0.06 * 0.06**2


def test_a_noiseless_observer_sees_the_truth_of_its_two_bodies():
    truth = np.arange(9.0).reshape(3, 3)
    observer = TruthObserver(np.random.default_rng(0), robot=2, cargo=0, noise_um=0.0)
    seen = observer(SimulatedFrame(7, 0.25, positions_um=truth))
    assert (seen.index, seen.time_s) == (7, 0.25)
    np.testing.assert_array_equal(seen.robot_um, [6.0, 7.0])
    np.testing.assert_array_equal(seen.object_um, [0.0, 1.0])
