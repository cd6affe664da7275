"""The panel in real time: how even its loop runs, how many frames browsers see, how soon stop-all is at the coils.

Usage: ``python benchmarks/panel.py [--json FILE] [--seconds 20] [--runs 3] [--stops 20] [--closings 5]``. Pages in
headless Chromium, which draws them by software, look at one twin that pushes a bead; all on the cores that there are.
Then the emulated rig: stop-all is clicked in mid-push, tabs are closed, and the time to the last duty that was not zero
is read from the PWM registers. Needs Debian's chromium, and for the second part the packages of
hardware/debian-packages.txt.
"""

import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.progress import Progress
from stepping import processor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "panel" / "browser"))

from window import CHROMIUM, LARGE, Panel, Window, start_panel, until

from emulated_rig.process import RigProcess
from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.recording import versions

FRAMES_S, JITTER_MS, STOP_MS, GONE_S = 20.0, 5.0, 100.0, 2.5
WARM_UP_S = 12.0  # the loop's statistics are of its last ten seconds
STOP = "[data-testid=stop]"


@contextmanager
def browser() -> Iterator:
    """Headless Chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise InputError("no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=CHROMIUM)
        yield started
        started.close()


def page(chromium, panel: Panel) -> Window:
    """A page in a browser profile of its own."""
    opened = chromium.new_context(viewport=LARGE).new_page()
    opened.goto(panel.url)
    return Window(opened)


def cores(pids: list[int]) -> float:
    """CPU time of processes so far, s."""
    ticks = 0
    for pid in pids:
        try:
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """A process and what it has started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in family(int(child)))]


def watch(chromium, panel: Panel, seconds: float, clients: int) -> dict[str, Any]:
    """A push with so many pages looking."""
    windows = [page(chromium, panel) for _ in range(clients)]
    operator = windows[0]
    operator.take_control()
    operator.start_circle()
    time.sleep(WARM_UP_S)
    pids = family(panel.process.pid)
    rates, jitters, ticks, begun_s, begun_cpu_s = [], [], [], time.monotonic(), cores(pids)
    while time.monotonic() - begun_s < seconds:
        time.sleep(1.0)
        rates.append([one.page.evaluate("window.microtwin.fps()") for one in windows])
        header = operator.header
        if header["state"] != "running":
            break
        jitters.append(header["jitter_ms"])
        ticks.append(header["ticks_per_s"])
    took_s, cpu_s = time.monotonic() - begun_s, cores(pids) - begun_cpu_s
    size = operator.header["size"]
    operator.press("stop")
    operator.until("h.state == 'watching'", 20)
    for window in windows:
        window.page.context.close()
    return {
        "clients": clients,
        "seconds": round(took_s, 1),
        "size": size,
        "frames_per_s": [round(statistics.median(column), 1) for column in zip(*rates, strict=True)],
        "slowest_frames_per_s": round(float(np.min(rates)), 1),
        "ticks_per_s": round(statistics.median(ticks), 2),
        "jitter_ms": round(statistics.median(jitters), 2),
        "panel_cores": round(cpu_s / took_s, 2),
    }


def push(window: Window, rig: RigProcess) -> None:
    window.until("h.state == 'watching'", 30)
    window.detect()
    window.press("path-load")
    window.until("h.paths[0]", 10)
    window.press("start")
    until(lambda: rig.report()["driven"], 30, f"the coils stayed off: {window.header['notices']}")
    time.sleep(0.3)


def off_after_ms(rig: RigProcess, act: Callable[[], object]) -> float:
    """From just before an act to the last duty that was not zero, both in the rig's time: the way there is counted."""
    begun_s = rig.report()["emulated_s"]
    act()
    until(lambda: not rig.report()["driven"], 10, "the coils are still driven")
    time.sleep(0.3)  # nothing may come back
    found = rig.report()
    if found["driven"]:
        raise InputError("the coils were driven again after they had been turned off")
    return 1000 * (found["last_driven_s"] - begun_s)


def stop_all(chromium, folder: Path, stops: int, closings: int, tick) -> dict[str, list[float]]:
    """Clicks and closed tabs on the emulated rig; ms to the last duty that was not zero."""
    clicked, closed = [], []
    with RigProcess(folder) as rig:
        panel = start_panel(folder / "out", "--backend", "hardware", "--config", str(rig.toml))
        try:
            window = page(chromium, panel)
            window.take_control()
            for _ in range(stops):
                push(window, rig)
                click = f"document.querySelector('{STOP}').click()"
                clicked.append(off_after_ms(rig, lambda page=window.page, click=click: page.evaluate(click)))
                tick()
            for _ in range(closings):
                push(window, rig)
                closed.append(off_after_ms(rig, window.page.close))
                window = page(chromium, panel)
                window.take_control()
                tick()
        finally:
            panel.close()
    return {"stop_ms": clicked, "closed_ms": closed}


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    seconds: float = 20.0,
    runs: int = 3,
    clients: tuple[int, ...] = (1, 3),
    stops: int = 20,
    closings: int = 5,
) -> None:
    """Frames a browser sees, jitter of the loop, and the way from a click to the coils; medians of several runs.

    Args:
        json_file: where to write machine, versions and all runs.
        seconds: of pushing in a run.
        runs: with each number of clients, in turn.
        clients: pages that look at once.
        stops, closings: how often stop-all is clicked and a tab closed on the emulated rig; 0 for neither.
    """
    if not (seconds >= 2 and runs > 0):
        raise InputError(f"{runs} runs of {seconds} s: give at least one of 2 s or more")
    if json_file:
        files.open_folder(json_file.parent)
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    print(f"{machine['processor']}, {machine['cores']} cores, for all of it; medians of {runs} runs")
    done, off = [], {}
    with tempfile.TemporaryDirectory() as scratch, browser() as chromium, Progress(transient=True) as progress:
        bar = progress.add_task("watching", total=runs * len(clients) + stops + closings)
        panel = start_panel(Path(scratch) / "out")
        try:
            for _ in range(runs):
                for count in clients:
                    done.append(watch(chromium, panel, seconds, count))
                    progress.advance(bar)
        finally:
            panel.close()
        if stops or closings:
            progress.update(bar, description="stopping")
            off = stop_all(chromium, Path(scratch), stops, closings, lambda: progress.advance(bar))
    for count in clients:
        mine = [run for run in done if run["clients"] == count]
        rate = statistics.median(min(run["frames_per_s"]) for run in mine)
        jitter = statistics.median(run["jitter_ms"] for run in mine)
        ticks = statistics.median(run["ticks_per_s"] for run in mine)
        busy = statistics.median(run["panel_cores"] for run in mine)
        width, height = mine[0]["size"]
        print(
            f"  {count} pages at {width} × {height}: {rate:.1f} frames/s in the slowest page   "
            f"{'pass' if rate >= FRAMES_S else 'MISS'}, ≥ {FRAMES_S:g}\n"
            f"    loop {ticks:.2f} ticks/s, jitter (95 %) {jitter:.2f} ms   "
            f"{'pass' if jitter <= JITTER_MS else 'MISS'}, ≤ {JITTER_MS:g}; engine and server {busy:.2f} cores"
        )
    for name, words, bound in (
        ("stop_ms", "stop-all to the last duty", STOP_MS),
        ("closed_ms", "tab closed to the last duty", 1000 * GONE_S),
    ):
        if found := off.get(name):
            verdict = "pass" if max(found) <= bound else "MISS"
            print(
                f"  {words}: median {statistics.median(found):.0f} ms, greatest of {len(found)} {max(found):.0f} ms   "
                f"{verdict}, ≤ {bound:g}"
            )
    if json_file:
        with files.whole(json_file) as temporary:
            text = json.dumps({"machine": machine, "versions": versions(), "runs": done, **off}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code("panel", lambda: tyro.cli(main)))
