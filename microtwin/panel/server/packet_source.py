"""The newest packet of the engine, and those who wait for the next."""

import asyncio
import contextlib
import threading
import time
from typing import NamedTuple

from microtwin.panel.messages import Header


class Packet(NamedTuple):
    """What the engine sent, read once for everybody. ``data`` is all of it, for browsers."""

    seq: int
    header: Header
    data: bytes


class PacketSource:
    """Where packets come out. :attr:`newest` and :meth:`after` may be used from any thread or event loop."""

    def __init__(self) -> None:
        self.newest: Packet | None = None
        self._handover = threading.Lock()
        self._waiters: set[asyncio.Future] = set()
        self._heard_s = time.monotonic()

    @property
    def silent_s(self) -> float:
        """For how long nothing has come, s; the engine may be busy building a twin, or hang."""
        return time.monotonic() - self._heard_s

    async def after(self, seq: int | None, timeout_s: float) -> Packet | None:
        """The newest packet, as soon as its number is another than ``seq``; None when none comes in time.

        An engine that was opened again counts anew, so numbers may fall.
        """
        with self._handover:
            if self.newest is not None and self.newest.seq != seq:
                return self.newest
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter
        except TimeoutError:
            return None
        finally:
            with self._handover:
                self._waiters.discard(waiter)
        return self.newest

    def _publish(self, packet: Packet) -> None:
        with self._handover:
            self.newest = packet
            self._heard_s = time.monotonic()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # its event loop is closed
                waiter.get_loop().call_soon_threadsafe(_release, waiter)


def _release(waiter: asyncio.Future) -> None:
    if not waiter.done():
        waiter.set_result(None)
