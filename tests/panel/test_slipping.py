"""Warnings of a field that is too fast: rolling and spinning have limits of their own."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD, RotatingField
from microtwin.panel.engine.dead_man import Operator
from microtwin.panel.engine.driving import Driving
from microtwin.panel.engine.hand import Hand
from microtwin.panel.engine.interlock import Interlock
from microtwin.panel.engine.notice_board import NoticeBoard
from microtwin.panel.engine.place import Place
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.slipping import SlipNotice, frequency_notice, frequency_warning
from microtwin.panel.messages import HAND, Drive, Start

NODES = np.array([[0.0, 0.0], [100.0, 0.0], [200.0, 0.0]])


def live(step_out_hz: float | None = 62.7, spin_step_out_hz: float | None = 46.7) -> Any:
    bench = SimpleNamespace(
        twin=None, backend="sim", options={}, step_out_hz=step_out_hz, spin_step_out_hz=spin_step_out_hz
    )
    return SimpleNamespace(bench=bench, notices=NoticeBoard())


def said(board: NoticeBoard) -> list[str]:
    assert all(one["level"] == "warning" for one in board.kept())
    return [one["text"] for one in board.kept()]


@pytest.mark.parametrize(
    ("controller", "spins"),
    [("corridor", True), ("blended", True), ("policy", True), ("steering", False), ("predictive", False),
     ("joystick", False), (HAND, False)],
)  # fmt: skip
def test_which_controllers_spin(controller, spins):
    plan = RunPlan.of(Start(controller), 0, Place(np.zeros(2), nodes_um=NODES), live().bench)
    assert plan.spins is spins


@pytest.mark.parametrize(
    ("controller", "hz", "words"),
    [
        ("corridor", 46.0, None),
        ("corridor", 50.0, "50 Hz is above step-out for spinning, 46.7 Hz"),
        ("corridor", 70.0, "70 Hz is above the robot's step-out, 62.7 Hz"),
        ("steering", 50.0, None),
        ("steering", 70.0, "70 Hz is above the robot's step-out, 62.7 Hz"),
        (HAND, 70.0, None),  # what it wants is looked at when it wants it
    ],
)
def test_a_run_is_warned_of_by_what_its_controller_does(controller, hz, words):
    now = live()
    place = Place(np.zeros(2), nodes_um=NODES)
    plans = [RunPlan.of(Start(controller, frequency_hz=hz), k, place, now.bench) for k in range(2)]
    frequency_notice(now, plans)
    lines = said(now.notices)
    assert len(lines) == (words is not None)  # once, however many objects
    assert words is None or lines[0].startswith(words)


def test_the_remedy_is_good_for_all_that_the_controller_does():
    assert frequency_warning(70.0, 62.7, 46.7).endswith("give 46 Hz or less")  # type: ignore[union-attr]
    assert frequency_warning(70.0, 62.7).endswith("give 62 Hz or less")  # type: ignore[union-attr]
    assert frequency_warning(50.0, None, 46.7).endswith("give 46 Hz or less")  # type: ignore[union-attr]
    assert frequency_warning(46.0, 62.7, 46.7) is None


def test_a_rig_that_was_measured_rolling_says_nothing_of_spinning():
    now = live(spin_step_out_hz=None)
    plan = RunPlan.of(Start("corridor", frequency_hz=50.0), 0, Place(np.zeros(2), nodes_um=NODES), now.bench)
    frequency_notice(now, [plan])
    SlipNotice(now).look(RotatingField(0.0, SPIN_CCW_RAD, 50.0))
    assert said(now.notices) == []


@pytest.mark.parametrize(
    ("gamma_rad", "hz", "words"),
    [
        (PUSH_RAD, 50.0, None),
        (PUSH_RAD, 70.0, "70 Hz is above step-out for rolling, 62.7 Hz: the robot slips; give 62 Hz or less"),
        (SPIN_CCW_RAD, 46.0, None),
        (SPIN_CCW_RAD, 50.0, "50 Hz is above step-out for spinning, 46.7 Hz: the robot slips; give 46 Hz or less"),
        (SPIN_CW_RAD, 50.0, "50 Hz is above step-out for spinning, 46.7 Hz: the robot slips; give 46 Hz or less"),
    ],
)
def test_a_hand_is_told_by_the_mode_that_it_drives_in_once(gamma_rad, hz, words):
    now = live()
    slips = SlipNotice(now)
    for k in range(30):
        slips.look(RotatingField(0.1 * k, gamma_rad, hz))
        slips.look(RotatingField.off())
    assert said(now.notices) == ([] if words is None else [words])


def test_another_mode_is_told_of_and_the_same_again_only_after_it_was_slow_enough():
    now = live()
    slips = SlipNotice(now)
    for gamma, hz in (
        (PUSH_RAD, 70.0),
        (PUSH_RAD, 71.0),
        (SPIN_CCW_RAD, 70.0),
        (SPIN_CW_RAD, 70.0),
        (PUSH_RAD, 12.0),
        (PUSH_RAD, 80.0),
    ):
        slips.look(RotatingField(0.0, gamma, hz))
    assert [line.split(",")[0] for line in said(now.notices)] == [
        "70 Hz is above step-out for rolling",
        "70 Hz is above step-out for spinning",
        "80 Hz is above step-out for rolling",
    ]


def test_a_hand_that_spins_too_fast_without_a_run_is_told():
    class Coils:
        frame_rate_hz = 24.0

        def command(self, field):
            return field

    now = live()
    now.interlock, now.hand, now.operator, now.driving = Interlock(Coils()), Hand(), Operator(), False  # type: ignore[arg-type]
    now.command = now.interlock.command
    now.operator.heard()
    driving = Driving(now, SlipNotice(now), lambda reason: None)
    now.hand.hear(Drive(0.0, SPIN_CCW_RAD, 50.0), now.interlock.stops)
    driving.follow()
    assert now.driving and now.interlock.applied.frequency_hz == 50.0  # it is told, not held back
    assert said(now.notices) == ["50 Hz is above step-out for spinning, 46.7 Hz: the robot slips; give 46 Hz or less"]
    now.hand.hear(Drive(), now.interlock.stops)
    driving.follow()
    assert not now.driving and now.interlock.applied.amplitude == 0.0
