"""Who holds control: one at a time, and only while there are signs of life."""

import threading
import time
from collections.abc import Callable

from microtwin.panel.messages import OPERATOR_GONE_S


class Lease:
    """Control is lent to whoever takes it first, until it is given back or its holder falls silent.

    A holder that comes back after its time has to take control again. May be used from several threads.

    Args:
        gone_s: a holder without a sign of life for this long holds nothing any more, s.
        clock: monotonic time, s.
    """

    def __init__(self, gone_s: float = OPERATOR_GONE_S, clock: Callable[[], float] = time.monotonic):
        self.gone_s = gone_s
        self._clock = clock
        self._lock = threading.Lock()
        self._holder: str | None = None
        self._heard_s = 0.0

    @property
    def holder(self) -> str | None:
        """Who holds control now."""
        with self._lock:
            return self._now()

    def take(self, client: str) -> bool:
        """Whether control is the client's now: it was free, or its own already."""
        with self._lock:
            if self._now() not in (None, client):
                return False
            self._holder, self._heard_s = client, self._clock()
            return True

    def renew(self, client: str) -> bool:
        """A sign of life; whether the client holds control."""
        with self._lock:
            mine = self._now() == client
            if mine:
                self._heard_s = self._clock()
            return mine

    def release(self, client: str) -> bool:
        """Give control back; whether the client had it."""
        with self._lock:
            mine = self._now() == client
            if mine:
                self._holder = None
            return mine

    def _now(self) -> str | None:
        if self._holder is not None and self._clock() - self._heard_s > self.gone_s:
            self._holder = None
        return self._holder
