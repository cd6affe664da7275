"""Serial ports for boards of paper: on a clock of their own, or on a pseudo-terminal for another process."""

import errno
import os
import threading
import time

import pytest

PATIENCE_S = 120.0  # for what must come: as long as no machine takes, however busy
TICK_S = 0.001


class PaperPort:
    """A serial port as pyserial shows it, whose clock goes on only while a host waits for a byte.

    No threads and no wall time: a test goes the same way on any machine, however busy.

    Args:
        board: has ``hear(data)`` for what the host sends, and ``tick()`` for every millisecond.

    Attributes:
        time_s: the clock, s; the host's :class:`Link` goes by it. cts: a modem line; None on a port that has none.
        pause_s: real time that every touch takes, so that several threads meet. number: the file's, None for none.
    """

    def __init__(self, board):
        self.board, self.plugged, self.is_open = board, True, False
        self.ticks = 0
        self.timeout = self.write_timeout = self.pause_s = 0.0
        self.cts: bool | None = None
        self.number: int | None = None
        self._said = b""

    def say(self, data):
        """What the board sends; lost while nobody has the port open."""
        if self.is_open and self.plugged:
            self._said += data

    def let_pass(self, duration_s):
        for _ in range(round(duration_s / TICK_S)):
            self.ticks += 1
            self.board.tick()

    @property
    def clock_s(self):
        """The time, also while the port is unplugged."""
        return self.ticks * TICK_S

    @property
    def time_s(self):
        self._touch()
        return self.clock_s

    @property
    def in_waiting(self):
        self._touch()
        return len(self._said)

    def open(self):
        if not self.plugged:
            raise OSError(errno.ENOENT, "no such port")
        self.is_open, self._said = True, b""

    def close(self):
        self.is_open = False

    def fileno(self):
        if self.number is None:
            raise OSError("no file")
        return self.number

    def write(self, data):
        self._touch()
        self.board.hear(bytes(data))
        self.let_pass(TICK_S)
        return len(data)

    def read(self, size=1):
        self._touch()
        end_s = self.clock_s + self.timeout
        while len(self._said) < size and self.clock_s < end_s - TICK_S / 100:
            self.let_pass(TICK_S)
        data, self._said = self._said[:size], self._said[size:]
        return data

    def _touch(self):
        if self.pause_s:
            time.sleep(self.pause_s)
        if not (self.plugged and self.is_open):
            raise OSError(errno.EIO, "unplugged")


@pytest.fixture
def plug_in(monkeypatch):
    """``plug_in(name, board)`` gives the :class:`PaperPort` that a host finds under this name from now on."""
    import serial

    ports, others = {}, serial.serial_for_url

    def open_any(name, *words, **settings):
        return ports[name] if name in ports else others(name, *words, **settings)

    monkeypatch.setattr("serial.serial_for_url", open_any)

    def plug_in(name, board):
        ports[name] = PaperPort(board)
        return ports[name]

    return plug_in


@pytest.fixture
def on_terminal(tmp_path):
    """``on_terminal(board)`` puts a board of paper on a pseudo-terminal and gives its name and the host's end.

    A thread hears what comes; the board's clock stands still. ``board.say`` is what it answers with.
    """
    import pty
    import select
    import tty

    ended, threads, ends = threading.Event(), [], []

    def start(board):
        inside, outside = pty.openpty()
        tty.setraw(outside)
        ends.extend((inside, outside))
        board.say = lambda data: os.write(inside, data)

        def listen():
            while not ended.is_set():
                if select.select([inside], [], [], 0.02)[0]:
                    board.hear(os.read(inside, 4096))

        threads.append(threading.Thread(target=listen, daemon=True))
        threads[-1].start()
        return os.ttyname(outside), outside

    yield start
    ended.set()
    for thread in threads:
        thread.join()
    for end in ends:
        os.close(end)


@pytest.fixture
def until():
    """Waits for a condition; how long it takes says something of the machine alone."""

    def wait(true, what="it never came about"):
        end_s = time.monotonic() + PATIENCE_S
        while not (found := true()):
            assert time.monotonic() < end_s, what
            time.sleep(0.003)
        return found

    return wait
