"""The engine's process as the server holds it: commands in without waiting, the newest packet out."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

from microtwin.errors import InputError, RigError
from microtwin.panel.messages import Alive, Command, EngineOptions, Quit, Stop
from microtwin.panel.packet import pack, unpack
from microtwin.panel.server.blank import blank_header, blank_jpeg
from microtwin.panel.server.command_queue import enqueue
from microtwin.panel.server.life import Life
from microtwin.panel.server.packet_source import Packet, PacketSource

CLOSING_S = 5.0  # for one that was not ready yet to end by itself


def serve(options: EngineOptions, connection: Connection) -> None:
    """The process's main, loaded there alone: the server knows nothing of rigs."""
    from microtwin.panel.engine import serve as engine

    engine.serve(options, connection)


class EngineProcess(PacketSource):
    """An engine in a process of its own. A context manager: leaving it is :meth:`close`.

    Nothing here waits for the engine but :meth:`start` and :meth:`close`. :meth:`send`, too, may be used from any
    thread or event loop.

    Args:
        options: what the engine opens.
        main: its main function, importable by name.
        grace_s: how long :meth:`close` waits for it to save what runs, s.
        opening_s: how long :meth:`start` waits for its first word, s.
        start_method: of :mod:`multiprocessing`; a forked engine would keep files and locks of the server.
    """

    def __init__(
        self,
        options: EngineOptions,
        main: Callable[[EngineOptions, Connection], None] = serve,
        grace_s: float = 60.0,
        opening_s: float = 120.0,
        start_method: str = "spawn",
    ):
        super().__init__()
        self.options = options
        self._main, self._start_method = main, start_method
        self._grace_s, self._opening_s = grace_s, opening_s
        self._wake = threading.Condition()
        self._queue: deque[Command] = deque()
        self._life: Life | None = None
        self._restarting: threading.Thread | None = None
        self._closed = False

    def start(self, meanwhile: Callable[[], object] = lambda: None) -> Self:
        """Spawn it and wait until it is ready; ``meanwhile`` is called before the wait.

        Raises:
            InputError: it refuses the options. RigError: it ended, or said nothing.
        """
        life = Life(self.options, self._main, self._start_method)
        try:
            meanwhile()
            life.wait_ready(self._opening_s)
        except BaseException:
            life.connection.close()  # which tells it to end by itself
            life.end(CLOSING_S)
            raise
        with self._wake:
            self._queue.clear()
            self._life = life
        self._heard_s = time.monotonic()
        life.threads = [
            threading.Thread(target=self._read, args=(life,), name="panel-reader", daemon=True),
            threading.Thread(target=self._write, args=(life,), name="panel-writer", daemon=True),
        ]
        for thread in life.threads:
            thread.start()
        return self

    @property
    def alive(self) -> bool:
        """Whether there is an engine that takes commands."""
        return self._life is not None and not self._life.over

    def send(self, command: Command) -> None:
        """Hand a command over; returns at once. A stop overtakes all others, and what would move anything is dropped.

        Raises:
            InputError: the engine has ended (a stop then does nothing: there is nobody to stop), or takes nothing.
        """
        with self._wake:
            if not self.alive:
                if isinstance(command, (Stop, Alive, Quit)):
                    return
                raise InputError("the engine has ended: open it again first")
            enqueue(self._queue, command)
            self._wake.notify_all()

    def restart(self) -> None:
        """Begin to start another one in the place of one that has ended; returns at once. Packets tell how it went."""
        with self._wake:
            if self._closed or self.alive or (self._restarting and self._restarting.is_alive()):
                return
            self._show("preparing", "")
            self._restarting = threading.Thread(target=self._restart, name="panel-restart", daemon=True)
            self._restarting.start()

    def close(self) -> None:
        """Ask it to end, wait while it saves, then make it end. Idempotent."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        if self._restarting:
            self._restarting.join()
        self.send(Quit())
        if self._life:
            self._life.end(self._grace_s)
            self._life = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception) -> None:
        self.close()

    def _restart(self) -> None:
        if self._life:
            self._life.end(0.0)
        try:
            self.start()
        except (InputError, RigError) as error:
            self._show("broken", str(error))
        except Exception as error:  # no memory, no processes left: the server lives on and says so
            self._show("broken", f"the engine cannot be started ({error}): see the terminal")
            raise

    def _read(self, life: Life) -> None:
        try:
            while True:
                data = life.connection.recv_bytes()
                header, _ = unpack(data)
                self._publish(Packet(header["seq"], header, data))  # type: ignore[arg-type]
        except (EOFError, OSError):
            pass
        finally:
            if not self._closed:
                how = life.how_it_ended()
                self._show("broken", f"the engine has ended ({how}); a rig's coils turn themselves off: open it again")
            with self._wake:
                life.over = True
                self._wake.notify_all()

    def _write(self, life: Life) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._queue or life.over)
                if life.over:
                    return
                command = self._queue.popleft()
            with contextlib.suppress(OSError):  # it has ended: the reader notices and tells
                life.connection.send(command)

    def _show(self, state: str, reason: str) -> None:
        """A packet of the server's own: the last picture with another state, and no field."""
        last = self.newest
        header: dict[str, Any] = dict(last.header) if last else dict(blank_header(self.options.backend))
        header |= {"seq": (last.seq if last else -1) + 1, "state": state, "reason": reason, "wall_s": time.time()}
        header |= {"mode": "", "field": {**header["field"], "frequency_hz": 0.0, "amplitude": 0.0}}
        jpeg = unpack(last.data)[1] if last else blank_jpeg()
        self._publish(Packet(header["seq"], header, pack(header, jpeg)))  # type: ignore[arg-type]
