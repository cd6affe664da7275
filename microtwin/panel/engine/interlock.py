"""The one place through which fields reach the coils of a panel, and which can be shut from another thread."""

import math
import threading
import time
from typing import Self

from microtwin.field import RotatingField
from microtwin.rig import Frame, Rig, RigError


class Stopped(KeyboardInterrupt):
    """Stop-all was pressed, the operator is gone …: the message says which. Ends a run as Ctrl-C does."""


class Interlock:
    """A rig that lets no field through once it was stopped, until it is armed again.

    :meth:`stop` may come from any thread at any moment. It waits for a command that is on the wire (a few ms), never
    for the loop. Begins stopped. The rig is entered and left by its owner, not here.

    Every stop has a number, :attr:`stops`. Whoever is asked for a field remembers the number of that moment and arms
    with it: a stop that came after the request, however soon, then still holds.

    Args:
        rig: None while there is none; see :meth:`put`.

    Attributes:
        applied: the field that the coils took last, or may have taken: one that they did not answer counts, too.
        stops: how often it was stopped, or got another rig. stopped_s: when it was stopped last
            (:func:`time.monotonic`).
    """

    def __init__(self, rig: Rig | None = None):
        self.applied = RotatingField.off()
        self.stops, self.stopped_s = 0, -math.inf
        self._rig = rig
        self._wire = threading.Lock()  # held while a command is on the wire
        self._state = threading.Lock()  # held for an instant, never while the rig is asked for anything
        self._reason: str | None = "not armed"

    @property
    def rig(self) -> Rig:
        """The rig behind it.

        Raises:
            RigError: there is none now.
        """
        rig = self._rig
        if rig is None:
            raise RigError("the rig is not open")
        return rig

    def put(self, rig: Rig | None) -> None:
        """Another rig, or none, behind it; stopped from here on."""
        with self._state:
            self._reason = "not armed"
            self.stops += 1
        with self._wire:
            self._rig, self.applied = rig, RotatingField.off()

    @property
    def frame_rate_hz(self) -> float:
        return self.rig.frame_rate_hz

    @property
    def stopped(self) -> str | None:
        """Why no field passes; None when it may."""
        return self._reason

    def arm(self, after: int | None = None) -> bool:
        """Let fields pass, unless it was stopped since ``stops`` was ``after``; whether they do."""
        with self._state:
            if after is not None and after != self.stops:
                return False
            self._reason = None
            return True

    def stop(self, reason: str) -> None:
        """No field from now on; the first reason stands.

        Raises:
            RigError: the coils do not answer (their own watchdog turns them off); it is stopped all the same.
        """
        with self._state:
            self._reason = self._reason or reason
            self.stops += 1
            self.stopped_s = time.monotonic()
        self._off()

    def disarm(self) -> None:
        """No field from now on; no stop, nobody pressed anything: what was asked for meanwhile still counts."""
        with self._state:
            self._reason = self._reason or "not armed"
        self._off()

    def _off(self) -> None:
        with self._wire:
            if self._rig is not None:
                self._rig.command(RotatingField.off())
            self.applied = RotatingField.off()

    def command(self, field: RotatingField) -> RotatingField:
        """As :meth:`microtwin.rig.Rig.command`; no field always passes.

        Raises:
            Stopped: it was stopped, and this is a field.
        """
        with self._wire:
            if self._reason is not None and field.amplitude:
                raise Stopped(self._reason)
            if field.amplitude:
                self.applied = field  # also if the answer is lost
            self.applied = self.rig.command(field)
            return self.applied

    def observe(self) -> Frame:
        """The next frame.

        Raises:
            Stopped: it was stopped meanwhile, or before.
        """
        frame = self.rig.observe()
        if self._reason is not None:
            raise Stopped(self._reason)
        return frame

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.command(RotatingField.off())
