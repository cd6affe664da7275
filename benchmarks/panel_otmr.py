"""How soon the OTMR page's picture follows a slider: from the key's press to the new picture on the screen.

Usage: ``python benchmarks/panel_otmr.py [--json FILE] [--changes 24] [--only pitch depth]``. It starts ``microtwin
panel`` on the twin and a headless Chromium, 3-D model and reading on, and moves each slider a step at a time by the
arrow keys. Every change begins when all about the last one has been shown. *First* is the first picture, a sketch
where waves must be computed anew, *full* the one with all source points. Screens and graphics of a machine without a
graphics card are drawn by the processor, as here. The load beside each figure has others' work in it, if there is any;
*least* is the quickest change, when it was disturbed least.
"""

import contextlib
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from stepping import processor

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.panel.otmr.view import OPTICS
from microtwin.recording import versions

SLIDERS = ("pitch", "roll", "in-plane", "depth", *(name.replace("_", "-") for name in OPTICS))
BOUND_MS = 150.0
BROWSER = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
COMMAND = [sys.executable, "-c", "import sys; from microtwin.cli import main; sys.exit(main())", "panel", "--port", "0"]
QUIET_MS = 250  # with no new picture and no new reading

# Times of pictures since the last press of a key, each taken when the frame that shows it has been painted.
WATCH = """() => {
  window.watched = {begun: 0, shown: [], words: 0};
  addEventListener("keydown", () => { watched.begun = performance.now(); watched.shown = []; }, true);
  const image = document.querySelector("[data-testid=otmr-picture]");
  image.addEventListener("load", () => {
    const full = image.dataset.detail === "full";
    requestAnimationFrame(() => setTimeout(() =>
      watched.shown.push({ms: performance.now() - watched.begun, full})));
  });
  new MutationObserver(() => watched.words = performance.now())
    .observe(document.querySelector("[data-testid=otmr-reading]"), {childList: true, subtree: true});
}"""
DONE = """quiet => watched.shown.at(-1)?.full && performance.now() - watched.begun - watched.shown.at(-1).ms > quiet
  && performance.now() - watched.words > quiet
  && !document.querySelector("[data-testid=otmr-reading-says]").innerText.includes("loading")"""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The address of a panel that ends with the block."""
    command = [*COMMAND, "--out", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as panel:
        assert panel.stdout
        try:
            for line in panel.stdout:
                if found := re.search(r"https?://[^/\s]+", line):
                    yield found[0]
                    return
            raise InputError(f"the panel ended with {panel.wait()}: run microtwin panel to see why")
        finally:
            panel.send_signal(signal.SIGINT)


def measure(page: Any, name: str, changes: int) -> dict[str, Any]:
    """Milliseconds of one slider's changes."""
    page.locator("[data-testid=otmr-usual]").click()  # not every aperture goes with every other
    page.wait_for_timeout(1000)
    bar = page.locator(f"[data-testid=otmr-{name}-slider]")
    thumb = bar.locator("[tabindex]")
    key = "ArrowRight"
    first, full = [], []
    for k in range(changes + 1):
        ends = [float(bar.get_attribute(f"aria-value{end}")) for end in ("min", "now", "max")]
        if k == 0:
            key = "ArrowRight" if ends[2] - ends[1] >= ends[1] - ends[0] else "ArrowLeft"
        elif ends[1] == ends[2 if key == "ArrowRight" else 0]:
            key = "ArrowLeft" if key == "ArrowRight" else "ArrowRight"
        thumb.press(key)
        page.wait_for_function(DONE, arg=QUIET_MS, polling=100)  # not by frames, which cost time to draw
        shown = page.evaluate("watched.shown")
        if k:  # the first touch warms up
            first.append(shown[0]["ms"])
            full.append(next(one["ms"] for one in shown if one["full"]))
    found = {"changes": changes, "load": busy(), "sketch_first": first != full}
    return found | {"first": spread(first), "full": spread(full)}


def busy() -> float:
    """Processes that ran or would have run at a time, over the last minute; the benchmark's own among them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan


def spread(milliseconds: list[float]) -> dict[str, float]:
    least, median, p95 = np.percentile(milliseconds, (0, 50, 95))
    return {"median_ms": float(median), "p95_ms": float(p95), "least_ms": float(least)}


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    changes: int = 24,
    only: tuple[str, ...] = (),
) -> None:
    """Median and 95th percentile for each slider of the OTMR page.

    Args:
        json_file: where to write machine, versions and all figures.
        changes: of each slider, at least 20.
        only: names of sliders; all if none.
    """
    if changes < 20:
        raise InputError(f"changes is {changes}: give 20 or more, or the 95th percentile means nothing")
    if unknown := [name for name in only if name not in SLIDERS]:
        raise InputError(f"there is no slider {unknown[0]}: give some of {' '.join(SLIDERS)}")
    program = shutil.which("chromium")
    if program is None:
        raise InputError("there is no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    if json_file:
        files.open_folder(json_file.parent)
    load = busy()
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    print(f"{machine['processor']}, {machine['cores']} cores; load when begun {load:.1f}")
    sliders = {}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=BROWSER)
        machine["browser"] = f"Chromium {browser.version}"
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        page.goto(f"{address}/otmr")
        page.wait_for_selector("[data-testid=otmr-picture][data-detail=full]")
        for group in ("camera", "print"):
            page.locator(f"[data-testid=otmr-group-{group}]").click()
        page.wait_for_timeout(1000)
        page.evaluate(WATCH)
        for name in only or SLIDERS:
            found = sliders[name] = measure(page, name, changes)
            first, full = found["first"], found["full"]
            print(
                f"  {name:26} first {first['median_ms']:5.0f} / {first['p95_ms']:<5.0f} full {full['median_ms']:5.0f} /"
                f" {full['p95_ms']:<5.0f} ms   ({'pass' if first['p95_ms'] <= BOUND_MS else 'MISS'}, ≤ {BOUND_MS:g};"
                f" least {first['least_ms']:.0f}, load {found['load']:.1f})",
                flush=True,
            )
        browser.close()
    if json_file:
        report = {"machine": machine | {"load_when_begun": load}, "versions": versions(), "sliders": sliders}
        with files.whole(json_file) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {json_file}")


if __name__ == "__main__":
    sys.exit(exit_code("panel_otmr", lambda: tyro.cli(main)))
