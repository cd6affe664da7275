"""Bytes on the wire, against independent encoders: a bitwise CRC, COBS as its paper words it, pySerialTransfer."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin_hardware.coils import lab_floats, messages, packets, serial_transfer
from microtwin_hardware.coils.duty import peak_duties, turned_down
from microtwin_hardware.config import CoilsConfig

anything = st.binary(max_size=200)
fields = st.builds(
    RotatingField,
    alpha_rad=st.floats(-10, 10),
    gamma_rad=st.floats(-10, 10),
    frequency_hz=st.floats(0.01, 200),
    amplitude=st.floats(0.01, 1),
)


def bitwise(data, polynomial, start, bits):
    top, mask, crc = 1 << (bits - 1), (1 << bits) - 1, start
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = ((crc << 1) ^ (polynomial if crc & top else 0)) & mask
    return crc


def unstuffed(coded):
    """COBS as in section II of its paper: code n stands for n − 1 bytes and a zero, 255 for 254 bytes and none."""
    out, left = [], list(coded)
    while left:
        code = left.pop(0)
        out += [left.pop(0) for _ in range(code - 1)]
        if code < 255 and left:
            out.append(0)
    return bytes(out)


def oracle_frame(payload):
    from pySerialTransfer.pySerialTransfer import SerialTransfer

    class Line:
        is_open = True

        def write(self, data):
            self.sent = bytes(data)

    transfer = SerialTransfer("none", restrict_ports=False)
    line = Line()
    vars(transfer)["connection"] = line
    assert transfer.send(transfer.tx_struct_obj(payload))
    return line.sent


def oracle_payload(data):
    from pySerialTransfer.pySerialTransfer import SerialTransfer

    class Line:
        is_open = True

        def __init__(self):
            self.left = bytearray(data)

        @property
        def in_waiting(self):
            return len(self.left)

        def read(self, count=1):
            taken, self.left = self.left[:count], self.left[count:]
            return bytes(taken)

    transfer = SerialTransfer("none", restrict_ports=False)
    vars(transfer)["connection"] = Line()
    received: list = transfer.rx_buff
    count = transfer.available()
    return bytes(received[:count])


class TestCrc:
    def test_the_protocols_known_answer(self):
        assert packets.crc16(b"123456789") == 0x29B1

    def test_the_labs_known_answer(self):
        assert serial_transfer.crc8(b"123456789") == 0xEA  # CRC-8/LTE of the catalogue

    @given(anything)
    def test_bit_by_bit(self, data):
        assert packets.crc16(data) == bitwise(data, 0x1021, 0xFFFF, 16)
        assert serial_transfer.crc8(data) == bitwise(data, 0x9B, 0, 8)


class TestCobs:
    @pytest.mark.parametrize(
        ("data", "coded"),
        [("00", "0101"), ("0000", "010101"), ("11220033", "0311220233"), ("11", "0211"), ("1100", "021101")],
    )
    def test_published_examples(self, data, coded):
        assert packets.cobs(bytes.fromhex(data)) == bytes.fromhex(coded)

    @given(st.binary(max_size=600))
    def test_no_zero_and_back_again(self, data):
        coded = packets.cobs(data)
        assert 0 not in coded
        assert unstuffed(coded) == packets.uncobs(coded) == data

    @given(st.integers(253, 258), st.binary(max_size=3))
    def test_runs_without_a_zero_around_the_longest_code(self, length, tail):
        data = b"\x55" * length + tail
        assert unstuffed(packets.cobs(data)) == packets.uncobs(packets.cobs(data)) == data

    @pytest.mark.parametrize("coded", [b"\x05\x11", b"\x00", b"\x02\x00"])
    def test_what_is_no_cobs(self, coded):
        with pytest.raises(ValueError):
            packets.uncobs(coded)


class TestReceiver:
    @given(st.lists(st.tuples(st.binary(min_size=1, max_size=60), anything), max_size=6), st.integers(1, 17))
    def test_messages_come_through_garbage_in_any_pieces(self, parts, piece):
        """Garbage is ended by the zero a packet begins with; it is counted, and never taken for a message."""
        stream = b"".join(noise.replace(b"\0", b"") + packets.packet(message) for message, noise in parts)
        receiver = packets.Receiver()
        found = [m for k in range(0, len(stream), piece) for m in receiver.feed(stream[k : k + piece])]
        assert found == [message for message, _ in parts]
        assert receiver.bad == sum(bool(noise.replace(b"\0", b"")) for _, noise in parts)

    @given(st.binary(min_size=2, max_size=40), st.data())
    def test_one_wrong_bit_is_never_a_message(self, message, data):
        sent = bytearray(packets.packet(message))
        place = data.draw(st.integers(8, 8 * (len(sent) - 1) - 1))
        sent[place // 8] ^= 1 << place % 8
        assert message not in packets.Receiver().feed(bytes(sent))

    def test_noise_without_a_zero_does_not_fill_the_memory(self):
        receiver = packets.Receiver()
        for _ in range(200):
            receiver.feed(b"\x55" * 5000)
        assert len(receiver._open) <= packets.LONGEST + 1
        assert receiver.feed(packets.packet(b"\x07\x01")) == [b"\x07\x01"]
        assert receiver.bad == 1

    def test_a_megabyte_of_noise_holds_no_message_of_the_protocol(self):
        noise = np.random.default_rng(5).integers(0, 256, 1_000_000, dtype=np.uint8).tobytes()
        receiver = packets.Receiver()
        replies = []
        for message in receiver.feed(noise):
            try:
                replies.append(messages.reply_in(message))
            except ValueError:
                pass
        assert receiver.bad > 1000 and not replies


class TestLabFraming:
    @given(st.lists(st.sampled_from([0x7E, 0x7E, 0x00, 0x81, 0x05, 0xFF]), min_size=1, max_size=254).map(bytes))
    def test_bytes_equal_pyserialtransfer(self, payload):
        sent = serial_transfer.packet(payload)
        assert sent == oracle_frame(payload)
        assert oracle_payload(sent) == payload

    @given(st.binary(min_size=1, max_size=254), st.binary(max_size=20), st.integers(1, 11))
    def test_received_as_sent_behind_noise_and_in_pieces(self, payload, noise, piece):
        noise = noise.replace(b"\x7e", b"")
        stream = noise + oracle_frame(payload) + noise + oracle_frame(payload)
        receiver = serial_transfer.Receiver()
        found = [p for k in range(0, len(stream), piece) for p in receiver.feed(stream[k : k + piece])]
        assert found == [payload, payload]

    @given(st.binary(max_size=300))
    def test_a_cut_off_frame_hides_no_later_one(self, start):
        """Whatever came before, at most the frames it swallows are lost."""
        receiver = serial_transfer.Receiver()
        receiver.feed(start)
        payload = struct.pack("<6f", *range(6))
        found = []
        for _ in range(12):
            found += receiver.feed(oracle_frame(payload))
        assert found[-1] == payload

    @pytest.mark.parametrize("length", [0, 255])
    def test_lengths_that_do_not_fit(self, length):
        with pytest.raises(ValueError, match="1 to 254"):
            serial_transfer.packet(bytes(length))

    @pytest.mark.parametrize(("profile", "count"), [("lab-8", 8), ("lab-10", 10), ("lab-17", 17)])
    def test_the_documented_frame_of_every_profile(self, profile, count):
        """7E | 0 | FF | 4n | n little-endian float32 | CRC | 81, with the floats in the order of the reference."""
        field = RotatingField(alpha_rad=0.25, gamma_rad=1.5, frequency_hz=12.0)
        sent = serial_transfer.floats(lab_floats.floats(field, CoilsConfig(profile=profile)))
        assert sent[:4] == bytes([0x7E, 0, 0xFF, 4 * count]) and sent[-1] == 0x81
        values = struct.unpack(f"<{count}f", sent[4:-2])
        turning = {"α": 0.25 + math.pi / 2, "γ": 1.5, "f": 12.0, "ψ": math.pi / 2}
        names = {
            "lab-8": "Bx By Bz α γ f ψ acoustic",
            "lab-10": "Bx By Bz α γ f ψ gradient equal acoustic",
            "lab-17": "amplitude Bx By Bz α γ f ψ gradient equal acoustic +Y +X -Y -X +Z -Z",
        }[profile].split()
        wanted = [{"amplitude": 1.0, **turning}.get(name, 0.0) for name in names]
        assert values == pytest.approx(wanted, abs=1e-6)
        assert sent == oracle_frame(struct.pack(f"<{count}f", *values))


def paper_eq_1(alpha, gamma, phase):
    """Eq. 1 of the pushing paper as it is printed, with ωt = ``phase``."""
    cos, sin = math.cos, math.sin
    return np.array(
        [
            -cos(gamma) * cos(alpha) * cos(-phase) - sin(alpha) * sin(-phase),
            -cos(gamma) * sin(alpha) * cos(-phase) + cos(alpha) * sin(-phase),
            sin(gamma) * cos(-phase),
        ]
    )


class TestLabFloats:
    @given(fields, st.tuples(*[st.sampled_from([1, -1])] * 3))
    def test_the_firmwares_equation_makes_the_field_that_was_asked_for(self, field, polarity):
        """With the wire's α in the paper's Eq. 1, and axes that the coils turn round. A half-turn ahead is the same."""
        config = CoilsConfig(profile="lab-17", polarity=polarity)
        values = lab_floats.floats(field, config)
        amplitude, alpha, gamma, frequency = values[0], values[4], values[5], values[6]
        assert 0 <= gamma <= math.pi and 0 <= alpha <= 2 * math.pi and frequency == field.frequency_hz
        made = [np.array(polarity) * amplitude * paper_eq_1(alpha, gamma, phase) for phase in (0.0, math.pi / 2)]
        ahead = 1.0 if np.allclose(made[1], field.quadratures[1], atol=1e-9) else -1.0
        np.testing.assert_allclose(made, ahead * field.quadratures, atol=1e-9)

    def test_a_field_that_stands_still_is_static(self):
        field = RotatingField(alpha_rad=0.3, gamma_rad=PUSH_RAD, amplitude=0.4)
        values = lab_floats.floats(field, CoilsConfig(profile="lab-8", polarity=(1, 1, -1)))
        assert values[:3] == pytest.approx((0, 0, -0.4)) and not any(values[3:])

    @pytest.mark.parametrize("profile", lab_floats.LENGTHS)
    def test_off_is_all_zeros(self, profile):
        off = lab_floats.floats(RotatingField(frequency_hz=5.0, amplitude=0.0), CoilsConfig(profile=profile))
        assert off == (0.0,) * lab_floats.LENGTHS[profile]

    def test_equal_field(self):
        config = CoilsConfig(profile="lab-10", equalise=True)
        assert lab_floats.floats(RotatingField(frequency_hz=5.0), config)[8] == 1.0
        assert lab_floats.lab_scale(config).applied_mt == pytest.approx((3.0, 3.0, 3.9))

    @pytest.mark.parametrize("profile", ["lab-8", "lab-10"])
    def test_strength_that_cannot_be_set(self, profile):
        with pytest.raises(InputError, match=r"amplitude is 0.5: the lab-\d+ firmware .* give 0 or 1"):
            lab_floats.possible(RotatingField(frequency_hz=5.0, amplitude=0.5), CoilsConfig(profile=profile))

    def test_17_floats_are_turned_down_to_the_limit(self):
        config = CoilsConfig(profile="lab-17", max_duty=0.6)
        assert lab_floats.possible(RotatingField(frequency_hz=5.0), config).amplitude == pytest.approx(0.6)
        low = RotatingField(frequency_hz=5.0, amplitude=0.5)
        assert lab_floats.possible(low, config) == low

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"profile": "lab-8", "equalise": True}, "equalise is true"),
            ({"profile": "lab-8", "max_duty": 0.5}, "max_duty is 0.5"),
            ({"profile": "lab-10", "max_duty": 0.5}, "max_duty is 0.5"),
            ({"profile": "lab-17", "current_limit_a": 3.0}, "current_limit_a is 3"),
        ],
    )
    def test_settings_that_a_firmware_cannot_follow(self, settings, words):
        with pytest.raises(InputError, match=rf"{words}.*flash"):
            lab_floats.check_settings(CoilsConfig(**settings))

    def test_a_cone_cannot_be_mirrored(self):
        config = CoilsConfig(profile="lab-17", polarity=(-1, 1, 1))
        with pytest.raises(InputError, match="cone with one axis turned round"):
            lab_floats.possible(RotatingField(frequency_hz=5.0), config, cone_rad=1.0)


def board_duty(request, gains, phase):
    """The field of the protocol, from the integers of a FIELD."""
    _, _, alpha, gamma, cone, amplitude, frequency = struct.unpack("<BB4HI", request.message(seq=9))
    alpha, gamma, cone = (angle * 2 * math.pi / 65536 for angle in (alpha, gamma, cone))
    ca, sa, cg, sg, k = math.cos(alpha), math.sin(alpha), math.cos(gamma), math.sin(gamma), 1 / math.tan(cone)
    c, s, n = np.array([[cg * sa, -cg * ca, sg], [ca, sa, 0.0], [-sg * sa, sg * ca, cg]])
    return gains * (amplitude / 32768) * (c * math.cos(phase) + s * math.sin(phase) + k * n) / (1 + k), frequency


class TestMessages:
    @given(fields, st.floats(0.1, math.pi / 2))
    def test_field_on_the_wire(self, field, cone):
        """Half a turn ahead is allowed: the phase runs on anyway. A cone keeps to its side of the plane."""
        request = messages.Apply.of(field, cone)
        now, frequency = board_duty(request, 1.0, 0.0)
        later, _ = board_duty(request, 1.0, math.pi / 2)
        k = 1 / math.tan(cone)
        static = k * field.amplitude * field.axis
        c, s = field.quadratures
        ahead = 1.0 if (later * (1 + k) - static) @ s >= 0 else -1.0
        np.testing.assert_allclose(now * (1 + k), ahead * c + static, atol=2e-3 * (1 + k))
        np.testing.assert_allclose(later * (1 + k), ahead * s + static, atol=2e-3 * (1 + k))
        assert frequency == pytest.approx(1e6 * field.frequency_hz, abs=0.51)

    def test_lengths_of_the_protocol(self):
        assert len(messages.Apply.of(RotatingField()).body()) == 12
        assert len(messages.Configure.of(CoilsConfig()).body()) == 18
        assert messages.Hello().message(seq=7) == b"\x01\x07"

    def test_no_faster_than_200_hz(self):
        assert messages.Apply.of(RotatingField(frequency_hz=1e6)).frequency == 200_000_000

    @pytest.mark.parametrize("cone", [0.0, -1.0, 2.0, math.nan, math.inf])
    def test_impossible_cones(self, cone):
        with pytest.raises(InputError, match="cone angle is"):
            messages.Apply.of(RotatingField(), cone)

    def test_settings_on_the_wire(self):
        config = CoilsConfig(
            equalise=True, polarity=(1, -1, 1), max_duty=0.5, watchdog_ms=300, max_on_s=12.5, current_limit_a=4.15
        )
        gains = (32767, round(-32768 * 3 / 5), round(32768 * 3 / 13))
        body = messages.Configure.of(config).body()
        assert struct.unpack("<3hHHHIH", body) == (*gains, 16384, 300, 50, 12500, 100)

    def test_a_limit_that_the_sense_cannot_see(self):
        with pytest.raises(InputError, match=r"current_limit_a is 43: .* 0.0415 to 42.4 A"):
            messages.Configure.of(CoilsConfig(current_limit_a=43.0))

    @given(st.binary(max_size=40))
    def test_anything_is_a_reply_or_a_value_error(self, message):
        try:
            kind, seq, _reply = messages.reply_in(message)
        except ValueError:
            return
        assert (kind + 0x80, seq) == (message[0], message[1])


class TestDuty:
    @given(fields, st.floats(0.1, math.pi / 2), st.floats(0.05, 1.0))
    def test_peaks_are_those_of_the_sampled_turn(self, field, cone, limit):
        gains = (1.0, -0.6, 0.23)
        kept = turned_down(field, gains, limit, cone)
        k = 1 / math.tan(cone)
        phase = np.linspace(0, 2 * math.pi, 2881)[:, None]
        c, s = kept.quadratures
        static = k * kept.amplitude * kept.axis
        sampled = np.abs(np.array(gains) * (c * np.cos(phase) + s * np.sin(phase) + static) / (1 + k)).max(axis=0)
        np.testing.assert_allclose(peak_duties(kept, gains, cone), sampled, atol=1e-5)
        assert sampled.max() <= limit + 1e-9
        assert kept == field or sampled.max() == pytest.approx(limit, abs=1e-5)
