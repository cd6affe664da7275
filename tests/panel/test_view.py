"""The live view and the strip charts in a real browser, before a stand-in server that streams made-up packets."""

import json
import math
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from .view_stand_in import SIZE
from .waiting import PATIENCE_S, until

CHROMIUM = Path("/usr/bin/chromium")

# What a test must know of the page, and no user: its lines, pictures and words as they came and went.
WATCHED = """() => {
    window.lines = [];
    window.WebSocket = class extends WebSocket {
        constructor(...where) { super(...where); window.lines.push(this); }
    };
    window.decoding = window.pictures = 0;
    const decode = window.createImageBitmap, draw = CanvasRenderingContext2D.prototype.drawImage;
    window.createImageBitmap = async (...picture) => {
        window.decoding += 1;
        try { return await decode(...picture); } finally { window.decoding -= 1; }
    };
    CanvasRenderingContext2D.prototype.drawImage = function (picture, ...where) {
        if (picture !== window.drawn) window.pictures += 1;
        window.drawn = picture;
        draw.call(this, picture, ...where);
    };
    window.addEventListener("microtwin-packet", () => { window.heard_ms = performance.now(); });
    window.words = {};
    const look = () => {
        for (const name of ["view-hint", "view-alarm", "field-lamp"]) {
            const text = document.querySelector(`[data-testid=${name}]`)?.textContent;
            const said = (window.words[name] ??= []);
            if (text && text !== said.at(-1)) said.push(text);
        }
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, characterData: true });
}"""
# A word over the view's line, of which nothing is known here; whether it went.
SAY = """word => {
    const line = window.lines.findLast((one) => one.readyState === 1 && one.url.includes("/stream"));
    line?.send(word);
    return Boolean(line);
}"""


class Server:
    """The stand-in as the tests see it."""

    def __init__(self, url: str):
        self.url = url
        self._from = self._marks = 0

    def post(self, path: str, **content):
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(content).encode(), kind, method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def heard(self, posted: bool = False) -> list:
        """What was said since :meth:`forget`, but acknowledgements, marks, and what came as a request of its own."""
        return [what for what in self._all(self._from) if what[0] != "post" or posted]

    def said(self, page) -> list:
        """All that the page has said by now; what is still on its way is waited for."""
        self._marks += 1
        mark = f"mark {self._marks}"
        until(lambda: page.evaluate(SAY, mark) and ["live", mark] in self._all(self._from, marks=True))
        return self.heard()

    def forget(self, page) -> None:
        self.said(page)
        with urllib.request.urlopen(f"{self.url}/heard", timeout=PATIENCE_S) as answer:
            self._from = len(json.load(answer))

    def until(self, good, posted: bool = False) -> list:
        """What was heard as soon as ``good`` of it holds."""
        until(lambda: good(self.heard(posted)), lambda: f"heard only {self.heard(posted)}")
        return self.heard(posted)

    def _all(self, since: int, marks: bool = False) -> list:
        with urllib.request.urlopen(f"{self.url}/heard?since={since}", timeout=PATIENCE_S) as answer:
            heard = [what for what in json.load(answer) if what != "ack"]
        return [what for what in heard if marks or not str(what[1]).startswith("mark ")]


def drives(heard: list) -> list[dict]:
    return [json.loads(what[1][6:]) for what in heard if what[0] == "live" and what[1].startswith("drive ")]


def frequencies(heard: list) -> list[float]:
    return [drive["frequency_hz"] for drive in drives(heard)]


def of(kind: str, heard: list) -> list:
    return [what for what in heard if what[0] == kind]


@pytest.fixture(scope="module")
def starting():
    """The stand-in's process, which says its port once it is there."""
    pytest.importorskip("nicegui", reason="the extra panel is not installed")
    command = [sys.executable, str(Path(__file__).with_name("view_stand_in.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.terminate()


@pytest.fixture(scope="module")
def browser(starting):
    """Chromium, which starts while the server does."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server(starting, browser):
    port = starting.stdout.readline().strip()
    assert port, "the stand-in server ended"
    return Server(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def opened(server, browser):
    """The stand-in's page, and the JavaScript errors on it."""
    context = browser.new_context(
        viewport={"width": 800, "height": 760}, device_scale_factor=1.5, reduced_motion="reduce"
    )
    context.set_default_timeout(1000 * PATIENCE_S)
    context.add_init_script(f"({WATCHED})()")
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(server.url)
    page.wait_for_function("window.microtwin?.fps() > 0")
    yield page, errors
    context.close()


@pytest.fixture
def page(server, opened):
    """The page with a live picture; the operator's, no tool, driving off. JavaScript errors fail the test."""
    page, errors = opened
    server.post("/scene", paused=False, silent=False, ahead=0, state="running", reason="")
    server.post("/props", operator=True, tool="none", drive=False, drive_hz=5.0, replay=None)
    page.evaluate("document.activeElement.blur(); window.words = {}")
    page.wait_for_function(
        """() => window.microtwin.fps() > 0 && !window.microtwin.header.replay
                 && !document.querySelector("[data-testid=view-alarm]").textContent"""
    )
    server.forget(page)
    yield page
    for key in ("KeyA", "KeyD", "ArrowUp"):
        page.keyboard.up(key)
    assert not errors


def wait_for_word(page, name: str, text: str) -> None:
    """Until it was on the page, were it for a moment."""
    page.wait_for_function("([name, text]) => window.words[name]?.some((one) => one.includes(text))", arg=[name, text])


def wait_for_text(page, name: str, text: str) -> None:
    query = "([name, text]) => document.querySelector(`[data-testid=${name}]`).textContent === text"
    page.wait_for_function(query, arg=[name, text])


def pass_time(page, ms: float) -> None:
    """By the page's own clock: what it had to do in that time, it has done."""
    page.evaluate("ms => new Promise((done) => setTimeout(done, ms))", ms)


def pass_frames(page, count: int = 6) -> None:
    """The page has looked at its gamepad so often."""
    page.evaluate(
        """count => new Promise((done) => {
            const next = () => (count-- ? requestAnimationFrame(next) : done());
            next();
        })""",
        count,
    )


def place(page, x: float, y: float) -> tuple[float, float]:
    """Where on the page the middle of a pixel of the picture is: letterboxed in 720 × 360."""
    box = page.get_by_test_id("view-canvas").bounding_box()
    scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
    left, top = (box["width"] - scale * SIZE[0]) / 2, (box["height"] - scale * SIZE[1]) / 2
    return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale


def test_click_tells_the_pixel_of_the_scaled_picture(page, server):
    server.post("/props", tool="select-object")
    page.mouse.click(*place(page, 100, 400))
    page.keyboard.down("Shift")
    page.mouse.click(*place(page, 630, 5))
    page.keyboard.up("Shift")
    (_, x, y, add), (_, x2, y2, add2) = of("pick", server.until(lambda heard: len(of("pick", heard)) == 2))
    assert (x, y) == pytest.approx((100, 400), abs=0.1) and not add
    assert (x2, y2) == pytest.approx((630, 5), abs=0.1) and add2


def test_click_beside_the_picture_says_nothing(page, server):
    server.post("/props", tool="select-robot")
    page.mouse.click(*place(page, -30, 200))
    page.mouse.click(*place(page, 20, 200))
    heard = server.until(lambda heard: of("pick", heard))
    assert [round(what[1]) for what in of("pick", heard)] == [20]


def test_watcher_clicks_nothing_and_is_told_why(page, server):
    server.post("/props", operator=False, tool="select-robot")
    page.mouse.click(*place(page, 100, 100))
    wait_for_word(page, "view-hint", "take control")
    assert page.get_by_test_id("view-canvas").evaluate("canvas => canvas.style.cursor") == "not-allowed"
    server.post("/props", operator=True)
    page.mouse.click(*place(page, 200, 200))
    heard = server.until(lambda heard: of("pick", heard))
    assert [round(what[1]) for what in of("pick", heard)] == [200]  # of the operator's click alone


def draw(page, corners, let_go=True) -> None:
    page.mouse.move(*place(page, *corners[0]))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*place(page, *corner), steps=8)
    if let_go:
        page.mouse.up()


def test_stroke_becomes_its_corners(page, server):
    server.post("/props", tool="draw")
    corners = [(100, 100), (400, 100), (400, 300)]
    draw(page, corners)
    (heard,) = of("drawn", server.until(lambda heard: of("drawn", heard)))
    assert heard[0] == "drawn" and 3 <= len(heard[1]) <= 12
    points = heard[1]
    for corner, point in (
        (corners[0], points[0]),
        (corners[1], min(points, key=lambda point: math.dist(point, corners[1]))),
        (corners[2], points[-1]),
    ):
        assert math.dist(point, corner) < 1.5


def test_long_stroke_is_thinned(page, server):
    server.post("/props", tool="draw")
    zigzag = [(20 + i, 100 + 300 * (i % 2)) for i in range(600)]
    x, y = place(page, *zigzag[0])
    page.mouse.move(x, y)
    page.mouse.down()
    # as many events as a slow hand makes, without the time it takes
    scale = place(page, 1, 0)[0] - place(page, 0, 0)[0]
    places = [(x + (a - 20) * scale, y + (b - 100) * scale) for a, b in zigzag]
    page.get_by_test_id("view-canvas").evaluate(
        """(canvas, places) => { for (const [clientX, clientY] of places)
             canvas.dispatchEvent(new PointerEvent("pointermove", {pointerId: 1, clientX, clientY})) }""",
        places,
    )
    page.mouse.up()
    (heard,) = of("drawn", server.until(lambda heard: of("drawn", heard)))
    assert 100 < len(heard[1]) <= 400
    assert max(x for x, _ in heard[1]) == pytest.approx(619, abs=2), "the end was cut off"
    assert math.dist(heard[1][-1], zigzag[0]) < 1.5  # where the button was let go


def test_escape_forgets_the_stroke(page, server):
    server.post("/props", tool="draw")
    draw(page, [(100, 100), (400, 100)], let_go=False)
    page.keyboard.press("Escape")
    page.mouse.up()
    draw(page, [(50, 50), (50, 90)])
    (heard,) = of("drawn", server.until(lambda heard: of("drawn", heard)))
    assert math.dist(heard[1][0], (50, 50)) < 1.5


def test_space_stops_also_in_an_input_and_on_a_button(page, server):
    page.get_by_test_id("name").click()
    page.keyboard.type("a b")
    server.until(lambda heard: heard.count(["live", "stop"]) == 1)
    assert page.get_by_test_id("name").input_value() == "ab"
    page.get_by_test_id("button").focus()
    page.keyboard.press("Space")
    server.until(lambda heard: heard.count(["live", "stop"]) == 2)
    page.get_by_test_id("button").click()
    heard = server.until(lambda heard: of("button", heard))
    assert len(of("button", heard)) == 1, "the space key pressed the button too"
    assert heard.count(["live", "stop"]) == 2


def test_anyone_may_stop(page, server):
    server.post("/props", operator=False)
    page.evaluate("window.microtwin.stop()")
    server.until(lambda heard: ["live", "stop"] in heard)


def test_held_key_drives_and_its_release_is_said_once(page, server):
    server.post("/props", drive=True, drive_hz=7.0)
    page.keyboard.down("ArrowUp")
    server.until(lambda heard: len(drives(heard)) > 4)  # renewed while it is held
    page.keyboard.down("KeyD")
    page.keyboard.up("ArrowUp")
    page.keyboard.up("KeyD")
    pass_time(page, 150)  # when it would be renewed
    said = drives(server.said(page))
    assert [drive["frequency_hz"] for drive in said] == [0.0] + [7.0] * (len(said) - 2) + [0.0]
    headings = [round(math.degrees(drive["heading_rad"])) for drive in said[1:-1]]
    assert headings == sorted(headings, reverse=True) and set(headings) == {90, 45, 0}
    assert all(drive["gamma_rad"] == pytest.approx(math.pi / 2) for drive in said)


@pytest.mark.parametrize(("key", "gamma_deg"), [("KeyQ", 0), ("KeyE", 180)])
def test_q_and_e_spin(page, server, key, gamma_deg):
    server.post("/props", drive=True)
    page.keyboard.down(key)
    page.keyboard.up(key)
    said = drives(server.until(lambda heard: len(drives(heard)) > 2))
    assert math.degrees(said[1]["gamma_rad"]) == pytest.approx(gamma_deg)


def held(page, server) -> None:
    """A key is held, and has begun to drive."""
    page.keyboard.down("KeyA")
    server.until(lambda heard: any(frequencies(heard)))


@pytest.mark.parametrize("why", ["blur", "tool", "drive", "operator"])
def test_hand_lets_go_when_it_may_drive_no_longer(page, server, why):
    server.post("/props", drive=True)
    held(page, server)
    if why == "blur":
        page.evaluate("window.dispatchEvent(new Event('blur'))")
    else:
        server.post("/props", **{why: {"tool": "draw", "drive": False, "operator": False}[why]})
    server.until(lambda heard: frequencies(heard)[-1] == 0)
    count = len(frequencies(server.said(page)))
    page.keyboard.down("KeyA")  # the key's own repeat: it was never let go
    pass_time(page, 150)
    assert not any(frequencies(server.said(page))[count:])


def test_key_held_through_a_stop_drives_no_more(page, server):
    server.post("/props", drive=True)
    held(page, server)
    page.keyboard.press("Space")
    server.until(lambda heard: ["live", "stop"] in heard)
    page.keyboard.down("KeyA")
    pass_time(page, 150)
    heard = server.said(page)
    after = frequencies(heard[heard.index(["live", "stop"]) :])
    assert after and not any(after)
    page.keyboard.up("KeyA")
    page.keyboard.down("KeyA")
    server.until(lambda heard: frequencies(heard)[-1] > 0)


def test_letters_in_an_input_do_not_drive(page, server):
    server.post("/props", drive=True)
    page.get_by_test_id("name").fill("")
    page.keyboard.type("wasd")
    assert page.get_by_test_id("name").input_value() == "wasd"
    assert not any(frequencies(server.said(page)))


PAD = """(state) => {
    navigator.getGamepads = () => window.pad ? [window.pad] : [];
    window.pad = {id: "Test Pad", mapping: "standard", connected: true, axes: [state.x, state.y, 0, 0],
                  buttons: Array.from({length: 17}, (_, i) => ({pressed: state.on.includes(i), value: 0}))};
    window.dispatchEvent(new Event("gamepadconnected"));
}"""


def test_gamepad_drives_spins_and_stops(page, server):
    server.post("/props", drive=True, drive_hz=10.0)

    def pad(x=0.0, y=0.0, on=()):
        page.evaluate(PAD, {"x": x, "y": y, "on": list(on)})

    def said(**wanted):
        """Wait until the last thing said is that."""
        last = pytest.approx({"heading_rad": 0.0, "gamma_rad": math.pi / 2, "frequency_hz": 10.0} | wanted, abs=0.05)
        server.until(lambda heard: drives(heard)[-1:] == [last])

    pad(0.9, 0.0)
    page.wait_for_function("document.querySelector('[data-testid=gamepad]').textContent.includes('Test Pad')")
    pass_frames(page)
    assert not any(frequencies(server.said(page))), "a stick that was not at rest first must not drive"
    pad(0.1, 0.2)
    pass_frames(page)
    assert not any(frequencies(server.said(page))), "dead zone"
    pad(0.0, -1.0)
    said(heading_rad=math.pi / 2)
    pad(-0.251, 0.0)
    said(heading_rad=-math.pi, frequency_hz=3.0)
    pad(on=[4])
    said(gamma_rad=0.0)
    pad(on=[7])
    said(gamma_rad=math.pi)
    pad()
    said(frequency_hz=0.0)
    pad(0.0, 1.0, on=[1])
    server.until(lambda heard: ["live", "stop"] in heard)
    pass_frames(page)
    heard = server.said(page)
    assert heard.count(["live", "stop"]) == 1
    after = heard[heard.index(["live", "stop"]) :]
    assert not any(frequencies(after)), "a stick held through a stop must not drive"
    page.evaluate("window.pad = null")
    wait_for_text(page, "gamepad", "")


@pytest.mark.parametrize("operator", [True, False])
def test_who_takes_control_says_that_nothing_is_held(page, server, operator):
    server.post("/props", operator=not operator)
    server.forget(page)
    server.post("/props", operator=operator)
    assert set(frequencies(server.said(page))) == ({0.0} if operator else set())


def test_lost_connection_is_said_and_mended(page, server):
    wait_for_text(page, "field-lamp", "FIELD ON")
    server.post("/props", drive=True)
    far = 10**6
    server.post("/scene", ahead=far)
    page.wait_for_function(f"window.microtwin.header.seq >= {far}")
    held(page, server)
    server.forget(page)
    server.post("/scene", ahead=0)  # as an engine counts that was opened anew
    server.post("/drop")
    wait_for_word(page, "view-alarm", "connection lost")
    wait_for_word(page, "field-lamp", "field unknown")
    wait_for_text(page, "view-alarm", "")
    wait_for_text(page, "field-lamp", "FIELD ON")
    assert not page.get_by_test_id("view-alarm").is_visible()
    heard = server.until(lambda heard: ["live", "opened"] in heard and drives(heard[heard.index(["live", "opened"]) :]))
    after = heard[heard.index(["live", "opened"]) :]
    assert set(frequencies(after)) == {0.0}, "what was held must be let go, and said"
    page.wait_for_function(f"window.microtwin.header.seq < {far}")
    drawn = page.evaluate("window.pictures")
    page.wait_for_function(f"window.pictures > {drawn} + 1")


def test_stop_goes_by_the_other_way_when_the_stream_is_silent(page, server):
    server.post("/scene", silent=True)
    page.wait_for_function(  # at once when it counts as silent: later the line counts as lost
        """() => performance.now() - window.heard_ms > 1050
                 && window.dispatchEvent(new KeyboardEvent("keydown", {code: "Space"}))"""
    )
    server.until(lambda heard: ["post", "stop"] in heard, posted=True)


def test_broken_rig_is_said_in_words(page, server):
    server.post("/scene", state="broken", reason="the camera is gone")
    wait_for_text(page, "view-alarm", "broken: the camera is gone")


def test_replay_is_shown_while_the_live_stream_goes_on(page, server):
    server.post("/props", tool="select-robot", replay="/replay/one?client=x")
    page.wait_for_function("window.microtwin.header?.replay === true")
    wait_for_text(page, "field-lamp", "LIVE FIELD ON")
    page.mouse.click(*place(page, 100, 100))
    server.post("/props", say="pause")
    page.keyboard.press("Space")
    heard = server.until(lambda heard: ["live", "stop"] in heard and ["replay", "pause"] in heard)
    assert not of("pick", heard)
    assert page.evaluate("window.microtwin.live.replay") is None


def pixels(page) -> str:
    """The view's canvas, once it is drawn."""
    return page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
             done(document.querySelector("[data-testid=view-canvas]").toDataURL()))))"""
    )


def pause(page, server) -> None:
    """Hold the newest frame, so that nothing but the test changes the picture."""
    sent = server.post("/scene", paused=True)
    page.wait_for_function(
        """sent => window.microtwin.live.seq === sent.live && window.decoding === 0
                   && (!window.microtwin.header.replay || window.microtwin.header.seq === sent.replay)""",
        arg=sent,
    )


def test_letter_hides_a_layer(page, server):
    pause(page, server)
    before = pixels(page)
    page.keyboard.press("KeyP")
    assert pixels(page) != before
    page.keyboard.press("KeyP")
    assert pixels(page) == before


@pytest.mark.parametrize("replay", [None, "/replay/one?client=x"])
def test_scale_bar_is_drawn_where_the_picture_has_none(page, server, replay):
    server.post("/props", replay=replay)
    page.wait_for_function(f"Boolean(window.microtwin.header?.replay) === {json.dumps(bool(replay))}")
    pause(page, server)
    before = pixels(page)
    page.keyboard.press("KeyL")
    without = pixels(page)
    page.keyboard.press("KeyL")
    assert (without != before) == (replay is None)


STRIPS = "document.querySelector('[data-testid=strips] canvas')"


def test_strips_draw_and_speak(page):
    before = page.evaluate(f"{STRIPS}.toDataURL()")
    page.wait_for_function(f"{STRIPS}.toDataURL() !== {json.dumps(before)}")
    page.wait_for_function(f"['error', 'mT', 'latency'].every((word) => {STRIPS}.ariaLabel.includes(word))")


def test_strips_show_of_a_replay_what_was_recorded(page, server):
    server.post("/props", replay="/replay/one?client=x")
    page.wait_for_function(
        f"""{STRIPS}.ariaLabel.includes("error")
            && !["latency", "coils", "dropped"].some((word) => {STRIPS}.ariaLabel.includes(word))"""
    )


def test_view_draws_every_new_picture(page, server):
    pause(page, server)
    pixels(page)
    for _ in range(20):
        before = page.evaluate("window.pictures")
        server.post("/one")
        page.wait_for_function(f"window.pictures === {before} + 1")
