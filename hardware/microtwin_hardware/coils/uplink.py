"""What the lab's firmwares say of themselves: six coil currents, every 20 ms, unasked."""

import struct

import numpy as np

from microtwin_hardware.coils import serial_transfer
from microtwin_hardware.coils.link import TICK_S, Link

_SIX_FLOATS = struct.Struct("<6f")


class Uplink:
    """Reads the currents as they come.

    Attributes:
        currents_a: (6,) the newest, A, order +Y +X −Y −X +Z −Z; None before the first. heard_s: when it came.
        strays: bytes so far without a single packet among them.
    """

    def __init__(self, link: Link):
        self._link = link
        self._receiver = serial_transfer.Receiver()
        self.currents_a: np.ndarray | None = None
        self.heard_s = float("-inf")
        self.strays = 0

    def drain(self) -> None:
        """Take what has come so far, without waiting."""
        self._take(self._link.read(0.0))

    def gather(self, duration_s: float, enough: int | None = None) -> np.ndarray:
        """(n, 6) all currents that come within ``duration_s``, or the first ``enough`` and what comes with them.

        What lies there is taken even if this program was held up for longer.
        """
        rows, end_s = [], self._link.now_s + duration_s
        while (left_s := end_s - self._link.now_s) > TICK_S and (enough is None or len(rows) < enough):
            rows += self._take(self._link.read(left_s))
        rows += self._take(self._link.read(0.0))
        return np.array(rows).reshape(-1, 6)

    def _take(self, data: bytes) -> list[np.ndarray]:
        self.strays += len(data)
        payloads = self._receiver.feed(data)
        rows = [np.array(_SIX_FLOATS.unpack(each)) for each in payloads if len(each) == _SIX_FLOATS.size]
        if rows:
            self.currents_a, self.heard_s, self.strays = rows[-1], self._link.now_s, 0
        return rows
