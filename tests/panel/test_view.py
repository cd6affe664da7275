"""The live view and the strip charts in a real browser, before a stand-in server that streams made-up packets.

This file is also that server: ``python test_view.py PORT``. NiceGUI is one for a process, so it has one of its own.
"""

import json
import math
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
SIZE = (640, 512)


def header(seq: int, **changes) -> dict:
    """One moment of a robot that pushes an object along a circle; time runs as the wall clock does."""
    turn = 0.02 * seq
    at = (320 + 150 * math.cos(turn), 256 + 150 * math.sin(turn))
    path = [(320 + 160 * math.cos(i / 16), 256 + 160 * math.sin(i / 16)) for i in range(100)]
    return {
        "seq": seq, "frame": seq, "time_s": seq / 24, "wall_s": time.time(), "backend": "sim", "state": "running",
        "reason": "", "mode": "push", "size": SIZE, "um_per_px": 0.32, "robot": (*at, 14.0),
        "objects": [(at[0] - 30 * math.sin(turn), at[1] + 30 * math.cos(turn), 15.0), (100.0, 400.0, 15.0)],
        "active": 0, "bodies": [{"x": 500.0, "y": 90.0, "r": 20.0, "kind": "cell"}], "paths": [path, None],
        "goal": path[30], "goal_index": 30, "nodes": 100,
        "corridor": [(at[0], at[1]), (at[0] + 60, at[1] + 10), (at[0] + 60, at[1] + 30), (at[0], at[1] + 20)],
        "field": {
            "alpha_deg": math.degrees(turn) % 360, "gamma_deg": 0.0 if seq // 100 % 4 == 3 else 90.0,
            "frequency_hz": 5.0, "amplitude": 1.0,
        },
        "error_um": 2 + math.sin(seq / 9), "goal_um": 40 - seq / 9 % 40,
        "coils": {"names": ["x", "y", "z"], "unit": "mT", "values": [3 * math.sin(turn), 3 * math.cos(turn), 2]},
        "latency_ms": 12 + seq % 3, "wait_ms": 3.0, "dropped": seq // 90, "jitter_ms": 1.0, "ticks_per_s": 24.0,
        "mask": [[(at[0] + 14 * math.cos(i), at[1] + 14 * math.sin(i)) for i in range(6)]], "shown": "robot",
        "masks": {}, "twin": None, "step_out_hz": 30.0, "notices": [],
        "run": {"folder": "one", "controller": "corridor", "elapsed_s": seq / 24, "limit_s": 60.0, "results": None},
    } | changes  # fmt: skip


def serve(port: int) -> None:
    """The stand-in. POST /props sets the view's attributes, /scene the header; GET /heard tells what browsers said."""
    import asyncio

    import cv2
    import numpy as np
    import uvicorn
    from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
    from nicegui import ui

    from microtwin.panel.packet import pack
    from microtwin.panel.page.microscope import MicroscopeView
    from microtwin.panel.page.strips import Strips

    app = FastAPI()
    heard: list = []
    scene: dict = {"paused": False}
    views: list[MicroscopeView] = []
    sockets: set[WebSocket] = set()
    noise = np.random.default_rng(0).normal(128, 6, (8, SIZE[1], SIZE[0])).clip(0, 255).astype(np.uint8)
    jpegs = [cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes() for picture in noise]

    async def stream(websocket: WebSocket, name: str, **changes) -> None:
        await websocket.accept()
        sockets.add(websocket)
        heard.append([name, "opened"])

        async def send() -> None:
            begin = time.monotonic()
            for seq in range(10**9):
                if not scene["paused"]:
                    more = {key: value for key, value in scene.items() if key != "paused"}
                    await websocket.send_bytes(pack(header(seq, **more, **changes), jpegs[seq % 8]))
                await asyncio.sleep(begin + (seq + 1) / 24 - time.monotonic())

        sender = asyncio.create_task(send())
        try:
            while True:
                word = await websocket.receive_text()
                heard.append([name, word] if word != "ack" else "ack")
        except WebSocketDisconnect:
            pass
        finally:
            sockets.discard(websocket)
            sender.cancel()

    @app.websocket("/stream")
    async def live(websocket: WebSocket) -> None:
        await stream(websocket, "live")

    @app.websocket("/replay/{run}")
    async def replay(websocket: WebSocket, run: str) -> None:
        none = {"names": [], "unit": "", "values": []}
        await stream(websocket, "replay", replay=True, robot=None, paths=[], coils=none)

    @app.get("/heard")
    async def tell(since: int = 0) -> list:
        return heard[since:]

    @app.post("/stop")
    async def stop() -> None:
        heard.append(["post", "stop"])

    @app.post("/scene")
    async def change(request: Request) -> None:
        scene.update(await request.json())

    @app.post("/drop")
    async def drop() -> None:
        for websocket in list(sockets):
            await websocket.close(1011)

    @app.post("/props")
    async def props(request: Request) -> None:
        for name, value in (await request.json()).items():
            for view in views:
                getattr(view, name)(value) if callable(getattr(view, name)) else setattr(view, name, value)
        for view in views:
            await view.client.run_javascript("new Promise(done => setTimeout(done))", timeout=5)  # it has taken them in

    @ui.page("/")
    def page() -> None:
        views.clear()
        ui.input("name").props("data-testid=name")
        ui.button("press me", on_click=lambda: heard.append(["button", "pressed"])).props("data-testid=button")
        with ui.element("div").style("width: 720px; height: 360px"):
            view = MicroscopeView(
                f"/stream?client={ui.context.client.id}",
                on_pick=lambda x, y, add: heard.append(["pick", x, y, add]),
                on_drawn=lambda points: heard.append(["drawn", points]),
            )
            view.operator = True
            views.append(view)
        with ui.element("div").style("width: 720px; height: 180px"):
            Strips()

    ui.run_with(app, dark=None)
    uvicorn.run(app, port=port, log_level="warning", ws="websockets-sansio")


class Server:
    """The stand-in as the tests see it."""

    def __init__(self, url: str):
        self.url = url
        self._from = 0

    def post(self, path: str, **content) -> None:
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(content).encode(), kind, method="POST")
        urllib.request.urlopen(request, timeout=5).close()

    def heard(self) -> list:
        """All but acknowledgements, since :meth:`forget`."""
        with urllib.request.urlopen(f"{self.url}/heard?since={self._from}", timeout=5) as answer:
            return [what for what in json.load(answer) if what != "ack"]

    def forget(self) -> None:
        with urllib.request.urlopen(f"{self.url}/heard", timeout=5) as answer:
            self._from = len(json.load(answer))

    def until(self, good, timeout_s: float = 5.0) -> list:
        """What was heard as soon as ``good`` of it holds."""
        end = time.monotonic() + timeout_s
        while not good(heard := self.heard()):
            assert time.monotonic() < end, f"heard only {heard}"
            time.sleep(0.03)
        return heard

    def drives(self) -> list[dict]:
        return drives(self.heard())


def drives(heard: list) -> list[dict]:
    return [json.loads(what[1][6:]) for what in heard if what[0] == "live" and what[1].startswith("drive ")]


@pytest.fixture(scope="module")
def starting():
    """The stand-in's process and its address, not yet there."""
    pytest.importorskip("nicegui", reason="the extra panel is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, str(port)])
    yield process, f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


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
    process, url = starting
    for _ in range(300):
        assert process.poll() is None, "the stand-in server ended"
        try:
            urllib.request.urlopen(f"{url}/heard", timeout=5).close()
            return Server(url)
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the stand-in server does not answer")


@pytest.fixture(scope="module")
def opened(server, browser):
    """The stand-in's page, and the JavaScript errors on it."""
    context = browser.new_context(
        viewport={"width": 800, "height": 760}, device_scale_factor=1.5, reduced_motion="reduce"
    )
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(server.url)
    yield page, errors
    context.close()


@pytest.fixture
def page(server, opened):
    """The page with a live picture; the operator's, no tool, driving off. JavaScript errors fail the test."""
    page, errors = opened
    server.post("/scene", paused=False, state="running", reason="")
    server.post("/props", operator=True, tool="none", drive=False, drive_hz=5.0, replay=None)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_function(
        """() => window.microtwin?.fps() > 0 && !window.microtwin.header.replay
                 && !document.querySelector("[data-testid=view-alarm]").textContent"""
    )
    server.forget()
    yield page
    for key in ("KeyA", "KeyD", "ArrowUp"):
        page.keyboard.up(key)
    assert not errors


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
    (_, x, y, add), (_, x2, y2, add2) = server.until(lambda heard: len(heard) == 2)
    assert (x, y) == pytest.approx((100, 400), abs=0.1) and not add
    assert (x2, y2) == pytest.approx((630, 5), abs=0.1) and add2


def test_click_beside_the_picture_says_nothing(page, server):
    server.post("/props", tool="select-robot")
    page.mouse.click(*place(page, -30, 200))
    page.mouse.click(*place(page, 20, 200))
    heard = server.until(lambda heard: heard)
    assert [round(what[1]) for what in heard] == [20]


def test_watcher_clicks_nothing_and_is_told_why(page, server):
    server.post("/props", operator=False, tool="select-robot")
    page.mouse.click(*place(page, 100, 100))
    assert "take control" in page.get_by_test_id("view-hint").inner_text()
    assert page.get_by_test_id("view-canvas").evaluate("canvas => canvas.style.cursor") == "not-allowed"
    page.wait_for_timeout(100)
    assert server.heard() == []


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
    (heard,) = server.until(lambda heard: heard)
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
    (heard,) = server.until(lambda heard: heard)
    assert 100 < len(heard[1]) <= 400
    assert max(x for x, _ in heard[1]) == pytest.approx(619, abs=2), "the end was cut off"
    assert math.dist(heard[1][-1], zigzag[0]) < 1.5  # where the button was let go


def test_escape_forgets_the_stroke(page, server):
    server.post("/props", tool="draw")
    draw(page, [(100, 100), (400, 100)], let_go=False)
    page.keyboard.press("Escape")
    page.mouse.up()
    draw(page, [(50, 50), (50, 90)])
    (heard,) = server.until(lambda heard: heard)
    assert math.dist(heard[1][0], (50, 50)) < 1.5


def test_space_stops_also_in_an_input_and_on_a_button(page, server):
    page.get_by_test_id("name").click()
    page.keyboard.type("a b")
    server.until(lambda heard: heard == [["live", "stop"]])
    assert page.get_by_test_id("name").input_value() == "ab"
    page.get_by_test_id("button").focus()
    page.keyboard.press("Space")
    page.wait_for_timeout(100)
    assert server.heard() == [["live", "stop"]] * 2, "the button was pressed too"


def test_anyone_may_stop(page, server):
    server.post("/props", operator=False)
    page.evaluate("window.microtwin.stop()")
    server.until(lambda heard: heard == [["live", "stop"]])


def test_held_key_drives_and_its_release_is_said_once(page, server):
    server.post("/props", drive=True, drive_hz=7.0)
    page.keyboard.down("ArrowUp")
    server.until(lambda heard: len(drives(heard)) > 4)  # renewed while it is held
    page.keyboard.down("KeyD")
    page.wait_for_timeout(60)
    page.keyboard.up("ArrowUp")
    page.keyboard.up("KeyD")
    page.wait_for_timeout(250)
    said = server.drives()
    assert [drive["frequency_hz"] for drive in said] == [0.0] + [7.0] * (len(said) - 2) + [0.0]
    headings = [round(math.degrees(drive["heading_rad"])) for drive in said[1:-1]]
    assert headings == sorted(headings, reverse=True) and set(headings) == {90, 45, 0}
    assert all(drive["gamma_rad"] == pytest.approx(math.pi / 2) for drive in said)


@pytest.mark.parametrize(("key", "gamma_deg"), [("KeyQ", 0), ("KeyE", 180)])
def test_q_and_e_spin(page, server, key, gamma_deg):
    server.post("/props", drive=True)
    page.keyboard.down(key)
    page.wait_for_timeout(50)
    page.keyboard.up(key)
    said = drives(server.until(lambda heard: len(drives(heard)) > 2))
    assert math.degrees(said[1]["gamma_rad"]) == pytest.approx(gamma_deg)


def held(page) -> None:
    page.keyboard.down("KeyA")
    page.wait_for_timeout(50)


@pytest.mark.parametrize("why", ["blur", "tool", "drive", "operator"])
def test_hand_lets_go_when_it_may_drive_no_longer(page, server, why):
    server.post("/props", drive=True)
    held(page)
    if why == "blur":
        page.evaluate("window.dispatchEvent(new Event('blur'))")
    else:
        server.post("/props", **{why: {"tool": "draw", "drive": False, "operator": False}[why]})
    server.until(lambda heard: drives(heard)[-1]["frequency_hz"] == 0 and len(drives(heard)) > 2)
    count = len(server.drives())
    page.keyboard.down("KeyA")  # the key's own repeat: it was never let go
    page.wait_for_timeout(200)
    assert len(server.drives()) == count


def test_key_held_through_a_stop_drives_no_more(page, server):
    server.post("/props", drive=True)
    held(page)
    page.keyboard.press("Space")
    server.until(lambda heard: ["live", "stop"] in heard)
    page.keyboard.down("KeyA")
    page.wait_for_timeout(200)
    after = server.heard()
    after = after[after.index(["live", "stop"]) :]
    assert [drive["frequency_hz"] for drive in drives(after)] == [0.0]
    page.keyboard.up("KeyA")
    page.keyboard.down("KeyA")
    server.until(lambda heard: drives(heard)[-1]["frequency_hz"] > 0)


def test_letters_in_an_input_do_not_drive(page, server):
    server.post("/props", drive=True)
    page.get_by_test_id("name").fill("")
    page.keyboard.type("wasd")
    assert page.get_by_test_id("name").input_value() == "wasd"
    assert server.drives() == []


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
    page.wait_for_timeout(150)
    assert server.drives() == [], "a stick that was not at rest first must not drive"
    pad(0.1, 0.2)
    page.wait_for_timeout(150)
    assert server.drives() == [], "dead zone"
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
    page.wait_for_timeout(150)
    heard = server.heard()
    assert heard.count(["live", "stop"]) == 1
    assert drives(heard)[-1]["frequency_hz"] == 0.0, "a stick held through a stop must not drive"
    page.evaluate("window.pad = null")
    page.wait_for_function("document.querySelector('[data-testid=gamepad]').textContent === ''")


@pytest.mark.parametrize("operator", [True, False])
def test_who_takes_control_says_that_nothing_is_held(page, server, operator):
    server.post("/props", operator=not operator)
    server.forget()
    server.post("/props", operator=operator)
    page.wait_for_timeout(100)
    assert [drive["frequency_hz"] for drive in server.drives()] == ([0.0] if operator else [])


def test_lost_connection_is_said_and_mended(page, server):
    lamp, alarm = page.get_by_test_id("field-lamp"), page.get_by_test_id("view-alarm")
    assert lamp.inner_text() == "FIELD ON"
    server.post("/props", drive=True)
    held(page)
    seq = page.evaluate("window.microtwin.header.seq")
    server.forget()
    server.post("/drop")
    page.wait_for_function("document.querySelector('[data-testid=view-alarm]').textContent.includes('connection lost')")
    assert lamp.inner_text() == "field unknown"
    page.wait_for_function("document.querySelector('[data-testid=view-alarm]').textContent === ''")
    assert lamp.inner_text() == "FIELD ON" and not alarm.is_visible()
    heard = server.until(lambda heard: ["live", "opened"] in heard and drives(heard))
    after = heard[heard.index(["live", "opened"]) :]
    assert [drive["frequency_hz"] for drive in drives(after)] == [0.0], "what was held must be let go, and said"
    # the stand-in counts from 0 again, as an engine does that was opened anew
    assert page.evaluate("window.microtwin.header.seq") < seq
    drawn = page.get_by_test_id("view-canvas").evaluate("canvas => canvas.toDataURL()")
    page.wait_for_function(f"document.querySelector('[data-testid=view-canvas]').toDataURL() !== {json.dumps(drawn)}")


def test_stop_goes_by_the_other_way_when_the_stream_is_silent(page, server):
    server.post("/scene", paused=True)
    page.wait_for_timeout(1150)
    page.keyboard.press("Space")
    server.until(lambda heard: ["post", "stop"] in heard)


def test_broken_rig_is_said_in_words(page, server):
    server.post("/scene", state="broken", reason="the camera is gone")
    alarm = page.get_by_test_id("view-alarm")
    page.wait_for_function("document.querySelector('[data-testid=view-alarm]').textContent.includes('camera')")
    assert alarm.inner_text() == "broken: the camera is gone"


def test_replay_is_shown_while_the_live_stream_goes_on(page, server):
    server.post("/props", tool="select-robot", replay="/replay/one?client=x")
    page.wait_for_function("window.microtwin.header?.replay === true")
    assert page.get_by_test_id("field-lamp").inner_text() == "LIVE FIELD ON"
    page.mouse.click(*place(page, 100, 100))
    server.post("/props", say="pause")
    page.keyboard.press("Space")
    heard = server.until(lambda heard: ["live", "stop"] in heard and ["replay", "pause"] in heard)
    assert not any(what[0] == "pick" for what in heard)
    assert page.evaluate("window.microtwin.live.replay") is None


def pixels(page) -> str:
    """The view's canvas, once it is drawn."""
    return page.evaluate(
        """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() =>
             done(document.querySelector("[data-testid=view-canvas]").toDataURL()))))"""
    )


def pause(page, server) -> None:
    """Hold the newest frame, so that nothing but the test changes the picture."""
    server.post("/scene", paused=True)
    page.wait_for_timeout(150)


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
    words = page.evaluate(f"{STRIPS}.ariaLabel")
    assert "error" in words and "mT" in words and "latency" in words


def test_strips_show_of_a_replay_what_was_recorded(page, server):
    server.post("/props", replay="/replay/one?client=x")
    page.wait_for_function(f"!{STRIPS}.ariaLabel.includes('latency')", timeout=10_000)
    words = page.evaluate(f"{STRIPS}.ariaLabel")
    assert "error" in words and "coils" not in words and "dropped" not in words


def test_view_draws_every_new_picture(page):
    """Last: by now it has been drawing for a while."""
    page.wait_for_function("window.microtwin.fps() > 18", timeout=15_000)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
