"""The WebSocket between one browser and the desk: packets out, signs of life and urgent words in."""

import asyncio
import contextlib
import json
import math

from starlette.websockets import WebSocket

from microtwin.errors import InputError
from microtwin.panel.desk import Desk
from microtwin.panel.messages import Drive

UNACKED = 2  # packets on their way to a browser; more would only be late
KEEP_ALIVE_S = 0.2  # without a new frame the last one goes out again: its acknowledgement is the sign of life
DEAF_S = 30.0  # a browser that has acknowledged nothing for so long is gone, or will come again


async def serve_stream(websocket: WebSocket, desk: Desk, client: str) -> None:
    """Serve a browser until it leaves. Each has its own sender: a slow one skips frames and holds nobody up.

    Words that are not understood, and a hand's commands from a client that does not hold control, do nothing.
    """
    await websocket.accept()
    link = _Link(websocket, desk)
    sender = asyncio.create_task(link.send_all(), name="panel-stream")
    try:
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            word, _, rest = (message.get("text") or "").partition(" ")
            if word == "ack":
                desk.alive(client)
                link.acknowledged()
            elif word == "stop":
                desk.stop()
            elif word == "drive" and (drive := drive_of(rest)) is not None:
                with contextlib.suppress(InputError):
                    desk.send(client, drive)
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


class _Link:
    """The way out to one browser."""

    def __init__(self, websocket: WebSocket, desk: Desk):
        self._websocket, self._desk = websocket, desk
        self._unacked = 0
        self._freed = asyncio.Event()

    def acknowledged(self) -> None:
        self._unacked = max(0, self._unacked - 1)
        self._freed.set()

    async def send_all(self) -> None:
        seq = None
        while True:
            while self._unacked >= UNACKED:
                self._freed.clear()
                try:
                    async with asyncio.timeout(DEAF_S):
                        await self._freed.wait()
                except TimeoutError:
                    await self._websocket.close(1001)
                    return
            packet = await self._desk.after(seq, KEEP_ALIVE_S) or self._desk.newest
            if packet is None:
                continue  # the engine has not sent anything yet
            seq = packet.seq
            self._unacked += 1
            await self._websocket.send_bytes(packet.data)


def drive_of(text: str) -> Drive | None:
    """The command in the JSON object after the word ``drive``; None if there is none."""
    try:
        drive = Drive(**{name: float(value) for name, value in json.loads(text).items()})
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    good = all(map(math.isfinite, (drive.heading_rad, drive.gamma_rad, drive.frequency_hz)))
    return drive if good and drive.frequency_hz >= 0.0 else None
