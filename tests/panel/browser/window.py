"""A panel in a process of its own and a page of it in a browser, for the tests here and for benchmarks/panel.py."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MICROTWIN = [sys.executable, "-c", "import sys; from microtwin.cli import main; sys.exit(main())"]
WAIT_S = 120.0  # generous: nothing here is a matter of time but what says so, and machines may be busy
LARGE, SMALL = {"width": 1280, "height": 800}, {"width": 800, "height": 600}


def until(true: Callable[[], object], wait_s: float = WAIT_S, words: str = "") -> None:
    """Wait for something; fails with the words after ``wait_s``."""
    end_s = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end_s, words or f"nothing happened for {wait_s:g} s"
        time.sleep(0.03)


CHROMIUM = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]  # as root, in a container, without a screen


@dataclass
class Panel:
    """A running ``microtwin panel``."""

    url: str
    out: Path
    process: subprocess.Popen

    def close(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        finally:
            assert self.process.stdout
            self.process.stdout.close()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # whatever a failed test left


def start_panel(out: Path, *options: str) -> Panel:
    """Start one on a free port; ready when its address is printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*MICROTWIN, "panel", "--port", str(port), "--out", str(out), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    # Ctrl-C must be heard also where the tests themselves run in the background
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"https?://\S+", line):
            return Panel(found[0], out, process)
    raise AssertionError(f"the panel ended with {process.wait()}")


class Window:
    """One page of the panel, as somebody in front of it sees and uses it."""

    def __init__(self, page, url: str = ""):
        self.page = page
        page.set_default_timeout(1000 * WAIT_S)
        if url:
            page.goto(url)
        self.until("true")

    @property
    def header(self) -> dict:
        """The newest packet's."""
        return self.page.evaluate("window.microtwin.header")

    def until(self, what: str, wait_s: float = WAIT_S) -> None:
        """Wait until a condition in JavaScript on the header ``h`` holds."""
        condition = f"(() => {{ const h = window.microtwin?.header; return h && ({what}) }})()"
        until(lambda: self.page.evaluate(condition), wait_s, f"not so after {wait_s:g} s: {what}")

    def button(self, name: str):
        """The control of that data-testid."""
        return self.page.locator(f"[data-testid={name}]")

    def press(self, name: str) -> None:
        self.button(name).click()

    def type(self, name: str, text: str) -> None:
        """Into a field, whatever the field thinks of it, in the place of what is there."""
        self.button(name).focus()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Tab")

    def take_control(self) -> None:
        """Once the rig is open, or broken."""
        self.until("h.state == 'watching' || h.state == 'broken'")
        self.press("take-control")
        self.page.wait_for_selector("[data-testid=release]")

    def leave(self) -> None:
        """Close the page; whoever comes next need not wait until it is missed."""
        if not self.page.is_closed() and self.button("release").count():
            self.page.evaluate("window.microtwin.stop(), document.querySelector('[data-testid=release]').click()")
            self.page.wait_for_selector("[data-testid=take-control]", state="attached")
        self.page.context.close()

    def detect(self) -> None:
        """Auto-detect, until robot and object are followed."""
        self.press("detect")
        self.until("h.robot && h.objects.length > 0")

    def rebuild(self, seed: int = 0) -> None:
        """The twin's bench as it is at first, whatever was done to it."""
        self.press("detect")
        self.until("h.bodies.length")  # what the new bench has not
        self.press("tab-twin")
        self.type("twin-seed", f"{seed}")
        self.press("twin-rebuild")
        self.until(f"h.state == 'watching' && h.twin.seed == {seed} && !h.robot && !h.bodies.length")
        self.press("tab-run")

    def start_circle(self) -> None:
        """A circle as large as fits on the twin's bench as it is at first, started, until the field is on.

        On a bench where others have pushed, by as much as the machine let them, there may be no room for one.
        """
        self.rebuild()
        self.detect()
        self.press("path-load")
        self.until("h.paths[0]")
        self.press("start")
        self.until("h.state == 'running' && h.field.amplitude > 0")

    def replay(self, folder: str) -> None:
        """Play a run, as soon as it is in the list."""
        self.press("tab-runs")
        self.page.locator(f"[data-run='{folder}'] [data-testid=run-replay]").click()

    def stays_off(self, frames: int = 10) -> None:
        """Wait until the field is off; it must stay so in the frames that follow."""
        self.until("h.field.amplitude == 0")
        on = self.page.evaluate(
            """(frames) => new Promise((done) => {
                let on = 0;
                addEventListener("microtwin-packet", function count({ detail }) {
                    on += detail.field.amplitude > 0;
                    if (--frames > 0) return;
                    removeEventListener("microtwin-packet", count);
                    done(on);
                });
            })""",
            frames,
        )
        assert on == 0, "the field came back"

    def on_page(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the picture lies on the page."""
        box = self.button("view-canvas").bounding_box()
        width, height = self.header["size"]
        scale = min(box["width"] / width, box["height"] / height)
        left = box["x"] + (box["width"] - width * scale) / 2
        top = box["y"] + (box["height"] - height * scale) / 2
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def tool(self, name: str) -> None:
        """Take a tool for the picture, until it is shown as taken."""
        self.press(f"tool-{name}")
        self.page.wait_for_selector(f"[data-testid=tool-{name}][aria-pressed=true]")

    def drive(self) -> None:
        """Switch driving on, until the view says so."""
        self.press("drive")
        self.page.wait_for_function("document.querySelector('[data-testid=view-hint]').innerText.includes('drive')")
        self.page.locator("body").focus()

    def click_picture(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.on_page(x, y))

    def draw(self, points: list[tuple[float, float]]) -> None:
        """With the mouse, along pixels of the picture."""
        self.tool("draw")
        self.page.mouse.move(*self.on_page(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.on_page(*point), steps=3)
        self.page.mouse.up()
