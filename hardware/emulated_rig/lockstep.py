"""Host software and emulated rig on one clock: time passes only while the host waits for a byte or a frame.

No threads and no wall time, so a run repeats bit for bit. ``attach("bench", rig)`` makes the port ``lockstep://bench``
and, for the camera driver ``emulated_rig.lockstep:LockstepCamera``, the source ``bench``. The host must send no
heartbeats of its own (``heartbeat_ms = 0``): a thread has no place in this time.
"""

import errno
import math
from typing import Any, Self

import serial
from serial.serialutil import PortNotOpenError, SerialException

from emulated_rig.bench import EmulatedRig
from microtwin.errors import InputError
from microtwin.rig import Frame, RigError

PIECE_S = 0.00025  # how finely a waiting host looks for bytes: twelve of them at 500,000 baud
_RIGS: dict[str, EmulatedRig] = {}

if "emulated_rig" not in serial.protocol_handler_packages:
    serial.protocol_handler_packages.append("emulated_rig")


def attach(name: str, rig: EmulatedRig) -> None:
    """Make a rig known as ``lockstep://name``, in place of any that had the name."""
    _RIGS[name] = rig


def detach(name: str) -> EmulatedRig:
    """Forget a name; returns its rig.

    Raises:
        InputError: no rig has it.
    """
    return _RIGS.pop(name, None) or _known(name)


def _known(name: str) -> EmulatedRig:
    if name not in _RIGS:
        raise InputError(f"no emulated rig {name!r}: attach() one; there are {', '.join(sorted(_RIGS)) or 'none'}")
    return _RIGS[name]


class LockstepPort(serial.SerialBase):
    """The board's serial port as pyserial has it, timeouts in emulated time. Opening it does not reset the board.

    Attributes:
        time_s: the port's clock, seconds since the board was switched on.
    """

    BAUDRATES = (9600, 19200, 38400, 57600, 115200, 250000, 500000, 1000000)

    def __init__(self, *args, **kwargs):
        self._rig: EmulatedRig | None = None
        super().__init__(*args, **kwargs)

    def open(self) -> None:
        if self.is_open:
            raise SerialException("the port is already open")
        name = str(self.port).partition("://")[2]
        rig = _RIGS.get(name)
        if rig is None or rig.unplugged:
            raise SerialException(errno.ENOENT, f"no emulated rig {name!r} is plugged in")
        self._rig = rig
        self._reconfigure_port()
        self.is_open = True
        self.reset_input_buffer()

    def close(self) -> None:
        self.is_open = False

    def fileno(self) -> int:
        raise OSError("an emulated port has no file descriptor")

    @property
    def time_s(self) -> float:
        return self._plugged().mega.time_s

    @property
    def in_waiting(self) -> int:
        return self._plugged().mega.in_waiting

    @property
    def out_waiting(self) -> int:
        return self._plugged().mega.unsent

    def read(self, size: int = 1) -> bytes:
        """``size`` bytes, or as many as there are when the timeout has passed."""
        rig = self._plugged()
        with rig.lock:
            data = rig.read(size)
            end_s = math.inf if self.timeout is None else rig.time_s + self.timeout
            while len(data) < size and rig.time_s < end_s - 1e-6:
                rig.advance_to(min(rig.time_s + PIECE_S, end_s))
                data += rig.read(size - len(data))
        return data

    def write(self, data: Any) -> int:
        """Returns at once; the bytes travel while time passes."""
        sent = bytes(data)
        self._plugged().write(sent)
        return len(sent)

    def flush(self) -> None:
        """Wait until all bytes have entered the board."""
        rig = self._plugged()
        with rig.lock:
            while rig.mega.unsent:
                rig.advance_to(rig.time_s + PIECE_S)

    def reset_input_buffer(self) -> None:
        self._plugged().read()

    def reset_output_buffer(self) -> None:
        self._plugged()

    def _plugged(self) -> EmulatedRig:
        if not self.is_open or self._rig is None:
            raise PortNotOpenError
        if self._rig.unplugged:
            raise SerialException(errno.EIO, "the emulated board is unplugged")
        return self._rig

    def _reconfigure_port(self) -> None:
        pass  # the board's UART sets the pace

    def _update_break_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass

    def _update_dtr_state(self) -> None:
        pass


class LockstepCamera:
    """A camera driver for rigs of :func:`attach`: reading a frame lets time pass until it has arrived.

    Args:
        config: the host's; ``source`` is the name, ``um_per_px`` is believed, the frame rate is the rig's own.

    Attributes:
        frame_rate_hz, um_per_px: as of the contract. dropped: frames that arrived while the host was busy elsewhere.
    """

    def __init__(self, config: Any):
        rig = _known(config.source)
        if rig.microscope is None:
            raise InputError(
                f"emulated rig {config.source!r} has no microscope: make it of a scene with observe=camera"
            )
        if config.shape is not None and tuple(config.shape) != rig.shape:
            raise InputError(f"camera.shape is {list(config.shape)}: emulated rig {config.source!r} has {rig.shape}")
        self.frame_rate_hz = rig.frame_rate_hz
        self.um_per_px = config.um_per_px
        self.dropped = 0
        self._rig, self._last = rig, None

    def read(self, timeout_s: float) -> Frame:
        """The next frame.

        Raises:
            RigError: it takes longer than ``timeout_s``, which passes.
        """
        rig = self._rig
        with rig.lock:
            if rig.until_frame_s > timeout_s:
                rig.advance_to(rig.time_s + timeout_s)
                raise RigError(
                    f"no frame within {timeout_s:g} s: give more than a frame time, {1 / rig.frame_rate_hz:.3g} s"
                )
            image, time_s, index = rig.frame()
        if self._last is not None:
            self.dropped += index - self._last - 1
        self._last = index
        return Frame(index, time_s, image, self.um_per_px)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        pass
