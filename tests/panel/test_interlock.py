"""The interlock: once stopped, no field passes, whoever commands it and from whatever thread."""

import threading
from typing import Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin.panel.engine.interlock import Interlock, Stopped
from microtwin.rig import Frame, Observation
from microtwin.run import run_trial

from .waiting import PATIENCE_S, until

FIELD = RotatingField(frequency_hz=10.0)
OFF = RotatingField.off()


class Coils:
    """A rig that remembers what it was told, and can be held up on the wire or between frames."""

    frame_rate_hz = 24.0

    def __init__(self):
        self.told: list[RotatingField] = []
        self.on_wire, self.go_on = threading.Event(), threading.Event()
        self.slow = self.dead = False

    def command(self, field: RotatingField) -> RotatingField:
        if self.dead:
            raise RigError("coils gone")
        if self.slow and field.amplitude:
            self.on_wire.set()
            assert self.go_on.wait(PATIENCE_S)
        self.told.append(field)
        return field

    def observe(self) -> Frame:
        return Frame(0, 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None: ...


def armed() -> tuple[Coils, Interlock]:
    coils = Coils()
    interlock = Interlock(coils)
    assert interlock.arm()
    return coils, interlock


def test_no_field_passes_before_it_is_armed():
    coils = Coils()
    interlock = Interlock(coils)
    with pytest.raises(Stopped, match="not armed"):
        interlock.command(FIELD)
    assert coils.told == []
    assert interlock.command(OFF) == OFF


def test_a_stop_turns_the_field_off_and_says_why():
    coils, interlock = armed()
    assert interlock.command(FIELD) == interlock.applied == FIELD
    interlock.stop("the space key")
    assert coils.told == [FIELD, OFF] and interlock.applied == OFF
    interlock.stop("the operator is gone")
    for do in (lambda: interlock.command(FIELD), interlock.observe):
        with pytest.raises(Stopped, match="the space key"):
            do()
    assert FIELD not in coils.told[1:]


def test_a_stop_waits_for_the_command_on_the_wire_alone_and_has_the_last_word():
    coils, interlock = armed()
    coils.slow = True
    loop = threading.Thread(target=interlock.command, args=(FIELD,))
    loop.start()
    assert coils.on_wire.wait(PATIENCE_S)
    stop = threading.Thread(target=interlock.stop, args=("now",))
    stop.start()
    coils.go_on.set()
    loop.join(PATIENCE_S)
    stop.join(PATIENCE_S)
    assert coils.told == [FIELD, OFF]


def test_a_field_that_waits_for_the_wire_while_it_is_stopped_is_not_sent():
    """The loop is about to command when the stop comes: the reason is there before the wire is free."""
    coils, interlock = armed()
    coils.slow = True
    refused = []

    def late():
        try:
            interlock.command(RotatingField(frequency_hz=7.0))
        except Stopped:
            refused.append(True)

    first = threading.Thread(target=interlock.command, args=(FIELD,))
    first.start()
    assert coils.on_wire.wait(PATIENCE_S)
    threads = [threading.Thread(target=interlock.stop, args=("now",)), threading.Thread(target=late)]
    threads[0].start()
    until(lambda: interlock.stopped is not None)
    threads[1].start()
    coils.go_on.set()
    for thread in (first, *threads):
        thread.join(PATIENCE_S)
    assert refused and [field for field in coils.told if field.frequency_hz == 7.0] == []
    assert coils.told[-1] == OFF


@given(st.lists(st.sampled_from(["stop", "arm", "late arm", "disarm", "field"]), max_size=30))
def test_whatever_happens_a_field_needs_an_arming_that_no_stop_followed(events):
    coils = Coils()
    interlock = Interlock(coils)
    asked, open_ = interlock.stops, False
    for event in events:
        if event == "stop":
            interlock.stop("because")
            open_ = False
        elif event == "disarm":
            interlock.disarm()
            open_ = False
        elif event == "arm":
            asked = interlock.stops
            assert interlock.arm(asked)
            open_ = True
        elif event == "late arm":  # with the number of the last arming: asked for before any stop since
            no_stop_since = asked == interlock.stops
            assert interlock.arm(asked) == no_stop_since
            open_ = open_ or no_stop_since
        else:
            before = len(coils.told)
            try:
                interlock.command(FIELD)
            except Stopped:
                assert not open_ and len(coils.told) == before
            else:
                assert open_


def test_to_disarm_is_no_stop_what_was_asked_for_meanwhile_still_counts():
    coils, interlock = armed()
    interlock.command(FIELD)
    asked = interlock.stops
    interlock.disarm()
    assert coils.told[-1] == OFF and interlock.stopped
    assert interlock.arm(asked)


def test_coils_that_are_gone_do_not_keep_it_from_being_stopped():
    coils, interlock = armed()
    interlock.command(FIELD)
    coils.dead = True
    with pytest.raises(RigError):
        interlock.stop("now")
    assert interlock.stopped == "now" and interlock.applied == FIELD  # nobody knows that it is off
    coils.dead = False
    with pytest.raises(Stopped):
        interlock.command(FIELD)


def test_a_field_whose_answer_is_lost_counts_as_applied():
    coils, interlock = armed()
    coils.dead = True
    with pytest.raises(RigError):
        interlock.command(FIELD)
    assert interlock.applied == FIELD
    coils.dead = False
    interlock.stop("now")
    assert interlock.applied == OFF


def test_another_rig_behind_it_is_stopped_at_first_and_none_is_a_rig_that_is_not_open():
    _, interlock = armed()
    asked, other = interlock.stops, Coils()
    interlock.put(other)
    assert interlock.applied == OFF and not interlock.arm(asked)
    interlock.arm()
    interlock.command(FIELD)
    assert other.told == [FIELD]
    interlock.put(None)
    interlock.stop("nothing there to turn off")
    with pytest.raises(RigError, match="not open"):
        interlock.command(OFF)


def test_a_run_through_it_ends_as_stopped_with_the_reason_and_no_field():
    coils, interlock = armed()

    class Roller:
        done, mode, goal_index = False, "push", 0

        def act(self, observation):
            return FIELD

    frames = iter(range(100))

    def observer(frame):
        if next(frames) == 5:
            interlock.stop("stop-all on the page")
        return Observation(0, 0.0, np.zeros(2), np.zeros(2))

    recording = run_trial(interlock, observer, Roller(), time_limit_s=9.0)
    assert recording.interrupted and recording.reason == "stop-all on the page"
    assert len(recording.rows) == 5 and coils.told[-1] == OFF and coils.told[-2] == OFF
