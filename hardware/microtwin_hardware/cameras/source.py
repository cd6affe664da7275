"""What a camera driver does: open a device, hand over one frame after the other, close it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Grab:
    """One frame as it comes out of a device.

    Attributes:
        image: (rows, columns), or (rows, columns, 3 or 4) in blue, green, red; uint8 or uint16. It is the taker's: no
            driver writes into it again.
        time_s: the device's own time stamp; None if it has no clock.
        index: the device's own frame counter; None if it has none.
        bits: of a uint16 image that are used, counted from the lowest.
    """

    image: np.ndarray
    time_s: float | None = None
    index: int | None = None
    bits: int = 16


class Source(Protocol):
    """A camera driver, made from a :class:`microtwin_hardware.config.CameraConfig`.

    One thread calls :meth:`grab` again and again and :meth:`close` at the end; :meth:`open` comes from another.

    Attributes:
        frame_rate_hz: as the device says it is set; None before it is open, or if it does not say.
        notes: what the device refused of the settings, one line each.
    """

    frame_rate_hz: float | None
    notes: list[str]

    def open(self) -> None:
        """Open the device, set it up and start it.

        Raises:
            InputError: its library is missing, there is no such device, it is busy.
        """
        ...

    def grab(self, timeout_s: float) -> Grab:
        """The next frame.

        Raises:
            TimeoutError: none came in time; the next call may have one.
            Exception: any other: the device is gone, its message says what is known.
        """
        ...

    def close(self) -> None:
        """Stop and release the device; harmless if it was never open."""
        ...

    def describe(self) -> str:
        """Which device this is, in a few words that fit into a message."""
        ...

    @staticmethod
    def available() -> list[str]:
        """What ``camera.source`` can be, one entry for each device that is there; a few words after a comma.

        Raises:
            InputError: the driver's library is missing.
        """
        ...
