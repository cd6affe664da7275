"""What coils on a serial port do alike: opened, proven and armed in one go, and off whatever ends it."""

import abc
import atexit
import threading
from typing import Self

from microtwin.errors import InputError, RigError


class Session(abc.ABC):
    """A context manager round ``_connect`` (open and check; disarmed), :meth:`arm` and ``_shut`` (never raises)."""

    def __init__(self):
        self._lock = threading.RLock()
        self._armed = False

    @property
    def armed(self) -> bool:
        """A field may be commanded."""
        return self._armed

    @abc.abstractmethod
    def arm(self) -> None:
        """Let a field be commanded."""

    def reconnect(self) -> None:
        """Open the port and check the board again after it was unplugged. The field stays off until :meth:`arm`.

        Raises:
            RigError: what would be an InputError on entering.
        """
        with self._lock:
            self._armed = False
            try:
                self._connect()
            except InputError as error:
                raise RigError(str(error)) from None

    def __enter__(self) -> Self:
        atexit.register(self._shut)
        try:
            self._connect()
            self.arm()
        except BaseException:
            self._shut()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._shut()

    @abc.abstractmethod
    def _connect(self) -> None: ...

    @abc.abstractmethod
    def _shut(self) -> None: ...
