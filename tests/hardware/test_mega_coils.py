"""The driver of our firmware, against a board of paper with a clock of its own and the real one in an emulator."""

import itertools
import math
import os
import struct
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import SPIN_CW_RAD, RotatingField
from microtwin_hardware.coils import link, messages, open_coils
from microtwin_hardware.coils import mega as mega_coils
from microtwin_hardware.coils.dry import DryCoils
from microtwin_hardware.coils.mega import MegaCoils
from microtwin_hardware.config import CoilsConfig

HELLO, CONFIG, ARM, FIELD, OFF, DISARM, STATUS = range(1, 8)
ROLL = RotatingField(alpha_rad=0.5, frequency_hz=12.0)


class PaperBoard:
    """PROTOCOL.md as a state machine, with its own coding of packets.

    Attributes:
        asked: (type, body) of all requests; times_s: when. tripped_s: when its watchdog did.
        mute: answer nothing. instead: said once to the first request, and no answer. noise: sent ahead of each reply.
        lose: replies to lose. counts: of the current sense. port: that it hangs on.
    """

    name = "/dev/ttyMEGA"
    port: Any = None
    config: tuple[int, ...] = ()

    def __init__(self, protocol=1):
        self.protocol, self.mute, self.noise, self.instead, self.lose = protocol, False, b"", b"", 0
        self.counts, self.refuse_settings = [0] * 6, False
        self.asked, self.times_s, self.tripped_s = [], [], math.nan
        self.switch_on()

    def switch_on(self):
        self.configured = self.armed = self.on = False
        self.faults, self.heard_s, self.config = 0, self.now_s, ()
        self.amplitude = self.frequency = 0
        self._open_packet = b""

    @property
    def now_s(self):
        return self.port.clock_s if self.port else 0.0

    def plug(self):
        self.switch_on()
        self.port.plugged = True

    def unplug(self):
        self.port.plugged = False

    def say(self, data):
        self.port.say(data)

    def types(self):
        return [kind for kind, _ in self.asked]

    @property
    def state(self):
        return 0 if not self.configured else 1 if not self.armed else 3 if self.on else 2

    def hear(self, data):
        *packets, self._open_packet = (self._open_packet + data).split(b"\0")
        for each in packets:
            self._packet(each)

    def tick(self):
        if self.armed and self.config and 1000 * (self.now_s - self.heard_s) > self.config[4]:
            self.tripped_s = self.now_s
            self.trip(1)

    def _packet(self, coded):
        data, place = b"", 0
        while place < len(coded):
            data += coded[place + 1 : place + coded[place]] + b"\0"
            place += coded[place]
        data = data[:-1]
        if len(data) < 4 or self._crc(data[:-2]) != data[-2] + 256 * data[-1]:
            return
        kind, seq, body = data[0], data[1], data[2:-2]
        self.asked.append((kind, body))
        self.times_s.append(self.now_s)
        reply = self._answer(kind, body)
        if self.lose:
            self.lose -= 1
        elif self.instead:
            self.say(self.instead)
            self.instead, self.mute = b"", True
        elif not self.mute:
            reply = bytes([kind + 0x80, seq]) + reply
            crc = self._crc(reply)
            coded = b""
            for run in (reply + bytes([crc % 256, crc // 256])).split(b"\0"):
                coded += bytes([len(run) + 1]) + run
            self.say(self.noise + b"\0" + coded + b"\0")

    @staticmethod
    def _crc(data):
        crc = 0xFFFF
        for byte in data:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
        return crc

    def trip(self, fault):
        self.faults |= fault
        self.armed = self.on = False
        self.amplitude = self.frequency = 0

    def _answer(self, kind, body):
        self.heard_s = self.now_s
        if kind == HELLO:
            return struct.pack("<B3BH16s", self.protocol, 1, 2, 3, 2000, b"microtwin_mega")
        if kind == STATUS:
            duties = [0, 255, 0, -255, 0, 0] if self.on else [0] * 6
            return struct.pack("<BBIH6h6HH", self.state, self.faults, 12345, 16384, *duties, *self.counts, 7)
        result = 0
        if kind == CONFIG:
            self.armed = self.on = False
            if self.refuse_settings:
                result = 4
            else:
                self.config, self.configured = struct.unpack("<3hHHHIH", body), True
        elif not self.configured:
            result = 2
        elif kind == ARM:
            self.armed, self.faults = True, 0
        elif kind == DISARM:
            self.armed = self.on = False
        elif self.faults:
            result = 5
        elif not self.armed:
            result = 3
        elif kind == OFF:
            self.on = False
        else:
            *_, amplitude, self.frequency = struct.unpack("<4HI", body)
            self.amplitude = min(amplitude, self.config[3])  # so simple only for a full circle
            self.on = self.amplitude > 0
            result = int(self.amplitude < amplitude)
        if not self.on:
            self.amplitude = self.frequency = 0
        return struct.pack("<BBBHI", result, self.state, self.faults, self.amplitude, self.frequency)


@pytest.fixture
def board(plug_in):
    """Makes boards, each on the port /dev/ttyMEGA."""

    def make(**options):
        paper = PaperBoard(**options)
        paper.port = plug_in(paper.name, paper)
        return paper

    return make


def settings(board, **changes):
    return CoilsConfig(port=board.name, **{"watchdog_ms": 500, "heartbeat_ms": 0, **changes})


class TestOpening:
    def test_checks_sets_up_and_arms_then_leaves_it_dead(self, board):
        paper = board()
        with open_coils(settings(paper, equalise=True, max_duty=0.5)) as coils:
            assert isinstance(coils, MegaCoils) and coils.armed and paper.state == 2
            assert str(coils.firmware) == "microtwin_mega 1.2.3"
            assert paper.config == (32767, 19661, 7562, 16384, 500, 50, 600_000, 1023)
            coils.apply(ROLL)
            assert paper.state == 3
        assert paper.state == 1
        assert paper.types() == [HELLO, DISARM, CONFIG, ARM, FIELD, OFF, DISARM]

    def test_another_protocol_is_refused_without_a_field(self, board):
        paper = board(protocol=2)
        with pytest.raises(InputError) as caught, MegaCoils(settings(paper)):
            pass
        words = (
            f"microtwin_mega 1.2.3 at {paper.name} speaks protocol 2, this library speaks 1: flash hardware/firmware"
        )
        assert words in str(caught.value) and paper.types() == [HELLO]

    def test_silence(self, board):
        paper = board()
        paper.mute = True
        with pytest.raises(InputError, match=r"no answer on .*: flash .*microtwin_mega, or name the lab's profile"):
            MegaCoils(settings(paper)).__enter__()
        paper.mute = False
        with MegaCoils(settings(paper)):  # the failed attempt has given the port back
            assert set(paper.types()[:-3]) == {HELLO}

    def test_the_labs_firmware_is_recognised_by_its_currents(self, board):
        from pySerialTransfer.CRC import CRC

        paper = board()
        payload = struct.pack("<6f", 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
        uplink = b"\x7e\x00\xff\x18" + payload + bytes([CRC().calculate(list(payload)), 0x81])
        paper.instead = uplink
        with pytest.raises(InputError, match="is the lab's firmware: name its profile"):
            MegaCoils(settings(paper)).__enter__()

    def test_garbage_alone_may_be_the_wrong_baud_rate(self, board):
        paper = board()
        paper.instead = b"\x12\x34\x56" * 20
        with pytest.raises(InputError, match=r"60 bytes of no known protocol from .* baud"):
            MegaCoils(settings(paper)).__enter__()

    def test_a_board_that_is_slow_to_start(self, board):
        paper = board()
        paper.lose = 4
        with MegaCoils(settings(paper)) as coils:
            assert coils.armed

    def test_settings_that_the_board_refuses(self, board):
        paper = board()
        paper.refuse_settings = True
        with pytest.raises(InputError, match="refuses the settings"):
            MegaCoils(settings(paper)).__enter__()
        assert ARM not in paper.types()

    def test_a_board_that_was_just_reset_is_left_alone_at_first(self, board):
        """The boot loader must hear nothing: HELLO comes after BOOT_S."""
        paper = board()
        paper.port.cts = False  # a port with modem lines, one of which resets the board
        with MegaCoils(settings(paper)):
            assert paper.times_s[0] == pytest.approx(link.BOOT_S, abs=0.002)


class TestField:
    def test_what_is_applied_is_what_the_board_says(self, board):
        paper = board()
        with MegaCoils(settings(paper, max_duty=0.25)) as coils:
            applied = coils.apply(RotatingField(alpha_rad=7.0, gamma_rad=0.3, frequency_hz=12.5, amplitude=0.8))
            assert applied == RotatingField(alpha_rad=7.0, gamma_rad=0.3, frequency_hz=12.5, amplitude=0.25)
            assert coils.apply(RotatingField(frequency_hz=500.0, amplitude=0.1)).frequency_hz == 200.0
            assert math.isfinite(coils.latency_s) and coils.latency_s > 0
            assert coils.apply(RotatingField.off()).amplitude == 0 and paper.state == 2
            coils.apply(ROLL)
            coils.off()
            assert paper.state == 2 and coils.armed

    def test_cone_goes_onto_the_wire(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            coils.apply(ROLL, cone_rad=math.pi / 4)
        cones = [struct.unpack("<4HI", body)[2] for kind, body in paper.asked if kind == FIELD]
        assert cones == [16384, 8192]

    def test_currents_and_status(self, board):
        paper = board()
        paper.counts = [0, 10, 0, 20, 0, 1]
        with MegaCoils(settings(paper, amps_per_count=0.05)) as coils:
            coils.apply(ROLL)
            np.testing.assert_allclose(coils.currents_a(), [0, 0.5, 0, 1.0, 0, 0.05])
            report = coils.status()
        assert (report.state, report.uptime_s, report.bad_packets) == (messages.State.FIELD_ON, 12.345, 7)
        assert report.duties == (0, 1, 0, -1, 0, 0) and report.phase_rad == pytest.approx(math.pi / 2)

    def test_scale_is_the_true_field(self, board):
        assert MegaCoils(CoilsConfig()).scale.applied_mt == (3, 5, 13)
        assert MegaCoils(CoilsConfig(equalise=True)).scale.applied_mt == (3, 3, 3)

    @pytest.mark.parametrize("noise", [b"\x55" * 40, b"\0\x03\x11\x22\0", b"\x7e\x00\xff\x18", os.urandom(200)])
    def test_garbage_between_packets(self, board, noise):
        paper = board()
        paper.noise = noise
        with MegaCoils(settings(paper)) as coils:
            for k in range(20):
                assert coils.apply(RotatingField(frequency_hz=float(k + 1))).frequency_hz == k + 1

    def test_a_lost_reply_is_asked_for_again(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            paper.lose = 1
            assert coils.apply(ROLL).frequency_hz == 12.0
            assert paper.types().count(FIELD) == 2

    def test_a_host_that_is_held_up_takes_the_answer_that_lies_there(self, board, monkeypatch):
        """Every look at the clock is a second after the last: each wait is over before it began."""
        paper, seconds = board(), itertools.count()
        monkeypatch.setattr(link.Link, "now_s", property(lambda self: float(next(seconds))))
        with MegaCoils(settings(paper)) as coils:
            assert coils.apply(ROLL) == ROLL
        assert paper.types() == [HELLO, DISARM, CONFIG, ARM, FIELD, OFF, DISARM]

    def test_a_reply_that_comes_late_is_not_taken_for_the_next(self, board):
        """The board answers every try of a FIELD at once, after the host has given two of them up."""
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            real, held = paper.say, []

            def hold(data):
                held.append(data)
                if len(held) == 3:
                    paper.say = real
                    real(b"".join(held))

            paper.say = hold
            assert coils.apply(RotatingField(frequency_hz=3.0)).frequency_hz == 3.0
            assert coils.apply(RotatingField(frequency_hz=5.0)).frequency_hz == 5.0
            assert coils.status().state == messages.State.FIELD_ON

    def test_many_threads_get_their_own_answers(self, board):
        paper = board()
        paper.port.pause_s = 0.0002  # a moment in which another thread may come between
        wrong = []
        with MegaCoils(settings(paper)) as coils:

            def ask(frequency):
                for _ in range(10):
                    if coils.apply(RotatingField(frequency_hz=frequency)).frequency_hz != frequency:
                        wrong.append(frequency)
                    coils.status()

            threads = [threading.Thread(target=ask, args=(float(k),)) for k in range(1, 5)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        assert not wrong


class TestTrouble:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (1, "watchdog, nothing was heard for 500 ms"),
            (2, "on for longer than max_on_s = 600 s"),
            (4, "over-current, above 4 A"),
            (5, "watchdog.* and over-current"),
        ],
    )
    def test_faults_are_told_and_stand_until_armed(self, board, fault, words):
        paper = board()
        with MegaCoils(settings(paper, current_limit_a=4.0)) as coils:
            coils.apply(ROLL)
            paper.trip(fault)
            with pytest.raises(RigError, match=f"switched themselves off: {words}.*; then start again, or arm"):
                coils.apply(ROLL)
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            coils.off()
            coils.arm()
            assert coils.apply(ROLL).amplitude == 1.0

    def test_a_board_that_lost_its_supply_has_lost_its_settings(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            paper.configured = paper.armed = False
            with pytest.raises(RigError, match=r"was restarted .*reconnect"):
                coils.apply(ROLL)
            coils.reconnect()
            coils.arm()
            coils.apply(ROLL)
            assert paper.state == 3

    def test_silence_in_mid_run(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            paper.mute = True
            with pytest.raises(RigError, match="do not answer: the field goes off by itself"):
                coils.apply(ROLL)

    def test_unplugged_then_plugged_in_stays_without_a_field_until_armed(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.unplug()
            with pytest.raises(RigError, match=r"are gone: the field is off \(the board's watchdog\); plug it in"):
                coils.apply(ROLL)
            with pytest.raises(RigError, match="are gone"):
                coils.off()
            with pytest.raises(RigError, match="no port"):
                coils.reconnect()
            paper.plug()
            coils.reconnect()
            assert paper.state == 1 and not coils.armed
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            assert paper.types()[-1] == CONFIG  # refused by the host: nothing was sent
            coils.arm()
            coils.apply(ROLL)
            assert paper.state == 3
        assert paper.state == 1

    def test_leaving_is_silent_whatever_is_broken(self, board):
        paper = board()
        with MegaCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.unplug()

    def test_an_exception_ends_with_the_field_off(self, board):
        paper = board()
        with pytest.raises(ZeroDivisionError), MegaCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            raise ZeroDivisionError
        assert paper.state == 1 and paper.types()[-2:] == [OFF, DISARM]

    @pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals")
    def test_the_end_of_the_program_turns_it_off(self, on_terminal):
        paper = PaperBoard()
        name, _ = on_terminal(paper)
        program = (
            "from microtwin_hardware.coils import mega\n"
            "from microtwin_hardware.config import CoilsConfig\n"
            "from microtwin.field import RotatingField\n"
            "mega.REPLY_S = mega.HELLO_S = 60.0\n"
            f"coils = mega.MegaCoils(CoilsConfig(port={name!r}, heartbeat_ms=0)).__enter__()\n"
            "coils.apply(RotatingField(frequency_hz=5.0))\n"
        )
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=300)
        assert paper.types()[-3:] == [FIELD, OFF, DISARM] and paper.state == 1


def heartbeats():
    return [each for each in threading.enumerate() if each.name == "coils heartbeat"]


class TestHeartbeat:
    @pytest.fixture
    def beating(self, board, monkeypatch):
        """Makes coils whose heartbeat waits on the board's clock, and is what lets it go on."""

        def make(**changes):
            paper = board()
            coils = MegaCoils(settings(paper, **changes))

            class Ended(threading.Event):
                def wait(self, timeout=None):
                    time.sleep(0.0005)
                    with coils._lock:
                        paper.port.let_pass(timeout)
                    return self.is_set()

            coils._heartbeat._ended = Ended()
            monkeypatch.setattr(mega_coils, "time", SimpleNamespace(monotonic=lambda: paper.now_s))
            return paper, coils

        yield make
        assert not heartbeats()

    def test_keeps_an_armed_board_alive_while_there_is_no_field(self, beating, until):
        paper, coils = beating(heartbeat_ms=50, hold_s=0.1, watchdog_ms=400)
        with coils:
            armed_s = paper.now_s
            until(lambda: paper.now_s > armed_s + 1.5)
            assert paper.state == 2 and not paper.faults and math.isnan(paper.tripped_s)
            assert coils.apply(ROLL).amplitude == 1.0
        assert np.diff(paper.times_s).max() < 0.06  # it is heard every 50 ms, not just in time

    def test_ends_when_a_field_is_no_longer_commanded(self, beating, until):
        """A program that hangs: heartbeats for hold_s, then none, and the board's watchdog does the rest."""
        paper, coils = beating(heartbeat_ms=50, hold_s=0.3, watchdog_ms=400)
        with coils:
            coils.apply(ROLL)
            until(lambda: paper.faults == 1)
            last_s, commanded_s = paper.times_s[-1], paper.times_s[paper.types().index(FIELD)]
            assert paper.types()[-1] == STATUS and 0.2 < last_s - commanded_s < 0.35
            assert paper.tripped_s - last_s == pytest.approx(0.4, abs=0.01)
            with pytest.raises(RigError, match="watchdog"):
                coils.apply(ROLL)

    def test_ends_with_the_link(self, beating, until):
        paper, coils = beating(heartbeat_ms=20)
        with coils:
            assert heartbeats()
            paper.unplug()
            until(lambda: not coils._link.is_open)
            with pytest.raises(RigError, match="gone"):
                coils.apply(ROLL)

    def test_no_thread_when_it_is_switched_off(self, board):
        with MegaCoils(settings(board())):
            assert not heartbeats()


class TestDryRun:
    def test_says_each_message_once_and_opens_nothing(self):
        said = []
        with DryCoils(CoilsConfig(port="/dev/none"), say=said.append) as coils:
            coils.apply(ROLL)
            coils.apply(ROLL)
            coils.apply(RotatingField(frequency_hz=500.0))
            coils.off()
        assert [line.partition(":")[0] for line in said] == [
            "dry run",
            "hello",
            "settings",
            "arm",
            "α 28.6° γ 90.0° 12 Hz amplitude 1.000",
            "α 0.0° γ 90.0° 500 Hz amplitude 1.000 (frequency clipped to 200 Hz)",
            "field off",
            "disarm",
        ]
        crc = PaperBoard._crc(b"\x01\x00")
        assert said[1] == f"hello: 00 02 01 03 {crc % 256:02x} {crc // 256:02x} 00"

    def test_clips_as_the_board(self):
        coils = DryCoils(CoilsConfig(equalise=True, max_duty=0.5), say=lambda line: None)
        for field, peak in (
            (ROLL, math.cos(0.5)),  # on x
            (RotatingField(alpha_rad=math.pi / 2, frequency_hz=5.0), 3 / 5),  # on y, turned down to be as weak as x
            (RotatingField(gamma_rad=SPIN_CW_RAD, frequency_hz=5.0), 1.0),
        ):
            assert coils.apply(field).amplitude == pytest.approx(0.5 / peak, abs=1 / 32768)
        assert coils.apply(RotatingField(frequency_hz=5.0, amplitude=0.25)).amplitude == 0.25

    def test_the_labs_floats(self):
        said = []
        with DryCoils(CoilsConfig(profile="lab-10"), say=said.append) as coils:
            coils.apply(ROLL)
        assert "7e 00 ff 28" in said[2] and said[2].endswith(" 81")
        assert said[-1].startswith("field off: 7e 00 ff 28 00 00")
        with pytest.raises(InputError, match="give 0 or 1"):
            coils.apply(RotatingField(frequency_hz=1.0, amplitude=0.5))


@pytest.fixture
def bench():
    """The real firmware in the emulator, in lockstep, as port ``lockstep://mega``."""
    from emulated_rig import build

    if build.missing():
        pytest.skip(f"needs the Debian packages {' '.join(build.missing())}")
    from emulated_rig import lockstep
    from emulated_rig.bench import EmulatedRig
    from emulated_rig.coil_model import CoilModel
    from microtwin.scene import PushScene

    class Seen(CoilModel):
        """Coils with a memory: what the board drives them with from now on, for a while."""

        rows = ()

        def drive(self, duties):
            self.rows = [*self.rows, duties]
            return super().drive(duties)

        def seen(self, duration_s):
            self.rows = ()
            rig.advance_to(rig.time_s + duration_s)
            return np.concatenate(self.rows)

    rig = EmulatedRig.of(PushScene(), np.array([[0.0, 0.0], [60.0, 0.0]]), coils=Seen.lab())
    lockstep.attach("mega", rig)
    yield rig
    lockstep.detach("mega")
    rig.close()


def in_lockstep(**changes):
    return CoilsConfig(port="lockstep://mega", **{"heartbeat_ms": 0, "watchdog_ms": 300, **changes})


class TestRealFirmware:
    def test_the_host_knows_what_the_board_applies(self, bench):
        """The dry run's clipping is the board's, to a step of the wire."""
        rng = np.random.default_rng(3)
        config = in_lockstep(max_duty=0.5, equalise=True, polarity=(1, -1, 1))
        dry = DryCoils(config, say=lambda line: None)
        with MegaCoils(config) as coils:
            assert coils.firmware and coils.firmware.name == "microtwin_mega"
            clipped = 0
            for _ in range(60):
                alpha, gamma, amplitude = rng.uniform([-7, 0, 0.05], [7, math.pi, 1])
                field = RotatingField(alpha, gamma, rng.uniform(0, 250), amplitude)
                cone = rng.choice([math.pi / 2, rng.uniform(0.2, 1.5)])
                told, wanted = coils.apply(field, cone_rad=cone), dry.apply(field, cone_rad=cone)
                assert told.amplitude == pytest.approx(wanted.amplitude, abs=2.1 / 32768)
                assert told.frequency_hz == wanted.frequency_hz
                clipped += told.amplitude < amplitude - 0.01
            assert 10 < clipped < 50
            assert 0 < coils.latency_s < 0.01  # emulated time: nothing but the line and the board's loop

    def test_the_field_on_the_pins_is_the_one_asked_for(self, bench):
        polarity = (1, -1, 1)
        with MegaCoils(in_lockstep(soft_start_ms=0, polarity=polarity, equalise=True)) as coils:
            field = coils.apply(RotatingField(alpha_rad=0.7, gamma_rad=1.2, frequency_hz=20.0, amplitude=0.8))
            duties = bench.coils.seen(0.2)
        signed = (duties[:, 0::2] - duties[:, 1::2])[:, [1, 0, 4]] * polarity / np.array([1, 3 / 5, 3 / 13])
        time_s = np.arange(len(signed)) * bench.mega.sample_s
        waves = np.stack([np.cos(2 * math.pi * 20 * time_s), np.sin(2 * math.pi * 20 * time_s)], axis=1)
        c, s = np.linalg.lstsq(waves, signed, rcond=None)[0]
        axis = np.cross(c, s) / np.linalg.norm(np.cross(c, s))
        assert float(axis @ field.axis) > math.cos(math.radians(1.0))
        assert np.sqrt(np.linalg.norm(np.cross(c, s))) == pytest.approx(0.8, rel=0.01)

    def test_a_host_that_goes_silent_is_told_when_it_comes_back(self, bench):
        with MegaCoils(in_lockstep()) as coils:
            coils.apply(ROLL)
            bench.advance_to(bench.time_s + 0.5)
            assert not bench.coils.seen(0.02).any()
            with pytest.raises(RigError, match=r"watchdog, nothing was heard for 300 ms; .*; then start again, or arm"):
                coils.apply(ROLL)
            coils.arm()
            coils.apply(ROLL)
            bench.advance_to(bench.time_s + 0.1)
            assert coils.status().state == messages.State.FIELD_ON and np.any(coils.status().duties)
        assert not bench.coils.seen(0.02).any()

    def test_a_host_that_was_silent_without_a_field_goes_on(self, bench):
        """A start that takes a moment longer than the watchdog must not end the run before it began."""
        with MegaCoils(in_lockstep()) as coils:
            for _ in range(2):  # freshly armed, then after a field
                bench.advance_to(bench.time_s + 0.5)
                assert coils.status().faults == messages.Fault.WATCHDOG
                assert coils.apply(ROLL).amplitude == 1.0
                bench.advance_to(bench.time_s + 0.1)
                assert np.any(coils.status().duties)
                coils.off()
        assert not bench.coils.seen(0.02).any()

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"max_on_s": 0.3}, "on for longer than max_on_s = 0.3 s"),
            ({"current_limit_a": 2.0}, "over-current, above 2 A"),
        ],
    )
    def test_limits_that_the_board_keeps(self, bench, changes, words):
        with MegaCoils(in_lockstep(**changes)) as coils, pytest.raises(RigError, match=words):
            for _ in range(10):
                coils.apply(ROLL)
                bench.advance_to(bench.time_s + 0.1)
        assert not bench.coils.seen(0.02).any()

    def test_currents_are_those_of_the_coils(self, bench):
        with MegaCoils(in_lockstep(soft_start_ms=0)) as coils:
            coils.apply(RotatingField(gamma_rad=0.0, alpha_rad=math.pi / 2))  # stands still; along x at phase 0
            bench.advance_to(bench.time_s + 0.1)
            np.testing.assert_allclose(coils.currents_a(), np.abs(bench.coils.currents_a), atol=0.07)
            assert bench.coils.currents_a.max() > 1.0

    def test_unplugged_and_plugged_in_again(self, bench):
        with MegaCoils(in_lockstep()) as coils:
            coils.apply(ROLL)
            bench.unplugged = True
            with pytest.raises(RigError, match="are gone: the field is off"):
                coils.apply(ROLL)
            with pytest.raises(RigError, match="no port lockstep://mega"):
                coils.reconnect()
            bench.advance_to(bench.time_s + 0.5)
            bench.unplugged = False
            coils.reconnect()
            bench.advance_to(bench.time_s + 0.1)
            assert not bench.coils.seen(0.02).any()
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            coils.arm()
            coils.apply(ROLL)
            assert bench.coils.seen(0.1).any()
