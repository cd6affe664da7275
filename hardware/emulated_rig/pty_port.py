"""The board's USB serial port as a pseudo-terminal, under a name of the user's choice."""

import contextlib
import errno
import os
import select
import tempfile
import tty
from pathlib import Path
from typing import Self

from microtwin.errors import InputError

MOST_BYTES = 1 << 16  # at once, and as much as waits for a host that does not read


class PtyPort:
    """A port that a host opens as it would /dev/ttyACM0. POSIX only.

    What is sent while nobody has it open is lost, as on a USB port. A port that was closed is made anew behind the same
    name, so that nothing of its last user stays: unread bytes, settings, or the lock of a host that was killed.

    Args:
        link: name of the port; a symbolic link to the pseudo-terminal is made there.

    Attributes:
        is_open: a host has it open, as seen at the last :meth:`receive`. opened: how often one has opened it so far;
            each time, a Mega's reset line is pulled.

    Raises:
        InputError: the name is taken, or its folder not writable.
    """

    def __init__(self, link: Path):
        self.link = link
        self.opened = 0
        self._master: int | None = None
        self.is_open = False
        self._terminal = ""
        self._waiting = b""
        if link.exists() and not link.is_symlink():
            raise InputError(f"{link} is there and is no serial port of an emulated rig: choose another --port")
        self.plug()

    @property
    def plugged(self) -> bool:
        return self._master is not None

    def receive(self, most: int = MOST_BYTES) -> bytes:
        """What the host has sent since the last time, also if it has hung up since; never waits.

        Of a host that has not hung up at most so many bytes: it has to wait with the rest, as at a line that is busy.
        """
        if self._master is None:
            return b""
        hung_up = _hung_up(self._master)
        data = b""
        if self.is_open or not hung_up:
            data = self._read(self._master, MOST_BYTES if hung_up else most)
        if hung_up and self.is_open:
            self._renew()
        elif not hung_up and not self.is_open:
            self._take()
        return data

    def _take(self) -> None:
        self.is_open = True
        self.opened += 1

    def _renew(self) -> None:
        old, terminal = self._master, self._terminal
        self._master, self.is_open, self._waiting = None, False, b""
        self.plug()  # first, so that the name is there at all times
        if old is None:
            return
        if _hung_up(old):
            os.close(old)
        elif self._master is not None:  # the next host was quicker: it goes on with what it has opened
            new, self._master, self._terminal = self._master, old, terminal
            self._link()
            os.close(new)
            self._take()

    def _read(self, master: int, most: int) -> bytes:
        data = b""
        with contextlib.suppress(BlockingIOError):
            try:
                while chunk := os.read(master, most - len(data)):
                    data += chunk
            except OSError as error:
                if error.errno != errno.EIO:  # all is read of a host that hung up
                    raise
        return data

    def send(self, data: bytes) -> None:
        """Towards the host; never waits. A host that does not read loses what is more than 64 KB old."""
        if self._master is None or not self.is_open:
            return
        self._waiting = (self._waiting + data)[-MOST_BYTES:]
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                self._waiting = self._waiting[os.write(self._master, self._waiting) :]

    def unplug(self) -> None:
        """Pull the cable: the name is gone, and a host that has it open gets an I/O error."""
        master, self._master, self.is_open = self._master, None, False
        if master is not None:
            with contextlib.suppress(OSError):
                if os.readlink(self.link) == self._terminal:  # and not one that was made there since
                    self.link.unlink()
            os.close(master)
        self._waiting = b""

    def plug(self) -> None:
        """Put the cable back, with another terminal behind the same name."""
        if self._master is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)  # until a host says otherwise: no echo, every byte as it is
        os.set_blocking(master, False)
        self._terminal = os.ttyname(slave)
        os.close(slave)  # from now on the other end is open when a host has it open
        try:
            self._link()
        except OSError as error:
            os.close(master)
            raise InputError(f"cannot make {self.link} ({error.strerror or error}): choose another --port") from None
        self._master = master

    def _link(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.link.parent, prefix=f".{self.link.name}-") as folder:
            os.symlink(self._terminal, Path(folder) / "link")
            os.replace(Path(folder) / "link", self.link)

    def close(self) -> None:
        self.unplug()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def _hung_up(master: int) -> bool:
    """Nobody has the other end open."""
    poll = select.poll()
    poll.register(master, 0)  # a hang-up is told unasked
    return any(event & select.POLLHUP for _, event in poll.poll(0))
