"""Frames at even steps of the wall's clock, by a clock that the test turns itself."""

import math
import threading
import time

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.panel.engine.paced import PIECE_S, RealTime
from microtwin.rig import Frame

from .waiting import PATIENCE_S


class Rig:
    frame_rate_hz = 24.0

    def __init__(self, wall=None, takes_s=0.0):
        self.log, self.wall, self.takes_s, self.count = [], wall, takes_s, 0

    def command(self, field):
        self.log.append(field)
        return field

    def observe(self):
        if self.wall:
            self.wall.now_s += self.takes_s
        self.count += 1
        return Frame(self.count - 1, (self.count - 1) / 24)

    def __enter__(self):
        self.log.append("entered")
        return self

    def __exit__(self, *exception):
        self.log.append("left")


class Wall:
    """Sleeps end late by up to ``late_s``, as an operating system's do."""

    def __init__(self, late_s=0.0, seed=0):
        self.now_s, self.late_s, self.rng, self.sleeps = 100.0, late_s, np.random.default_rng(seed), []

    def clock(self):
        return self.now_s

    def sleep(self, seconds):
        assert seconds > 0
        self.sleeps.append(seconds)
        self.now_s += seconds + self.rng.uniform(0, self.late_s)


def times(wall, paced, frames, works_s=lambda k: 0.0):
    found = []
    for k in range(frames):
        paced.observe()
        found.append(wall.now_s)
        wall.now_s += works_s(k)
    return np.array(found)


def paced_by(wall, speed=1.0, takes_s=0.0):
    return RealTime(Rig(wall, takes_s), speed, clock=wall.clock, sleep=wall.sleep)


@pytest.mark.parametrize("speed", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("takes_s", [0.0, 0.007])
def test_frames_come_at_the_wall_s_time_whatever_the_work(speed, takes_s):
    wall = Wall()
    paced = paced_by(wall, speed, takes_s)
    found = times(wall, paced, 50, works_s=lambda k: 0.003 * (k % 2))
    np.testing.assert_allclose(np.diff(found), 1 / 24 / speed, atol=PIECE_S)
    assert found[-1] - found[0] == pytest.approx(49 / 24 / speed, abs=PIECE_S)  # nothing adds up
    assert paced.late == 0


def test_sleeps_that_end_late_are_made_up_for_within_the_frame():
    wall = Wall(late_s=0.0009)
    found = times(wall, paced_by(wall), 100)
    assert np.abs(found - found[0] - np.arange(100) / 24).max() < 0.0009 + PIECE_S
    assert len(wall.sleeps) < 100 * 20  # it sleeps, it does not count the time away


def test_a_little_late_catches_up_and_far_behind_begins_anew_without_a_burst():
    wall = Wall()
    paced = paced_by(wall)
    period = 1 / 24
    late = {10: 1.5 * period, 20: 30 * period}
    found = times(wall, paced, 40, works_s=lambda k: late.get(k, 0.001))
    steps = np.diff(found) / period
    assert steps[10] == pytest.approx(1.5, abs=0.01)
    assert steps[11] == pytest.approx(0.5, abs=0.01)  # the schedule stood
    assert paced.late == 1
    assert steps[20] == pytest.approx(30, abs=0.01)
    np.testing.assert_allclose(steps[21:], 1.0, atol=0.01)  # thirty frames are not made up for
    assert [frame for frame in steps if frame < 0.4] == []


def test_a_twin_slower_than_real_time_is_not_held_back_further():
    wall = Wall()
    found = times(wall, paced_by(wall, takes_s=0.1), 20)
    np.testing.assert_allclose(np.diff(found), 0.1, atol=1e-9)
    assert wall.sleeps == []


def test_as_fast_as_it_goes_never_sleeps():
    wall = Wall()
    found = times(wall, paced_by(wall, math.inf), 20)
    assert wall.sleeps == []
    assert found[-1] == found[0]


def test_the_rest_is_the_rig_s_and_every_entering_begins_a_schedule():
    wall = Wall()
    rig = Rig(wall)
    paced = RealTime(rig, clock=wall.clock, sleep=wall.sleep)
    wanted = RotatingField(0.1, 1.0, 5.0)
    for _ in range(2):
        with paced as entered:
            assert entered is paced
            assert paced.command(wanted) is wanted
            assert paced.observe().image is None
        wall.now_s += 10.0
    assert rig.log == ["entered", wanted, "left"] * 2
    assert paced.late == 0  # the pause between was not a delay
    assert paced.frame_rate_hz == 24.0


def test_a_command_from_another_thread_does_not_wait_for_the_frame():
    wall, rig = Wall(), Rig()
    asleep, go_on = threading.Event(), threading.Event()

    def sleep(seconds):
        asleep.set()
        assert go_on.wait(PATIENCE_S)
        wall.sleep(seconds)

    paced = RealTime(rig, clock=wall.clock, sleep=sleep)
    paced.observe()
    watcher = threading.Thread(target=paced.observe)
    watcher.start()
    assert asleep.wait(PATIENCE_S)
    paced.command(RotatingField.off())  # said while the loop waits
    assert rig.log == [RotatingField.off()]
    go_on.set()
    watcher.join(PATIENCE_S)
    assert not watcher.is_alive()


def test_the_real_clock():
    paced = RealTime(Rig(), 10.0)
    start = time.perf_counter()
    for _ in range(1 + 24):
        paced.observe()
    assert time.perf_counter() - start >= 0.1 - 1e-6  # no frame comes early


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_bad_speeds(speed):
    with pytest.raises(InputError, match=f"speed is {speed}"):
        RealTime(Rig(), speed)
