"""How the panel's engine fares over an hour of the twin's time: memory, threads, files, ticks.

Usage: ``python benchmarks/panel_soak.py [--json FILE] [--minutes 60] [--out FOLDER]``. The engine runs in a process of
its own on the twin as fast as it goes (86,400 frames are one hour at 24 a second), and is kept busy: runs by corridor
and by hand, a stop in the middle, the queue, masks, knocks, twins rebuilt. Two clients take packets as they come, a
third never reads one: the pipe behind it is full, as with a browser that hangs. Growth counts from the end of the
warm-up, a tenth of the whole, for by then everything was done once.
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
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.progress import Progress
from stepping import processor

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.panel import messages as m
from microtwin.panel.engine import serve
from microtwin.panel.packet import unpack
from microtwin.panel.twin import TwinSettings
from microtwin.recording import versions

FRAMES_A_MINUTE = 24 * 60
WARM_UP = 0.1  # of the whole
SAMPLE_EVERY = 240  # frames between samples
KEPT_RUNS = 6  # folders; older ones are removed, or an hour's videos fill a small disk
PATIENCE_S = 120.0
FOUND_S = 10.0  # for a body to be found and a path to be made
MOST_MB = 50.0  # of growth in an hour
SETTINGS = TwinSettings(speed=math.inf)
VARIANTS = ({"cells": 0}, {"flow_um_s": 1.0}, {"latency_frames": 2}, {"objects": 2}, {})


class NotFound(Exception):
    """A body or a path that is not there in this scene."""


class Panel:
    """The server's end of the pipe, and three clients behind it of which the last takes no packet."""

    def __init__(self, connection: Connection):
        self.connection = connection
        self.header: dict[str, Any] = {}
        self.packets = self.frames = self.runs = 0
        self.words: dict[str, int] = {}
        self._changed = threading.Condition()
        self._newest = b""
        self._told = 0
        self._sending = threading.Lock()
        self._ended = threading.Event()
        self._hung = multiprocessing.Pipe()
        clients = [self._read, self._beat, self._client, self._client, self._hanging_client]
        self._threads = [threading.Thread(target=one, daemon=True) for one in clients]
        for thread in self._threads:
            thread.start()

    def say(self, *commands: m.Command) -> None:
        with self._sending:
            for command in commands:
                self.connection.send(command)

    def until(self, true: Callable[[dict], Any], what: str, patience_s: float = PATIENCE_S) -> dict:
        """The first header of which this is true.

        Raises:
            NotFound: there was none within ``patience_s``.
        """
        deadline = time.monotonic() + patience_s
        with self._changed:
            while not (self.header and true(self.header)):
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._ended.is_set():
                    words = f"never {what}: {self.header.get('state')}, {self.header.get('notices')}"
                    raise NotFound(words) if patience_s < PATIENCE_S else RuntimeError(words)
                self._changed.wait(left_s)
            return self.header

    def _read(self) -> None:
        last = -1
        with contextlib.suppress(EOFError, OSError):
            while True:
                packet = self.connection.recv_bytes()
                header, _ = unpack(packet)
                with self._changed:
                    step = header["frame"] - last
                    self.frames += step if 0 < step < 1000 else 0  # another twin counts anew
                    last = header["frame"]
                    self._count_words(header)
                    self.header, self._newest = header, packet
                    self.packets += 1
                    self._changed.notify_all()
        self._ended.set()

    def _count_words(self, header: dict) -> None:
        for notice in header["notices"]:
            if notice["id"] > self._told:
                self._told = notice["id"]
                kind = f"{notice['level']}: {''.join(c for c in notice['text'] if not c.isdigit())[:60]}"
                self.words[kind] = self.words.get(kind, 0) + 1

    def _beat(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.wait(0.2):
                self.say(m.Alive())

    def _client(self) -> None:
        """Takes every packet it is in time for."""
        seen = -1
        while not self._ended.is_set():
            with self._changed:
                self._changed.wait(1.0)
                packet = self._newest
            if packet:
                header, picture = unpack(packet)
                if header["seq"] != seen:
                    seen = header["seq"]
                    assert picture[:2] == b"\xff\xd8"

    def _hanging_client(self) -> None:
        """Its pipe fills, and whoever serves it waits for ever: nobody else may."""
        with contextlib.suppress(OSError):
            while not self._ended.is_set():
                with self._changed:
                    self._changed.wait(1.0)
                    packet = self._newest
                self._hung[1].send_bytes(packet or b" ")

    def close(self) -> None:
        self._ended.set()
        for end in self._hung:
            end.close()


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
    """Keep the engine busy for so many minutes of the twin's time."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    engine = context.Process(target=serve, args=(m.EngineOptions(twin=SETTINGS, out=str(out)), there))
    engine.start()
    there.close()
    word = here.recv()
    if word != ("ready", None):
        raise InputError(str(word))
    panel = Panel(here)
    assert engine.pid is not None
    panel.until(lambda h: h["state"] == "watching", "ready")
    wanted, samples, turns, begun_s = minutes * FRAMES_A_MINUTE, [], 0, time.monotonic()
    operator = Operator(panel, out, random.Random(0))
    try:
        while panel.frames < wanted:
            operator.turn(turns)
            turns += 1
            if not samples or panel.frames - samples[-1]["frame"] >= SAMPLE_EVERY:
                samples.append({"frame": panel.frames, **usage(engine.pid)})
            tick(min(1.0, panel.frames / wanted))
        took_s, header = time.monotonic() - begun_s, panel.header
        panel.say(m.Quit())
        engine.join(PATIENCE_S)
    finally:
        panel.close()
        if engine.is_alive():
            engine.kill()
        here.close()
    warm = [one for one in samples if one["frame"] >= WARM_UP * wanted] or samples[-1:]
    quarter = max(1, len(warm) // 4)
    first, last = (float(np.mean([s["rss_mb"] for s in part])) for part in (warm[:quarter], warm[-quarter:]))
    return {
        "simulated_minutes": round(panel.frames / FRAMES_A_MINUTE, 2),
        "ticks": panel.frames,
        "ticks_per_s": round(panel.frames / took_s, 1),
        "packets": panel.packets,
        "runs": panel.runs,
        "done": operator.done,
        "growth_mb": round(warm[-1]["rss_mb"] - warm[0]["rss_mb"], 1),
        "growth_of_means_mb": round(last - first, 1),
        "rss_mb": {"after_warm_up": round(warm[0]["rss_mb"], 1), "end": round(warm[-1]["rss_mb"], 1)},
        "threads": {"after_warm_up": warm[0]["threads"], "end": warm[-1]["threads"]},
        "files": {"after_warm_up": warm[0]["files"], "end": warm[-1]["files"]},
        "exit_code": engine.exitcode,
        "wait_ms": header["wait_ms"],
        "notices": panel.words,
        "samples": samples,
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
    memory, threads, opened = found["rss_mb"], found["threads"], found["files"]
    grown = "pass" if found["growth_mb"] < MOST_MB else "MISS"
    leaked = "pass" if threads["end"] <= threads["after_warm_up"] else "MISS"
    print(f"{machine['processor']}, {machine['cores']} cores: {found['simulated_minutes']:g} simulated minutes")
    print(f"  {found['ticks']} ticks, {found['ticks_per_s']:g} a second; {found['runs']} starts")
    print(f"  growth after warm-up {found['growth_mb']:.1f} MB to {memory['end']:.0f} MB   {grown}, < {MOST_MB:g}")
    print(f"  threads {threads['after_warm_up']} to {threads['end']}   {leaked}, no more than before")
    print(f"  open files {opened['after_warm_up']} to {opened['end']}")
    if json_file:
        with files.whole(json_file) as temporary:
            text = json.dumps({"machine": machine, "versions": versions(), **found}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code("panel_soak", lambda: tyro.cli(main)))
