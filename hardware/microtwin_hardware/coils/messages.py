"""Requests to and replies from ``microtwin_mega``, protocol version 1 (hardware/firmware/PROTOCOL.md)."""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import ClassVar, Self

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin_hardware.coils.duty import NO_CONE_RAD, axis_gains
from microtwin_hardware.config import CoilsConfig

PROTOCOL = 1
COILS = ("+Y", "+X", "-Y", "-X", "+Z", "-Z")  # order of all lists of six
FULL_DUTY = 255
MAX_HZ = 200.0
_ONE = 32768  # Q15
_TURN = 65536
_NO_LIMIT = 1023  # ADC counts: the top of its range


class Result(IntEnum):
    DONE = 0
    CLIPPED = 1
    NOT_CONFIGURED = 2
    DISARMED = 3
    OUT_OF_RANGE = 4
    FAULT = 5


class State(IntEnum):
    NOT_CONFIGURED = 0
    DISARMED = 1
    ARMED = 2
    FIELD_ON = 3


class Fault(IntFlag):
    WATCHDOG = 1
    ON_TOO_LONG = 2
    OVER_CURRENT = 4


@dataclass(frozen=True)
class Request:
    """One with no body; its reply is of type ``TYPE`` + 0x80."""

    TYPE: ClassVar[int]

    def message(self, seq: int) -> bytes:
        """``type | seq | body``."""
        return bytes([self.TYPE, seq]) + self.body()

    def body(self) -> bytes:
        return b""


class Hello(Request):
    TYPE = 0x01


class Arm(Request):
    TYPE = 0x03


class Off(Request):
    TYPE = 0x05


class Disarm(Request):
    TYPE = 0x06


class Status(Request):
    TYPE = 0x07


@dataclass(frozen=True)
class Configure(Request):
    """CONFIG, in the integers of the wire."""

    TYPE = 0x02
    gains: tuple[int, int, int]
    max_duty: int
    watchdog_ms: int
    soft_start_ms: int
    max_on_ms: int
    max_counts: int

    @classmethod
    def of(cls, config: CoilsConfig) -> Self:
        """What the user's settings ask for.

        Raises:
            InputError: a current limit that the board's sense cannot tell from its own end of scale.
        """
        counts = _NO_LIMIT
        if config.current_limit_a:
            counts = round(config.current_limit_a / config.amps_per_count)
            if not 1 <= counts < _NO_LIMIT:
                low, high = config.amps_per_count, (_NO_LIMIT - 1) * config.amps_per_count
                raise InputError(
                    f"coils.current_limit_a is {config.current_limit_a:g}: this current sense can tell "
                    f"{low:.3g} to {high:.3g} A; give a limit between them, or 0 for none"
                )
        x, y, z = (max(-_ONE + 1, min(_ONE - 1, round(_ONE * gain))) for gain in axis_gains(config))
        return cls(
            gains=(x, y, z),
            max_duty=round(_ONE * config.max_duty),
            watchdog_ms=config.watchdog_ms,
            soft_start_ms=config.soft_start_ms,
            max_on_ms=round(1000 * config.max_on_s),
            max_counts=counts,
        )

    def body(self) -> bytes:
        limits = (self.max_duty, self.watchdog_ms, self.soft_start_ms, self.max_on_ms, self.max_counts)
        return struct.pack("<3hHHHIH", *self.gains, *limits)


@dataclass(frozen=True)
class Apply(Request):
    """FIELD, in the integers of the wire."""

    TYPE = 0x04
    alpha: int
    gamma: int
    cone: int
    amplitude: int
    frequency: int

    @classmethod
    def of(cls, field: RotatingField, cone_rad: float = NO_CONE_RAD) -> Self:
        """Rounded to the wire's steps; a frequency above 200 Hz becomes 200 Hz.

        The wire has γ from 0 to π alone: (α, −γ) is sent as (α + π, γ), the same field half a turn later.

        Raises:
            InputError: a cone angle outside (0, π/2].
        """
        cone = round(_TURN * cone_rad / (2 * math.pi)) if math.isfinite(cone_rad) else 0
        if not 1 <= cone <= _TURN // 4:
            raise InputError(f"cone angle is {cone_rad} rad: give more than 0 up to π/2, which is no cone")
        gamma, alpha = field.gamma_rad % (2 * math.pi), field.alpha_rad
        if gamma > math.pi:
            gamma, alpha = 2 * math.pi - gamma, alpha + math.pi
        return cls(
            alpha=round(_TURN * math.remainder(alpha, 2 * math.pi) / (2 * math.pi)) % _TURN,
            gamma=round(_TURN * gamma / (2 * math.pi)),
            cone=cone,
            amplitude=round(_ONE * field.amplitude),
            frequency=round(1e6 * min(field.frequency_hz, MAX_HZ)),
        )

    def body(self) -> bytes:
        return struct.pack("<4HI", self.alpha, self.gamma, self.cone, self.amplitude, self.frequency)


@dataclass(frozen=True)
class Greeting:
    """Reply to HELLO. ``firmware`` is (major, minor, patch)."""

    protocol: int
    firmware: tuple[int, int, int]
    update_hz: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.firmware))}"


@dataclass(frozen=True)
class Answer:
    """Reply to CONFIG, ARM, FIELD, OFF and DISARM, with the field that is applied."""

    result: Result
    state: State
    faults: Fault
    amplitude: float
    frequency_hz: float


@dataclass(frozen=True)
class Report:
    """Reply to STATUS. ``duties`` are signed fractions, ``counts`` of the current sense; both in the order of COILS."""

    state: State
    faults: Fault
    uptime_s: float
    phase_rad: float
    duties: tuple[float, ...]
    counts: tuple[int, ...]
    bad_packets: int


def reply_in(message: bytes) -> tuple[int, int, Greeting | Answer | Report]:
    """Type of the request that is answered, its seq, and the reply.

    Raises:
        ValueError: no reply of this protocol.
    """
    try:
        kind, seq, body = message[0] - 0x80, message[1], message[2:]
        if kind == Hello.TYPE:
            return kind, seq, _greeting(body)
        if kind == Status.TYPE:
            state, faults, uptime_ms, phase, *six, bad = struct.unpack("<BBIH6h6HH", body)
            duties = tuple(duty / FULL_DUTY for duty in six[:6])
            phase_rad = 2 * math.pi * phase / _TURN
            report = Report(State(state), Fault(faults), uptime_ms / 1e3, phase_rad, duties, tuple(six[6:]), bad)
            return kind, seq, report
        if kind in (Configure.TYPE, Arm.TYPE, Apply.TYPE, Off.TYPE, Disarm.TYPE):
            result, state, faults, amplitude, micro_hz = struct.unpack("<BBBHI", body)
            return kind, seq, Answer(Result(result), State(state), Fault(faults), amplitude / _ONE, micro_hz / 1e6)
    except (IndexError, struct.error) as error:
        raise ValueError(str(error)) from None
    raise ValueError(f"unknown type {message[0]:#x}")


def _greeting(body: bytes) -> Greeting:
    protocol, major, minor, patch, update_hz, name = struct.unpack_from("<B3BH16s", body)  # later versions may add
    return Greeting(protocol, (major, minor, patch), update_hz, name.rstrip(b"\0").decode("ascii", "replace"))
