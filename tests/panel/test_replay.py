"""A recorded run plays again: the right picture at the right time, at any speed; broken ones are said in words."""

import asyncio
import contextlib
import json
import math
import os
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from starlette.websockets import WebSocket

from microtwin import paths, recording
from microtwin.errors import InputError
from microtwin.panel.messages import Header
from microtwin.panel.packet import unpack
from microtwin.panel.server.playback import Replay
from microtwin.panel.server.recorded import Recorded
from microtwin.panel.server.recorded_picture import Film
from microtwin.panel.server.replay import check, playing, serve_replay
from microtwin.pushing import Push
from microtwin.scene import PushScene
from microtwin.vision.overlay import Video

from .waiting import PATIENCE_S, until

NODES = paths.polyline([(0.0, 0.0), (40.0, 0.0)])
TRIALS, LIMIT_S = 2, 1.5


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Two short trials with a camera, recorded as the command line does."""
    folder = tmp_path_factory.mktemp("made")
    run = Push(NODES, 12.0, trials=TRIALS, time_limit_s=LIMIT_S, scene=PushScene(observe="camera"))
    video = Video(folder / "video.mp4", NODES, 24.0)
    trials = list(run.run(on_frame=video))
    video.close()
    recording.save(folder, run.settings("line"), NODES, trials, 1.0)
    return folder


@pytest.fixture
def folder(tmp_path, made) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(made, tmp_path / "run"))


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@contextlib.contextmanager
def opened(folder, **options):
    clock = Clock()
    replay = Replay(folder, clock=clock, **options)
    try:
        yield replay, clock
    finally:
        replay.close()


def packet_now(replay: Replay) -> tuple[dict[str, Any], np.ndarray]:
    """Header and picture of the moment."""

    async def one():
        packets = replay.packets()
        try:
            return await anext(packets)
        finally:
            await packets.aclose()

    header, jpeg = unpack(asyncio.run(one()))
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return header, picture


def in_order(folder: Path) -> list[np.ndarray]:
    """All frames of the video, read one after the other."""
    capture, frames = cv2.VideoCapture(str(folder / "video.mp4")), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return frames


def nearest(picture: np.ndarray, frames: list[np.ndarray]) -> int:
    """Number of the frame that a picture is a JPEG of."""
    away = [float(np.abs(picture.astype(float) - frame).mean()) for frame in frames]
    assert min(away) < 3.0
    return int(np.argmin(away))


def test_each_row_has_its_frame(made):
    frames, table = in_order(made), pd.read_parquet(made / "telemetry.parquet")
    assert len(frames) == len(table)


@pytest.mark.parametrize("order", ["forwards", "backwards", "about"])
def test_a_film_gives_the_frame_that_was_asked_for(made, order):
    """Jumps land on the very frame, not on a key frame near by."""
    frames, film = in_order(made), Film(made / "video.mp4")
    numbers = list(range(len(frames)))
    if order == "backwards":
        numbers.reverse()
    elif order == "about":
        np.random.default_rng(0).shuffle(numbers)
    assert film.count == len(frames) and film.size == frames[0].shape[1::-1]
    for number in [*numbers, numbers[-1]]:
        np.testing.assert_array_equal(film.frame(number), frames[number])
    with pytest.raises(InputError, match="ends before frame"):
        film.frame(len(frames) + 5)
    np.testing.assert_array_equal(film.frame(3), frames[3])
    film.close()


def test_a_far_jump_in_a_long_film_is_exact(tmp_path):
    """Farther than frames are passed over one by one; each frame is a little brighter than the one before."""
    writer = cv2.VideoWriter(str(tmp_path / "long.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 24.0, (64, 64))
    for k in range(400):
        writer.write(np.full((64, 64, 3), 20 + k // 2, np.uint8))
    writer.release()
    shutil.move(tmp_path / "long.mp4", tmp_path / "video.mp4")
    frames, film = in_order(tmp_path), Film(tmp_path / "video.mp4")
    assert film.count == len(frames) == 400 and frames[399].mean() > frames[300].mean() + 30
    for k in (399, 0, 150, 298, 20, 380):
        np.testing.assert_array_equal(film.frame(k), frames[k])
    film.close()


def test_time_passes_as_it_did(made):
    frames, table = in_order(made), pd.read_parquet(made / "telemetry.parquet")
    first: Any = table[table["trial"] == 0].reset_index(drop=True)
    with opened(made) as (replay, clock):
        assert replay.trials == (0, 1) and replay.note == ""
        assert replay.duration_s == pytest.approx(first["time_s"].iloc[-1] - first["time_s"].iloc[0])
        for passed_s in (0.0, 0.5, 0.8):
            clock.now_s = 100.0 + passed_s
            header, picture = packet_now(replay)
            row = int(np.flatnonzero(first["time_s"] - first["time_s"][0] <= passed_s + 1e-9)[-1])
            assert header["frame"] == first["frame"][row] and header["mode"] == first["mode"][row]
            assert header["time_s"] == pytest.approx(passed_s, abs=1 / 24)
            assert header["field"]["alpha_deg"] == pytest.approx(math.degrees(first["alpha_rad"][row]))
            assert header["field"]["frequency_hz"] == first["frequency_hz"][row]
            assert header["goal_index"] == first["goal_index"][row]
            assert nearest(picture, frames) == row


def test_a_header_has_all_that_a_live_one_has_and_draws_nothing_twice(made):
    with opened(made) as (replay, _):
        header, picture = packet_now(replay)
    assert set(header) == set(Header.__annotations__)
    assert header["replay"] is True
    assert header["size"] == list(picture.shape[1::-1])
    assert (header["robot"], header["corridor"], header["goal"], header["mask"]) == (None, None, None, [])
    assert header["objects"] == header["paths"] == header["bodies"] == []
    assert header["run"] and header["run"]["results"] == json.loads((made / "run.json").read_text())["trials"][0]


def test_the_error_is_the_distance_from_the_path(made):
    """The path is a straight line along x: it is |y| as long as the object lies beside it."""
    recorded = Recorded(made)
    for part in recorded.parts:
        for index in (0, 10, len(part.times_s) - 1):
            x, y = recorded.object_um[part.first + index]
            header = recorded.header(part, index)
            before = max(-x, 0.0)
            assert header["error_um"] == pytest.approx(math.hypot(before, y))
            goal = NODES[header["goal_index"]]
            assert header["goal_um"] == pytest.approx(math.hypot(goal[0] - x, goal[1] - y))


def test_pause_seek_speed_and_the_end(made):
    with opened(made) as (replay, clock):
        clock.now_s += 0.5
        replay.pause()
        clock.now_s += 10.0
        assert replay.position_s == pytest.approx(0.5) and not replay.running
        assert packet_now(replay)[0]["state"] == "paused"
        replay.seek(1.0)
        assert replay.position_s == 1.0 and not replay.running
        replay.play()
        replay.set_speed(2.0)
        clock.now_s += 0.1
        assert replay.position_s == pytest.approx(1.2) and replay.running
        assert packet_now(replay)[0]["state"] == "running"
        replay.set_speed(0.5)
        assert replay.position_s == pytest.approx(1.2)
        clock.now_s += 100.0
        assert replay.position_s == replay.duration_s and not replay.running
        assert packet_now(replay)[0]["time_s"] == pytest.approx(replay.duration_s)
        replay.play()
        assert replay.position_s == 0.0 and replay.running
        replay.seek(1e9)
        assert replay.position_s == replay.duration_s
        replay.seek(-3.0)
        assert replay.position_s == 0.0


def test_another_trial_is_played_with_its_own_frames(made):
    frames, recorded = in_order(made), Recorded(made)
    with opened(made) as (replay, _):
        replay.choose(1)
        header, picture = packet_now(replay)
        assert replay.trial == 1 and header["time_s"] == 0.0
        assert nearest(picture, frames) == recorded.parts[1].first > 30
        with pytest.raises(InputError, match="has no trial 7: choose 0 to 1"):
            replay.choose(7)
    with pytest.raises(InputError, match="has no trial 2"):
        Replay(made, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("seek 1.25", (1.25, True, 1.0)),
        ("speed 4", (0.0, True, 4.0)),
        ("speed 1e9", (0.0, True, 16.0)),
        ("speed -2", (0.0, True, 0.1)),
        ("pause", (0.0, False, 1.0)),
        *(
            (words, (0.0, True, 1.0))
            for words in ("", "seek", "seek x", "seek nan", "speed inf", "trial 9", "drive {}")
        ),
        *((words, (0.0, True, 1.0)) for words in ("trial 1e5", "trial " + "9" * 9999, "quit", "seek 1 2", "\0")),
    ],
)
def test_words_of_a_browser(made, words, expected):
    with opened(made) as (replay, _):
        replay.hear(words)
        assert (replay.position_s, replay.running, replay.speed) == expected


def test_without_a_video_the_run_is_drawn(folder):
    (folder / "video.mp4").unlink()
    with opened(folder) as (replay, clock):
        _, early = packet_now(replay)
        clock.now_s += 1.2
        header, late = packet_now(replay)
    assert header["size"] == [640, 512] and late.shape == (512, 640, 3)
    assert replay.note == ""
    red, green, blue = ((late - late.min(axis=2, keepdims=True))[..., k] > 60 for k in (2, 1, 0))
    assert red.sum() > 300 and green.sum() > 30 and blue.sum() > 30  # path, object, robot
    assert not np.array_equal(early, late)


@pytest.mark.parametrize("spoilt", ["cut off", "not a video", "of another run"])
def test_a_video_that_is_no_good_is_replaced_by_a_drawing(folder, spoilt):
    video = folder / "video.mp4"
    if spoilt == "cut off":
        video.write_bytes(video.read_bytes()[:20_000])
    elif spoilt == "not a video":
        video.write_text("hello")
    else:
        table = pd.read_parquet(folder / "telemetry.parquet")
        table[table["trial"] == 0].to_parquet(folder / "telemetry.parquet")
    with opened(folder) as (replay, _):
        header, _ = packet_now(replay)
        assert header["size"] == [640, 512]
        assert replay.note.startswith("video.mp4 ") and replay.note.endswith(": drawn from the telemetry")


def test_a_video_that_breaks_off_on_the_way_is_drawn_from_there(folder, monkeypatch):
    frame = Film.frame

    def breaks(self, index):
        if index > 5:
            raise InputError("video.mp4 ends before frame 6: it is cut off")
        return frame(self, index)

    monkeypatch.setattr(Film, "frame", breaks)
    with opened(folder) as (replay, clock):
        assert packet_now(replay)[0]["size"] != [640, 512]
        clock.now_s += 1.0
        header, picture = packet_now(replay)
        assert header["size"] == [640, 512] == list(picture.shape[1::-1])
        assert replay.note == "video.mp4 ends before frame 6: it is cut off: drawn from the telemetry"


def test_a_run_of_before_there_was_a_path_file(folder):
    """Its video plays without distances; its shape, if it was one, is known."""
    (folder / "path.csv").unlink()
    with opened(folder) as (replay, _):
        header, _ = packet_now(replay)
        assert header["error_um"] is None and header["goal_um"] is None and header["nodes"] == 0
    report = json.loads((folder / "run.json").read_text())
    report["config"]["path"] = "circle"
    (folder / "run.json").write_text(json.dumps(report))
    os.utime(folder / "run.json", (1, 1))
    assert Recorded(folder).header(Recorded(folder).parts[0], 0)["nodes"] == 100


def spoil(folder: Path, how: str) -> None:
    telemetry = folder / "telemetry.parquet"
    table = pd.read_parquet(telemetry)
    if how == "no run.json":
        (folder / "run.json").unlink()
    elif how == "no telemetry":
        telemetry.unlink()
    elif how == "cut off":
        telemetry.write_bytes(telemetry.read_bytes()[:1000])
    elif how == "empty":
        telemetry.write_bytes(b"")
    elif how == "no rows":
        table.iloc[:0].to_parquet(telemetry)
    elif how == "no column":
        table.drop(columns="robot_x_um").to_parquet(telemetry)
    elif how == "words":
        table.assign(time_s="now").to_parquet(telemetry)
    elif how == "nan":
        table.assign(object_x_um=math.nan).to_parquet(telemetry)
    elif how == "trials mixed":
        table.iloc[::-1].to_parquet(telemetry)
    elif how == "nothing to show":
        (folder / "video.mp4").unlink()
        (folder / "path.csv").write_text("x_um,y_um\n0,0\n")
    else:
        shutil.rmtree(folder)


SPOILT = ["no run.json", "no telemetry", "cut off", "empty", "no rows", "no column", "words", "nan", "trials mixed"]


@pytest.mark.parametrize("how", [*SPOILT, "nothing to show", "gone"])
def test_a_broken_run_is_refused_in_one_line(folder, how):
    spoil(folder, how)
    for opens in (Replay, check):
        with pytest.raises(InputError) as error:
            opens(folder)
        text = str(error.value)
        assert "\n" not in text and "run" in text and len(text) < 300
    until(lambda: not replay_threads())


def test_a_long_fast_replay_skips_frames_and_keeps_the_pace(made):
    """Whoever asks late gets the frame of the moment, not the next one."""
    with opened(made) as (replay, clock):

        async def watch():
            seen = []
            async for packet in replay.packets():
                seen.append(unpack(packet)[0])
                clock.now_s += 0.3
                if len(seen) == 5:
                    break
            return seen

        headers = asyncio.run(watch())
    assert [h["time_s"] for h in headers] == pytest.approx([0.0, 0.3, 0.6, 0.9, 1.2], abs=1 / 24)
    assert [h["seq"] for h in headers] == [1, 2, 3, 4, 5]


def test_a_pause_repeats_the_last_packet_as_a_sign_of_life(made, monkeypatch):
    monkeypatch.setattr("microtwin.panel.server.playback.KEEP_ALIVE_S", 0.02)
    with opened(made) as (replay, _):

        async def watch():
            replay.pause()
            packets = replay.packets()
            return [await anext(packets) for _ in range(3)]

        first, second, third = asyncio.run(watch())
    assert first == second == third


# ---- over a WebSocket ----


class Browser:
    """The other end of :func:`serve_replay`: an ASGI connection without a network."""

    def __init__(self, folder, query):
        self._in, self._out, self.stopped = asyncio.Queue(), asyncio.Queue(), 0
        scope = {"type": "websocket", "path": "/replay/run", "query_string": query.encode(), "headers": []}
        self._in.put_nowait({"type": "websocket.connect"})
        self._served = asyncio.create_task(
            serve_replay(WebSocket(scope, self._in.get, self._out.put), folder.parent, folder.name, self._stop)
        )

    def _stop(self):
        self.stopped += 1

    def say(self, *words):
        for word in words:
            self._in.put_nowait({"type": "websocket.receive", "text": word})

    async def header(self) -> dict[str, Any]:
        """Of the next packet, whose picture can be read; a failure if none comes."""
        while True:
            message = await asyncio.wait_for(self._out.get(), PATIENCE_S)
            if message["type"] == "websocket.send":
                header, jpeg = unpack(message["bytes"])
                assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) is not None
                return header

    @property
    def waiting(self) -> int:
        return self._out.qsize()

    async def leave(self):
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(self._served, PATIENCE_S)


def visit(folder, query, then):
    """Connect, do, leave."""

    async def whole():
        browser = Browser(folder, query)
        try:
            await then(browser)
        finally:
            await browser.leave()

    asyncio.run(whole())


def replay_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("panel-replay")]


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """What is played stands still but for this clock; the last packet comes again at once."""
    clock = Clock()
    monkeypatch.setattr("microtwin.panel.server.replay.Replay", partial(Replay, clock=clock))
    monkeypatch.setattr("microtwin.panel.server.playback.KEEP_ALIVE_S", 0.02)
    return clock


def test_a_browser_is_played_to_and_says_what_it_wants(folder, clock):
    async def watch(browser):
        first = await browser.header()
        assert first["replay"] is True and first["time_s"] == 0.0 and first["state"] == "running"
        replay = playing("me")
        assert replay is not None and replay.trial == 1 and playing("you") is None
        browser.say("pause", "seek 1.25", "stop")
        for _ in range(100):
            browser.say("ack")
            header = await browser.header()
            if header["state"] == "paused" and header["time_s"] == pytest.approx(1.25, abs=1 / 24):
                break
        else:
            raise AssertionError("never there")
        assert browser.stopped == 1
        replay.play()  # as the page's own button does
        browser.say("ack", "ack")
        while (await browser.header())["state"] == "paused":
            browser.say("ack")

    visit(folder, "client=me&trial=1", watch)
    assert playing("me") is None
    until(lambda: not replay_threads())


def test_a_browser_that_answers_nothing_gets_two_packets_and_then_the_newest(folder, clock):
    async def watch(browser):
        await browser.header()
        await browser.header()
        clock.now_s += 0.5
        await asyncio.sleep(0.1)  # for a third to come, wrongly
        assert browser.waiting == 0
        clock.now_s += 0.5
        browser.say("ack")
        assert (await browser.header())["time_s"] == pytest.approx(1.0, abs=1 / 24)
        browser.say(*["ack"] * 50)  # more than there were packets
        await browser.header()
        await browser.header()
        await asyncio.sleep(0.1)
        assert browser.waiting == 0

    visit(folder, "client=me", watch)


def test_the_newer_of_two_connections_of_a_browser_is_the_one_that_is_heard(folder):
    """It reconnects before the old connection is known to be gone."""

    async def whole():
        old = Browser(folder, "client=me")
        await old.header()
        new = Browser(folder, "client=me&trial=1")
        await new.header()
        await old.leave()
        replay = playing("me")
        assert replay is not None and replay.trial == 1
        await new.leave()
        assert playing("me") is None

    asyncio.run(whole())


@pytest.mark.parametrize("how", ["no telemetry", "cut off", "gone"])
def test_a_broken_run_is_said_on_the_page(folder, how, monkeypatch):
    monkeypatch.setattr("microtwin.panel.server.replay.KEEP_ALIVE_S", 0.02)
    spoil(folder, how)

    async def watch(browser):
        for _ in range(3):  # again and again: the connection stays
            header = await browser.header()
            assert header["state"] == "broken" and header["replay"] is True
            assert header["reason"].startswith(("run: ", "run 'run' ")) and "\n" not in header["reason"]
            browser.say("ack", "seek 3")
        assert playing("me") is None

    visit(folder, "client=me", watch)
    until(lambda: not replay_threads())


@pytest.mark.parametrize("trial", ["9", "x", "9" * 5000])
def test_an_address_with_a_trial_that_is_none(folder, trial):
    async def watch(browser):
        header = await browser.header()
        assert header["state"] == "broken" and "trial" in header["reason"] and "\n" not in header["reason"]

    visit(folder, f"client=me&trial={trial}", watch)
