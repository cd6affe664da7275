"""The one place through which fields reach the coils of a panel, and which can be shut from another thread."""

import threading
from typing import Self

from microtwin.field import RotatingField
from microtwin.rig import Frame, Rig


class Stopped(KeyboardInterrupt):
    """Stop-all was pressed, the operator is gone …: the message says which. Ends a run as Ctrl-C does."""


class Interlock:
    """A rig that lets no field through once it was stopped, until it is armed again.

    :meth:`stop` may come from any thread at any moment. It waits for a command that is on the wire (a few ms), never
    for the loop. Begins stopped. The rig is entered and left by its owner, not here.

    Attributes:
        applied: the field that was applied last.
    """

    def __init__(self, rig: Rig):
        self.rig = rig
        self.applied = RotatingField.off()
        self._lock = threading.Lock()
        self._reason: str | None = "not armed"

    @property
    def frame_rate_hz(self) -> float:
        return self.rig.frame_rate_hz

    @property
    def stopped(self) -> str | None:
        """Why no field passes; None when it may."""
        return self._reason

    def arm(self) -> None:
        """Let fields pass."""
        self._reason = None

    def stop(self, reason: str) -> None:
        """No field from now on; the first reason stands.

        Raises:
            RigError: the coils do not answer (their own watchdog turns them off); it is stopped all the same.
        """
        if self._reason is None:
            self._reason = reason
        with self._lock:
            self.applied = self.rig.command(RotatingField.off())

    def command(self, field: RotatingField) -> RotatingField:
        """As :meth:`microtwin.rig.Rig.command`; no field always passes.

        Raises:
            Stopped: it was stopped, and this is a field.
        """
        with self._lock:
            if self._reason is not None and field.amplitude:
                raise Stopped(self._reason)
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
        self.rig.command(RotatingField.off())
