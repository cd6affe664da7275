"""The control loop, on a rig of paper: what ends it, what it records, and the field off whatever happens."""

import math
from typing import Self

import numpy as np
import pytest

from microtwin.field import RotatingField
from microtwin.rig import Frame, Observation, RigError
from microtwin.run import COLUMNS, run_trial


class PaperRig:
    """Delivers frames at 10 Hz, halves every amplitude, and remembers what it was told."""

    frame_rate_hz = 10.0

    def __init__(self, breaks_at=None, breaks_with: type[BaseException] = KeyboardInterrupt):
        self.told: list[RotatingField] = []
        self.count = 0
        self.breaks_at, self.breaks_with = breaks_at, breaks_with

    def command(self, field: RotatingField) -> RotatingField:
        self.told.append(field)
        return RotatingField(field.alpha_rad, field.gamma_rad, field.frequency_hz, field.amplitude / 2)

    def observe(self) -> Frame:
        if self.count == self.breaks_at:
            raise self.breaks_with
        self.count += 1
        return Frame(self.count - 1, (self.count - 1) / self.frame_rate_hz)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.command(RotatingField.off())


class CameraGone(RigError):
    def __init__(self):
        super().__init__("camera gone: check its cable")


def observer(frame):
    return Observation(frame.index, frame.time_s, np.array([1.0, 2.0]), np.array([3.0, 4.0]))


class Roller:
    def __init__(self, done_at=None, breaks_at=None, breaks_with: type[BaseException] = KeyboardInterrupt):
        self.done, self.mode, self.goal_index = False, "push", 0
        self.done_at, self.breaks_at, self.breaks_with = done_at, breaks_at, breaks_with

    def act(self, observation: Observation) -> RotatingField:
        if observation.index == self.breaks_at:
            raise self.breaks_with
        self.goal_index = observation.index // 2
        if observation.index == self.done_at:
            self.done, self.mode = True, "done"
            return RotatingField.off()
        return RotatingField(7.0, math.pi / 2, 12.0)


def is_off(rig):
    return rig.told[-1].amplitude == 0.0


def test_a_controller_that_is_done_ends_it():
    rig = PaperRig()
    recording = run_trial(rig, observer, Roller(done_at=5), time_limit_s=100.0)
    assert (recording.success, recording.interrupted, len(recording.rows)) == (True, False, 6)
    assert is_off(rig)


def test_the_time_limit_ends_it_with_everything_recorded():
    rig = PaperRig()
    recording = run_trial(rig, observer, Roller(), time_limit_s=2.0)
    assert (recording.success, recording.interrupted) == (False, False)
    assert recording.table()["time_s"].tolist() == pytest.approx(np.arange(21) / 10)
    assert is_off(rig)


def test_done_on_the_last_frame_is_a_success():
    assert run_trial(PaperRig(), observer, Roller(done_at=20), time_limit_s=2.0).success


def test_the_table_names_its_columns_and_units():
    table = run_trial(PaperRig(), observer, Roller(done_at=4), time_limit_s=9.0).table()
    assert tuple(table.columns) == COLUMNS
    assert table["frame"].tolist() == [0, 1, 2, 3, 4]
    assert table[["robot_x_um", "robot_y_um", "object_x_um", "object_y_um"]].iloc[0].tolist() == [1, 2, 3, 4]
    assert table["goal_index"].tolist() == [0, 0, 1, 1, 2]
    assert table["mode"].tolist() == ["push"] * 4 + ["done"]
    assert (table["frequency_hz"].iloc[:4] == 12.0).all()


def test_what_was_applied_is_recorded_with_the_heading_folded():
    table = run_trial(PaperRig(), observer, Roller(), time_limit_s=1.0).table()
    assert set(table["amplitude"]) == {0.5}  # this rig halves what it is asked for
    assert table["alpha_rad"].iloc[0] == pytest.approx(7.0 - 2 * math.pi)


@pytest.mark.parametrize("place", ["rig", "observer", "controller", "listener"])
def test_ctrl_c_keeps_what_there_is(place):
    """Wherever it falls: nothing is raised, all frames before it are there, the field is off."""

    def interrupting(frame):
        if frame.index == 7:
            raise KeyboardInterrupt
        return observer(frame)

    def listening(frame, seen: Observation, controller) -> None:
        if place == "listener":
            interrupting(seen)

    rig = PaperRig(breaks_at=7 if place == "rig" else None)
    recording = run_trial(
        rig,
        interrupting if place == "observer" else observer,
        Roller(breaks_at=7 if place == "controller" else None),
        time_limit_s=9.0,
        on_frame=listening,
    )
    assert (recording.success, recording.interrupted) == (False, True)
    assert recording.table()["frame"].tolist() == list(range(8 if place == "listener" else 7))
    assert is_off(rig)


def test_ctrl_c_before_the_first_frame_leaves_an_empty_table_with_its_columns():
    recording = run_trial(PaperRig(breaks_at=0), observer, Roller(), time_limit_s=9.0)
    assert recording.interrupted
    assert len(recording.table()) == 0
    assert tuple(recording.table().columns) == COLUMNS


def test_a_rig_that_no_longer_answers_ends_it_with_its_reason_and_all_that_was_recorded():
    rig = PaperRig(breaks_at=5, breaks_with=CameraGone)
    recording = run_trial(rig, observer, Roller(), time_limit_s=9.0)
    assert (recording.success, recording.interrupted, recording.broken) == (False, False, True)
    assert recording.reason == "camera gone: check its cable"
    assert len(recording.rows) == 5
    assert is_off(rig)


def test_coils_that_are_gone_when_the_field_is_to_go_off_are_no_second_error():
    class Unplugged(PaperRig):
        def command(self, field):
            if self.count > 3:
                raise RigError("coils gone")
            return super().command(field)

    recording = run_trial(Unplugged(), observer, Roller(), time_limit_s=9.0)
    assert recording.broken
    assert recording.reason == "coils gone"


@pytest.mark.parametrize("place", ["rig", "controller"])
def test_a_failure_turns_the_field_off_and_is_not_hidden(place):
    rig = PaperRig(breaks_at=3 if place == "rig" else None, breaks_with=RuntimeError)
    controller = Roller(breaks_at=3 if place == "controller" else None, breaks_with=RuntimeError)
    with pytest.raises(RuntimeError):
        run_trial(rig, observer, controller, time_limit_s=9.0)
    assert is_off(rig)


def test_the_listener_hears_every_frame():
    heard = []
    run_trial(
        PaperRig(), observer, Roller(), time_limit_s=1.0, on_frame=lambda frame, o, controller: heard.append(o.index)
    )
    assert heard == list(range(11))
