"""The board that listens as the lab's do, in the emulator: what the host's lab profiles are tested on."""

import math
import struct

import numpy as np
import pytest

from emulated_rig import build

if build.missing():
    pytest.skip(f"not installed: {' '.join(build.missing())}", allow_module_level=True)

from emulated_rig.mega import Mega

SIGNS = np.array([1, 1, -1, -1, 1, -1])  # +Y +X -Y -X +Z -Z
ROLL, NO_CONE = math.pi / 2, math.pi / 2


def packet(floats) -> bytes:
    """SerialTransfer's frame of little-endian floats (reference: its documentation and the rig's)."""
    payload = bytearray(struct.pack(f"<{len(floats)}f", *floats))
    marks = [i for i, byte in enumerate(payload) if byte == 0x7E]
    for mark, following in zip(marks, [*marks[1:], *marks[-1:]], strict=True):
        payload[mark] = following - mark  # 0 in the last
    return bytes([0x7E, 0, marks[0] if marks else 0xFF, len(payload), *payload, crc8(payload), 0x81])


def crc8(payload) -> int:
    remainder = 0
    for byte in payload:
        remainder ^= byte
        for _ in range(8):
            remainder = (remainder << 1 ^ 0x9B * (remainder >> 7)) & 0xFF
    return remainder


def command(
    floats, *, b=(0.0, 0.0, 0.0), alpha=0.0, gamma=ROLL, f=0.0, psi=NO_CONE, equal=0.0, amplitude=1.0, coils=(0.0,) * 6
):
    common = [*b, alpha, gamma, f, psi]
    return {8: [*common, 0.0], 10: [*common, 0.0, equal, 0.0], 17: [amplitude, *common, 0.0, equal, 0.0, *coils]}[
        floats
    ]


@pytest.fixture
def board():
    boards = []

    def start(floats):
        boards.append(Mega(build.compile_sketch(build.FIRMWARE / "lab_legacy", (f"LAB_FLOATS={floats}",))))
        boards[-1].run(0.05)
        return boards[-1]

    yield start
    for one in boards:
        one.close()


def signed(duties) -> np.ndarray:
    """(n, 6) duties of the coils, R less L."""
    assert not ((duties[:, 0::2] > 0) & (duties[:, 1::2] > 0)).any()
    return duties[:, 0::2] - duties[:, 1::2]


@pytest.mark.parametrize("floats", [8, 10, 17])
def test_a_rotating_field_is_equation_1_with_the_papers_alpha(board, floats):
    mega = board(floats)
    heading, f = 0.4, 5.0
    mega.write(packet(command(floats, alpha=heading + math.pi / 2, f=f, amplitude=0.75)))
    mega.run(0.05)
    coils = signed(mega.run(1.0))
    axes = (coils * SIGNS)[:, [1, 0, 4]]  # x y z of the + coils
    turn = math.tau * f * np.arange(len(axes)) * mega.sample_s
    c, s = np.linalg.lstsq(np.stack([np.cos(turn), np.sin(turn)], 1), axes, rcond=None)[0]
    axis = np.cross(c, s)
    amplitude = 0.75 if floats == 17 else 1.0
    np.testing.assert_allclose(np.linalg.norm(axis), amplitude**2, rtol=0.02)
    rolls_about = np.array([-math.sin(heading), math.cos(heading), 0.0])
    assert axis @ rolls_about / np.linalg.norm(axis) > math.cos(math.radians(1.0))


@pytest.mark.parametrize("floats", [8, 10, 17])
def test_a_cone_adds_its_share_along_the_axis(board, floats):
    mega = board(floats)
    alpha, gamma, psi = 0.4, 0.7, 1.0
    mega.write(packet(command(floats, alpha=alpha, gamma=gamma, f=5.0, psi=psi)))
    mega.run(0.05)
    axes = (signed(mega.run(1.0)) * SIGNS)[:, [1, 0, 4]]
    k = 1 / math.tan(psi)
    axis = [math.sin(gamma) * math.cos(alpha), math.sin(gamma) * math.sin(alpha), math.cos(gamma)]
    np.testing.assert_allclose(axes.mean(axis=0), k / (1 + k) * np.array(axis), atol=0.01)
    turning = axes - axes.mean(axis=0)
    np.testing.assert_allclose(np.linalg.norm(turning, axis=1).mean(), 1 / (1 + k), atol=0.01)


@pytest.mark.parametrize("floats", [8, 10, 17])
def test_start_bytes_inside_a_command_are_put_back(board, floats):
    mega = board(floats)
    b = [struct.unpack("<f", bytes([0, 0, 0x7E, last]))[0] for last in (0x3F, 0x3E, 0xBF)]  # 0.992, 0.248, -0.992
    mega.write(packet(command(floats, b=b)))
    mega.run(0.05)
    np.testing.assert_allclose(signed(mega.run(0.1))[-1, [1, 0, 4]], b, atol=0.003)


@pytest.mark.parametrize("floats", [8, 10, 17])
def test_the_last_command_stays_and_a_wrong_crc_changes_nothing(board, floats):
    mega = board(floats)
    mega.write(packet(command(floats, b=(0.2, -0.4, 0.6))))
    mega.run(0.05)
    wanted = np.array([-0.4, 0.2, 0.4, -0.2, 0.6, -0.6])
    broken = bytearray(packet(command(floats, b=(1.0, 1.0, 1.0))))
    broken[-2] ^= 1
    mega.write(bytes(broken))
    np.testing.assert_allclose(signed(mega.run(1.0))[-1], wanted, atol=0.003)


def test_every_packet_of_17_floats_is_heard_at_full_speed(board):
    mega = board(17)
    duties = np.linspace(-0.9, 0.9, 40)
    heard = []
    for duty in duties:
        mega.write(packet(command(17, coils=(duty, *(0.0,) * 5))))
        heard.append(signed(mega.run(1 / 96))[-1, 0])
    np.testing.assert_allclose(heard, duties, atol=0.003)


def test_equal_fields_turn_y_and_z_down(board):
    mega = board(10)
    mega.write(packet(command(10, b=(0.5, 0.5, 0.5), equal=1.0)))
    mega.run(0.05)
    np.testing.assert_allclose(signed(mega.run(0.1))[-1, [1, 0, 4]], [0.5, 0.3, 0.15], atol=0.003)


def test_a_host_of_17_floats_puts_its_amplitude_into_bx_of_a_board_of_10(board):
    mega = board(10)
    mega.write(packet(command(17, amplitude=0.7, gamma=0.0)))
    mega.run(0.05)  # γ is where this board looks for f: a spinning field (γ = 0) is taken for a still one
    np.testing.assert_allclose(signed(mega.run(0.1))[-1, 1], 0.7, atol=0.003)


def test_currents_come_every_20_ms(board):
    mega = board(17)
    currents_a = [0.5, 1.5, 2.5, -3.5, 4.5, 5.5]
    mega.set_currents_a(currents_a)
    mega.run(0.1)
    mega.read()
    mega.run(1.0)
    line, when = mega.read_stamped()
    starts = [i for i in range(len(line) - 29) if line[i : i + 2] == b"\x7e\x00" and line[i + 29] == 0x81]
    assert len(starts) in (49, 50)
    assert np.diff(when[starts]) == pytest.approx(0.02, abs=0.004)
    frame = line[starts[-1] :][:30]
    assert frame[2] == 0xFF and frame[3] == 24 and frame[28] == crc8(frame[4:28])
    np.testing.assert_allclose(struct.unpack("<6f", frame[4:28]), np.abs(currents_a), atol=0.0415)


def test_start_bytes_inside_the_currents_are_replaced_by_their_distances(board):
    mega = board(17)
    amps = np.array([195, 100, 390, 50, 195, 323]) * 5 / 1024 / 1000 * 8500
    assert struct.pack("<6f", *amps).count(0x7E) == 4
    mega.set_currents_a(amps + 0.02)  # half a count
    mega.run(0.1)
    mega.read()
    mega.run(0.1)
    assert packet(amps) in mega.read()
