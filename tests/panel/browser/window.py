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
WAIT_S = 90.0  # the first start on a machine draws the bodies' sprites
LARGE, SMALL = {"width": 1280, "height": 800}, {"width": 800, "height": 600}


def until(true: Callable[[], object], wait_s: float = WAIT_S, words: str = "") -> None:
    """Wait for something; fails with the words after ``wait_s``."""
    end_s = time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end_s, words or f"nothing happened for {wait_s:g} s"
        time.sleep(0.02)


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

    def __init__(self, page):
        self.page = page
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

    def take_control(self) -> None:
        self.until("h.state == 'watching'")
        self.press("take-control")
        self.page.wait_for_selector("[data-testid=detect]:not([disabled])")

    def detect(self) -> None:
        """Auto-detect, until robot and object are followed."""
        self.press("detect")
        self.until("h.robot && h.objects.length > 0", 10)

    def start_circle(self) -> None:
        """Detect, load a circle as large as fits, and start, until the field is on."""
        self.detect()
        self.press("path-load")
        self.until("h.paths[0]", 10)
        self.press("start")
        self.until("h.state == 'running' && h.field.amplitude > 0", 15)

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

    def off_after_s(self, since_unix_s: float, wait_s: float = 10.0) -> float:
        """Seconds from a moment to the first frame without a field."""
        self.until("h.field.amplitude == 0", wait_s)
        return self.header["wall_s"] - since_unix_s
