"""Pushing from rendered frames: it arrives, it repeats itself, and a robot that is gone ends it with the field off."""

import numpy as np
import pytest

from microtwin import paths
from microtwin.control import Corridor
from microtwin.pushing import Push
from microtwin.run import run_trial
from microtwin.scene import PushScene

NODES = paths.polyline([(100.0, 40.0), (120.0, 43.0), (140.0, 52.0), (152.0, 66.0)], spacing_um=5.0)  # 60 µm
CAMERA = PushScene(observe="camera")


def push(scene):
    """The one trial, and truth and sight of both bodies in every frame, (n, 2, 2)."""
    truth, seen = [], []

    def heard(frame, observation, controller):
        truth.append(frame.positions_um[:2, :2])
        seen.append((observation.robot_um, observation.object_um))

    (trial,) = Push(NODES, 12.0, trials=1, seed=5, scene=scene).run(on_frame=heard)
    return trial, np.array(truth), np.array(seen)


@pytest.fixture(scope="module")
def pushed():
    return push(CAMERA)


def test_a_push_from_pixels_arrives_as_one_seen_exactly(pushed):
    trial, truth, _ = pushed
    exact, _, _ = push(PushScene())
    assert trial.success and exact.success
    assert trial.reason == ""
    assert trial.completion_time_s == pytest.approx(exact.completion_time_s, rel=0.25)
    assert trial.mae_um == pytest.approx(exact.mae_um, rel=0.25)
    assert np.hypot(*(truth[-1, 1] - NODES[-1])) < 10.0


def test_the_tracker_sees_both_bodies_where_they_are_in_the_world(pushed):
    """Also away from the origin: this frame's middle is at (126, 53) µm."""
    _, truth, seen = pushed
    error = np.hypot(*np.moveaxis(seen - truth, 2, 0))
    assert np.sqrt((error**2).mean(axis=0)).max() < 0.05
    assert np.abs((seen - truth).mean(axis=0)).max() < 0.02
    assert error.max() < 0.3


def test_the_same_seed_gives_the_same_telemetry_bit_for_bit(pushed):
    again, _, _ = push(CAMERA)
    assert again.table.equals(pushed[0].table)


def without_the_robot(rig, after=48):
    """The rig, its microscope blind to the robot after so many shots."""
    assert rig.microscope is not None
    drawn, shots = rig.microscope.intensity, []

    def intensity(positions_um, turns, velocities_um_s):
        shots.append(positions_um)
        return drawn(positions_um + [[1e4 * (len(shots) > after), 0, 0], [0, 0, 0]], turns, velocities_um_s)

    rig.microscope.intensity = intensity
    return rig


def test_a_robot_that_is_gone_ends_the_trial_with_the_field_off(monkeypatch):
    rig, observer = CAMERA.open(NODES, np.random.default_rng([5, 0]))
    told, command = [], rig.command
    monkeypatch.setattr(rig, "command", lambda field: told.append(field) or command(field))
    controller = Corridor(NODES, frequency_hz=12.0, width_um=5.0)
    recording = run_trial(without_the_robot(rig), observer, controller, time_limit_s=20.0)
    assert not recording.success and not recording.interrupted
    assert recording.reason.startswith("robot lost")
    assert 48 <= len(recording.rows) < 48 + 3 * rig.frame_rate_hz
    assert told[0].amplitude > 0
    assert told[-1].amplitude == 0


def test_the_summary_of_a_push_says_that_the_robot_was_lost(monkeypatch):
    opened = PushScene.open

    def blind(scene, nodes_um, rng):
        rig, observer = opened(scene, nodes_um, rng)
        return without_the_robot(rig), observer

    monkeypatch.setattr(PushScene, "open", blind)
    summary = push(CAMERA)[0].summary()
    assert not summary["success"]
    assert summary["reason"].startswith("robot lost")
    assert np.isfinite(summary["mae_um"])
