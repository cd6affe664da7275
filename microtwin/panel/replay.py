"""Plays a recorded run to a browser, in packets like those of the live stream.

The browser answers each packet with ``ack``, and may say ``play``, ``pause``, ``speed 2``, ``seek 12.5`` (s) and
``trial 1``; other words are ignored. The page may do the same through :func:`playing`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from weakref import WeakValueDictionary

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from microtwin.errors import InputError
from microtwin.panel.blank import blank_header, blank_jpeg
from microtwin.panel.packet import pack
from microtwin.panel.playback import KEEP_ALIVE_S, Replay
from microtwin.panel.recorded import Recorded
from microtwin.panel.recorded_picture import Pictures

UNACKED = 2  # packets on their way to a browser

_playing: WeakValueDictionary[str, Replay] = WeakValueDictionary()


def playing(client: str) -> Replay | None:
    """What is being played to a client now, by its NiceGUI id."""
    return _playing.get(client)


def check(folder: Path) -> None:
    """Whether a run can be shown at all; reads files.

    Raises:
        InputError: it cannot.
    """
    Pictures(Recorded(folder)).close()


async def serve_replay(websocket: WebSocket, folder: Path, on_stop: Callable[[], None] | None = None) -> None:
    """Play a run to a browser until it leaves. ``?client=`` of the address names it, ``&trial=`` the first trial.

    A run that cannot be shown is said in words: packets of state ``broken`` with the reason. ``on_stop`` is called at
    the word ``stop``.
    """
    if websocket.application_state is WebSocketState.CONNECTING:
        await websocket.accept()
    client, trial = (websocket.query_params.get(name, "") for name in ("client", "trial"))
    try:
        if trial and not (trial.isdecimal() and len(trial) < 10):
            raise InputError(f"trial {trial[:20]!r}: give its number")
        replay = await asyncio.to_thread(Replay, folder, int(trial) if trial else None)
    except InputError as error:
        replay, packets = None, _words(str(error))
    else:
        packets = replay.packets()
        _playing[client] = replay
    line = _Line(websocket, packets, replay, on_stop)
    tasks = [asyncio.create_task(part) for part in (line.send(), line.hear())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await packets.aclose()
        if replay:
            if _playing.get(client) is replay:
                del _playing[client]
            replay.close()
    for end in ends:
        if isinstance(end, Exception):
            raise end


class _Line:
    """Both ways of one WebSocket."""

    def __init__(self, websocket: WebSocket, packets: AsyncIterator[bytes], replay: Replay | None, on_stop):
        self._websocket, self._packets, self._replay, self._on_stop = websocket, packets, replay, on_stop
        self._unacked, self._room = 0, asyncio.Event()

    async def send(self) -> None:
        """The packet of the moment whenever there is room: who is slow skips frames."""
        with contextlib.suppress(WebSocketDisconnect):  # gone between two packets
            while True:
                while self._unacked >= UNACKED:
                    self._room.clear()
                    await self._room.wait()
                packet = await anext(self._packets)
                self._unacked += 1
                await self._websocket.send_bytes(packet)

    async def hear(self) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            words = message.get("text") or ""
            if words == "ack":
                self._unacked = max(0, self._unacked - 1)
                self._room.set()
            elif words == "stop" and self._on_stop:
                self._on_stop()
            elif self._replay:
                self._replay.hear(words)


async def _words(reason: str) -> AsyncGenerator[bytes, None]:
    header = blank_header("")
    header["state"], header["reason"], header["replay"] = "broken", reason, True
    packet = pack(header, blank_jpeg())
    while True:
        yield packet
        await asyncio.sleep(KEEP_ALIVE_S)
