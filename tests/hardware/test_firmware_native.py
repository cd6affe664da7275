"""The firmware's arithmetic, compiled for this machine: packets, waves, guard. Python's own make the other side."""

import binascii
import ctypes
import math
import shutil
import struct
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulated_rig.build import FIRMWARE
from microtwin.field import RotatingField

GLUE = """
#include "field.h"
#include "guard.h"
#include "packet.h"
static packet::Receiver receiver;
static guard::Guard guarded;
extern "C" {
uint16_t crc16(const uint8_t *bytes, uint8_t size) { return packet::crc16(bytes, size); }
uint8_t encode(const uint8_t *message, uint8_t size, uint8_t *line) { return packet::encode(message, size, line); }
void renew() { receiver = packet::Receiver(); guarded = guard::Guard(); }
bool take(uint8_t byte) { return receiver.take(byte); }
const uint8_t *message() { return receiver.message(); }
uint8_t size() { return receiver.size(); }
uint16_t bad() { return receiver.bad(); }
int16_t sine(uint16_t angle) { return field::sine(angle); }
uint16_t prepare(const field::Command *command, const field::Calibration *calibration, field::Waves *waves) {
    return field::prepare(*command, *calibration, *waves);
}
void duties(const field::Waves *waves, uint32_t phase, uint16_t rise, int16_t *counts) {
    field::duties(*waves, phase, rise, counts);
}
void configure(uint16_t silence, uint32_t on, uint16_t max_counts) { guarded.configure({silence, on, max_counts}); }
void arm() { guarded.arm(); }
void field_on() { guarded.field_on(); }
void field_off() { guarded.field_off(); }
void disarm() { guarded.disarm(); }
void heard() { guarded.heard(); }
bool update(uint8_t coil, uint16_t counts) { return guarded.update(coil, counts); }
uint8_t state() { return guarded.state(); }
uint8_t faults() { return guarded.faults(); }
}
"""
UNCONFIGURED, DISARMED, ARMED, ON = range(4)
NO_COIL = 6
GAIN_1 = 32767


class Command(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint16) for name in ("alpha", "gamma", "cone", "amplitude")),
        ("frequency_uhz", ctypes.c_uint32),
    )


class Calibration(ctypes.Structure):
    _fields_ = (("gain", ctypes.c_int16 * 3), ("max_duty", ctypes.c_uint16))


class Waves(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_int16 * 3) for name in "csn"), ("step", ctypes.c_uint32))


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    if not shutil.which("g++"):
        pytest.skip("not installed: g++")
    made = tmp_path_factory.mktemp("native")
    (made / "glue.cpp").write_text(GLUE)
    source = FIRMWARE / "microtwin_mega"
    parts = [made / "glue.cpp", *(source / f"{name}.cpp" for name in ("packet", "field", "guard"))]
    flags = ["-std=gnu++11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{source}"]
    subprocess.run(["g++", *flags, *parts, "-o", made / "board.so"], check=True)
    library = ctypes.CDLL(str(made / "board.so"))
    for name in ("take", "update"):
        getattr(library, name).restype = ctypes.c_bool
    library.message.restype = ctypes.POINTER(ctypes.c_uint8)
    for name in ("prepare", "crc16"):
        getattr(library, name).restype = ctypes.c_uint16
    library.sine.restype = ctypes.c_int16
    return library


def encoded(message: bytes) -> bytes:
    """The packet, by another road than the firmware's: the standard library's CRC, COBS by splitting at zeros."""
    inside = message + struct.pack("<H", binascii.crc_hqx(message, 0xFFFF))
    return b"\0" + b"".join(bytes([len(run) + 1]) + run for run in inside.split(b"\0")) + b"\0"


def received(board, line: bytes) -> tuple[list[bytes], int]:
    """The messages that a fresh receiver takes from the line, and how many packets it counted as bad."""
    board.renew()
    messages = [bytes(board.message()[: board.size()]) for byte in line if board.take(byte)]
    return messages, board.bad()


def prepared(board, field, *, cone=16384, gain=(GAIN_1,) * 3, max_duty=32768):
    """The applied amplitude, the waves, and the field as the board was told it (rounded to its units)."""
    alpha, gamma = (round(angle / math.tau * 65536) for angle in (field.alpha_rad, field.gamma_rad))
    command = Command(alpha % 65536, gamma, cone, round(field.amplitude * 32768), round(field.frequency_hz * 1e6))
    waves = Waves()
    applied = board.prepare(ctypes.byref(command), ctypes.byref(Calibration((*gain,), max_duty)), ctypes.byref(waves))
    told = RotatingField(alpha / 65536 * math.tau, gamma / 65536 * math.tau, field.frequency_hz, field.amplitude)
    return applied, waves, told


def turned(board, waves, phases: int = 720, rise: int = 32768) -> np.ndarray:
    """(n, 3) PWM counts through one turn."""
    counts = (ctypes.c_int16 * 3)()
    rows = []
    for k in range(phases):
        board.duties(ctypes.byref(waves), ctypes.c_uint32(k * 2**32 // phases), rise, counts)
        rows.append(list(counts))
    return np.array(rows)


fields = st.builds(RotatingField, st.floats(-10, 10), st.floats(0, math.pi), st.floats(0, 200), st.floats(0, 1))
messages = st.binary(min_size=2, max_size=20)


def test_the_crc_is_ccitt_false(board):
    assert board.crc16(b"123456789", 9) == 0x29B1


@given(st.binary(min_size=2, max_size=36))
def test_replies_are_encoded_as_the_protocol_says(board, message):
    line = ctypes.create_string_buffer(64)
    size = board.encode(message, len(message), line)
    assert line.raw[:size] == encoded(message)


@given(st.lists(messages, max_size=5), st.binary(max_size=60))
def test_messages_arrive_whatever_was_on_the_line_before(board, sent, rubbish):
    line = rubbish + b"\0" + b"".join(map(encoded, sent))
    nonsense = sum(bool(run) for run in rubbish.split(b"\0"))
    assert received(board, line) == (sent, nonsense)


@given(messages, st.data())
def test_one_changed_byte_is_never_obeyed(board, message, data):
    line = bytearray(encoded(message))
    at = data.draw(st.integers(1, len(line) - 2))
    line[at] ^= data.draw(st.integers(1, 255))
    taken, bad = received(board, bytes(line))
    assert taken == [] and bad >= 1


def test_an_endless_packet_is_one_bad_one_and_the_next_is_good(board):
    assert received(board, b"\x07" * 100_000 + encoded(b"\x07\x01")) == ([b"\x07\x01"], 1)


def test_the_sine_is_good_to_a_fiftieth_of_a_percent(board):
    angle = np.arange(0, 65536, 7)
    found = np.array([board.sine(int(a)) for a in angle]) / 32768
    assert np.abs(found - np.sin(angle / 65536 * math.tau)).max() < 2e-4


@given(fields)
def test_the_duties_are_equation_1_to_a_rounded_count(board, field):
    applied, waves, told = prepared(board, field)
    assert applied == round(field.amplitude * 32768)
    phase = np.arange(36)[:, None] / 36 * math.tau
    c, s = told.quadratures
    wanted = 255 * (c * np.cos(phase) + s * np.sin(phase))
    assert np.abs(turned(board, waves, 36) - wanted).max() < 0.5 + 0.05


@given(fields, st.integers(1, 16383))
def test_a_cone_adds_its_share_along_the_axis(board, field, cone):
    _, waves, told = prepared(board, field, cone=cone)
    k = 1 / math.tan(cone / 65536 * math.tau)
    phase = np.arange(36)[:, None] / 36 * math.tau
    c, s = told.quadratures
    wanted = 255 / (1 + k) * (c * np.cos(phase) + s * np.sin(phase) + k * field.amplitude * told.axis)
    assert np.abs(turned(board, waves, 36) - wanted).max() < 0.5 + 0.05


@given(fields, st.tuples(*3 * [st.integers(-32768, 32767)]), st.integers(0, 32768), st.integers(1, 16384))
def test_no_axis_exceeds_the_greatest_duty_and_the_field_keeps_its_shape(board, field, gain, max_duty, cone):
    applied, waves, _ = prepared(board, field, cone=cone, gain=gain, max_duty=max_duty)
    asked = round(field.amplitude * 32768)
    assert applied <= asked
    counts = turned(board, waves, 72)
    assert np.abs(counts).max() <= 255 * max_duty / 32768 + 0.51
    if applied < asked:  # turned down no further than needed: the strongest axis is at the limit
        assert np.abs(counts).max() >= 255 * max_duty / 32768 * 0.998 - 1.51
        at_applied = RotatingField(field.alpha_rad, field.gamma_rad, field.frequency_hz, applied / 32768)
        again, same, _ = prepared(board, at_applied, cone=cone, gain=gain, max_duty=max_duty)
        assert again == applied
        assert all(list(getattr(same, name)) == list(getattr(waves, name)) for name in "csn")


@given(st.integers(0, 200_000_000))
def test_the_phase_grows_by_the_nearest_step(board, frequency_uhz):
    _, waves, _ = prepared(board, RotatingField(frequency_hz=frequency_uhz / 1e6))
    assert abs(waves.step - frequency_uhz * 2**32 / 2000e6) <= 0.5


def test_a_soft_start_scales_the_whole_field(board):
    _, waves, _ = prepared(board, RotatingField(0.4, 1.1, 5.0, 0.9), cone=9000)
    full = turned(board, waves)
    for rise in (0, 8192, 16384, 32767):
        assert np.abs(turned(board, waves, rise=rise) - full * rise / 32768).max() <= 1.01


def _armed(board, silence=100, on=10_000, max_counts=1023):
    board.renew()
    board.configure(silence, on, max_counts)
    board.arm()


def _updates_until_trip(board, most=100_000, coil=NO_COIL, counts=0):
    return next((n for n in range(1, most) if board.update(coil, counts)), None)


@pytest.mark.parametrize("field_on", [False, True])
def test_silence_disarms_after_its_time(board, field_on):
    _armed(board, silence=100)
    if field_on:
        board.field_on()
    for _ in range(3):
        assert _updates_until_trip(board, most=100) is None  # 99 updates
        board.heard()
    assert _updates_until_trip(board) == 100
    assert (board.state(), board.faults()) == (DISARMED, 1)
    board.field_on()
    assert board.state() == DISARMED
    board.arm()
    assert (board.state(), board.faults()) == (ARMED, 0)


def test_a_disarmed_board_may_be_silent(board):
    board.renew()
    assert _updates_until_trip(board, most=5000) is None and board.state() == UNCONFIGURED
    board.configure(100, 1000, 1023)
    assert _updates_until_trip(board, most=5000) is None and board.state() == DISARMED


def test_a_field_that_stays_on_too_long_is_turned_off_and_off_winds_the_clock_back(board):
    _armed(board, silence=65535, on=1000)
    for _ in range(3):
        board.field_on()
        board.field_on()  # another FIELD on top: still the same time on
        assert _updates_until_trip(board, most=1001) is None
        board.field_off()
    assert _updates_until_trip(board, most=5000) is None  # armed, no field
    board.field_on()
    assert _updates_until_trip(board) == 1001
    assert (board.state(), board.faults()) == (DISARMED, 2)


def test_three_samples_over_the_limit_trip_and_spikes_do_not(board):
    _armed(board, silence=65535, max_counts=200)
    for n in range(3000):  # every third sample of a coil is a spike
        assert not board.update(n % 6, 900 if n // 6 % 3 == 0 else 100)
    _armed(board, silence=65535, max_counts=200)
    assert _updates_until_trip(board, most=5000, coil=4, counts=200) is None
    _armed(board, silence=65535, max_counts=200)
    assert _updates_until_trip(board, coil=4, counts=201) == 3
    assert (board.state(), board.faults()) == (DISARMED, 4)


def test_arming_forgets_the_samples_of_before(board):
    _armed(board, silence=65535, max_counts=200)
    for _ in range(2):
        assert _updates_until_trip(board, most=3, coil=4, counts=900) is None
        board.disarm()
        board.arm()


def test_a_turning_field_that_peaks_over_the_limit_trips(board):
    _armed(board, silence=65535, max_counts=200)
    current = 300 * np.abs(np.sin(math.tau * 100 * np.arange(2000) / 2000 + 0.1))  # 100 Hz, a sample each 3 ms
    tripped = [n for n in range(2000) if board.update(n % 6, int(current[n]))]
    assert tripped and tripped[0] < 200 and board.faults() == 4
