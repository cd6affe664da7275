"""Parts of the engine, each by itself: the hand, the dead man's switch, a run's time, timing, packets, the recorder."""

import json
import math
import multiprocessing
import threading
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError, RigError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.panel.engine.cautious import Cautious
from microtwin.panel.engine.dead_man import Operator
from microtwin.panel.engine.from_zero import FromZero
from microtwin.panel.engine.guard import Guard
from microtwin.panel.engine.hand import GRASP_S, Hand
from microtwin.panel.engine.header import in_degrees
from microtwin.panel.engine.interlock import Interlock
from microtwin.panel.engine.notice_board import KEPT, NoticeBoard
from microtwin.panel.engine.outline import mask_outlines
from microtwin.panel.engine.place import Place, Seen, in_order
from microtwin.panel.engine.recorder import Recorder, new_folder
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.timing import Timing
from microtwin.panel.engine.uplink import Uplink
from microtwin.panel.messages import DRIVE_LAPSES_S, HAND, OPERATOR_GONE_S, Drive, Start
from microtwin.panel.packet import unpack
from microtwin.rig import Frame, Observation
from microtwin.run import Recording, run_trial
from microtwin.vision.mask import MaskSettings

from .waiting import PATIENCE_S, until

OFF = RotatingField.off()
RIGHT, LET_GO = Drive(0.0, PUSH_RAD, 8.0), Drive(frequency_hz=0.0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Coils:
    frame_rate_hz = 10.0

    def __init__(self):
        self.told: list[RotatingField] = []

    def command(self, field: RotatingField) -> RotatingField:
        self.told.append(field)
        return field

    def observe(self) -> Frame:
        raise AssertionError("nobody looks")

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None: ...


# the hand


def test_a_wish_lapses_unless_it_is_renewed():
    clock = Clock()
    hand = Hand(clock)
    assert hand.wish(0) == OFF
    hand.hear(RIGHT, 0)
    clock.now += 0.9 * DRIVE_LAPSES_S
    assert hand.wish(0) == RotatingField(0.0, PUSH_RAD, 8.0)
    clock.now += 0.2 * DRIVE_LAPSES_S
    assert hand.wish(0) == OFF
    hand.hear(RIGHT, 0)
    assert hand.wish(0).amplitude == 1.0


def test_letting_go_is_no_field_at_once():
    hand = Hand(Clock())
    hand.hear(RIGHT, 0)
    hand.hear(LET_GO, 0)
    assert hand.wish(0) == OFF


def test_a_key_held_through_a_stop_does_nothing_until_it_was_let_go():
    clock = Clock()
    hand = Hand(clock)
    hand.hear(RIGHT, 0)
    stopped_s = clock.now = clock.now + 0.1
    assert hand.wish(1) == OFF  # also before the key is heard again
    for _ in range(50):
        clock.now += 0.15
        hand.hear(RIGHT, 1, stopped_s)
        assert hand.wish(1) == OFF and hand.barred
    hand.hear(LET_GO, 1, stopped_s)
    hand.hear(RIGHT, 1, stopped_s)
    assert hand.wish(1).frequency_hz == 8.0 and not hand.barred


def test_a_silence_is_no_letting_go():
    """The browser hung for seconds with the key held, and the field was stopped meanwhile."""
    clock = Clock()
    hand = Hand(clock)
    hand.hear(RIGHT, 0)
    clock.now += 10.0
    hand.hear(RIGHT, 1, clock.now - 8.0)
    assert hand.wish(1) == OFF


def test_a_key_that_is_first_heard_right_after_a_stop_may_be_older_than_it():
    clock = Clock()
    early, late = Hand(clock), Hand(clock)
    early.hear(RIGHT, 1, clock.now - 0.5 * GRASP_S)
    late.hear(RIGHT, 1, clock.now - 1.5 * GRASP_S)
    assert early.wish(1) == OFF and late.wish(1).amplitude == 1.0


@pytest.mark.parametrize("hz", [math.nan, math.inf, -1.0, 1e4])
def test_a_hand_cannot_wish_for_what_is_no_field(hz):
    hand = Hand(Clock())
    hand.hear(RIGHT, 0)
    with pytest.raises(InputError, match="give"):
        hand.hear(Drive(0.0, PUSH_RAD, hz), 0)
    assert hand.wish(0) == OFF


# the dead man's switch


def guarded(by_hand=False, paused=False):
    clock = Clock()
    coils = Coils()
    interlock, operator, hand = Interlock(coils), Operator(clock), Hand(clock)
    said: list[str] = []
    guard = Guard(interlock, operator, hand, by_hand=lambda: by_hand, paused=lambda: paused, on_error=said.append)
    interlock.arm()
    operator.heard()
    return clock, coils, interlock, operator, hand, guard, said


def test_the_field_goes_off_when_the_operator_is_not_heard():
    clock, coils, interlock, operator, _, guard, said = guarded()
    interlock.command(RotatingField(frequency_hz=5.0))
    for _ in range(40):
        clock.now += 0.9 * OPERATOR_GONE_S
        operator.heard()
        guard.look()
    assert coils.told[-1].amplitude and not said
    clock.now += 1.01 * OPERATOR_GONE_S
    guard.look()
    assert coils.told[-1] == OFF and interlock.stopped and "browser" in said[0]


def test_a_paused_run_outlives_a_browser_that_is_loaded_again():
    clock, _, interlock, _, _, guard, said = guarded(paused=True)
    interlock.command(OFF)
    clock.now += 60.0
    guard.look()
    assert interlock.stopped is None and not said


def test_the_guard_ends_a_lapsed_drive_while_the_loop_waits_for_a_frame():
    clock, coils, interlock, operator, hand, guard, _ = guarded(by_hand=True)
    hand.hear(RIGHT, interlock.stops)
    interlock.command(hand.wish(interlock.stops))
    guard.look()
    assert coils.told[-1].amplitude
    clock.now += 1.1 * DRIVE_LAPSES_S
    operator.heard()
    guard.look()
    assert coils.told[-1] == OFF and interlock.stopped is None


def test_a_run_s_field_is_not_the_hand_s_to_lapse():
    _, coils, interlock, _, _, guard, _ = guarded(by_hand=False)
    interlock.command(RotatingField(frequency_hz=5.0))
    guard.look()
    assert coils.told[-1].amplitude


def test_the_guard_repeats_a_stop_that_the_coils_did_not_answer_and_outlives_whatever_goes_wrong(capsys):
    """The loop may hang meanwhile; and a guard that is dead guards nothing."""
    _, coils, interlock, _, _, guard, said = guarded()
    tries: list[bool] = []

    class Flaky(Coils):
        def command(self, field):
            tries.append(True)
            if len(tries) in (1, 3):
                raise RigError("coils do not answer")
            if len(tries) == 2:
                raise TypeError("from deep within the port")
            return coils.command(field)

    interlock.command(RotatingField(frequency_hz=5.0))
    interlock._rig = Flaky()
    with pytest.raises(RigError):
        interlock.stop("now")
    with guard:
        until(lambda: not interlock.applied.amplitude)
    assert coils.told[-1] == OFF and said == ["from deep within the port"]
    assert "Traceback" in capsys.readouterr().err


# a run's time


class Tape:
    """Frames at 10 Hz from number 70 on; ``held`` says of each whether the run is paused."""

    def __init__(self, held=lambda index: False, skipped=()):
        self.index, self._held, self._skipped = 69, held, set(skipped)

    def observe(self) -> Frame:
        self.index += 1
        while self.index in self._skipped:
            self.index += 1
        return Frame(self.index, 0.1 * self.index)

    def rig(self) -> FromZero:
        return FromZero(self.observe, lambda field: field, 10.0, lambda frame: self._held(frame.index))


def test_a_run_counts_from_zero():
    rig = Tape().rig()
    frames = [rig.observe() for _ in range(5)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_s for frame in frames] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert rig.pauses == []


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 30)), min_size=1, max_size=5))
def test_pauses_take_no_time_however_many_and_long(stretches):
    paused, at = set(), 70
    for on, off in stretches:
        paused |= set(range(at + on, at + on + off))
        at += on + off
    rig = Tape(lambda index: index in paused).rig()
    count = sum(on for on, _ in stretches) + 1
    frames = [rig.observe() for _ in range(count)]
    assert [frame.index for frame in frames] == list(range(count))
    assert np.allclose([frame.time_s for frame in frames], 0.1 * np.arange(count))
    assert [lasted for _, lasted in rig.pauses] == pytest.approx([0.1 * off for _, off in stretches])
    began = np.cumsum([on for on, _ in stretches]) - 1
    assert [at_s for at_s, _ in rig.pauses] == pytest.approx(0.1 * began)


def test_frames_that_were_dropped_stay_gaps():
    rig = Tape(skipped=(72, 73)).rig()
    assert [rig.observe().index for _ in range(4)] == [0, 1, 4, 5]


def test_the_tracker_hears_the_rig_s_own_time_in_and_after_a_pause():
    heard = []
    tape = Tape(lambda index: 75 <= index < 90)
    rig = tape.rig()

    def follow(frame: Frame) -> Observation:
        heard.append(frame.time_s)
        return Observation(frame.index, frame.time_s, np.zeros(2), np.ones(2))

    see = rig.observer(follow)
    seen = [see(rig.observe()) for _ in range(10)]
    assert heard == pytest.approx([7.0, 7.1, 7.2, 7.3, 7.4, 9.0, 9.1, 9.2, 9.3, 9.4])
    assert [one.time_s for one in seen] == pytest.approx(0.1 * np.arange(10))


def test_a_pause_does_not_count_towards_the_time_limit():
    rig = Tape(lambda index: 75 <= index < 900).rig()

    class Roller:
        done, mode, goal_index = False, "push", 0

        def act(self, observation):
            return OFF

    follow = rig.observer(lambda frame: Observation(frame.index, frame.time_s, np.zeros(2), np.ones(2)))
    recording = run_trial(rig, follow, Roller(), time_limit_s=2.0)
    assert len(recording.rows) == 21 and recording.rows[-1][1] == pytest.approx(2.0)


def test_a_controller_that_fails_ends_the_run_with_everything_recorded(capsys):
    class Failing:
        done, mode, goal_index, count = False, "push", 0, 0

        def act(self, observation):
            self.count += 1
            if self.count == 4:
                raise ZeroDivisionError("by nothing")
            return OFF

    rig = Tape().rig()
    follow = rig.observer(lambda frame: Observation(frame.index, frame.time_s, np.zeros(2), np.ones(2)))
    recording = run_trial(rig, follow, Cautious(Failing()), time_limit_s=9.0)
    assert recording.broken and len(recording.rows) == 3
    assert "ZeroDivisionError: by nothing" in recording.reason
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("given_um", [None, 20.0])
def test_a_hand_is_scored_by_the_distances_of_its_likeness(given_um):
    """The paper's open-loop mode, played by a person or by :class:`Joystick`: measured from the same moment on."""
    place, bench = Place(np.zeros(2), nodes_um=NODES * 10), SimpleNamespace(twin=None, backend="sim", options={})

    def distances(controller: str) -> tuple[float, float]:
        start = Start(controller, threshold_um=6.0, approach_um=given_um)
        made: Any = RunPlan.of(start, 0, place, bench).controller(24.0).inner  # type: ignore[arg-type]
        return made.threshold_um, made.approach_um

    assert distances(HAND) == distances("joystick")


# timing, header, outlines, notices


def test_jitter_is_the_95th_percentile_of_what_steps_are_off():
    clock = Clock()
    timing = Timing(clock)
    for k in range(201):
        timing.tick()
        clock.now += 0.05 if k % 10 else 0.07  # every tenth step 20 ms late
    assert timing.jitter_ms(0.05) == pytest.approx(20.0)
    assert timing.ticks_per_s == pytest.approx(1 / 0.052, rel=0.01)


def test_only_the_last_ten_seconds_count():
    clock = Clock()
    timing = Timing(clock)
    for step in [0.5] * 20 + [0.04] * 260:
        timing.tick()
        clock.now += step
    assert timing.jitter_ms(0.04) == pytest.approx(0.0, abs=1e-6)


def test_a_standstill_with_a_reason_is_no_jitter():
    clock = Clock()
    timing = Timing(clock)
    for _ in range(10):
        timing.tick()
        clock.now += 0.04
    clock.now += 8.0
    timing.restart()
    for _ in range(10):
        timing.tick()
        clock.now += 0.04
    assert timing.jitter_ms(0.04) == pytest.approx(0.0, abs=1e-6)


def test_the_wait_is_from_the_frame_to_the_coils_answer():
    clock = Clock()
    timing = Timing(clock)
    assert timing.wait_ms == timing.ticks_per_s == timing.jitter_ms(0.04) == 0.0
    for _ in range(30):
        timing.tick()
        clock.now += 0.012
        timing.answered()
        clock.now += 0.030
    assert timing.wait_ms == pytest.approx(12.0)


def test_a_field_is_told_in_degrees_within_half_a_turn():
    assert in_degrees(RotatingField(7.0, math.pi, 12.0, 0.5)) == {
        "alpha_deg": round(math.degrees(7.0 - 2 * math.pi), 2),
        "gamma_deg": 180.0,
        "frequency_hz": 12.0,
        "amplitude": 0.5,
    }


def test_outlines_run_round_what_is_in_the_mask():
    picture = np.full((200, 300), 120, np.uint8)
    cv2.circle(picture, (220, 60), 25, 40, -1)
    cv2.circle(picture, (80, 140), 12, 200, -1)
    picture[100, 150] = 0  # a speck
    big, small = mask_outlines(picture, MaskSettings(lower=0.2, blur_px=0.0))
    for outline, centre, radius in ((big, (220, 60), 25), (small, (80, 140), 12)):
        away = np.hypot(*(np.array(outline) - centre).T)
        assert 12 <= len(outline) < 60 and np.abs(away - radius).max() < 2.0
    assert mask_outlines(picture, MaskSettings(lower=0.95)) == []


def test_notices_rise_and_the_oldest_are_forgotten():
    board = NoticeBoard()
    for k in range(KEPT + 3):
        board.say(f"line {k}\nand more", "warning")
    kept = board.kept()
    assert [one["id"] for one in kept] == list(range(4, KEPT + 4))
    assert kept[-1]["text"] == f"line {KEPT + 2} and more"


# the uplink


def header(seq: int) -> Any:
    return {"seq": seq}


def test_a_reader_that_hangs_gets_the_newest_packet_next_and_holds_nobody_up():
    here, there = multiprocessing.Pipe()
    picture = np.random.default_rng(0).integers(0, 255, (512, 640)).astype(np.uint8)  # 200 kB: the pipe fills at once
    with Uplink(there) as uplink:
        for k in range(2000):
            uplink.offer(header(k), picture)
        got = []
        while not got or got[-1] < 1999:
            assert here.poll(PATIENCE_S)
            got.append(unpack(here.recv_bytes())[0]["seq"])
    assert got == sorted(got) and len(got) < 200


def test_a_header_that_json_cannot_say_costs_one_packet_alone(monkeypatch):
    failed = threading.Event()
    monkeypatch.setattr("microtwin.panel.engine.uplink.traceback.print_exc", lambda file: failed.set())
    here, there = multiprocessing.Pipe()
    picture = np.zeros((32, 32), np.uint8)
    with Uplink(there) as uplink:
        uplink.offer({"seq": 0, "error_um": math.nan}, picture)  # type: ignore[typeddict-item, arg-type]
        assert failed.wait(PATIENCE_S)
        uplink.offer(header(1), picture)
        assert unpack(here.recv_bytes())[0]["seq"] == 1


def test_the_last_packet_is_sent_before_it_ends():
    here, there = multiprocessing.Pipe()
    with Uplink(there) as uplink:
        uplink.offer(header(5), np.zeros((32, 32), np.uint8))
    assert unpack(here.recv_bytes())[0]["seq"] == 5


def test_a_server_that_is_gone_is_noticed():
    here, there = multiprocessing.Pipe()
    here.close()
    with Uplink(there) as uplink:
        uplink.offer(header(1), np.zeros((32, 32), np.uint8))
        until(lambda: uplink.gone)
    there.close()


# the recorder


NODES = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])


class Roller:
    done, mode, goal_index, width_um = False, "push", 1, 5.0

    def act(self, observation):
        return OFF


def recorded(recorder: Recorder, frames: int) -> Recording:
    recording, picture = Recording(success=True), np.full((64, 64), 120, np.uint8)
    for k in range(frames):
        seen = Observation(k, k / 24, np.array([k - 8.0, 0.0]), np.array([float(k), 1.0]))
        recording.rows.append((k, k / 24, k - 8.0, 0.0, float(k), 1.0, 0.0, PUSH_RAD, 12.0, 1.0, "push", 1))
        recorder.see(Frame(k, k / 24, picture, 1.0), seen, Roller())  # type: ignore[arg-type]
    return recording


def test_a_run_s_folder_is_complete(tmp_path):
    said: list[tuple] = []
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: said.append(what))
    recorder.start()
    recorder.finish(recorded(recorder, 30), {"controller": "corridor"})
    recorder.wait()
    names = {"run.json", "telemetry.parquet", "trajectory.png", "video.mp4", "path.csv"}
    assert {path.name for path in recorder.folder.iterdir()} == names
    report = json.loads((recorder.folder / "run.json").read_text())
    assert report["config"] == {"controller": "corridor"} and report["trials"] == [recorder.results]
    assert said == [(recorder, said[0][1], "")] and said[0][1].success
    film = cv2.VideoCapture(str(recorder.folder / "video.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 30
    film.release()


def test_a_run_without_a_frame_leaves_nothing(tmp_path):
    said: list[tuple] = []
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: said.append(what))
    recorder.start()
    recorder.finish(Recording(interrupted=True), {})
    recorder.wait()
    assert list(tmp_path.iterdir()) == [] and said[0][1] is None and "before the first frame" in said[0][2]


def test_what_cannot_be_saved_is_said_and_half_of_it_is_not_kept(tmp_path):
    said: list[tuple] = []
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: said.append(what))
    recorder.start()
    recorder.finish(recorded(recorder, 5), {"limit": math.inf})  # no JSON
    recorder.wait()
    assert list(tmp_path.iterdir()) == [] and said[0][1] is None and "not saved" in said[0][2]


def test_a_run_that_cannot_be_filmed_ends_but_its_numbers_are_kept(tmp_path, monkeypatch):
    def no_codec(*args):
        raise InputError("no mp4 codec")

    monkeypatch.setattr("microtwin.panel.engine.recorder.Video", no_codec)
    monkeypatch.setattr("microtwin.panel.engine.recorder.WAITS_S", PATIENCE_S)  # or the disk seems to hang
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: None)
    recorder.start()
    rows = recorded(recorder, 1).rows
    with pytest.raises(RigError, match="no mp4 codec"):
        for _ in range(1000):
            recorded(recorder, 100)
    recorder.finish(Recording(rows=rows, broken=True, reason="no video"), {})
    recorder.wait()
    names = {path.name for path in recorder.folder.iterdir()}
    assert "video.mp4" not in names and {"run.json", "telemetry.parquet"} <= names


def test_a_disk_that_hangs_ends_a_run_and_holds_nobody_up(tmp_path, monkeypatch):
    thawed = threading.Event()

    class Frozen:
        def __init__(self, *args): ...

        def __call__(self, *frame):
            assert thawed.wait(PATIENCE_S)

        def close(self): ...

    monkeypatch.setattr("microtwin.panel.engine.recorder.Video", Frozen)
    monkeypatch.setattr("microtwin.panel.engine.recorder.WAITS_S", 0.01)
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: None)
    recorder.start()
    with pytest.raises(RigError, match="not written in time"):
        recorded(recorder, 1000)
    rows = recorded(SimpleNamespace(see=lambda *frame: None), 30).rows  # type: ignore[arg-type]
    recorder.finish(Recording(rows=rows, broken=True, reason="no video"), {})
    assert recorder.busy
    thawed.set()
    recorder.wait()
    assert {"run.json", "telemetry.parquet"} <= {path.name for path in recorder.folder.iterdir()}


def test_a_video_that_fails_at_its_end_is_said(tmp_path, monkeypatch):
    class Unfinished:
        def __init__(self, *args): ...

        def __call__(self, *frame): ...

        def close(self):
            raise OSError("no space left on device")

    said: list[tuple] = []
    monkeypatch.setattr("microtwin.panel.engine.recorder.Video", Unfinished)
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: said.append(what))
    recorder.start()
    recorder.finish(recorded(recorder, 5), {})
    recorder.wait()
    assert said[0][1].success and "no video" in said[0][2]
    names = {path.name for path in recorder.folder.iterdir()}
    assert names == {"run.json", "telemetry.parquet", "trajectory.png", "path.csv"}


def test_a_full_disk_ends_a_run(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, NODES, 24.0, lambda *what: None)
    recorder.start()
    monkeypatch.setattr("microtwin.files.RESERVE_BYTES", 2**62)
    with pytest.raises(RigError, match="full"):
        recorded(recorder, 1)
    recorder.finish(Recording(), {})
    recorder.wait()


def test_folders_of_the_same_second_are_told_apart(tmp_path):
    made = [new_folder(tmp_path) for _ in range(5)]
    assert len(set(made)) == 5 and all(path.is_dir() for path in made)


def test_no_thread_of_these_is_left():
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("panel-")])


def test_bodies_keep_their_numbers_however_they_are_found_again():
    def bodies(*places):
        return [Seen(np.array(place, dtype=float), 5.0, "cargo") for place in places]

    shown = bodies((0, 0), (40, 0), (80, 0))
    again = in_order(bodies((81, 1), (120, 0), (1, 0), (39, 2)), shown)
    assert [one.at_um.tolist() for one in again] == [[1, 0], [39, 2], [81, 1], [120, 0]]
    assert [one.at_um.tolist() for one in in_order(bodies((79, 0), (2, 0)), shown)] == [[2, 0], [79, 0]]
    assert in_order(bodies((5, 5)), [])[0].at_um.tolist() == [5, 5]
