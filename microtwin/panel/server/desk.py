"""What pages and sockets may do: look, stop, and, for the one who holds control, command."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from microtwin.errors import InputError
from microtwin.panel.messages import Alive, Command, Header, Reopen, Stop
from microtwin.panel.server.engine_process import EngineProcess
from microtwin.panel.server.lease import Lease
from microtwin.panel.server.packet_source import Packet

ALIVE_EVERY_S = 0.1  # the engine is not told of more signs of life


class Desk:
    """One engine and the clients around it; a client is a page in a browser, named by NiceGUI's client id.

    Ids are secret between a page and the server: whoever knows one can act for it, so no page shows another's.

    Args:
        engine: started.
        out: folder of runs.
        backend: which rig the engine opened.
        checkpoint: of the estimator that the OTMR page shows.
        clock: monotonic time, s.
    """

    def __init__(
        self,
        engine: EngineProcess,
        *,
        out: Path,
        backend: str,
        checkpoint: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.engine = engine
        self.out = out
        self.backend = backend
        self.checkpoint = checkpoint
        self._clock = clock
        self._lease = Lease(clock=clock)
        self._lock = threading.Lock()
        self._told_s = -ALIVE_EVERY_S

    @property
    def newest(self) -> Packet | None:
        """The newest packet; None before the first frame."""
        return self.engine.newest

    @property
    def header(self) -> Header | None:
        """The state of everything; None before the first frame. Not to be changed: everybody has the same."""
        return self.engine.newest.header if self.engine.newest else None

    @property
    def silent_s(self) -> float:
        """For how long the engine has said nothing, s."""
        return self.engine.silent_s

    def holder_is(self, client: str) -> bool:
        """Whether this client holds control."""
        return self._lease.holder == client

    def held(self) -> bool:
        """Whether anybody holds control."""
        return self._lease.holder is not None

    def take(self, client: str) -> bool:
        """Whether control is the client's now; not while somebody else, whose browser is alive, holds it."""
        taken = self._lease.take(client)
        if taken:
            self.alive(client)  # a click is a sign of life, and a run may be waiting for one
        return taken

    def release(self, client: str) -> None:
        """Give control back. A run goes on if somebody takes control before the engine misses the operator."""
        self._lease.release(client)

    def alive(self, client: str) -> None:
        """A sign of life of a client's browser; counts if it holds control."""
        if not self._lease.renew(client):
            return
        with self._lock:
            now = self._clock()
            if now - self._told_s < ALIVE_EVERY_S:
                return
            self._told_s = now
        self.engine.send(Alive())

    def send(self, client: str, command: Command) -> None:
        """Pass a command on, at once; a stop from anybody. :class:`Reopen` also starts an engine anew that has ended.

        Raises:
            InputError: the client does not hold control, or the engine takes nothing.
        """
        if isinstance(command, Stop):
            self.engine.send(command)
            return
        holder = self._lease.holder
        if holder is None:
            raise InputError("nobody holds control: take control first")
        if holder != client:
            raise InputError("someone else holds control: take control when it is free")
        if isinstance(command, Reopen) and not self.engine.alive:
            self.engine.restart()
        else:
            self.engine.send(command)

    def stop(self, reason: str = "stopped by hand") -> None:
        """The field off, at once, whoever asks."""
        self.engine.send(Stop(reason))

    async def after(self, seq: int | None, timeout_s: float) -> Packet | None:
        """The newest packet whose number is not ``seq``, when there is one; None if none comes in time."""
        return await self.engine.after(seq, timeout_s)
