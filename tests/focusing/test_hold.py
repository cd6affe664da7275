"""The loop: a depth held from pixels, what is recorded, and what ends it."""

import math
from dataclasses import replace

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.focusing import report
from microtwin.focusing.hold import COLUMNS, hold, probe
from microtwin.focusing.twin import FocusScene, Truth
from microtwin.perception.focus import FocusController, FromPixels, Reading
from microtwin.rig import LostError

PERIOD_S = 1 / 24


def controller(sight, scene, rig, target_um=None):
    target_um = scene.middle_um if target_um is None else target_um
    return FocusController(
        sight, target_um, travel_um=rig.stage.travel_um, period_s=PERIOD_S,
        latency_s=scene.latency_frames * PERIOD_S,
    )  # fmt: skip


def held(scene, sight=None, seconds=20.0, seed=0, target_um=None):
    """Measures of a run with the truth and 0.1 µm of noise, or with another sight."""
    rig = scene.open(seed, blind=not isinstance(sight, FromPixels))
    with rig:
        steering = controller(sight or Truth(0.1, seed), scene, rig, target_um)
        table = hold(rig, steering, seconds=seconds).table()
    return report.measures(table, steering.target_um), table


def test_a_drifting_robot_is_held_from_pixels(scene, matcher):
    found, table = held(scene, FromPixels(matcher), seconds=5.0)
    assert found["lost_frames"] == 0
    assert found["held_rms_um"] < 0.15  # what is asked for
    free = table.true_um - table.stage_um
    assert np.ptp(free) > 2.0  # it would have drifted away


def test_a_reading_that_tells_nothing_holds_nothing(scene):
    """The same loop on depths that belong to other frames: what the test above would say of a broken estimator."""
    found, _ = held(scene, lambda frame: Reading(scene.middle_um + math.sin(7 * frame.time_s), 0.1), seconds=5.0)
    assert found["held_rms_um"] > 0.5


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("changes", "most_um"),
    [({}, 0.1), ({"drift_um_s": 0.0}, 0.09), ({"drift": "walk"}, 0.13), ({"latency_frames": 3}, 0.15)],
)
def test_a_tenth_of_a_micrometre_of_noise_is_held_to_about_as_much(changes, most_um, seed):
    found, _ = held(replace(FocusScene(), **changes), seconds=30.0, seed=seed)
    assert found["held_rms_um"] < most_um
    assert found["read_noise_um"] == pytest.approx(0.1, rel=0.15)


def test_feed_forward_leaves_no_lag_on_a_ramp():
    """Between turns a loop without it would trail by its delay times the drift, 0.1 µm or more."""
    scene = FocusScene(drift_range_um=1000.0, vibration_um=0.0, travel_um=(-100.0, 100.0))
    _, table = held(scene, seconds=40.0)
    error = (table.true_um - scene.middle_um)[table.time_s > 2.0]
    assert abs(error.mean()) < 0.02


def test_latency_that_is_not_reckoned_with_costs():
    scene = FocusScene(latency_frames=4)
    known, _ = held(scene, seconds=30.0)
    rig = scene.open(0, blind=True)
    blind = FocusController(Truth(0.1, 0), scene.middle_um, travel_um=rig.stage.travel_um, period_s=PERIOD_S)
    unknown = report.measures(hold(rig, blind, seconds=30.0).table(), scene.middle_um)
    assert unknown["held_rms_um"] > 1.3 * known["held_rms_um"]


def test_the_stage_goes_to_its_end_and_no_further():
    scene = FocusScene(travel_um=(-1.0, 1.0), drift_um_s=0.0)
    _, table = held(scene, seconds=3.0, target_um=scene.middle_um + 5.0)
    assert table.asked_um.max() == 1.0 and table.stage_um.iloc[-1] == pytest.approx(1.0, abs=1e-6)


def test_a_run_of_its_seconds_has_a_row_for_every_frame():
    _, table = held(FocusScene(), seconds=2.0)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 49 and np.allclose(np.diff(table.time_s), PERIOD_S)


def test_a_lost_robot_stops_the_stage_until_it_is_back():
    scene, lost_s = FocusScene(), (3.0, 5.0)
    truth = Truth(0.1, 0)

    def sight(frame):
        if lost_s[0] <= frame.time_s < lost_s[1]:
            raise LostError("gone")
        return truth(frame)

    rig = scene.open(0, blind=True)
    table = hold(rig, controller(sight, scene, rig), seconds=8.0).table()
    gone = table[(table.time_s >= lost_s[0] + 0.1) & (table.time_s < lost_s[1])]
    assert gone.asked_um.isna().all() and np.ptp(gone.stage_um) < 1e-6
    assert np.abs(table.true_um - scene.middle_um)[table.time_s > lost_s[1] + 0.5].max() < 0.4
    assert report.measures(table, scene.middle_um)["lost_frames"] == 48


class Broken:
    """A rig that fails after some frames."""

    def __init__(self, rig, frames, error):
        self.rig, self.left, self.error, self.stage = rig, frames, error, rig.stage
        self.frame_rate_hz, self.command = rig.frame_rate_hz, rig.command

    def observe(self):
        if not self.left:
            raise self.error
        self.left -= 1
        return self.rig.observe()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.mark.parametrize(("error", "broken"), [(KeyboardInterrupt(), False), (RigError("camera gone"), True)])
def test_what_ends_a_run_early_leaves_what_was_recorded(error, broken):
    scene = FocusScene()
    rig = Broken(scene.open(0, blind=True), 5, error)
    run = hold(rig, controller(Truth(0.1), scene, rig), seconds=60.0)
    assert len(run.rows) == 5 and run.broken is broken and run.interrupted is not broken and run.reason


class Upside(Broken):
    """A rig whose stage moves the depth by another factor."""

    def __init__(self, rig, gain):
        super().__init__(rig, 10_000, None)
        self.gain = gain

    def observe(self):
        frame = super().observe()
        return replace(frame, depth_um=frame.depth_um + (self.gain - 1) * self.stage.position_um)


def test_the_probe_finds_a_stage_that_follows_in_spite_of_drift():
    scene = FocusScene(drift_range_um=50.0)
    rig = scene.open(0, blind=True)
    assert probe(rig, Truth(0.02, 0)) == pytest.approx(1.0, abs=0.05)
    assert rig.stage.position_um == 0.0
    edge = FocusScene(travel_um=(-10.0, 0.5)).open(0, blind=True)
    assert probe(edge, Truth(0.02, 0)) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(
    ("gain", "message"),
    [(-1.0, "the wrong way: set direction"), (0.0, "follows the stage by"), (10.0, "its unit is µm")],
)
def test_the_probe_refuses_a_stage_that_would_run_away(gain, message):
    with pytest.raises(InputError, match=message):
        probe(Upside(FocusScene(drift_um_s=0.1).open(0, blind=True), gain), Truth(0.02, 0))


def test_the_probe_says_that_there_is_no_robot():
    def nothing(frame):
        raise LostError("no robot found")

    with pytest.raises(InputError, match="no robot found; bring the robot into view"):
        probe(FocusScene().open(0, blind=True), nothing)


def test_the_probe_goes_back_where_it_saw_nothing_any_more():
    rig = FocusScene(drift_um_s=0.0).open(0, blind=True)

    def sight(frame):
        if rig.stage.position_um > 0.5:
            raise LostError("no robot found")
        return Truth(0.02, 0)(frame)

    with pytest.raises(InputError, match="no robot found"):
        probe(rig, sight)
    assert rig.stage.position_um == 0.0


def test_a_rig_without_a_stage_is_told():
    rig = FocusScene().open(0, blind=True)
    rig.stage = None  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(InputError, match=r"no stage: describe it under \[stage\]"):
        hold(rig, None, seconds=1.0)  # pyright: ignore[reportArgumentType]
