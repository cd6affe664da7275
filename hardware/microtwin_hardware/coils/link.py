"""A serial port that opens with one-line errors, and tells when it is gone."""

import contextlib
import errno
import time
from typing import Any

from microtwin.errors import InputError, RigError

BOOT_S = 2.0  # a Mega is reset by the port being opened, and its boot loader must hear nothing for so long
WRITE_S = 0.5
TICK_S = 1e-4  # a wait that is shorter is over: a port with a clock of its own need not be able to wait so little


class Link:
    """One serial port: a device name, or any URL that pyserial knows.

    Args:
        port, baud: as in the settings. if_gone: what the user has to know and do when it stops working.

    Attributes:
        resets_board: the open port has modem lines, so that opening it has restarted an Arduino.
    """

    def __init__(self, port: str, baud: int, if_gone: str):
        self.port, self.baud = port, baud
        self.resets_board = False
        self._if_gone = if_gone
        self._serial: Any = None

    @property
    def is_open(self) -> bool:
        return self._serial is not None

    @property
    def now_s(self) -> float:
        """Clock of the timeouts: the port's own if it has one (an emulated board does), else the host's.

        Raises:
            RigError: the port is gone, and its clock with it.
        """
        with self._told():
            own = getattr(self._serial, "time_s", None)
        return time.monotonic() if own is None else own

    def open(self) -> None:
        """Open it for this program alone.

        Raises:
            InputError: missing, busy, no permission, no serial port at all; names the remedy.
        """
        try:
            import serial
        except ImportError:
            raise InputError("serial ports need pyserial: pip install pyserial") from None
        self.close()
        try:
            opened = serial.serial_for_url(self.port, do_not_open=True, baudrate=self.baud)
            opened.timeout, opened.write_timeout = 0.0, WRITE_S
            if "://" not in self.port:
                opened.exclusive = True
            opened.open()
        except (serial.SerialException, OSError, ValueError) as error:
            raise InputError(_why_not(self.port, self.baud, error)) from None
        self._serial = opened
        self.resets_board = "://" not in self.port and _has_modem_lines(opened)
        if "://" not in self.port:
            _keep_others_out(opened)

    def close(self) -> None:
        """Never raises: what is gone is closed."""
        opened, self._serial = self._serial, None
        if opened is not None:
            with contextlib.suppress(Exception):
                _keep_others_out(opened, keep=False)
            with contextlib.suppress(Exception):
                opened.close()

    def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            RigError: the port is closed or gone.
        """
        with self._told():
            self._opened().write(data)

    def read(self, timeout_s: float) -> bytes:
        """All bytes that are there, after waiting up to ``timeout_s`` for the first; none if none came.

        Raises:
            RigError: the port is closed or gone.
        """
        with self._told():
            opened = self._opened()
            data = b""
            if not opened.in_waiting:
                opened.timeout = timeout_s
                data = opened.read(1)
            waiting = opened.in_waiting
            return bytes(data + opened.read(waiting)) if waiting else bytes(data)

    def listen(self, duration_s: float) -> bytes:
        """All bytes that come within ``duration_s``, and what lies there if this program was held up for longer."""
        heard, end_s = b"", self.now_s + duration_s
        while (left_s := end_s - self.now_s) > TICK_S:
            heard += self.read(left_s)
        return heard + self.read(0.0)

    def fileno(self) -> int | None:
        """The file descriptor; None if this port has none."""
        try:
            return int(self._opened().fileno())
        except Exception:
            return None

    def gone(self) -> RigError:
        return RigError(f"coils at {self.port} are gone: {self._if_gone}")

    def _opened(self):
        if self._serial is None:
            raise self.gone()
        return self._serial

    @contextlib.contextmanager
    def _told(self):
        try:
            yield
        except OSError:  # pyserial's own errors are OSErrors
            self.close()
            raise self.gone() from None
        except TypeError:  # pyserial on a port that another thread closed meanwhile
            if self._serial is not None and self._serial.is_open:
                raise
            raise self.gone() from None


def _why_not(port: str, baud: int, error: Exception) -> str:
    number, text = getattr(error, "errno", None), str(error)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO) or "FileNotFoundError" in text:
        return f"no port {port}: {_ports_there()}"
    if "://" in port and not isinstance(error, ValueError):
        return f"cannot open port {port} ({text}): check the address, and that what it names is on"
    if number in (errno.EBUSY, errno.EAGAIN) or "PermissionError" in text:  # Windows calls a busy port forbidden
        return f"port {port} is busy: close the other program that has it open (a serial monitor, another microtwin)"
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"no permission for port {port}: add yourself to its group (sudo usermod -aG dialout $USER), log in again"
        )
    if isinstance(error, ValueError) and "://" in port:
        return f"port {port} is no URL of pyserial ({text}): give a device name or a URL such as socket://host:port"
    if isinstance(error, ValueError):
        return f"port {port} cannot run at {baud} baud: give 500000, or the baud rate of your firmware"
    if number == errno.EISDIR or "configure port" in text:
        return f"{port} is no serial port: {_ports_there()}"
    return f"cannot open port {port} ({text}): unplug the board, plug it in and try again"


def _ports_there() -> str:
    from serial.tools import list_ports

    found = [f"{port.device} ({port.description})" for port in sorted(list_ports.comports())]
    return f"there are {', '.join(found)}" if found else "there is none at all; plug the board in, check its cable"


def _has_modem_lines(opened) -> bool:
    """A pseudo-terminal has none; Windows names nothing else a COM port."""
    try:
        return opened.cts is not None
    except OSError:
        return False


def _keep_others_out(opened, keep: bool = True) -> None:
    """pyserial's lock is kept by polite programs alone; the kernel keeps the others out."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import fcntl
        import termios

        fcntl.ioctl(opened.fileno(), termios.TIOCEXCL if keep else termios.TIOCNXCL)
