"""Coils and camera as one rig: whose axes, whose clock, and the field off however it ends."""

import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.rig import Frame, open_rig
from microtwin_hardware.rig import HardwareRig


class PaperCoils:
    def __init__(self, log, refuses: bool | str = False):
        self.log, self.refuses, self.asked = log, refuses, []
        self.notes: list[str] = []

    def apply(self, field):
        self.asked.append(field)
        return replace(field, amplitude=0.5 * field.amplitude)

    def off(self):
        self.log.append("off")
        if self.refuses:
            raise RigError("coils are gone")

    def currents_a(self):
        return None

    def __enter__(self):
        if self.refuses == "opening":
            raise InputError("no port")
        self.log.append("coils open")
        return self

    def __exit__(self, *exception):
        self.log.append("coils closed")


class PaperCamera:
    frame_rate_hz, um_per_px, dropped = 20.0, 0.5, 0

    def __init__(self, log, absent=False):
        self.log, self.absent, self.count = log, absent, 0
        self.notes: list[str] = []

    def read(self, timeout_s):
        self.count += 1
        return Frame(self.count, 100.0 + self.count / 20, np.zeros((16, 16), np.uint8), 0.5)

    def __enter__(self):
        if self.absent:
            raise InputError("no camera")
        self.log.append("camera open")
        return self

    def __exit__(self, *exception):
        self.log.append("camera closed")


def test_the_field_turns_by_the_camera_s_angle_and_back_again():
    log = []
    coils = PaperCoils(log)
    with HardwareRig(coils, PaperCamera(log), rotation_rad=0.3) as rig:
        applied = rig.command(RotatingField(1.0, math.pi / 2, 12.0, 0.8))
    assert coils.asked[0].alpha_rad == pytest.approx(0.7)  # in the coils' axes
    assert applied.alpha_rad == pytest.approx(1.0)  # in the image's, as it was asked for
    assert applied.amplitude == pytest.approx(0.4)  # what the coils said


def test_time_begins_with_the_first_frame_of_every_entering():
    rig = HardwareRig(PaperCoils([]), PaperCamera([]))
    for _ in range(2):
        with rig:
            assert [round(rig.observe().time_s, 9) for _ in range(3)] == [0.0, 0.05, 0.1]


def test_the_camera_is_open_before_the_coils_and_the_field_is_off_before_anything_closes():
    log = []
    with HardwareRig(PaperCoils(log), PaperCamera(log)):
        pass
    assert log == ["camera open", "coils open", "off", "coils closed", "camera closed"]


class PaperStage:
    position_um, travel_um = 0.0, (0.0, 1.0)

    def __init__(self, log, absent=False):
        self.log, self.absent = log, absent

    def head_for(self, z_um):
        self.log.append("moved")

    move_to = head_for

    def __enter__(self):
        if self.absent:
            raise InputError("no stage")
        self.log.append("stage open")
        return self

    def __exit__(self, *exception):
        self.log.append("stage closed")


def test_the_stage_is_opened_with_the_rig_and_never_moved():
    log = []
    with HardwareRig(PaperCoils(log), PaperCamera(log), stage=PaperStage(log)) as rig:
        rig.observe()
        rig.command(RotatingField.off())
    assert log == ["camera open", "stage open", "coils open", "off", "coils closed", "stage closed", "camera closed"]


def test_a_stage_that_does_not_open_leaves_nothing_open():
    log = []
    with pytest.raises(InputError, match="no stage"):
        HardwareRig(PaperCoils(log), PaperCamera(log), stage=PaperStage(log, absent=True)).__enter__()
    assert log == ["camera open", "camera closed"]


def test_without_a_camera_the_coils_are_never_opened():
    log = []
    with pytest.raises(InputError, match="no camera"), HardwareRig(PaperCoils(log), PaperCamera(log, absent=True)):
        pass
    assert log == []


def test_coils_that_refuse_leave_no_camera_open():
    log = []
    with pytest.raises(InputError, match="no port"), HardwareRig(PaperCoils(log, "opening"), PaperCamera(log)):
        pass
    assert log == ["camera open", "camera closed"]


def test_coils_that_are_gone_do_not_keep_anything_open():
    log = []
    with pytest.raises(ZeroDivisionError), HardwareRig(PaperCoils(log, refuses=True), PaperCamera(log)):
        raise ZeroDivisionError
    assert log[-3:] == ["off", "coils closed", "camera closed"]


def test_sigterm_ends_a_run_like_ctrl_c_and_only_inside():
    log = []
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), HardwareRig(PaperCoils(log), PaperCamera(log)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert "off" in log
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_rig_that_is_never_left_ends_with_the_program():
    told = "PaperCamera.__exit__ = PaperCoils.__exit__ = lambda self, *exception: print(type(self).__name__)"
    lines = (
        Path(__file__).read_text(encoding="utf-8"),
        told,
        "HardwareRig(PaperCoils([]), PaperCamera([])).__enter__()",
    )
    ended = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=300, check=True
    )
    assert ended.stdout.split() == ["PaperCoils", "PaperCamera"]


def test_the_wait_from_frame_to_command_is_kept_for_fields_alone(monkeypatch):
    seconds = iter((10.0, 10.25))
    monkeypatch.setattr("microtwin_hardware.rig.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with HardwareRig(PaperCoils([]), PaperCamera([])) as rig:
        rig.observe()
        rig.command(RotatingField(frequency_hz=5.0))
        rig.command(RotatingField.off())
        assert list(rig.waits_s) == [0.25]


def test_an_angle_that_is_none_is_refused():
    with pytest.raises(InputError, match="rotation is nan"):
        HardwareRig(PaperCoils([]), PaperCamera([]), rotation_rad=math.nan)


def test_the_backend_asks_for_its_settings_in_one_line():
    with pytest.raises(InputError, match=r"--config rig\.toml"):
        open_rig("hardware")


def test_what_the_drivers_want_known_is_logged(caplog):
    coils, camera = PaperCoils([]), PaperCamera([])
    coils.notes, camera.notes = ["no guard here"], ["no gain"]
    with HardwareRig(coils, camera):
        pass
    assert [record.getMessage() for record in caplog.records] == ["no guard here", "no gain"]
