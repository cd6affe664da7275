"""How the panel fares over an hour of the twin's time: memory, threads, files, ticks, of engine and server.

Usage: ``python benchmarks/panel_soak.py [--json FILE] [--minutes 60] [--out FOLDER]``. The engine runs in a process of
its own on the twin as fast as it goes (86,400 frames are one hour at 24 a second), and is kept busy: runs by corridor
and by hand, a stop in the middle, the queue, masks, knocks, twins rebuilt. Desk and stream are the server's, in this
process, without NiceGUI's pages. Two clients take packets as they come, a third never acknowledges one, as a browser
that hangs. Growth counts from the end of the warm-up, a tenth of the whole, for by then everything was done once.
"""

import contextlib
import json
import math
import multiprocessing
import os
import platform
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import tyro
import uvicorn
from rich.progress import Progress
from stepping import processor
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.panel import messages as m
from microtwin.panel.engine.twin import TwinSettings
from microtwin.panel.packet import unpack
from microtwin.panel.server.desk import Desk
from microtwin.panel.server.engine_process import EngineProcess
from microtwin.panel.server.listening import listen
from microtwin.panel.server.run_server import add_sockets, web_config
from microtwin.recording import versions

FRAMES_A_MINUTE = 24 * 60
WARM_UP = 0.1  # of the whole
SAMPLE_EVERY = 240  # frames between samples
KEPT_RUNS = 6  # folders; older ones are removed, or an hour's videos fill a small disk
PATIENCE_S = 120.0
FOUND_S = 10.0  # for a body to be found and a path to be made
MOST_MB = 50.0  # of growth in an hour
SIDES = ("engine", "server")
SETTINGS = TwinSettings(speed=math.inf)
VARIANTS = ({"cells": 0}, {"flow_um_s": 1.0}, {"latency_frames": 2}, {"objects": 2}, {})


class NotFound(Exception):
    """A body or a path that is not there in this scene."""


class Panel:
    """Desk, stream and engine as ``microtwin panel`` has them, and three clients of which the last reads nothing."""

    OPERATOR = "operator"

    def __init__(self, options: m.EngineOptions):
        from fastapi import FastAPI

        self.engine = EngineProcess(options).start()
        (child,) = multiprocessing.active_children()
        assert child.pid is not None
        self.pid = child.pid
        self.desk = Desk(self.engine, out=Path(options.out), backend="sim")
        self.desk.take(self.OPERATOR)
        self.frames = self.runs = self.packets = 0
        self.words: dict[str, int] = {}
        self._told = 0
        self._ended = threading.Event()
        self._socket = listen("127.0.0.1", 0)
        self._address = f"ws://127.0.0.1:{self._socket.getsockname()[1]}/stream?client="
        app = FastAPI()
        add_sockets(app, self.desk)
        self._server = uvicorn.Server(web_config(app))
        clients = [self._count, lambda: self._client(self.OPERATOR), lambda: self._client("watcher"), self._deaf_client]
        self._threads = [threading.Thread(target=lambda: self._server.run(sockets=[self._socket]))]
        self._threads += [threading.Thread(target=one) for one in clients]
        for thread in self._threads:
            thread.start()

    @property
    def header(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.desk.header or {})

    def say(self, *commands: m.Command) -> None:
        self.desk.take(self.OPERATOR)  # again, if this machine was too busy to acknowledge for two seconds
        for command in commands:
            self.desk.send(self.OPERATOR, command)

    def until(self, true: Callable[[dict], Any], what: str, patience_s: float = PATIENCE_S) -> dict:
        """The first header of which this is true.

        Raises:
            NotFound: there was none within ``patience_s``.
        """
        deadline = time.monotonic() + patience_s
        while True:
            header = self.header
            if header and true(header):
                return header
            if time.monotonic() > deadline:
                words = f"never {what}: {header.get('state')}, {header.get('notices')}"
                raise NotFound(words) if patience_s < PATIENCE_S else RuntimeError(words)
            time.sleep(0.005)

    def _count(self) -> None:
        """Frames and notices, looked at more often than they come."""
        last = -1
        while not self._ended.wait(0.003):
            if not (header := self.header):
                continue
            step = header["frame"] - last
            self.frames += step if 0 < step < 1000 else 0  # another twin counts anew
            last = header["frame"]
            for notice in header["notices"]:
                if notice["id"] > self._told:
                    self._told = notice["id"]
                    kind = f"{notice['level']}: {''.join(c for c in notice['text'] if not c.isdigit())[:60]}"
                    self.words[kind] = self.words.get(kind, 0) + 1

    def _client(self, name: str) -> None:
        """Takes every packet it is in time for, as a page does."""
        with self._connected(name) as socket:
            while not self._ended.is_set():
                packet = socket.recv(timeout=10.0)
                assert isinstance(packet, bytes)
                _, picture = unpack(packet)
                assert picture[:2] == b"\xff\xd8"
                self.packets += name == self.OPERATOR
                socket.send("ack")

    def _deaf_client(self) -> None:
        """Never says that a packet came; comes again when it is thrown out."""
        while not self._ended.is_set():
            with self._connected("deaf") as socket, contextlib.suppress(ConnectionClosed):
                while not self._ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        socket.recv(timeout=1.0)

    def _connected(self, name: str) -> ClientConnection:
        while True:
            try:
                return connect(self._address + name, max_size=None, compression=None)
            except OSError:  # the server has only just been started
                if self._ended.wait(0.1):
                    raise

    def close(self) -> None:
        """Everything ends."""
        self._ended.set()
        self.engine.close()
        for thread in self._threads[1:]:
            thread.join(15.0)
        self._server.should_exit = True
        self._threads[0].join(15.0)
        self._socket.close()


class Operator:
    """Does, over and over, what people do."""

    def __init__(self, panel: Panel, out: Path, rng: random.Random):
        self._panel, self._out, self._rng = panel, out, rng
        self.done = dict.fromkeys(("corridor", "hand", "queue", "rebuilt", "driven", "given up"), 0)
        self._seed = 0

    def turn(self, number: int) -> None:
        """One of everything, one after the other."""
        kind = ("corridor", "hand", "queue", "driven", "rebuilt")[number % 5]
        try:
            getattr(self, f"_{kind}")()
        except NotFound:  # a scene in which the robot is hidden, or has been lost
            kind = "given up"
            self._rebuilt()
        self.done[kind] += 1
        self._panel.until(lambda h: h["state"] == "watching", "watching again")
        for old in sorted(self._out.glob("2*"))[:-KEPT_RUNS]:
            shutil.rmtree(old)

    def _ready(self) -> None:
        panel = self._panel
        panel.say(m.Stop(), m.Drive(), m.SelectRobot(None), m.SelectObject(None))
        panel.until(lambda h: h["robot"] is None and not h["objects"], "an empty selection")
        panel.say(m.Detect())
        panel.until(lambda h: h["objects"] and h["robot"], "an object", FOUND_S)
        panel.say(m.LoadPath("square", length_um=80.0))
        panel.until(lambda h: h["paths"] and h["paths"][0], "a path", FOUND_S)
        panel.say(m.ShowMask(self._rng.choice(["robot", "object", None])))

    def _corridor(self) -> None:
        self._ready()
        self._start(m.Start(width_um=self._rng.choice([5.0, 8.0])))
        self._until_s(1.0)
        self._panel.say(m.Pause(), m.Disturb())
        time.sleep(0.3)
        self._panel.say(m.Pause(False))
        self._panel.until(lambda h: h["state"] in ("watching", "saving"), "a finished run")

    def _hand(self) -> None:
        self._ready()
        self._start(m.Start(controller=m.HAND))
        for _ in range(30):
            self._panel.say(m.Drive(self._rng.uniform(-3.0, 3.0), math.pi / 2, 8.0))
            time.sleep(0.05)
        self._panel.say(m.Drive(), m.Stop())

    def _queue(self) -> None:
        self._ready()
        header = self._panel.header
        x, y, _ = header["objects"][0]
        others = [b for b in header["bodies"] if b["kind"] == "cargo" and np.hypot(b["x"] - x, b["y"] - y) > 40]
        if others:
            self._panel.say(m.SelectObject((others[0]["x"], others[0]["y"]), add=True), m.LoadPath("circle", 1, 60.0))
        self._start(m.Start(time_limit_s=8.0))
        self._panel.until(lambda h: h["state"] in ("watching", "saving"), "the end of the queue")

    def _driven(self) -> None:
        for _ in range(20):
            self._panel.say(m.Drive(self._rng.uniform(-3.0, 3.0), self._rng.choice([0.0, math.pi / 2]), 10.0))
            time.sleep(0.05)
        self._panel.say(m.Drive())

    def _rebuilt(self) -> None:
        self._seed += 1  # another scene every time: its coming can be told by its seed
        wanted = replace(SETTINGS, seed=self._seed, **self._rng.choice(VARIANTS))
        self._panel.say(m.SetTwin(wanted))
        self._panel.until(lambda h: h["state"] == "watching" and h["twin"]["seed"] == wanted.seed, "a new twin")

    def _start(self, start: m.Start) -> None:
        panel, before = self._panel, (self._panel.header.get("run") or {}).get("folder")
        panel.say(start)
        panel.until(lambda h: h["run"] and h["run"]["folder"] != before, "a run")
        panel.runs += 1

    def _until_s(self, elapsed_s: float) -> None:
        self._panel.until(lambda h: h["state"] != "running" or h["run"]["elapsed_s"] > elapsed_s, f"{elapsed_s} s")


def usage(pid: int) -> dict[str, float]:
    """What a process holds: resident memory, threads, open files."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return {
        "rss_mb": int(status["VmRSS"].split()[0]) / 1024,
        "threads": int(status["Threads"]),
        "files": len(os.listdir(f"/proc/{pid}/fd")),
    }


def measure(minutes: float, out: Path, tick: Callable[[float], None]) -> dict[str, Any]:
    """Keep the panel busy for so many minutes of the twin's time."""
    before = threading.active_count()
    panel = Panel(m.EngineOptions(twin=SETTINGS, out=str(out)))
    try:
        panel.until(lambda h: h["state"] == "watching", "ready")
        wanted, samples, turns, begun_s = minutes * FRAMES_A_MINUTE, [], 0, time.monotonic()
        operator = Operator(panel, out, random.Random(0))
        while panel.frames < wanted:
            operator.turn(turns)
            turns += 1
            if not samples or panel.frames - samples[-1]["frame"] >= SAMPLE_EVERY:
                samples.append({"frame": panel.frames, "engine": usage(panel.pid), "server": usage(os.getpid())})
            tick(min(1.0, panel.frames / wanted))
        took_s, header = time.monotonic() - begun_s, panel.header
    finally:
        panel.close()
    warm = [one for one in samples if one["frame"] >= WARM_UP * wanted] or samples[-1:]
    return {
        "simulated_minutes": round(panel.frames / FRAMES_A_MINUTE, 2),
        "ticks": panel.frames,
        "ticks_per_s": round(panel.frames / took_s, 1),
        "packets": panel.packets,
        "runs": panel.runs,
        "done": operator.done,
        **{side: grown([one[side] for one in warm]) for side in SIDES},
        "threads_left": threading.active_count() - before,
        "processes_left": len(multiprocessing.active_children()),
        "wait_ms": header["wait_ms"],
        "notices": panel.words,
        "samples": samples,
    }


def grown(samples: list[dict[str, float]]) -> dict[str, Any]:
    """Memory, threads and open files after the warm-up and at the end."""
    first, last = samples[0], samples[-1]
    return {
        "growth_mb": round(last["rss_mb"] - first["rss_mb"], 1),
        **{name: {"after_warm_up": round(first[name], 1), "end": round(last[name], 1)} for name in first},
    }


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    minutes: float = 60.0,
    out: Path | None = None,
) -> None:
    """Keep the panel's engine busy on an accelerated twin, and see what grows.

    Args:
        json_file: where to write machine, versions and all samples.
        minutes: of the twin's time.
        out: folder for the runs; a temporary one by default. Old runs in it are removed.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise InputError(f"minutes is {minutes}: give a positive number")
    if json_file:
        files.open_folder(json_file.parent)
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    with tempfile.TemporaryDirectory() as scratch, Progress(transient=True) as progress:
        bar = progress.add_task(f"{minutes:g} simulated minutes", total=1.0)
        found = measure(minutes, out or Path(scratch), lambda part: progress.update(bar, completed=part))
    print(f"{machine['processor']}, {machine['cores']} cores: {found['simulated_minutes']:g} simulated minutes")
    print(f"  {found['ticks']} ticks, {found['ticks_per_s']:g} a second; {found['runs']} starts; {found['done']}")
    for side in SIDES:
        of = found[side]
        memory, threads, opened = of["rss_mb"], of["threads"], of["files"]
        verdict = "pass" if of["growth_mb"] < MOST_MB else "MISS"
        leaked = "pass" if threads["end"] <= threads["after_warm_up"] else "MISS"
        print(f"  {side}: growth {of['growth_mb']:.1f} MB to {memory['end']:.0f} MB   {verdict}, < {MOST_MB:g}")
        print(f"    threads {threads['after_warm_up']:g} to {threads['end']:g}   {leaked}, no more than before")
        print(f"    open files {opened['after_warm_up']:g} to {opened['end']:g}")
    print(f"  left when it is closed: {found['threads_left']} threads, {found['processes_left']} processes")
    if json_file:
        with files.whole(json_file) as temporary:
            text = json.dumps({"machine": machine, "versions": versions(), **found}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code("panel_soak", lambda: tyro.cli(main)))
