"""Runs of trials on the twin: they finish, repeat bit for bit, and end when told to."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from microtwin import paths
from microtwin.errors import InputError, RigError
from microtwin.field import PUSH_RAD
from microtwin.paths import from_name
from microtwin.pushing import Push
from microtwin.rig import Frame, Observation
from microtwin.scene import PushScene

NODES = from_name("circle")


def push(**options) -> Push:
    return Push(**({"nodes_um": NODES, "frequency_hz": 12.0, "trials": 1, "time_limit_s": 3.0} | options))


@pytest.fixture(scope="module")
def circles():
    """Two trials round the whole circle."""
    return list(push(trials=2, time_limit_s=None).run())


def test_the_corridor_pushes_a_bead_round_the_circle(circles):
    for trial in circles:
        assert trial.success and not trial.interrupted
        assert 20 < trial.completion_time_s < 80
        assert trial.mae_um < 4.0
        assert 0.02 < trial.spin_fraction < 0.9
        table = trial.table
        assert table["mode"].iloc[0] == "approach" and table["mode"].iloc[-1] == "done"
        assert set(table["mode"]) <= {"approach", "push", "spin_cw", "spin_ccw", "done"}
        assert table["amplitude"].iloc[-1] == 0.0
        assert (np.diff(table["goal_index"]) >= 0).all() and table["goal_index"].iloc[-1] == len(NODES) - 1
        assert math.dist(table[["object_x_um", "object_y_um"]].iloc[-1], NODES[-1]) <= 8.0


def test_no_frame_is_recorded_twice(circles):
    """Else times would not rise, as the metrics ask."""
    for trial in circles:
        assert (np.diff(trial.table["frame"]) == 1).all()
        assert (np.diff(trial.table["time_s"]) > 0).all()


def test_a_person_with_a_joystick_gets_round_too():
    (trial,) = push(controller="joystick", time_limit_s=None).run()
    assert trial.success
    assert (trial.table["gamma_rad"].iloc[:-1] == PUSH_RAD).all()
    assert trial.spin_fraction == 0.0
    assert math.dist(trial.table[["object_x_um", "object_y_um"]].iloc[-1], NODES[-1]) <= 20.0


@pytest.mark.parametrize("options", [{}, {"controller": "joystick"}])
@pytest.mark.parametrize("robot", ["paper", "population"])
def test_a_seed_is_repeated_bit_for_bit(robot, options):
    scene = PushScene(robot=robot)
    runs = [list(push(trials=2, scene=scene, seed=seed, **options).run()) for seed in (5, 5, 6)]
    for one, two, other in zip(*runs, strict=True):
        pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
        assert not one.table.equals(other.table)
    assert not runs[0][0].table.equals(runs[0][1].table)


def test_a_trial_does_not_depend_on_how_many_there_are():
    (one,) = push(trials=1, seed=3).run()
    for trial in itertools.islice(push(trials=40, seed=3).run(), 1):
        pd.testing.assert_frame_equal(one.table, trial.table, check_exact=True)
    third = list(push(trials=3, seed=3).run())[2]
    again = list(push(trials=4, seed=3).run())[2]
    pd.testing.assert_frame_equal(third.table, again.table, check_exact=True)


def test_the_time_limit_leaves_everything_recorded():
    (trial,) = push(time_limit_s=2.0).run()
    assert not trial.success
    assert math.isnan(trial.completion_time_s)
    assert len(trial.table) == pytest.approx(49, abs=2)
    assert trial.table["time_s"].iloc[-1] == pytest.approx(2.0, abs=0.05)


def test_a_limit_is_chosen_that_grows_with_the_path_and_falls_with_f():
    slow, fast = push(frequency_hz=3.0, time_limit_s=None).limit_s, push(frequency_hz=15.0, time_limit_s=None).limit_s
    assert 205 < fast * 5 and fast < slow and slow > 205  # the slowest published run took 205 s at 3 Hz
    assert push(nodes_um=NODES[:20], time_limit_s=None).limit_s < push(time_limit_s=None).limit_s


def test_progress_rises_to_the_end():
    heard: list[float] = []
    list(push(trials=3).run(heard.append))
    assert heard == sorted(heard)
    assert all(0 <= fraction <= 1 for fraction in heard)


class InterruptedScene:
    """Gives a rig of paper that is interrupted at a frame of its last trial."""

    def __init__(self, trial, frame):
        self.opened, self.trial, self.frame = 0, trial, frame

    def open(self, nodes_um, rng) -> tuple[Any, Any]:
        scene, number = self, self.opened
        self.opened += 1

        class Rig:
            frame_rate_hz = 24.0
            count = 0

            def command(self, field):
                return field

            def observe(self):
                if number == scene.trial and self.count == scene.frame:
                    raise KeyboardInterrupt
                self.count += 1
                return Frame(self.count - 1, (self.count - 1) / 24)

            def __enter__(self):
                return self

            def __exit__(self, *exception):
                pass

        return Rig(), lambda frame: Observation(frame.index, frame.time_s, nodes_um[0] - 20.0, nodes_um[0])


def test_ctrl_c_ends_the_run_with_the_trial_it_fell_in():
    scene: Any = InterruptedScene(trial=1, frame=30)
    trials = list(push(trials=5, scene=scene).run())
    assert [t.interrupted for t in trials] == [False, True]
    assert len(trials[1].table) == 30


def test_ctrl_c_before_a_trial_s_first_frame_keeps_the_ones_before_it():
    """There is nothing of it to measure; the caller hears of the Ctrl-C."""
    scene: Any = InterruptedScene(trial=1, frame=0)
    trials = []
    with pytest.raises(KeyboardInterrupt):
        for trial in push(trials=5, scene=scene).run():
            trials.append(trial)
    assert [t.number for t in trials] == [0]


@pytest.mark.parametrize("controller", ["corridor", "joystick"])
@pytest.mark.parametrize(
    "values",
    [
        {"frequency_hz": 0.0},
        {"frequency_hz": -12.0},
        {"frequency_hz": math.nan},
        {"frequency_hz": 1e-320, "time_limit_s": None},
        {"width_um": 0.0},
        {"width_um": -5.0},
        {"width_um": math.nan},
        {"trials": 0},
        {"seed": -1},
        {"threshold_um": 0.0},
        {"approach_um": math.nan},
        {"time_limit_s": 0.0},
        {"time_limit_s": math.nan},
        {"time_limit_s": math.inf},
        {"nodes_um": np.zeros((3, 2))},
        {"nodes_um": np.array([[0.0, 0.0], [math.nan, 1.0], [10.0, 0.0]])},
        {"nodes_um": np.zeros((0, 2))},
    ],
    ids=str,
)
def test_bad_values_are_refused_before_any_work(controller, values):
    with pytest.raises(InputError) as error:
        push(controller=controller, **values)
    assert "\n" not in str(error.value)


def test_an_unknown_controller():
    with pytest.raises(InputError, match=r"choose corridor, blended, .*joystick, policy or a policy\.zip"):
        push(controller="autopilot")


def test_a_path_inside_the_threshold_is_refused():
    """It would count as pushed, in no time, before the robot has moved."""
    with pytest.raises(InputError, match=r"path stays within 3 µm of its start: go beyond the threshold, 8 µm"):
        push(nodes_um=np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 2.0]]))


@pytest.mark.parametrize("controller", ["corridor", "steering", "policy"])
def test_any_rig_pushes_along_a_path_that_begins_at_the_object(bench, controller):
    nodes = paths.polyline([(0.0, 0.0), (60.0, 0.0)])
    run = Push(nodes, 15.0, controller=controller, trials=1, backend="bench", backend_options={"seed": 3})
    (trial,) = run.run()
    assert trial.success and trial.mae_um < 3.0
    assert np.hypot(*trial.table[["object_x_um", "object_y_um"]].iloc[0]) < 1.0
    assert bench[0].world.positions_um[1, 0] > 85.0  # in the rig's own world it lay at 40
    assert bench[0]._field.amplitude == 0


def test_an_unknown_backend_and_a_scene_that_is_not_the_rigs(bench):
    nodes = paths.polyline([(0.0, 0.0), (60.0, 0.0)])
    with pytest.raises(InputError, match="backend 'lab' is not installed: choose one of bench"):
        Push(nodes, backend="lab")
    with pytest.raises(InputError, match="leave out what describes a scene"):
        Push(nodes, backend="bench", scene=PushScene(robot="nominal"))
    with pytest.raises(InputError, match="does not take these options"):
        list(Push(nodes, backend="bench", backend_options={"port": 3}).run())


@pytest.mark.parametrize("frequency", [6.0, 9.0])
def test_steering_pushes_cells_too(frequency):
    run = Push(from_name("circle"), frequency, controller="steering", trials=2, scene=PushScene(cargo="cell"))
    assert all(trial.success and trial.mae_um < 2.0 for trial in run.run())


def test_a_width_for_a_controller_without_a_corridor():
    with pytest.raises(InputError, match=r"corridor width is 5\.0 for steering: leave it out"):
        push(controller="steering", width_um=5.0)


def test_a_rig_that_fails_on_the_way_ends_the_run_with_what_it_has(bench):
    run = Push(paths.polyline([(0, 0), (60, 0)]), trials=3, backend="bench")
    seen = 0

    def cable(frame, observation, controller):
        nonlocal seen
        seen += 1
        if seen == 30:
            raise RigError("camera gone: check its cable")

    (trial,) = run.run(on_frame=cable)
    assert trial.broken
    assert not trial.success
    assert len(trial.table) == 30
    assert trial.reason == "camera gone: check its cable"
    assert bench[0]._field.amplitude == 0


def test_a_rig_that_fails_before_its_first_frame_says_why(bench, monkeypatch):
    def gone(self):
        raise RigError("camera gone")

    run = Push(paths.polyline([(0, 0), (60, 0)]), backend="bench")
    monkeypatch.setattr("microtwin.on_path.OnPath.observe", gone)
    with pytest.raises(RigError, match="camera gone"):
        list(run.run())


def test_the_bodies_are_chosen_by_clicks_where_there_are_more(bench):
    nodes = paths.polyline([(0, 0), (60, 0)])
    run = Push(nodes, trials=1, backend="bench", tracker_options={"cargo_start_px": [2, 2]})
    with pytest.raises(InputError, match=r"click on the cargo at \(2, 2\) is on nothing"):
        list(run.run())
    with pytest.raises(InputError, match=r"tracker options are .*nose"):
        Push(nodes, backend="bench", tracker_options={"nose": 1})


def test_the_twin_takes_no_options_of_a_rig():
    nodes = paths.polyline([(0, 0), (60, 0)])
    with pytest.raises(InputError, match="leave them out, sim takes none"):
        Push(nodes, backend_options={"port": "x"})
    with pytest.raises(InputError, match="leave them out, sim takes none"):
        Push(nodes, tracker_options={"gate_um": 3.0})


def test_the_settings_say_what_was_run():
    scene = PushScene(observe="camera", start_bearing_rad=math.radians(33.3), latency_frames=2)
    settings = push(controller="blended", seed=4, scene=scene, time_limit_s=None).settings("circle")
    assert settings == json.loads(json.dumps(settings, allow_nan=False))
    said = {"controller": "blended", "width_um": 8.0, "frequency_hz": 12.0, "seed": 4, "path": "circle", "trials": 1}
    scene_said = {"observe": "camera", "start_bearing_deg": 33.3, "latency_frames": 2, "robot": "paper"}
    assert settings.items() >= (said | scene_said).items()
    assert settings["path_length_um"] == pytest.approx(532.6, abs=0.1)
    assert settings["time_limit_s"] == push(time_limit_s=None).limit_s
    assert settings["policy_sha256"] is None


def test_a_policy_is_kept_by_its_digest_and_its_own_frequencies():
    settings = push(controller="policy", frequency_hz=None).settings("circle")
    assert settings["frequency_hz"] is None and settings["width_um"] is None
    assert len(settings["policy_sha256"]) == 64


def test_a_rig_s_options_are_kept(bench):
    nodes = paths.polyline([(0.0, 0.0), (60.0, 0.0)])
    options = {"cargo_start_px": [2, 2], "robot_start_px": [9, 9]}
    settings = Push(nodes, backend="bench", backend_options={"seed": 3}, tracker_options=options).settings("my.csv")
    assert settings["backend"] == "bench" and settings["path"] == "my.csv"
    assert settings["backend_options"] == {"seed": 3} and settings["tracker_options"] == options
