"""Plays a recorded run to a browser, in packets like those of the live stream.

The browser may say ``play``, ``pause``, ``speed 2``, ``seek 12.5`` (s) and ``trial 1``; other words are ignored. The
page may do the same through :func:`playing`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from weakref import WeakValueDictionary

from starlette.websockets import WebSocket

from microtwin.errors import InputError
from microtwin.panel.packet import pack
from microtwin.panel.server.blank import blank_header, blank_jpeg
from microtwin.panel.server.past_runs import folder_of
from microtwin.panel.server.playback import KEEP_ALIVE_S, Replay
from microtwin.panel.server.recorded import Recorded
from microtwin.panel.server.recorded_picture import Pictures
from microtwin.panel.server.stream import carry

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


async def serve_replay(websocket: WebSocket, out: Path, name: str, on_stop: Callable[[], None]) -> None:
    """Play the run ``name`` below ``out`` to a browser until it leaves.

    ``?client=`` of the address names the browser, ``&trial=`` the first trial. A run that cannot be shown is said in
    words: packets of state ``broken`` with the reason. ``on_stop`` is called at the word ``stop``.
    """
    await websocket.accept()
    client, trial = (websocket.query_params.get(key, "") for key in ("client", "trial"))
    try:
        replay = await asyncio.to_thread(_open, out, name, trial)
    except InputError as error:
        replay, packets = None, _words(str(error))
    else:
        _playing[client] = replay
        packets = replay.packets()

    def hear(words: str) -> None:
        if words == "stop":
            on_stop()
        elif replay:
            replay.hear(words)

    try:
        await carry(websocket, packets, hear)
    finally:
        if replay:
            if _playing.get(client) is replay:
                del _playing[client]
            replay.close()


def _open(out: Path, name: str, trial: str) -> Replay:
    if trial and not (trial.isdecimal() and len(trial) < 10):
        raise InputError(f"trial {trial[:20]!r}: give its number")
    return Replay(folder_of(out, name), int(trial) if trial else None)


async def _words(reason: str) -> AsyncGenerator[bytes, None]:
    header = blank_header("")
    header["state"], header["reason"], header["replay"] = "broken", reason, True
    packet = pack(header, blank_jpeg())
    while True:
        yield packet
        await asyncio.sleep(KEEP_ALIVE_S)
