"""Coils behind the lab's own firmware (8, 10 or 17 floats): it listens, and keeps the last command for ever.

It never answers a command and has no watchdog. The profile is proven by the currents it reports, every end of this
program sends zeros, and a guard process sends them when the program is killed or hangs (POSIX).
"""

import atexit
import contextlib
import math
import os

import numpy as np

from microtwin.errors import InputError, RigError
from microtwin.field import CoilScale, RotatingField
from microtwin_hardware.coils import lab_floats, lab_probe, messages, packets, serial_transfer
from microtwin_hardware.coils.duty import NO_CONE_RAD
from microtwin_hardware.coils.guard import Guard
from microtwin_hardware.coils.link import BOOT_S, Link
from microtwin_hardware.coils.session import Session
from microtwin_hardware.coils.uplink import Uplink
from microtwin_hardware.config import CoilsConfig

ZEROS = 3
GAP_S = 0.005  # two packets at once are more than the board's 64 bytes of buffer, and its loop takes 2 ms
LAST_S = 0.02
HELLO_S = 0.3
SILENT_S = 1.0  # fifty currents that did not come
_IF_GONE = (
    "this firmware keeps its last command while it has power: switch the coils' supply off; then plug it in and start "
    "again, or reconnect() and arm()"
)


class LabCoils(Session):
    """Coils on a serial port; entering opens it, proves the profile with a weak pulse, and arms.

    Attributes:
        notes: what the user may want to know, such as what could not be proven. latency_s: never known, NaN.

    Raises:
        InputError: settings that this firmware cannot follow.
    """

    def __init__(self, config: CoilsConfig):
        super().__init__()
        lab_floats.check_settings(config)
        self.config = config
        self.notes: list[str] = []
        self.latency_s = math.nan
        self._link = Link(config.port, config.baud, _IF_GONE)
        self._uplink = Uplink(self._link)
        self._guard: Guard | None = None
        self._on_since_s: float | None = None
        self._commanded_s = self._free_s = 0.0

    @property
    def scale(self) -> CoilScale:
        """The true field of a command, mT."""
        return lab_floats.lab_scale(self.config)

    def apply(self, field: RotatingField, *, cone_rad: float = NO_CONE_RAD) -> RotatingField:
        """Command a field; what this firmware makes of it.

        Raises:
            RigError: the board is gone or silent, the field was on for too long or not commanded for too long.
            InputError: a strength between off and full on 8 or 10 floats; the last field stays.
        """
        wanted = lab_floats.possible(field, self.config, cone_rad)
        with self._lock:
            if self._link.is_open and not self._armed:
                raise RigError(f"coils at {self.config.port} are disarmed: call arm() when the field may come back")
            self._uplink.drain()
            now_s = self._link.now_s
            self._check(now_s)
            if not wanted.amplitude:
                self._on_since_s = None
            elif self._on_since_s is None:
                self._on_since_s = now_s
            self._commanded_s = now_s
            self._send(lab_floats.floats(wanted, self.config, cone_rad))
        return wanted

    def off(self) -> None:
        """No field; stays armed."""
        with self._lock:
            self._on_since_s = None
            self._send(lab_floats.in_order(self.config.profile))

    def arm(self) -> None:
        """Let a field be commanded: after :meth:`reconnect`, or after the field was turned off for the user."""
        with self._lock:
            self.off()
            self._armed = True

    def currents_a(self) -> np.ndarray | None:
        """(6,) newest coil currents, A, order +Y +X −Y −X +Z −Z; None from a board that reports none."""
        with self._lock:
            self._uplink.drain()
            return None if self._uplink.currents_a is None else self._uplink.currents_a.copy()

    def _connect(self) -> None:
        self._on_since_s = None
        self._close()
        self._link.open()
        self._free_s = self._link.now_s
        self.notes.clear()
        self._uplink = Uplink(self._link)
        try:
            if self._link.resets_board:
                self._uplink.gather(BOOT_S)
            self._set_guard()
            self.off()
            heard = len(self._uplink.gather(lab_probe.LISTEN_S, enough=3))
            if heard and not self.config.probe_duty:
                self.notes.append(
                    f"coils.probe_duty is 0: that the board takes {self.config.profile[4:]} floats was not proven"
                )
            elif heard:
                lab_probe.verify(self.config, self._uplink, self._send)
            else:
                self._judge_silence()
        except BaseException:
            self._shut_line()
            raise

    def _judge_silence(self) -> None:
        """No currents came. The shorter firmwares are then believed; a 17-float command must not go out unproven."""
        port, profile = self.config.port, self.config.profile
        if self._uplink.strays:
            raise InputError(
                f"{self._uplink.strays} bytes of no known protocol from {port} at {self.config.baud} baud: give the "
                "firmware's own coils.baud (115200 or 500000)"
            )
        greeting = self._greeting()
        if greeting:
            raise InputError(f"{greeting} answers at {port}: give profile = microtwin")
        if profile == "lab-17":
            raise InputError(
                f"no currents from {port}: a 17-float command is not sent to a board that cannot prove that it takes "
                "it; check cable, coils.baud and firmware"
            )
        self.notes.append(f"no currents from {port}: that it takes {profile[4:]} floats could not be proven")

    def _greeting(self) -> object:
        """What our own firmware says when it is greeted, which is nothing to the lab's."""
        self._link.write(packets.packet(messages.Hello().message(seq=1)))
        for message in packets.Receiver().feed(self._link.listen(HELLO_S)):
            with contextlib.suppress(ValueError):
                return messages.reply_in(message)[2]
        return None

    def _set_guard(self) -> None:
        port = self._link.fileno()
        if os.name == "posix" and port is not None:
            self._guard = Guard(port, serial_transfer.floats(lab_floats.in_order(self.config.profile)), self._limit_s)
        else:
            self.notes.append("no guard process here: if this program is killed, the field stays as it is")

    @property
    def _limit_s(self) -> float:
        """Time without a command after which a field goes off: as long as our firmware would take."""
        return self.config.watchdog_ms / 1000 + (self.config.hold_s if self.config.heartbeat_ms else 0.0)

    def _check(self, now_s: float) -> None:
        """Raises RigError, with the field off, when something says that it must not go on."""
        trouble = None
        if now_s - self._uplink.heard_s > SILENT_S and self._uplink.currents_a is not None:
            trouble = "its currents stopped coming; switch the coils' supply off and look at the board"
        elif self._on_since_s is None:
            return
        elif self._guard and now_s - self._commanded_s > self._limit_s:
            trouble = f"nothing was commanded for {now_s - self._commanded_s:.2f} s; find out what held the program up"
        elif now_s - self._on_since_s > self.config.max_on_s:
            trouble = f"on for longer than max_on_s = {self.config.max_on_s:g} s; let the coils cool"
        if trouble:
            self._armed = False
            self.off()
            raise RigError(f"coils at {self.config.port} were switched off: {trouble}; then start again, or arm()")

    def _send(self, values: tuple[float, ...]) -> None:
        """One packet, or several if it turns the field off: nothing is answered, so that a loss goes unseen."""
        on, data = any(values), serial_transfer.floats(values)
        with self._lock:
            self._tell_guard(on)
            for _ in range(1 if on else ZEROS):
                self._uplink.gather(self._free_s - self._link.now_s)
                self._link.write(data)
                self._free_s = self._link.now_s + 10 * len(data) / self.config.baud + GAP_S
            if on:
                # again: if this program was held up since, the guard has ended a field that only begins now
                self._tell_guard(on)

    def _tell_guard(self, on: bool) -> None:
        if self._guard and not self._guard.tell(on):
            self._guard.dismiss()
            self._guard = None
            self._set_guard()
            if self._guard:
                self._guard.tell(on)

    def _shut(self) -> None:
        """Zeros, closed; silent whatever is broken."""
        atexit.unregister(self._shut)
        with self._lock:
            self._armed, self._on_since_s = False, None
            self._shut_line()

    def _shut_line(self) -> None:
        with contextlib.suppress(Exception):
            if self._link.is_open:
                self._send(lab_floats.in_order(self.config.profile))
                self._link.listen(LAST_S)
        self._close()

    def _close(self) -> None:
        guard, self._guard = self._guard, None
        if guard:
            guard.dismiss()
        self._link.close()
