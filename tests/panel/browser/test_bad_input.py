"""What cannot be is said on the page in words; nothing crashes, nothing starts."""

import math
import re

import pytest

from .window import until

HALF_MADE_CSV = "x_um,y_um\n0,0\n10,nan\n"


class Words:
    """What the page says in its messages."""

    def __init__(self, window):
        self.window, self.page = window, window.page

    def said(self, pattern: str) -> None:
        """Wait for a message, and close it: the next is a new one."""
        messages = self.page.locator(".q-notification__message")

        def on_show() -> bool:
            return any(re.search(pattern, text) for text in messages.all_text_contents())

        until(on_show, words=f"not said: {pattern}")
        self.page.evaluate("document.querySelectorAll('.q-notification .q-btn').forEach(button => button.click())")
        until(lambda: not on_show())


@pytest.fixture
def window(panel, visit):
    """In control, robot and object found."""
    window = visit(panel.url)
    window.failed = []
    window.page.on("pageerror", lambda error: window.failed.append(str(error)))
    window.take_control()
    window.detect()
    yield window
    assert window.header["state"] == "watching" and window.header["field"]["amplitude"] == 0
    assert window.failed == []


def test_paths_that_do_not_fit(window):
    words = Words(window)
    x, y = window.header["objects"][0][:2]
    window.draw([(x, y), (x, y / 2), (x, -8)])  # above the picture, where the page is still the view's
    words.said("leaves the picture.*draw within")
    assert not window.header["paths"][0]
    others = [(one["x"], one["y"]) for one in window.header["bodies"] if one["kind"] != "robot"]
    other = max(others, key=lambda place: math.dist(place, (x, y)))
    window.draw([(x, y), other, tuple(p + (320 - p) * 0.1 for p in other)])
    words.said("goes through a .*draw round it")
    window.until("h.paths[0]")  # a warning: people may know better
    files = window.button("path-uploader").locator("input[type=file]")
    for name, content, said in (
        ("words.csv", "hello", "words.csv: no column"),
        ("picture.csv", b"\x89PNG\r\n", "picture.csv: not a CSV file"),
        ("half.csv", HALF_MADE_CSV, "half.csv: line 3.*give a finite number"),
        ("far.csv", "x_um,y_um\n0,0\n900,0\n", "'far' leaves the picture"),
    ):
        buffer = content if isinstance(content, bytes) else content.encode()
        files.set_input_files({"name": name, "mimeType": "text/csv", "buffer": buffer})
        words.said(said)
    for name, said in (("", "no name yet"), ("../../evil", "path name is '../../evil'"), ("circle", "a shape's")):
        window.type("path-save-name", name)
        window.press("path-save")
        words.said(said)


def test_numbers_and_policies_that_are_none(window):
    words = Words(window)
    window.press("path-load")
    window.until("h.paths[0]")
    for text, said in (
        ("0", "Frequency is 0 Hz: give more than 0"),
        ("-3", "Frequency is -3 Hz"),
        ("1000000", r"Frequency is 1e\+06 Hz: give more than 0, at most 200"),
        ("1e999", "Frequency is no number: give more than 0, at most 200"),
        ("-", "Frequency is no number"),
    ):
        window.type("frequency", text)
        window.press("start")
        words.said(said)
        assert window.header["state"] == "watching", text
    window.type("frequency", "100")
    until(lambda: window.page.get_by_text("above step-out, 63 Hz").is_visible())  # before anything moves
    window.press("start")
    words.said("100 Hz is above the robot's step-out")
    window.page.keyboard.press("Space")
    window.until("h.state == 'watching' && h.run.results")
    window.type("frequency", "")
    window.press("controller")
    window.page.get_by_role("option", name="Policy from a file").click()
    for text, said in (
        ("", "policy file is ''"),
        ("/etc/passwd", "policy file is '/etc/passwd'"),
        ("nowhere/policy.zip", "no policy file nowhere/policy.zip"),
    ):
        window.type("policy-file", text)
        window.press("start")
        words.said(said)
        window.until("h.state == 'watching'")
    window.press("controller")
    window.page.get_by_role("option", name="Corridor (the paper's)").click()


def test_a_start_without_a_path_or_a_selection(window):
    start, line = window.button("start"), window.button("run-words")
    if window.header["paths"][0]:
        window.press("clear-path")
    until(lambda: line.inner_text() == "Next: Draw path, from the object on; or Load a shape, on the right.")
    assert start.is_disabled() and start.get_attribute("title") == "draw or load a path first"
    window.rebuild(seed=3)
    until(lambda: line.inner_text().startswith("Next: Auto-detect"))
    assert start.is_disabled() and start.get_attribute("title") == "select the robot first"
