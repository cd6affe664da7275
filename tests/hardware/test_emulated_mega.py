"""The firmware on the emulated board: its line, its field, its watchdog. Packets are made here, from PROTOCOL.md."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulated_rig.build import FIRMWARE, compile_sketch, missing
from emulated_rig.mega import CLOCK_HZ, Mega
from microtwin.errors import InputError
from microtwin.field import RotatingField

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")

HELLO, CONFIG, ARM, FIELD, OFF, DISARM, STATUS = range(1, 8)
DONE, CLIPPED, NO_CONFIG, DISARMED, OUT_OF_RANGE, FAULT = range(6)
PORTA, PORTC = 0x22, 0x28
COMPARES = (0x9A, 0x9C, 0x12C, 0x12A, 0xA8, 0xAA, 0xB3, 0xB4, 0x8A, 0x88, 0xAC, 0x128)  # OCRnx: R, L of each coil
BODY = {HELLO: 22, CONFIG: 9, ARM: 9, FIELD: 9, OFF: 9, DISARM: 9, STATUS: 34}


def crc(data: bytes) -> int:
    """CRC-16/CCITT-FALSE, bit by bit."""
    value = 0xFFFF
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value


def packed(message: bytes) -> bytes:
    """00 | COBS(message | CRC) | 00."""
    return framed(message + struct.pack("<H", crc(message)))


def framed(data: bytes) -> bytes:
    """00 | COBS(data) | 00, for less than 254 bytes."""
    out = b""
    for block in data.split(b"\0"):
        out += bytes([len(block) + 1]) + block
    return b"\0" + out + b"\0"


def unpacked(line: bytes) -> list[bytes]:
    """Every message of whole packets; nothing else may have been on the line."""
    messages = []
    for packet in filter(None, line.split(b"\0")):
        data, at = b"", 0
        while at < len(packet):
            block = packet[at + 1 : at + packet[at]]
            assert len(block) == packet[at] - 1
            data += block + (b"\0" if at + packet[at] < len(packet) else b"")
            at += packet[at]
        assert struct.unpack("<H", data[-2:])[0] == crc(data[:-2])
        messages.append(data[:-2])
    return messages


class Host:
    """Asks and waits; every reply is checked for its number, its type and its length."""

    def __init__(self, mega: Mega):
        self.mega = mega
        self.seq = 0
        self.seen: list[np.ndarray] = []
        self.run(0.02)

    def run(self, duration_s: float) -> np.ndarray:
        """(n, 6) signed duties, −1…1, order +Y +X −Y −X +Z −Z."""
        duties = self.mega.run(duration_s)
        self.seen.append(duties[:, 0::2] - duties[:, 1::2])
        assert not ((duties[:, 0::2] > 0) & (duties[:, 1::2] > 0)).any()  # never both inputs of a bridge
        return self.seen[-1]

    def ask(self, kind: int, body: bytes = b"", timeout_s: float = 0.05) -> bytes:
        self.seq = (self.seq + 1) % 256
        self.mega.write(packed(bytes([kind, self.seq]) + body))
        line = b""
        for _ in range(round(timeout_s / 0.0005)):
            self.run(0.0005)
            line += self.mega.read()
            if len(line) > 3 and line.endswith(b"\0"):
                break
        (answer,) = unpacked(line)
        assert answer[0] == kind + 0x80 and answer[1] == self.seq and len(answer) == 2 + BODY[kind]
        return answer[2:]

    def config(
        self, gain=(32767, 32767, 32767), max_duty=32768, watchdog_ms=500, soft_ms=0, max_on_ms=3_600_000, counts=1023
    ):
        return self.ask(CONFIG, struct.pack("<3hHHHIH", *gain, max_duty, watchdog_ms, soft_ms, max_on_ms, counts))

    def field(self, field: RotatingField, cone: int = 16384) -> tuple[int, int, int, int, int]:
        """result, state, faults, amplitude (Q15) and frequency (µHz) of the reply."""
        return struct.unpack("<BBBHI", self.ask(FIELD, field_body(field, cone)))

    def ready(self, **config) -> "Host":
        assert self.config(**config)[0] == DONE
        assert self.ask(ARM)[0] == DONE
        return self


def field_body(field: RotatingField, cone: int = 16384) -> bytes:
    turns = [round(angle / (2 * math.pi) * 65536) % 65536 for angle in (field.alpha_rad, field.gamma_rad)]
    return struct.pack("<HHHHI", *turns, cone, round(field.amplitude * 32768), round(field.frequency_hz * 1e6))


@pytest.fixture
def host():
    mega = Mega(compile_sketch(FIRMWARE / "microtwin_mega"))
    yield Host(mega)
    mega.close()


def axes_of(duties: np.ndarray) -> np.ndarray:
    """(n, 3) duty along x, y, z of (n, 6); opposite coils must be driven with opposite sign.

    A sample may fall between the board's writes to the two.
    """
    plus, minus = duties[:, [1, 0, 4]], duties[:, [3, 2, 5]]
    assert np.mean((plus == -minus).all(axis=1)) > 0.98
    return (plus - minus) / 2


def held(host: Host, duration_s: float) -> np.ndarray:
    """(n, 3) duties at 8 kHz while the watchdog is kept fed."""
    mark = len(host.seen)
    end = host.mega.time_s + duration_s
    while host.mega.time_s < end:
        host.ask(STATUS)
        host.run(min(0.2, max(end - host.mega.time_s, 0.001)))
    return axes_of(np.concatenate(host.seen[mark:]))


def phasor(duties: np.ndarray, frequency_hz: float, sample_s: float) -> np.ndarray:
    """(3,) complex b with duty = Re b exp(−2πi f t), by least squares."""
    turn = 2 * math.pi * frequency_hz * sample_s * np.arange(len(duties))
    c, s = np.linalg.lstsq(np.stack([np.cos(turn), np.sin(turn)], axis=1), duties, rcond=None)[0]
    return c + 1j * s


def against(field: RotatingField, measured: np.ndarray) -> complex:
    """What turns Eq. 1 into the measured phasor: modulus is the amplitude's ratio, argument the phase."""
    c, s = field.quadratures
    wanted = c + 1j * s
    return complex(np.vdot(wanted, measured) / np.vdot(wanted, wanted))


FIELDS = [
    RotatingField(0.0, math.pi / 2, 1.0, 1.0),
    RotatingField(0.7, 1.2, 3.0, 0.8),
    RotatingField(2.4, math.pi / 2, 12.0, 1.0),
    RotatingField(-1.1, 2.6, 24.0, 0.5),
    RotatingField(-2.9, 0.0, 47.3, 1.0),
    RotatingField(1.3, math.pi, 100.0, 1.0),
]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: f"{field.frequency_hz:g} Hz")
def test_the_field_is_equation_1(host, field):
    host.ready()
    assert host.field(field)[:2] == (DONE, 3)
    duration_s = max(1.0, 4 / field.frequency_hz)
    duties = held(host, duration_s)
    measured = phasor(duties, field.frequency_hz, host.mega.sample_s)
    assert abs(against(field, measured)) == pytest.approx(1.0, abs=0.01)
    axis = np.cross(np.real(measured), np.imag(measured))
    assert math.degrees(math.acos(min(axis @ field.axis / np.linalg.norm(axis), 1.0))) < 1.0
    half = len(duties) // 2
    ends = [
        against(field, phasor(part, field.frequency_hz, host.mega.sample_s)) for part in (duties[:half], duties[half:])
    ]
    turn = 2 * math.pi * field.frequency_hz * half * host.mega.sample_s
    gained = math.remainder(np.angle(ends[0] / ends[1]) - turn, 2 * math.pi)
    assert abs(gained) / turn < 0.001


CHANGES = [
    (RotatingField(0.5, 1.2, 5.0, 1.0), RotatingField(0.5, 1.2, 40.0, 1.0)),
    (RotatingField(0.5, 1.2, 100.0, 1.0), RotatingField(0.5, 1.2, 1.0, 1.0)),
    (RotatingField(0.5, math.pi / 2, 12.0, 1.0), RotatingField(2.5, math.pi / 2, 12.0, 1.0)),
    (RotatingField(0.5, math.pi / 2, 12.0, 1.0), RotatingField(0.5, 0.1, 12.0, 1.0)),
    (RotatingField(0.5, math.pi / 2, 12.0, 1.0), RotatingField(-2.5, 2.9, 60.0, 0.6)),
]


@pytest.mark.parametrize(("before", "after"), CHANGES)
def test_the_phase_runs_on_through_a_change(host, before, after):
    """Over the update at which the change happens the phase grows by the old or the new frequency's step, give 2°."""
    host.ready()
    host.field(before)
    held(host, 0.3)
    mark = len(host.seen)
    sent = len(held(host, 0.2))
    host.field(after)
    answered = sum(map(len, host.seen[mark:]))
    held(host, 0.2)
    duties = axes_of(np.concatenate(host.seen[mark:]))

    # four samples to each of the board's 2000 updates a second: take the one after which nothing changes
    quiet = min(range(4), key=lambda k: int(np.count_nonzero(np.diff(duties[k:], axis=0)[::4])))
    ticks, tick_s = duties[quiet::4], 4 * host.mega.sample_s
    old = phase(ticks[: sent // 4 - 1], before, tick_s)
    new = phase(ticks[answered // 4 + 1 :], after, tick_s, answered // 4 + 1)
    times_s = np.arange(len(ticks)) * tick_s
    missed = [
        np.linalg.norm(ticks - before.at(times_s + old / (2 * math.pi * before.frequency_hz)), axis=1),
        np.linalg.norm(ticks - after.at(times_s + new / (2 * math.pi * after.frequency_hz)), axis=1),
    ]
    switch = min(range(sent // 4 - 1, answered // 4 + 2), key=lambda k: missed[0][:k].sum() + missed[1][k:].sum())
    assert max(missed[0][:switch].max(), missed[1][switch:].max()) < 0.02  # no update shows anything between the two
    last = old + 2 * math.pi * before.frequency_hz * times_s[switch - 1]
    first = new + 2 * math.pi * after.frequency_hz * times_s[switch]
    steps = sorted(2 * math.pi * field.frequency_hz * tick_s for field in (before, after))
    middle, width = (steps[0] + steps[1]) / 2, steps[1] - steps[0]
    assert math.degrees(abs(math.remainder(first - last - middle, 2 * math.pi)) - width / 2) < 2.0


def phase(ticks: np.ndarray, field: RotatingField, tick_s: float, begin: int = 0) -> float:
    """Phase (rad) that the field had, or would have had, at tick 0, from the ticks ``begin`` and later."""
    c, s = field.quadratures
    turns = 2 * math.pi * field.frequency_hz * tick_s * np.arange(begin, begin + len(ticks))
    return float(np.angle(np.mean((ticks @ c + 1j * (ticks @ s)) * np.exp(-1j * turns))))


def enables(host: Host) -> list[int]:
    """Levels of pins 22-33, whatever the bridges' inputs are."""
    ports = host.mega.register(PORTA), host.mega.register(PORTC)
    return [ports[0] >> bit & 1 for bit in range(8)] + [ports[1] >> bit & 1 for bit in (7, 6, 5, 4)]


def compares(host: Host) -> list[int]:
    """The twelve compare registers, whatever the enables are."""
    return [host.mega.register(address) for address in COMPARES]


ROLL = RotatingField(0.4, 1.1, 20.0, 1.0)


def test_it_boots_to_zero_and_takes_no_field_before_it_is_configured_and_armed(host):
    assert enables(host) == [0] * 12 and compares(host) == [0] * 12
    assert host.ask(HELLO) == struct.pack("<B3BH16s", 1, 1, 0, 0, 2000, b"microtwin_mega")
    assert host.field(ROLL) == (NO_CONFIG, 0, 0, 0, 0)
    assert host.ask(ARM)[:2] == bytes([NO_CONFIG, 0])
    assert host.ask(OFF)[:2] == host.ask(DISARM)[:2] == bytes([DONE, 0])
    assert host.config()[:2] == bytes([DONE, 1])
    assert host.field(ROLL) == (DISARMED, 1, 0, 0, 0)
    assert enables(host) == [0] * 12
    assert host.ask(ARM)[:2] == bytes([DONE, 2])
    assert enables(host) == [1] * 12 and compares(host) == [0] * 12
    assert host.field(ROLL) == (DONE, 3, 0, 32768, 20_000_000)


def test_the_pwm_is_phase_correct_with_8_bits_and_no_prescaler(host):
    for control in (0x80, 0xB0, 0x90, 0xA0, 0x120):  # TCCRnA; TCCRnB is the next
        assert host.mega.register(control) & 3 == 1
        assert host.mega.register(control + 1) == 1


@pytest.mark.parametrize("how", ["disarm", "configure", "silence"])
def test_without_arms_enables_and_compare_registers_are_low_each_by_itself(host, how):
    host.ready(watchdog_ms=50).field(ROLL)
    host.run(0.02)
    assert enables(host) == [1] * 12 and any(compares(host))
    if how == "disarm":
        assert host.ask(DISARM)[:3] == bytes([DONE, 1, 0])
    elif how == "configure":
        assert host.config()[:2] == bytes([OUT_OF_RANGE, 3])  # not while the field is on
        assert enables(host) == [1] * 12 and any(compares(host))
        assert host.ask(OFF)[:2] == bytes([DONE, 2])
        assert compares(host) == [0] * 12 and enables(host) == [1] * 12
        assert host.config()[:2] == bytes([DONE, 1])
    else:
        host.run(0.06)
    assert enables(host) == [0] * 12 and compares(host) == [0] * 12
    assert host.ask(STATUS)[8:20] == bytes(12)  # what it says of its duties


def test_a_fault_stands_until_arm_whatever_is_configured(host):
    host.ready(watchdog_ms=50).field(ROLL)
    host.run(0.06)
    assert host.config()[:3] == bytes([DONE, 1, 1])
    assert host.field(ROLL)[:3] == (FAULT, 1, 1)
    assert host.ask(ARM)[:3] == bytes([DONE, 2, 0])
    assert host.field(ROLL)[:3] == (DONE, 3, 0)


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [("max_duty", 0, 32768), ("watchdog_ms", 50, 500), ("soft_ms", 0, 5000), ("max_on_ms", 100, 3_600_000)],
)
def test_settings_at_the_ends_of_their_range_are_taken_and_beyond_change_nothing(board, key, low, high):
    for value in (low, high):
        assert board.config(**{key: value})[0] == DONE
    board.ready()
    for value in (low - 1, high + 1):
        if value >= 0:
            assert board.config(**{key: value})[:2] == bytes([OUT_OF_RANGE, 2])
    assert board.field(ROLL)[:2] == (DONE, 3)
    board.ask(OFF)


@pytest.mark.parametrize(
    ("at", "low", "high"),
    [(1, 0, 32768), (2, 1, 16384), (3, 1, 32768), (4, 0, 200_000_000)],
    ids=["gamma", "cone", "amplitude", "frequency"],
)
def test_fields_at_the_ends_of_their_range_are_made_and_beyond_change_nothing(board, at, low, high):
    def send(value: int) -> tuple[int, ...]:
        body = [1000, 16384, 9000, 32768, 5_000_000]
        body[at] = value
        return struct.unpack("<BBBHI", board.ask(FIELD, struct.pack("<HHHHI", *body)))

    board.ready(gain=(-32768, 32767, -32768))
    for value in (low, high):
        assert send(value)[:2] == (DONE, 3)
        board.run(0.05)
    before = send(high)
    for value in (low - 1, high + 1):
        if value >= 0 and (at, value) != (3, 0):  # amplitude 0 is OFF
            assert send(value) == (OUT_OF_RANGE, *before[1:])
    board.ask(OFF)


def test_no_count_exceeds_the_greatest_duty_and_the_clipped_amplitude_is_told(host):
    host.ready(max_duty=16435)  # 127.9 counts, not 128
    result, _, _, amplitude, _ = host.field(ROLL)
    assert result == CLIPPED and 16435 <= amplitude < 18500
    duties = np.abs(host.run(0.2)) * 255
    assert duties.max() == pytest.approx(127.0)
    assert host.field(RotatingField(0.4, 1.1, 20.0, 0.0)) == (DONE, 2, 0, 0, 0)  # amplitude 0 is OFF
    assert not host.run(0.05).any()


def test_what_is_refused_or_unknown_does_not_feed_the_watchdog(host):
    for nonsense in (bytes([FIELD, 1]) + bytes(12), bytes([8, 1]), bytes([STATUS, 1, 0])):  # cone 0, type, length
        host.ready(watchdog_ms=100).field(ROLL)
        bad = struct.unpack("<H", host.ask(STATUS)[-2:])[0]
        for _ in range(3):
            host.run(0.04)
            host.mega.write(packed(nonsense))
        host.run(0.01)
        answered = host.mega.read()
        assert bool(answered) == (nonsense[0] == FIELD)
        status = host.ask(STATUS)
        assert (status[0], status[1]) == (1, 1)
        assert struct.unpack("<H", status[-2:])[0] - bad == (0 if answered else 3)


def test_the_status_tells_duties_phase_and_uptime(host):
    host.ready(gain=(32767, -16384, 8192))
    host.field(ROLL)
    host.run(0.1)
    host.field(RotatingField(0.4, 1.1, 0.0, 1.0))  # stands still
    signed = host.run(0.02)[-1] * 255
    told = struct.unpack("<BBIH6h6HH", host.ask(STATUS))
    assert told[4:10] == pytest.approx(signed) and min(abs(signed)) > 2
    host.field(ROLL)
    one, one_s = struct.unpack_from("<IH", host.ask(STATUS), 2), host.mega.time_s
    host.run(0.113)
    two, two_s = struct.unpack_from("<IH", host.ask(STATUS), 2), host.mega.time_s
    assert two[0] - one[0] == pytest.approx(1000 * (two_s - one_s), abs=1.5)
    turns = (two[1] - one[1]) / 65536 - ROLL.frequency_hz * (two_s - one_s)
    assert abs(math.remainder(turns, 1.0)) < 0.03  # an update and the time of a reply
    assert host.ask(OFF)[-6:] == bytes(6)  # amplitude and frequency
    stands = struct.unpack_from("<H", host.ask(STATUS), 6)
    host.run(0.1)
    assert struct.unpack_from("<H", host.ask(STATUS), 6) == stands
    host.field(RotatingField(0.4, 1.1, 0.0, 1.0))
    assert struct.unpack_from("<H", host.ask(STATUS), 6) == stands  # and it goes on from there


def test_a_host_that_asks_faster_than_the_line_answers_loses_whole_replies(host):
    host.mega.write(packed(bytes([HELLO, 7])) * 200)  # an answer is four times as long as its question
    host.run(0.5)
    answers = unpacked(host.mega.read())
    assert 40 < len(answers) < 120
    assert {(answer[:2], len(answer)) for answer in answers} == {(bytes([HELLO + 0x80, 7]), 24)}
    assert host.ask(STATUS)[0] == 0


def test_the_field_rises_over_the_soft_start_after_every_off_and_not_at_every_change(host):
    host.ready(soft_ms=200)
    for heading_rad in (0.0, 1.0):
        mark = len(host.seen)
        host.field(RotatingField(heading_rad, math.pi / 2, 100.0, 1.0))
        host.run(0.25)
        strength = np.linalg.norm(axes_of(np.concatenate(host.seen[mark:])), axis=1)
        crossed_s = [np.argmax(strength > share) * host.mega.sample_s for share in (0.2, 0.4, 0.6, 0.8)]
        assert np.diff(crossed_s) == pytest.approx([0.04] * 3, abs=0.003)
        mark = len(host.seen)
        host.field(RotatingField(heading_rad + 0.5, math.pi / 2, 100.0, 1.0))
        host.run(0.02)
        assert np.linalg.norm(axes_of(np.concatenate(host.seen[mark:])), axis=1).min() > 0.98
        host.ask(OFF)


def test_no_interrupt_waits_so_long_that_a_real_uart_would_lose_a_byte(host):
    """Two bytes fit into the chip's UART while the third comes in, 20 µs each."""
    host.ready()
    host.mega.longest_masked_s()
    field = field_body(RotatingField(0.3, 1.0, 12.0, 1.0))
    for kind, body in ((FIELD, field), (STATUS, b""), (HELLO, b""), (OFF, b""), (DISARM, b""), (ARM, b"")) * 20:
        host.mega.write(packed(bytes([kind, 1]) + body))
    while host.mega.unsent:
        host.run(0.01)
    assert 1e-6 < host.mega.longest_masked_s() < 30e-6


def test_the_watchdog_stops_a_field_that_nobody_tends(host):
    """Ten hosts that fall silent, each at another moment of its run and of the field's turn."""
    random = np.random.default_rng(6)
    for _ in range(10):
        host.ready(watchdog_ms=int(random.integers(50, 500)))
        field = RotatingField(*random.uniform([-3, 0, 1, 0.2], [3, 3, 100, 1]))
        assert host.field(field)[:2] == (DONE, 3)
        for wait_s in random.uniform(0.0, 0.045, size=random.integers(0, 8)):
            host.run(wait_s)
            host.ask(STATUS)
        host.run(random.uniform(0.0, 0.01))
        assert host.seen[-1].any() or host.run(0.01).any()
        host.mega.write(packed(bytes([STATUS, 0])))  # the last word
        duties = host.run(0.6)
        driven = np.flatnonzero(duties.any(axis=1))
        assert 0.05 < (driven[-1] + 1) * host.mega.sample_s <= 0.5
        host.mega.read()
        state, faults = struct.unpack_from("<BB", host.ask(STATUS))
        assert (state, faults) == (1, 1)
        assert host.field(field)[0] == FAULT
        assert not host.run(0.05).any()


def test_noise_on_the_line_is_no_command(host):
    """Four seconds of random bytes: nothing is answered, the watchdog is not fed, and the board still listens."""
    host.ready()
    host.field(RotatingField(0.3, math.pi / 2, 12.0, 1.0))
    noise = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
    host.mega.write(noise)
    first = host.run(0.51)
    assert first.any()
    while host.mega.unsent:
        assert not host.run(0.5).any()
        assert host.mega.read() == b""
    host.mega.write(b"\0")  # ends whatever packet the noise began
    host.run(0.01)
    status = host.ask(STATUS)
    assert (status[0], status[1]) == (1, 1)
    assert struct.unpack("<H", status[-2:])[0] > 300  # bad packets
    assert host.ready().field(RotatingField(0.3, math.pi / 2, 12.0, 1.0))[0] == DONE
    assert host.run(0.1).any()


@given(packets=st.lists(st.binary(max_size=40), max_size=6), flip=st.integers(0, 8 * 12 - 1))
@settings(max_examples=30, deadline=None)
def test_a_damaged_command_is_not_obeyed(board, packets, flip):
    """One wrong bit in a FIELD, between whatever packets: the duties stay zero, and the whole one is obeyed."""
    board.ready()
    whole = bytes([FIELD, 1]) + field_body(RotatingField(0.1, 0.2, 5.0, 1.0))
    damaged = bytearray(whole + struct.pack("<H", crc(whole)))
    damaged[flip // 8] ^= 1 << flip % 8
    board.mega.write(b"".join(b"\0" + packet.replace(b"\0", b"\1") + b"\0" for packet in packets))
    board.mega.write(framed(bytes(damaged)))
    assert not board.run(0.02).any()
    assert board.mega.read() == b""
    assert board.field(RotatingField(0.1, 0.2, 5.0, 1.0))[0] == DONE
    assert board.run(0.1).any()
    assert board.ask(OFF)[0] == DONE


@pytest.fixture(scope="module")
def board():
    """One board for many examples, each of which leaves it without a field."""
    mega = Mega(compile_sketch(FIRMWARE / "microtwin_mega"))
    yield Host(mega)
    mega.close()


def test_currents_reach_the_status(host):
    currents_a = np.array([0.0, 1.0, -2.5, 5.0, 12.0, 40.0])
    host.mega.set_currents_a(currents_a)
    host.run(0.05)
    counts = np.array(struct.unpack_from("<6H", host.ask(STATUS), 20))
    assert np.abs(counts * 0.0415 - np.abs(currents_a)).max() < 0.1  # a count is 41.5 mA


ECHO = """
void setup() {
  Serial.begin(500000);
  for (int pin = 22; pin < 34; pin++) pinMode(pin, OUTPUT);
  for (int pin = 22; pin < 32; pin++) digitalWrite(pin, pin != 25);  // +X lacks one of its two, -Z both
  pinMode(9, INPUT_PULLUP);
  analogWrite(2, 128); analogWrite(3, 0); analogWrite(44, 200); analogWrite(6, 255); analogWrite(10, 1);
  pinMode(12, OUTPUT); digitalWrite(12, HIGH); analogWrite(11, 254); analogWrite(8, 100);
}
uint8_t kept[4096];
unsigned head, tail;
void loop() {
  while (Serial.available()) kept[tail++ % 4096] = Serial.read();
  if (head != tail && Serial.availableForWrite()) Serial.write(kept[head++ % 4096]);
}
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sketch") / "echo"
    folder.mkdir()
    (folder / "echo.ino").write_text(ECHO)
    return compile_sketch(folder)


def test_duties_are_what_the_bridges_see(echo):
    """Compare registers where the timer drives the pin, its port where it does not, nothing where an enable is low."""
    mega = Mega(echo)
    duties = mega.run(0.02)[-1] * 255
    #                     +Y R  L  +X     -Y R    -X R    +Z R    L   -Z
    assert duties == pytest.approx([128, 0, 0, 0, 255, 0, 1, 0, 255, 254, 0, 0])
    mega.close()


def test_no_byte_is_lost_either_way(echo):
    mega, other = Mega(echo), Mega(echo)
    random = np.random.default_rng(3)
    sent = heard = b""
    mega.run(0.02)
    while len(sent) < 20_000:  # bursts of up to 8 ms on the line
        burst = random.bytes(int(random.integers(1, 400)))
        mega.write(burst)
        sent += burst
        mega.run(random.uniform(0.0, 0.012))
        heard += mega.read()
    begin = mega.time_s
    mega.write(b"last")
    mega.run(0.5)
    rest, times_s = mega.read_stamped()
    assert heard + rest == sent + b"last"
    assert times_s[-1] > begin and (np.diff(times_s) > 19e-6).all()  # no faster than the line
    other.run(0.02)
    assert other.read() == b""  # a board of its own
    mega.close()
    other.close()


def test_time_adds_up_and_samples_come_evenly(echo):
    mega = Mega(echo, sample_s=0.00025)
    count = sum(len(mega.run(duration_s)) for duration_s in [0.0001, 1 / 3000, 0.01] * 30)
    assert mega.time_s == pytest.approx(30 * (0.0001 + 1 / 3000 + 0.01), abs=1e-6)
    assert count == pytest.approx(mega.time_s / 0.00025, abs=1)
    mega.close()


def test_reset_starts_the_program_again(host):
    host.ready().field(RotatingField(0.3, math.pi / 2, 12.0, 1.0))
    assert host.run(0.1).any()
    cycle = host.mega.cycle
    host.mega.reset()
    assert not host.run(0.05).any()
    assert host.mega.cycle == pytest.approx(cycle + 0.05 * CLOCK_HZ, abs=10)
    assert host.ask(STATUS)[0] == 0
    assert host.ready().field(RotatingField(0.3, math.pi / 2, 12.0, 1.0))[0] == DONE


def test_the_same_words_make_the_same_trace():
    def trace():
        mega = Mega(compile_sketch(FIRMWARE / "microtwin_mega"))
        host = Host(mega).ready()
        host.field(RotatingField(0.3, 1.0, 12.0, 1.0))
        host.run(0.2)
        mega.close()
        return np.concatenate(host.seen)

    assert np.array_equal(trace(), trace())


def test_what_is_no_program_is_refused(tmp_path):
    with pytest.raises(InputError, match="no firmware at"):
        Mega(tmp_path / "absent.elf")
    (tmp_path / "text.elf").write_text("not a program")
    with pytest.raises(InputError, match="is no AVR program"):
        Mega(tmp_path / "text.elf")
