"""A second process that turns the field off when this one is killed or hangs, for boards without a watchdog.

It inherits the open port and the reading end of a pipe. Each command writes a byte into the pipe; when none comes for
too long while a field is on, or the pipe ends because its writer is dead (``kill -9`` too), it sends the packet that
turns the field off. The child runs this file alone, with nothing but the standard library. POSIX only.
"""

import contextlib
import os
import select
import signal
import sys
import time

ON, OFF, LEAVE = b"1", b"0", b"q"
REPEATS, GAP_S = 8, 0.02  # the first may fall into the middle of a packet that was cut off
POLL_S = 0.1
LEAVE_S = 3.0  # a guard that holds the port open for longer has to go


class Guard:
    """The child, seen from the program it guards.

    Args:
        port: file descriptor of the open port. off_packet: turns the field off. limit_s: silence with a field on.
    """

    def __init__(self, port: int, off_packet: bytes, limit_s: float):
        import subprocess

        reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        words = [str(port), str(reading), str(os.getpid()), str(limit_s), off_packet.hex()]
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *words],
            pass_fds=(port, reading),
            start_new_session=True,  # Ctrl-C and a closed terminal are for the program, not for its guard
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(reading)

    def tell(self, on: bool) -> bool:
        """A command is about to go out; False if the guard is no longer there."""
        try:
            os.write(self._writing, ON if on else OFF)
        except BlockingIOError:
            pass  # it has not read yet what says the same
        except OSError:
            return False
        return True

    def dismiss(self) -> None:
        """It ends without a word on the line."""
        with contextlib.suppress(OSError):
            os.write(self._writing, LEAVE)
        with contextlib.suppress(OSError):
            os.close(self._writing)
        try:
            self._child.wait(timeout=LEAVE_S)
        except Exception:
            self._child.kill()
            self._child.wait()


def watch(port: int, pipe: int, parent: int, limit_s: float, off_packet: bytes) -> None:
    """The child's loop, until it is dismissed or its parent is gone."""
    on_until_s: float | None = None
    while True:
        left_s = POLL_S if on_until_s is None else max(0.0, min(POLL_S, on_until_s - time.monotonic()))
        ready, _, _ = select.select([pipe], [], [], left_s)
        now_s = time.monotonic()
        word = os.read(pipe, 4096)[-1:] if ready else None
        if word == LEAVE:
            return
        if word == b"" or os.getppid() != parent:  # a forked worker may hold the pipe open after the parent's death
            _send(port, off_packet)
            return
        if word:
            on_until_s = now_s + limit_s if word == ON else None
        elif on_until_s is not None and now_s >= on_until_s:
            _send(port, off_packet)
            on_until_s = None


def _send(port: int, off_packet: bytes) -> None:
    for _ in range(REPEATS):
        rest = off_packet
        with contextlib.suppress(OSError):  # an unplugged board has no field
            while rest and select.select([], [port], [], 0.5)[1]:
                rest = rest[os.write(port, rest) :]
        time.sleep(GAP_S)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    port, pipe, parent, limit, packet = sys.argv[1:]
    watch(int(port), int(pipe), int(parent), float(limit), bytes.fromhex(packet))
