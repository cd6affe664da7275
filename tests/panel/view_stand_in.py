"""A stand-in for the panel's server, for the live view alone: says its port, and streams made-up packets.

NiceGUI is one for a process, so this has one of its own: ``python view_stand_in.py``.
"""

import asyncio
import math
import socket
import time

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


def serve() -> None:
    """POST /props sets the view's attributes, /scene what is sent; GET /heard tells what browsers said."""
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
    scene: dict = {}  # changes of the header
    play = {"paused": False, "silent": False, "ahead": 0}  # ahead: numbers of packets begin there
    sent: dict[str, int] = {}  # the last packet's number of each stream
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
            number, packet = -1, b""
            for tick in range(10**9):
                wanted = sent.get(name, 0) if play["paused"] else play["ahead"] + tick
                if wanted != number:
                    number = sent[name] = wanted
                    packet = pack(header(number, **scene, **changes), jpegs[number % 8])
                if not play["silent"]:  # in a pause the last one again, as the panel's server does
                    await websocket.send_bytes(packet)
                await asyncio.sleep(begin + (tick + 1) / 24 - time.monotonic())

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
    async def change(request: Request) -> dict[str, int]:
        for key, value in (await request.json()).items():
            (play if key in play else scene)[key] = value
        return sent

    @app.post("/one")
    async def one() -> None:
        """One packet more, in a pause."""
        sent["live"] += 1

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
            await view.client.run_javascript(
                "new Promise(done => setTimeout(done))", timeout=120
            )  # it has taken them in

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

    ui.run_with(app, dark=None, reconnect_timeout=120.0)
    config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    serve()
