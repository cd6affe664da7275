"""The WebSocket to one browser: packets out, acknowledgements and words in; live here, recorded in ``replay``."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncGenerator, Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from microtwin.errors import InputError
from microtwin.panel.messages import Drive
from microtwin.panel.server.desk import Desk

UNACKED = 2  # packets on their way to a browser; more would only be late
KEEP_ALIVE_S = 0.2  # without a new frame the last one goes out again: its acknowledgement is the sign of life
DEAF_S = 30.0  # a browser that has acknowledged nothing for so long is gone, or will come again


async def serve_stream(websocket: WebSocket, desk: Desk, client: str) -> None:
    """What the engine sends, to a browser until it leaves.

    Words that are not understood, and a hand's commands from a client that does not hold control, do nothing.
    """

    def hear(words: str) -> None:
        word, _, rest = words.partition(" ")
        if word == "ack":
            desk.alive(client)
        elif word == "stop":
            desk.stop()
        elif word == "drive" and (drive := drive_of(rest)) is not None:
            with contextlib.suppress(InputError):
                desk.send(client, drive)

    await websocket.accept()
    await carry(websocket, _live(desk), hear)


async def carry(websocket: WebSocket, packets: AsyncGenerator[bytes, None], hear: Callable[[str], None]) -> None:
    """Send packets, and hand over all that the browser says, until it leaves, or is deaf.

    ``packets`` gives the newest when it is asked, which is when there is room on the way: who is slow skips frames, and
    holds nobody up.
    """
    line = _Line(websocket, packets, hear)
    tasks = [asyncio.create_task(part, name="panel-stream") for part in (line.send(), line.hear())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await packets.aclose()
    for end in ends:
        if isinstance(end, Exception):
            raise end


class _Line:
    """Both ways of one WebSocket."""

    def __init__(self, websocket: WebSocket, packets: AsyncGenerator[bytes, None], hear: Callable[[str], None]):
        self._websocket, self._packets, self._hear = websocket, packets, hear
        self._unacked, self._room = 0, asyncio.Event()

    async def send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):  # gone between two packets
            while True:
                while self._unacked >= UNACKED:
                    self._room.clear()
                    try:
                        async with asyncio.timeout(DEAF_S):
                            await self._room.wait()
                    except TimeoutError:
                        await self._websocket.close(1001)
                        return
                packet = await anext(self._packets)
                self._unacked += 1
                await self._websocket.send_bytes(packet)

    async def hear(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            words = message.get("text") or ""
            if words == "ack":
                self._unacked = max(0, self._unacked - 1)
                self._room.set()
            self._hear(words)


async def _live(desk: Desk) -> AsyncGenerator[bytes, None]:
    seq = None
    while True:
        packet = await desk.after(seq, KEEP_ALIVE_S) or desk.newest
        if packet is not None:  # else the engine has not sent anything yet
            seq = packet.seq
            yield packet.data


def drive_of(text: str) -> Drive | None:
    """The command in the JSON object after the word ``drive``; None if there is none."""
    try:
        drive = Drive(**{name: float(value) for name, value in json.loads(text).items()})
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return None
    good = all(map(math.isfinite, (drive.heading_rad, drive.gamma_rad, drive.frequency_hz)))
    return drive if good and drive.frequency_hz >= 0.0 else None
