"""A finger on a screen: tap the robot, tap the object, draw the path."""

import math

import pytest

from .window import SMALL


class Fingers:
    """Touch events as a screen sends them, through Chromium's own input."""

    def __init__(self, window):
        self.window = window
        self._send = window.page.context.new_cdp_session(window.page).send
        self._down: dict[int, tuple[float, float]] = {}

    def _tell(self, kind: str, fingers: dict[int, tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in fingers.items()]
        self._send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def down(self, place: tuple[float, float], finger: int = 0) -> None:
        self._down[finger] = self.window.on_page(*place)
        self._tell("touchStart", self._down)

    def move(self, place: tuple[float, float], finger: int = 0) -> None:
        self._down[finger] = self.window.on_page(*place)
        self._tell("touchMove", self._down)

    def up(self, finger: int = 0) -> None:
        self._tell("touchEnd", {finger: self._down.pop(finger)})  # of those that go

    def tap(self, place: tuple[float, float]) -> None:
        self.down(place)
        self.up()


@pytest.fixture(params=["landscape", "portrait"])
def window(panel, visit, request):
    """A tablet, or a phone, whose page is longer than its screen."""
    size = SMALL if request.param == "landscape" else {"width": 412, "height": 800}
    window = visit(panel.url, size, has_touch=True, is_mobile=True)
    window.take_control()
    return window


SCROLLED = "() => [scrollX, scrollY, visualViewport.scale, visualViewport.offsetLeft, visualViewport.offsetTop]"


def test_tap_the_robot_tap_the_object_draw_the_path(window):
    fingers = Fingers(window)
    window.button("detect").tap()
    window.until("h.bodies.some(b => b.kind == 'robot') && h.bodies.some(b => b.kind == 'cargo')")
    robot = next((b["x"], b["y"]) for b in window.header["bodies"] if b["kind"] == "robot")
    cargo = [(b["x"], b["y"]) for b in window.header["bodies"] if b["kind"] == "cargo"]
    far = max(cargo, key=lambda place: math.dist(place, robot))  # not the one that Auto-detect takes
    window.tool("robot")
    fingers.tap(robot)
    window.tool("object")
    fingers.tap(far)
    x, y = far
    window.until(f"h.robot && h.objects.length == 1 && Math.hypot(h.objects[0][0] - {x}, h.objects[0][1] - {y}) < 8")

    window.tool("draw")
    before = window.page.evaluate(SCROLLED)
    middle = tuple(length / 2 for length in window.header["size"])
    stroke = [tuple(p + (m - p) * k / 12 for p, m in zip(far, middle, strict=True)) for k in range(13)]
    fingers.down(stroke[0])
    for place in stroke[1:7]:
        fingers.move(place)
    fingers.down((40.0, 40.0), finger=1)  # the other hand comes down, moves and goes
    fingers.move((600.0, 480.0), finger=1)
    fingers.move(stroke[7])
    fingers.up(finger=1)
    for place in stroke[8:]:
        fingers.move(place)
    fingers.up()
    window.until("h.paths[0]")
    path = window.header["paths"][0]
    assert max(min(math.dist(node, place) for place in stroke) for node in path) < 20, "the second finger drew too"
    assert math.dist(path[-1], middle) < 3
    assert window.page.evaluate(SCROLLED) == before, "the page moved under the finger"


def test_a_finger_on_the_pad_drives_until_it_is_lifted(window):
    window.button("detect").tap()
    window.until("h.robot")
    window.button("drive").tap()
    pad = window.button("pad-east")
    window.page.wait_for_selector("[data-testid=pad-east]:not([disabled])")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    send = window.page.context.new_cdp_session(window.page).send
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    window.until("h.state == 'driving' && h.field.amplitude > 0 && Math.abs(h.field.alpha_deg) < 1")
    send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    window.stays_off()
