"""The engine at the other end of its pipe, on the twin as fast as it goes: what it does, and what it refuses."""

import contextlib
import gc
import itertools
import json
import math
import multiprocessing
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from microtwin import recording, rig
from microtwin.errors import InputError, RigError
from microtwin.optics import scene
from microtwin.panel import messages as m
from microtwin.panel.engine import bench, interlock, live, recorder
from microtwin.panel.engine.dead_man import Operator
from microtwin.panel.engine.hand import GRASP_S, Hand
from microtwin.panel.engine.interlock import Interlock
from microtwin.panel.engine.recorder import Recorder
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.selection import Selection
from microtwin.panel.engine.serve import serve
from microtwin.panel.engine.twin import TwinSettings, open_twin
from microtwin.panel.packet import unpack
from microtwin.vision.mask import MaskSettings

from .waiting import PATIENCE_S, until

FAST = TwinSettings(objects=2, cells=0, brownian=False, speed=math.inf)  # nothing drifts while a test looks away
LONG_UM = 300.0  # a path on which the robot is still busy when the test has something to say
FILES = {"run.json", "telemetry.parquet", "trajectory.png", "video.mp4", "path.csv"}


@pytest.fixture(autouse=True, scope="module")
def quick_pictures(tmp_path_factory):
    """Coarse pictures of bodies, which take twenty seconds else, and none of a run's way, which take half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "POLAR_STEPS", 1)
        patch.setattr(scene, "SLICE_UM", 2.0)
        patch.setattr(recording, "draw_trajectories", lambda path, *rest: path.write_bytes(b""))
        patch.setattr(gc, "collect", lambda *generation: 0)  # of all that the tests before have imported
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("sprites")))
        yield
    gc.unfreeze()


class Clock:
    """By which the silence of the operator and of the hand is measured: it stands unless a test turns it."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Clock:
    """However long the machine stands still, nobody counts as gone, and no disk as hung."""
    clock = Clock()
    monkeypatch.setattr(live, "Operator", partial(Operator, clock))
    monkeypatch.setattr(live, "Hand", partial(Hand, clock))
    monkeypatch.setattr(interlock, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(recorder, "WAITS_S", PATIENCE_S)
    return clock


class Server:
    """The server's end: keeps the headers of all packets as they come. The operator was heard when it began."""

    def __init__(self, connection, twins: list):
        self.connection, self.twins = connection, twins
        self.headers: list[Any] = []
        self.notices: dict[int, m.Notice] = {}
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        self.say(m.Alive())

    @property
    def header(self) -> Any:
        """The newest."""
        return self.headers[-1]

    @property
    def twin(self):
        return self.twins[-1]

    def say(self, *commands: m.Command) -> None:
        for command in commands:
            self.connection.send(command)

    def until(self, true: Callable[[Any], Any], what: str = "") -> Any:
        """The first header of which this is true, from the newest on."""
        place = max(len(self.headers) - 1, 0)

        def found() -> Any:
            nonlocal place
            while place < len(self.headers):
                if true(self.headers[place]):
                    return self.headers[place]
                place += 1
            return None

        return until(found, lambda: f"{what or true}: {self.headers and self.header['state']}, {self.words}")

    def later(self, frames: int) -> Any:
        """The header of so many frames later."""
        frame = self.header["frame"]
        return self.until(lambda header: header["frame"] > frame + frames)

    def state(self, *states: str) -> Any:
        return self.until(lambda header: header["state"] in states, " or ".join(states))

    def told(self, words: str, after: int = 0) -> m.Notice:
        """The notice that has these words, as soon as it comes."""

        def found() -> list[m.Notice]:
            return [one for one in list(self.notices.values()) if one["id"] > after and words in one["text"]]

        self.until(lambda header: found(), f"told {words!r}")
        return found()[0]

    @property
    def words(self) -> list[str]:
        return [one["text"] for one in list(self.notices.values())]

    @property
    def last(self) -> int:
        return max(self.notices, default=0)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                header, _ = unpack(self.connection.recv_bytes())
                self.notices |= {one["id"]: one for one in header["notices"]}
                self.headers.append(header)


@pytest.fixture
def twins(monkeypatch) -> list:
    """The twins that were opened."""
    opened: list = []

    def opening(settings):
        opened.append(open_twin(settings))
        return opened[-1]

    monkeypatch.setattr(bench, "open_twin", opening)
    return opened


@contextlib.contextmanager
def serving(out: Path, twins: list, options: m.EngineOptions | None = None) -> Iterator[Server]:
    """An engine in a thread; at the end it must have closed everything by itself."""
    here, there = multiprocessing.Pipe()
    failures: list[BaseException] = []

    def main() -> None:
        try:
            serve(options or m.EngineOptions(twin=FAST, out=str(out)), there)
        except BaseException as error:
            failures.append(error)

    engine = threading.Thread(target=main)
    engine.start()
    assert here.recv() == ("ready", None)
    server = Server(here, twins)
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            here.send(m.Quit())
        engine.join(PATIENCE_S)
        server.reader.join(PATIENCE_S)
        here.close()
    assert not engine.is_alive() and not failures
    until(lambda: not threads_of_it(), threads_of_it)
    assert twins[-1]._field.amplitude == 0.0


def threads_of_it() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("panel-")]


@pytest.fixture
def server(tmp_path, twins) -> Iterator[Server]:
    with serving(tmp_path / "out", twins) as server:
        server.state("watching")
        yield server


def ready(server: Server, length_um: float = LONG_UM) -> None:
    """Robot and object found, a path for the object."""
    server.say(m.Detect())
    server.until(lambda header: header["objects"], "an object")
    server.say(m.LoadPath("circle", length_um=length_um))
    server.until(lambda header: header["paths"] and header["paths"][0], "a path")


def at_px(server: Server, body: int) -> tuple[float, float]:
    x, y = server.twin.view.to_px(server.twin.world.positions_um[body, :2])
    return float(x), float(y)


def on_coils(server: Server) -> float:
    """Amplitude at the coils, mT."""
    return max(server.twin.coil_reading().values)


def folders(server_or_path) -> list[Path]:
    return sorted(path for path in server_or_path.iterdir() if path.is_dir() and path.name != "paths")


# watching and selecting


def test_the_first_word_is_a_refusal_when_the_options_cannot_be_used(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for options, why in (
        (m.EngineOptions(backend="nonsense", out=str(tmp_path)), "not installed"),
        (m.EngineOptions(backend="hardware", out=str(tmp_path)), "--config"),
        (m.EngineOptions(backend_options={"port": "x"}, out=str(tmp_path)), "leave them out"),
        (m.EngineOptions(out=str(blocked)), "cannot write"),
    ):
        here, there = multiprocessing.Pipe()
        serve(options, there)
        word, text = here.recv()
        assert word == "refused" and why in text
        with pytest.raises(EOFError):
            here.recv()


def test_it_watches_and_detects_what_is_really_there(server):
    header = server.state("watching")
    assert header["robot"] is None and header["objects"] == [] and header["size"] == [640, 512]
    server.say(m.Detect())
    header = server.until(lambda h: h["robot"] and h["objects"])
    assert np.allclose(header["robot"][:2], at_px(server, 0), atol=3)
    assert np.allclose(header["objects"][0][:2], at_px(server, 1), atol=3)  # the nearest one is the first
    assert sorted(body["kind"] for body in header["bodies"]) == ["cargo", "cargo", "robot"]
    assert header["um_per_px"] == pytest.approx(0.345) and header["step_out_hz"] > 10
    assert header["twin"]["speed"] is None and header["twin"]["objects"] == 2
    assert header["masks"]["robot"]["upper"] is None and 0 < header["masks"]["robot"]["lower"] < 1
    assert header["latency_ms"] == pytest.approx(1e3 / 24, abs=0.1)
    assert header["coils"]["names"] == ["x", "y", "z"] and header["coils"]["unit"] == "mT"
    server.later(5)
    seqs = [header["seq"] for header in list(server.headers)]
    assert len(seqs) > 1 and seqs == sorted(set(seqs))


def test_clicks_select_the_body_next_to_them(server):
    x, y = at_px(server, 0)
    server.say(m.SelectRobot((x + 8, y - 8)))
    server.until(lambda h: h["robot"] and np.allclose(h["robot"][:2], (x, y), atol=4))
    server.say(m.SelectObject(at_px(server, 2)))
    server.until(lambda h: len(h["objects"]) == 1)
    server.say(m.SelectObject(at_px(server, 1), add=True))
    header = server.until(lambda h: len(h["objects"]) == 2)
    assert header["active"] == 1
    assert np.allclose([one[:2] for one in header["objects"]], [at_px(server, 2), at_px(server, 1)], atol=4)
    server.say(m.SelectObject(at_px(server, 0), add=True))
    server.told("that is the robot")
    server.say(m.SelectObject((5.0, 5.0)))
    server.told("on nothing")
    server.say(m.SelectRobot((5000.0, math.nan)))
    server.told("outside the picture")
    assert len(server.header["objects"]) == 2
    server.say(m.SelectObject(None), m.SelectRobot(None))
    server.until(lambda h: h["robot"] is None and h["objects"] == [])


def test_a_mask_is_applied_to_what_is_tracked_and_shown_as_outlines(server):
    ready(server)
    server.say(m.ShowMask("robot"), m.SetMask("robot", MaskSettings(lower=0.2, blur_px=1.0)))
    header = server.until(lambda h: h["masks"]["robot"]["lower"] == 0.2 and h["mask"])
    assert header["shown"] == "robot" and header["masks"]["object"]["lower"] != 0.2
    x, y, r = header["robot"]
    near = [outline for outline in header["mask"] if np.hypot(*(np.mean(outline, axis=0) - (x, y))) < r]
    assert near
    server.say(m.SetMask("robot", None), m.ShowMask(None))
    server.until(lambda h: h["masks"]["robot"]["lower"] != 0.2 and h["mask"] == [] and h["shown"] is None)


def test_what_is_lost_while_watching_is_deselected_with_a_word(server, monkeypatch):
    ready(server)
    server.later(30)  # by then the tracker knows what the robot looks like
    observe, gone = server.twin.observe, []

    def observe_without_robot():
        if not gone:
            gone.append(True)
            server.twin.world.positions_um[0, :2] += 900.0
        return observe()

    monkeypatch.setattr(server.twin, "observe", observe_without_robot)
    notice = server.told("robot lost")
    assert notice["level"] == "warning"
    header = server.until(lambda h: h["robot"] is None)
    assert header["state"] == "watching" and len(header["objects"]) == 1


def test_paths_are_drawn_loaded_saved_cleared_and_refused_in_words(server, tmp_path):
    server.say(m.Draw(((100.0, 100.0), (300.0, 100.0))))
    server.told("no object is selected")
    server.say(m.Detect())
    x, y, _ = server.until(lambda h: h["objects"])["objects"][0]
    server.say(m.Draw(((x, y), (320.0, 256.0), (320.0, 300.0))))
    path = server.until(lambda h: h["paths"][0])["paths"][0]
    assert np.allclose(path[0], (x, y), atol=4) and np.allclose(path[-1], (320, 300), atol=4)
    server.say(m.SavePath("mine"), m.ClearPath())
    server.until(lambda h: h["paths"] == [None])
    server.told("mine.csv")
    assert (tmp_path / "out" / "paths" / "mine.csv").exists()
    server.say(m.LoadPath("mine", from_object=False))
    again = server.until(lambda h: h["paths"][0])["paths"][0]
    assert np.allclose([again[0], again[-1]], [path[0], path[-1]], atol=0.2)
    for command, words in (
        (m.Draw(((x, y), (900.0, 90.0))), "picture"),
        (m.LoadPath("no such path"), "no such path"),
        (m.SavePath("../../etc"), "../../etc"),
        (m.LoadPath("circle", target=4), "no object 5"),
        (m.Draw("nonsense"), ""),  # type: ignore[arg-type]
    ):
        last = server.last
        server.say(command)
        server.told(words, after=last)
    assert server.header["state"] == "watching" and server.header["paths"][0]


def test_an_object_that_is_selected_again_has_its_path_again(server):
    ready(server)
    path = server.header["paths"][0]
    server.say(m.SelectObject(at_px(server, 1)), m.Detect())
    header = server.until(lambda h: h["robot"] and len(h["bodies"]) == 3)
    assert np.allclose(header["paths"][0], path)
    server.say(m.SelectObject(at_px(server, 2)))
    server.until(lambda h: h["paths"] == [None])  # another body
    server.say(m.SelectObject(at_px(server, 1)))
    server.until(lambda h: h["paths"][0] and np.allclose(h["paths"][0], path))


def test_a_path_through_another_body_is_warned_of(server):
    server.say(m.Detect())
    x, y, _ = server.until(lambda h: h["objects"])["objects"][0]
    other = at_px(server, 2)
    server.say(m.Draw(((x, y), other)))
    server.until(lambda h: h["paths"][0])
    assert server.told("")["level"] == "warning"


# running


def test_a_run_from_pixels_succeeds_with_a_pause_that_does_not_count(server, tmp_path):
    ready(server, 60.0)
    server.say(m.Start(width_um=6.0))
    server.until(lambda h: h["run"] and h["run"]["elapsed_s"] > 1.0)
    server.say(m.Pause())
    header = server.state("paused")
    assert server.until(lambda h: h["state"] == "paused" and h["coils"]["values"] == [0, 0, 0])
    assert header["field"]["amplitude"] == 0.0 and on_coils(server) == 0.0
    elapsed_s = header["run"]["elapsed_s"]
    assert server.later(30)["run"]["elapsed_s"] == elapsed_s
    server.say(m.Pause(False))
    header = server.until(lambda h: h["mode"] == "push" and h["corridor"])
    assert len(header["corridor"]) == 4 and header["goal"] and header["goal_um"] > 0 <= header["error_um"]
    done = server.until(lambda h: h["run"]["results"])["run"]
    assert done["results"]["success"] and done["results"]["mae_um"] < 6.0
    server.state("watching")
    (folder,) = folders(tmp_path / "out")
    assert str(folder) == done["folder"] and {path.name for path in folder.iterdir()} == FILES
    report = json.loads((folder / "run.json").read_text())
    assert report["config"]["width_um"] == 6.0 and report["config"]["path"] == "circle"
    assert report["config"]["panel"]["twin"]["objects"] == 2
    (pause,) = report["config"]["panel"]["pauses"]
    assert pause["lasted_s"] > 30 / 24 and pause["at_s"] == pytest.approx(elapsed_s)
    table = pd.read_parquet(folder / "telemetry.parquet")
    assert table.time_s[0] == 0.0 and table.frame[0] == 0
    assert np.allclose(np.diff(table.time_s), 1 / 24) and (np.diff(table.frame) == 1).all()


def test_stop_turns_the_coils_off_at_once_and_the_run_is_kept(server, tmp_path, monkeypatch):
    ready(server)
    server.say(m.Start())
    server.until(lambda h: h["state"] == "running" and h["field"]["amplitude"] and h["run"]["elapsed_s"] > 0.5)
    assert on_coils(server) > 1.0
    observe, waiting, go_on = server.twin.observe, threading.Event(), threading.Event()

    def observe_late():
        waiting.set()
        assert go_on.wait(PATIENCE_S)
        return observe()

    monkeypatch.setattr(server.twin, "observe", observe_late)
    assert waiting.wait(PATIENCE_S)
    server.say(m.Stop("the space key"))
    until(lambda: on_coils(server) == 0.0)  # while the loop waits for a frame
    go_on.set()
    results = server.until(lambda h: h["run"]["results"])["run"]["results"]
    assert results["interrupted"] and results["reason"] == "the space key"
    assert on_coils(server) == 0.0
    (folder,) = folders(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == FILES


def test_a_start_that_a_stop_overtook_does_not_begin(server, tmp_path, monkeypatch):
    ready(server)
    plan, stop, stopped = RunPlan.of, Interlock.stop, threading.Event()

    def planned_late(*asked):
        server.say(m.Stop())
        assert stopped.wait(PATIENCE_S)
        return plan(*asked)

    def stopping(self, reason):
        stop(self, reason)
        stopped.set()

    monkeypatch.setattr(RunPlan, "of", planned_late)
    monkeypatch.setattr(Interlock, "stop", stopping)
    server.say(m.Start())
    server.told("not started")
    assert on_coils(server) == 0.0 and folders(tmp_path / "out") == []


def test_no_run_starts_and_none_goes_on_without_the_operator(server, clock):
    ready(server)
    server.say(m.Start(frequency_hz=1.0))
    server.until(lambda h: h["state"] == "running" and h["field"]["amplitude"])
    clock.now_s += 0.9 * m.OPERATOR_GONE_S
    header = server.later(24)
    assert header["state"] == "running" and header["field"]["amplitude"]
    clock.now_s += 0.2 * m.OPERATOR_GONE_S
    server.until(lambda h: h["state"] != "running")
    assert on_coils(server) == 0.0
    server.told("browser")
    server.state("watching")
    server.say(m.Start())
    server.told("not started: the operator")
    assert on_coils(server) == 0.0


def test_objects_are_pushed_one_after_the_other_each_with_its_own_folder(server, tmp_path):
    server.say(m.Detect())
    server.until(lambda h: h["objects"])
    server.say(m.SelectObject(at_px(server, 2), add=True))
    server.until(lambda h: len(h["objects"]) == 2)
    server.say(m.LoadPath("circle", 0, 60.0), m.LoadPath("square", 1, 60.0))
    server.until(lambda h: all(h["paths"]) and len(h["paths"]) == 2)
    server.say(m.Start(time_limit_s=1.5))  # too short to arrive: merely a time limit, the next one follows
    began = len(server.headers)
    server.told("object 2: not finished, ")
    server.state("watching")
    runs = [(h["run"]["folder"], h["active"]) for h in server.headers[began:] if h["state"] == "running"]
    assert sorted(set(runs)) == list(zip(map(str, folders(tmp_path / "out")), (0, 1), strict=True))
    first, second = (json.loads((one / "run.json").read_text()) for one in folders(tmp_path / "out"))
    assert [one["config"]["panel"]["object"] for one in (first, second)] == [1, 2]
    assert "not finished after 1.5 s" in first["trials"][0]["reason"]
    starts = [pd.read_parquet(one / "telemetry.parquet").iloc[0] for one in folders(tmp_path / "out")]
    for start, path in zip(starts, server.header["paths"], strict=True):
        node = server.twin.view.to_world(np.array(path[0]))
        assert np.hypot(start.object_x_um - node[0], start.object_y_um - node[1]) < 3.0


def test_a_stop_ends_the_queue(server, tmp_path):
    server.say(m.Detect())
    server.until(lambda h: h["objects"])
    server.say(m.SelectObject(at_px(server, 2), add=True))
    server.until(lambda h: len(h["objects"]) == 2)
    server.say(m.LoadPath("circle", 0, 60.0), m.LoadPath("square", 1, 60.0), m.Start())
    server.until(lambda h: h["state"] == "running" and h["run"]["elapsed_s"] > 0.3)
    server.say(m.Stop())
    server.told("1 more object was not pushed")
    server.state("watching")
    assert len(folders(tmp_path / "out")) == 1


def test_a_hand_s_run_is_recorded_as_such(server, tmp_path):
    ready(server)
    server.say(m.Start(controller=m.HAND))
    server.state("running")
    assert on_coils(server) == 0.0
    server.say(m.Drive(0.5, math.pi / 2, 9.0))
    server.until(lambda h: h["field"]["amplitude"])
    assert on_coils(server) > 1.0
    server.say(m.Drive())
    server.until(lambda h: h["field"]["amplitude"] == 0.0)
    server.say(m.Stop())
    server.until(lambda h: h["run"]["results"])
    (folder,) = folders(tmp_path / "out")
    config = json.loads((folder / "run.json").read_text())["config"]
    assert config["controller"] == "hand" and config["frequency_hz"] is None
    table = pd.read_parquet(folder / "telemetry.parquet")
    driven = table[table.amplitude > 0]
    assert len(driven) and set(driven.frequency_hz) == {9.0} and np.allclose(driven.alpha_rad, 0.5)


def test_commands_that_do_not_fit_get_an_answer_in_words(server):
    for command, words in (
        (m.Start(), "select the robot"),
        (m.Pause(), "nothing to pause"),
        (m.Reopen(), "nothing to reopen"),
        (m.ClearPath(), "no object is selected"),
        (m.SavePath("x"), "no object is selected"),
        ("what is this", "no such command"),
        (m.Drive(0.0, 0.0, math.nan), "frequency is nan"),
    ):
        server.say(command)
        server.told(words)
    server.say(m.Detect())
    server.until(lambda h: h["objects"])
    server.say(m.Start())
    server.told("no object has a path")
    server.say(m.LoadPath("circle", length_um=60.0))
    for start, words in (
        (m.Start(controller="nonsense"), "nonsense"),
        (m.Start(width_um=-1.0), "width"),
        (m.Start(frequency_hz=0.0), "frequency"),
        (m.Start(threshold_um=500.0), "threshold"),
        (m.Start(controller="no_such_policy.zip"), "no_such_policy"),
    ):
        server.say(start)
        server.told(words)
        assert on_coils(server) == 0.0
    server.say(m.Start(frequency_hz=150.0))
    assert "150" in server.told("150 Hz")["text"]  # a warning: it begins all the same
    server.state("running")
    for command in (m.Detect(), m.SelectRobot(None), m.ClearPath(), m.SetTwin(FAST), m.Start()):
        last = server.last
        server.say(command)
        server.told("not while a run goes on", after=last)
    server.say(m.Stop())
    server.state("watching", "saving")


def test_the_twin_is_rebuilt_when_nothing_runs_and_another_speed_needs_no_rebuilding(server):
    ready(server)
    assert len(server.twins) == 1
    server.say(m.SetTwin(replace(FAST, speed=20.0)))
    header = server.until(lambda h: h["twin"]["speed"] == 20.0)
    assert len(server.twins) == 1 and header["robot"] and header["paths"][0]
    server.say(m.SetTwin(replace(FAST, objects=1, seed=3)))
    header = server.until(lambda h: h["twin"]["seed"] == 3 and h["state"] == "watching")
    assert len(server.twins) == 2 and header["robot"] is None and header["objects"] == [] and header["bodies"] == []
    server.say(m.Detect())
    header = server.until(lambda h: h["robot"])
    assert np.allclose(header["robot"][:2], at_px(server, 0), atol=3)


def test_a_knock_moves_the_object_in_the_middle_of_a_run(server):
    ready(server)
    server.say(m.Start())
    server.until(lambda h: h["state"] == "running" and h["run"]["elapsed_s"] > 0.2)
    server.say(m.Disturb())
    server.told("knocked")
    server.say(m.Stop())


def test_a_fault_in_a_run_ends_it_with_everything_recorded(server, tmp_path, monkeypatch, capsys):
    ready(server)
    follow, start, frames = Selection.follow, Recorder.start, itertools.count()
    began = threading.Event()

    def failing(self, frame):
        if began.is_set() and next(frames) == 20:
            raise ZeroDivisionError("by nothing")
        return follow(self, frame)

    monkeypatch.setattr(Recorder, "start", lambda self: (start(self), began.set()))
    monkeypatch.setattr(Selection, "follow", failing)
    server.say(m.Start())
    results = server.until(lambda h: h["run"] and h["run"]["results"])["run"]["results"]
    assert results["broken"] and "the tracker failed (ZeroDivisionError: by nothing)" in results["reason"]
    assert "Traceback" in capsys.readouterr().err
    (folder,) = folders(tmp_path / "out")
    assert len(pd.read_parquet(folder / "telemetry.parquet")) == 20
    assert server.state("watching")["objects"] and on_coils(server) == 0.0  # the rig is well


def test_a_field_that_the_coils_cannot_make_is_said_and_the_rig_stays_open(server, monkeypatch):
    ready(server)
    command = server.twin.command

    def off_only(field):
        if field.amplitude:
            raise InputError("there are no coils: name them")
        return command(field)

    monkeypatch.setattr(server.twin, "command", off_only)
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.told("field off: there are no coils")
    server.say(m.Drive(), m.Start())
    server.told("object 1: there are no coils")
    assert server.state("watching")["objects"] and len(server.twins) == 1


# driving


def test_the_hand_drives_without_a_run_and_nothing_is_recorded(server, tmp_path, clock):
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    header = server.state("driving")
    assert header["field"]["frequency_hz"] == 7.0 and header["field"]["alpha_deg"] == pytest.approx(57.3, abs=0.01)
    assert on_coils(server) > 1.0
    clock.now_s += 1.1 * m.DRIVE_LAPSES_S
    server.until(lambda h: h["state"] == "watching" and h["field"]["amplitude"] == 0.0)
    assert on_coils(server) == 0.0
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.state("driving")
    server.say(m.Drive())
    server.state("watching")
    assert on_coils(server) == 0.0 and folders(tmp_path / "out") == []


def test_a_wish_that_was_read_before_a_stop_never_passes_whatever_is_heard_since(server, monkeypatch):
    wish, sent, command = Hand.wish, [], server.twin.command

    def stopped_just_then(self, stops):
        field = wish(self, stops)
        if field.amplitude and not sent:
            sent.append(None)
            server.say(m.Stop(), m.Drive(1.0, math.pi / 2, 7.0))  # the key is still held
            until(lambda: self.barred)
        return field

    monkeypatch.setattr(server.twin, "command", lambda field: (sent.append(field), command(field))[1])
    monkeypatch.setattr(Hand, "wish", stopped_just_then)
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.told("let go")
    assert sent and not any(field.amplitude for field in sent[1:])


def test_a_key_held_through_a_stop_does_not_drive(server, clock):
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.state("driving")
    server.say(m.Stop())
    server.state("watching")
    stopped = len(server.headers)
    for _ in range(5):
        clock.now_s += 0.5 * m.DRIVE_LAPSES_S
        server.say(m.Drive(1.0, math.pi / 2, 7.0))
        server.later(2)
    server.told("let go")
    assert on_coils(server) == 0.0 and not any(h["field"]["amplitude"] for h in server.headers[stopped:])
    clock.now_s += GRASP_S
    server.say(m.Drive())
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.state("driving")


# what breaks


def test_a_rig_that_breaks_in_a_run_is_said_and_can_be_reopened(server, tmp_path, monkeypatch):
    ready(server)
    server.say(m.Start())
    server.until(lambda h: h["state"] == "running" and h["run"]["elapsed_s"] > 0.3)

    def unplugged(*args):
        raise RigError("camera gone: check its cable")

    monkeypatch.setattr(server.twin, "observe", unplugged)
    header = server.state("broken")
    assert header["reason"] == "camera gone: check its cable" and header["field"]["amplitude"] == 0.0
    server.until(lambda h: h["run"]["results"])
    assert server.header["run"]["results"]["broken"]
    (folder,) = folders(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == FILES
    server.say(m.Detect())
    server.told("reopen it first")
    server.say(m.Stop(), m.Drive(0.0, 1.5, 8.0), m.Reopen())
    server.state("watching")
    assert len(server.twins) == 2 and server.header["reason"] == ""
    server.say(m.Detect())
    server.until(lambda h: h["robot"])


def test_the_first_thing_that_the_coils_said_is_the_reason(server, monkeypatch):
    ready(server)
    said: list[str] = []

    def tripped(field):
        if not (said or field.amplitude):
            return field
        said.append("they are disarmed" if said else "they switched themselves off: too hot")
        raise RigError(said[-1])

    monkeypatch.setattr(server.twin, "command", tripped)
    server.say(m.Start())
    assert server.state("broken")["reason"] == "they switched themselves off: too hot"
    assert len(said) > 1 and [text for text in server.words if "too hot" in text] == [
        "object 1: they switched themselves off: too hot"
    ]


def test_a_fault_in_the_loop_turns_the_field_off_and_the_engine_lives_on(server, monkeypatch, capsys):
    server.say(m.Drive(1.0, math.pi / 2, 7.0))
    server.state("driving")
    before = server.twin
    monkeypatch.setattr(before, "observe", lambda: {}["nothing"])
    header = server.state("broken")
    assert "KeyError" in header["reason"] and before._field.amplitude == 0.0
    assert "Traceback" in capsys.readouterr().err
    server.say(m.Reopen())
    server.state("watching")


def test_a_twin_that_does_not_open_is_broken_with_its_reason(tmp_path, monkeypatch, twins):
    def refusing(settings):
        raise RigError("the bench is on fire")

    monkeypatch.setattr(bench, "open_twin", refusing)
    here, there = multiprocessing.Pipe()
    engine = threading.Thread(target=serve, args=(m.EngineOptions(twin=FAST, out=str(tmp_path)), there))
    engine.start()
    assert here.recv() == ("ready", None)
    header: Any = {"state": ""}
    while header["state"] != "broken":
        assert here.poll(PATIENCE_S)
        header, _ = unpack(here.recv_bytes())
    assert header["reason"] == "the bench is on fire"
    here.send(m.Quit())
    engine.join(PATIENCE_S)
    assert not engine.is_alive()
    here.close()


class Registered:
    """A backend of its own name: the twin, as if it were a rig."""

    name = "bench"

    def __init__(self, made: list, broken: list):
        self._made, self._broken = made, broken

    def load(self):
        def make(seed=0):
            rig = open_twin(TwinSettings(objects=1, cells=0, seed=seed))
            self._made.append(rig)
            if self._broken:
                raise_ = self._broken.pop()

                def refuse(self):
                    raise raise_

                rig.__class__ = type("Broken", (type(rig),), {"__enter__": refuse})
            return rig

        return make


def test_another_backend_is_no_twin_and_opens_once_its_devices_are_there(tmp_path, monkeypatch):
    made: list = []
    broken: list = [InputError("no port /dev/ttyACM0: plug the board in")]
    monkeypatch.setattr(rig, "entry_points", lambda group: [Registered(made, broken)])
    options = m.EngineOptions(backend="bench", backend_options={"seed": 3}, out=str(tmp_path / "out"))
    with serving(tmp_path / "out", made, options) as server:
        header = server.state("broken")
        assert header["reason"] == "no port /dev/ttyACM0: plug the board in" and header["twin"] is None
        server.say(m.Reopen())
        server.state("watching")
        server.say(m.SetTwin(FAST), m.Disturb())
        server.told("only the twin has such settings")
        server.told("only the twin can be disturbed")
        ready(server, 60.0)
        server.say(m.Start(time_limit_s=2.0))
        server.until(lambda h: h["run"] and h["run"]["results"])
        (folder,) = folders(tmp_path / "out")
        config = json.loads((folder / "run.json").read_text())["config"]
        assert config["backend"] == "bench" and config["backend_options"] == {"seed": 3}
        assert config["panel"]["twin"] is None
    assert len(made) == 2  # with its settings read anew


def test_a_server_that_is_gone_ends_it_with_everything_saved(tmp_path, twins):
    here, there = multiprocessing.Pipe()
    engine = threading.Thread(target=serve, args=(m.EngineOptions(twin=FAST, out=str(tmp_path)), there))
    engine.start()
    assert here.recv() == ("ready", None)
    server = Server(here, twins)
    server.state("watching")
    ready(server)
    server.say(m.Start())
    server.until(lambda h: h["state"] == "running" and h["run"]["elapsed_s"] > 0.5)
    with socket.socket(fileno=here.fileno()) as raw:  # as the server's death would
        raw.shutdown(socket.SHUT_RDWR)
        raw.detach()
    engine.join(PATIENCE_S)
    assert not engine.is_alive() and twins[-1]._field.amplitude == 0.0
    server.reader.join(PATIENCE_S)
    (folder,) = folders(tmp_path)
    assert {path.name for path in folder.iterdir()} == FILES
    assert json.loads((folder / "run.json").read_text())["trials"][0]["reason"] == "the server is gone"
    here.close()


def test_quit_waits_for_the_run_s_files(tmp_path, twins):
    with serving(tmp_path / "out", twins) as server:
        server.state("watching")
        ready(server)
        server.say(m.Start())
        server.until(lambda h: h["state"] == "running" and h["run"]["elapsed_s"] > 0.5)
    (folder,) = folders(tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == FILES


def test_a_server_that_reads_nothing_does_not_hold_the_loop_up(tmp_path, twins):
    here, there = multiprocessing.Pipe()
    with socket.socket(fileno=there.fileno()) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # as little as there may be: a packet or two
        raw.detach()
    engine = threading.Thread(target=serve, args=(m.EngineOptions(twin=FAST, out=str(tmp_path)), there))
    engine.start()
    try:
        assert here.recv() == ("ready", None)
        until(lambda: twins and twins[-1]._count >= 30)  # far more than the pipe takes
        here.send(m.Quit())
    finally:
        here.close()  # which frees whoever still sends
    engine.join(PATIENCE_S)
    assert not engine.is_alive()
