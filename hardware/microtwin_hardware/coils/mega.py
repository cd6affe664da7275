"""Coils behind our firmware, ``microtwin_mega``: every command is answered, and the board switches itself off.

The watchdog is on the board. What feeds it is every command and, between commands, a heartbeat that ends ``hold_s``
after the last one as long as a field is on: a program that hangs ends with the field off as surely as one that dies.
"""

import atexit
import contextlib
import time
from dataclasses import replace
from typing import TypeVar

import numpy as np

from microtwin.errors import InputError, RigError
from microtwin.field import CoilScale, RotatingField
from microtwin_hardware.coils import messages, serial_transfer
from microtwin_hardware.coils.duty import NO_CONE_RAD, coil_scale
from microtwin_hardware.coils.heartbeat import Heartbeat
from microtwin_hardware.coils.link import BOOT_S, TICK_S, Link
from microtwin_hardware.coils.packets import Receiver, packet
from microtwin_hardware.coils.session import Session
from microtwin_hardware.config import CoilsConfig

REPLY_S, TRIES = 0.06, 3  # a round trip takes 2 to 20 ms, as the USB chip has it
HELLO_S, HELLOS = 0.25, 6
SKETCH = "hardware/firmware/microtwin_mega"
_IF_GONE = "the field is off (the board's watchdog); plug it in, then start again, or reconnect() and arm()"
_Reply = TypeVar("_Reply", messages.Greeting, messages.Answer, messages.Report)


class MegaCoils(Session):
    """Coils on a serial port; entering opens it, checks the firmware's version, sends the settings and arms.

    Safe to use from several threads. All methods raise RigError when the board is gone or does not answer.

    Attributes:
        firmware: what answered. latency_s: the last command's round trip. notes: what the user may want to know.
    """

    def __init__(self, config: CoilsConfig):
        super().__init__()
        self.config = config
        self.firmware: messages.Greeting | None = None
        self.latency_s = float("nan")
        self.notes: list[str] = []
        self._link = Link(config.port, config.baud, _IF_GONE)
        self._receiver = Receiver()
        self._seq = 0
        self._on = False
        self._commanded_s = 0.0
        self._heartbeat = Heartbeat(config.heartbeat_ms / 1000, self._beat, self._wanted)

    @property
    def scale(self) -> CoilScale:
        """The true field of a command, mT."""
        return coil_scale(self.config)

    def apply(self, field: RotatingField, *, cone_rad: float = NO_CONE_RAD) -> RotatingField:
        """Command a field; what the board applies, with its own clipping and in its own steps.

        A watchdog that tripped with the field off is cleared; one that turned a field off stands until :meth:`arm`.

        Args:
            field: above 200 Hz it turns at 200 Hz. cone_rad: half the angle of the cone that the field turns on; π/2
                is a plane.

        Raises:
            RigError: refused, not armed, no answer; says what to do.
        """
        request = messages.Apply.of(field, cone_rad)
        with self._lock:
            if self._link.is_open and not self._armed:
                raise RigError(f"coils at {self.config.port} are disarmed: call arm() when the field may come back")
            was_on, self._commanded_s = self._on, time.monotonic()
            asked_s = self._link.now_s
            answer = self._ask(request, messages.Answer)
            if answer.faults == messages.Fault.WATCHDOG and not was_on:
                # it tripped while there was no field: this program was busy for a moment, and is here again
                self._check(self._ask(messages.Arm(), messages.Answer))
                answer = self._ask(request, messages.Answer)
            self.latency_s = self._link.now_s - asked_s
            self._check(answer)
            self._on = answer.state == messages.State.FIELD_ON
        return replace(field, amplitude=answer.amplitude, frequency_hz=answer.frequency_hz)

    def off(self) -> None:
        """No field at once; stays armed."""
        with self._lock:
            self._on = False
            self._ask(messages.Off(), messages.Answer)

    def arm(self) -> None:
        """Clear the board's faults and let a field be commanded: after :meth:`reconnect`, or after it tripped."""
        with self._lock:
            self._check(self._ask(messages.Arm(), messages.Answer))
            self._armed, self._on = True, False
        self._heartbeat.start()

    def status(self) -> messages.Report:
        """What the board reports of itself: state, faults, duties, current sense."""
        with self._lock:
            return self._ask(messages.Status(), messages.Report)

    def currents_a(self) -> np.ndarray:
        """(6,) |current| of each coil, A, order +Y +X −Y −X +Z −Z."""
        return self.config.amps_per_count * np.array(self.status().counts, dtype=float)

    def _connect(self) -> None:
        self._on = False
        self._link.open()
        try:
            greeting = self.firmware = self._greet()
            if greeting.protocol != messages.PROTOCOL:
                raise InputError(
                    f"{greeting} at {self.config.port} speaks protocol {greeting.protocol}, this library speaks "
                    f"{messages.PROTOCOL}: flash {SKETCH} of this version"
                )
            self._ask(messages.Disarm(), messages.Answer)  # CONFIG is refused while a field is on
            answer = self._ask(messages.Configure.of(self.config), messages.Answer)
            if answer.result != messages.Result.DONE:
                raise InputError(
                    f"{greeting} at {self.config.port} refuses the settings: give values as in {SKETCH}/../PROTOCOL.md"
                )
        except BaseException:
            self._link.close()
            raise

    def _greet(self) -> messages.Greeting:
        """HELLO until it is answered; a board that was just reset is left alone until its boot loader has ended."""
        heard = self._link.listen(BOOT_S) if self._link.resets_board else b""
        self._seq = (self._seq + 1) & 0xFF
        for _ in range(HELLOS):
            greeting, bytes_heard = self._exchange(messages.Hello(), HELLO_S)
            heard += bytes_heard
            if isinstance(greeting, messages.Greeting):
                return greeting
        if serial_transfer.Receiver().feed(heard):
            raise InputError(
                f"{self.config.port} is the lab's firmware: name its profile (profile = lab-8, lab-10 or lab-17), "
                f"or flash {SKETCH}"
            )
        what = f"{len(heard)} bytes of no known protocol from" if heard else "no answer on"
        raise InputError(f"{what} {self.config.port}: flash {SKETCH}, or name the lab's profile and its baud rate")

    def _ask(self, request: messages.Request, kind: type[_Reply]) -> _Reply:
        self._seq = (self._seq + 1) & 0xFF  # once for all tries: a reply that is late is a reply
        for _ in range(TRIES):
            reply, _bytes = self._exchange(request, REPLY_S)
            if isinstance(reply, kind):
                return reply
        raise RigError(
            f"coils at {self.config.port} do not answer: the field goes off by itself (watchdog); check the cable and "
            "the board's supply, then start again, or reconnect() and arm()"
        )

    def _exchange(self, request: messages.Request, timeout_s: float):
        """One request; its reply, or None after ``timeout_s``, and all bytes that came meanwhile."""
        self._link.write(packet(request.message(self._seq)))
        heard, left_s, end_s = b"", timeout_s, self._link.now_s + timeout_s
        while left_s:
            left_s = end_s - self._link.now_s
            if left_s <= TICK_S:
                left_s = 0.0  # a last look: it may be this program that was held up, and not the board
            data = self._link.read(left_s)
            heard += data
            for message in self._receiver.feed(data):
                with contextlib.suppress(ValueError):
                    kind, seq, reply = messages.reply_in(message)
                    if (kind, seq) == (request.TYPE, self._seq):
                        return reply, heard
        return None, heard

    def _check(self, answer: messages.Answer) -> None:
        if answer.result in (messages.Result.DONE, messages.Result.CLIPPED):
            return
        port, result = self.config.port, answer.result
        self._on = False
        if answer.faults:
            self._armed = False
            raise RigError(
                f"coils at {port} switched themselves off: {self._in_words(answer.faults)}; then start again, or arm()"
            )
        if result == messages.Result.NOT_CONFIGURED:
            self._armed = False
            raise RigError(
                f"the board at {port} was restarted (its supply?), the field is off: start again, or reconnect() and "
                "arm()"
            )
        if result == messages.Result.DISARMED:
            self._armed = False
            raise RigError(f"coils at {port} were disarmed: call arm() when the field may come back")
        raise RigError(f"coils at {port} refuse the field as outside their range: the last one stays; give another")

    def _in_words(self, faults: messages.Fault) -> str:
        words = []
        if messages.Fault.WATCHDOG in faults:
            words.append(
                f"watchdog, nothing was heard for {self.config.watchdog_ms} ms; find out what held the program up"
            )
        if messages.Fault.ON_TOO_LONG in faults:
            words.append(f"on for longer than max_on_s = {self.config.max_on_s:g} s; let the coils cool")
        if messages.Fault.OVER_CURRENT in faults:
            words.append(f"over-current, above {self.config.current_limit_a:g} A; look for a short, or raise the limit")
        return " and ".join(words) or f"fault {int(faults)}"

    def _wanted(self) -> bool:
        """Without a field a hung program does no harm; with one it must not be kept alive."""
        return self._armed and (not self._on or time.monotonic() - self._commanded_s < self.config.hold_s)

    def _beat(self) -> None:
        with contextlib.suppress(RigError), self._lock:
            if self._wanted():
                self._ask(messages.Status(), messages.Report)

    def _shut(self) -> None:
        """Off, disarmed, closed; silent whatever is broken."""
        atexit.unregister(self._shut)
        self._heartbeat.stop()
        with self._lock:
            self._armed = self._on = False
            for request in (messages.Off(), messages.Disarm()):
                with contextlib.suppress(Exception):
                    self._ask(request, messages.Answer)
            self._link.close()
