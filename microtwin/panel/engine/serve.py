"""The engine's process: owns the rig, runs the loop in its main thread, and listens to the server in another."""

import contextlib
import ctypes
import multiprocessing
import os
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from microtwin import files
from microtwin.errors import InputError
from microtwin.panel.engine import leavings
from microtwin.panel.engine.bench import Bench
from microtwin.panel.engine.loop import Loop
from microtwin.panel.engine.uplink import Uplink
from microtwin.panel.messages import EngineOptions

LOOK_S = 0.1  # how soon the listener sees that it shall end
PRIORITY = -10  # of the process, where it may: browsers on the same machine must not make the loop late
M_ARENA_MAX, ARENAS = -8, 2  # glibc's mallopt(3)


def serve(options: EngineOptions, connection: Connection) -> None:
    """Open what the options name, and do as the server says until it says :class:`~microtwin.panel.messages.Quit`.

    The first word through the pipe is ``("ready", None)`` or ``("refused", why)``; all that follows are packets. A
    server that is gone ends the engine too: field off, what runs saved.
    """
    try:
        bench = Bench(options)
        out = files.open_folder(options.out)
    except InputError as error:
        connection.send(("refused", str(error)))
        connection.close()
        return
    if multiprocessing.parent_process() is not None:
        _settle()
    connection.send(("ready", None))
    _serve(bench, out, connection)


def _settle() -> None:
    """What a process may ask for itself, where it may.

    Each new thread of a run (recorder, video) gets another of glibc's arenas, whose free memory the others never use
    and which is not given back: many runs come to tens of megabytes. Other C libraries have no such call.
    """
    with contextlib.suppress(AttributeError, OSError):  # only root may, and who was given the right
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)


def _serve(bench: Bench, out: Path, connection: Connection) -> None:
    ended = threading.Event()
    with Uplink(connection) as uplink:
        loop = Loop(bench, out, uplink)
        swept = len(leavings.sweep(out))
        if swept:
            what = "the unfinished video of a run that was" if swept == 1 else f"{swept} unfinished videos of runs"
            loop.live.notices.say(f"removed {what} cut off")
        listener = threading.Thread(target=_listen, args=(loop, connection, ended), name="panel-listener", daemon=True)
        listener.start()
        try:
            loop.run()
        finally:
            ended.set()
            listener.join()
    connection.close()


def _listen(loop: Loop, connection: Connection, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            if connection.poll(LOOK_S):
                loop.hear(connection.recv())
        except (EOFError, OSError):
            loop.end("the server is gone")
            return
        except Exception:  # whatever comes through the pipe, stopping must go on working
            traceback.print_exc()
