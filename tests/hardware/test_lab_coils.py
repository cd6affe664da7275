"""The driver of the lab's firmwares, against boards of paper and a real one in an emulator.

What needs no second process is tested on a clock of the port's own; the guard, which is one, on a pseudo-terminal.
"""

import itertools
import math
import os
import signal
import struct
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin_hardware.coils import guard, lab_floats, lab_probe, open_coils, serial_transfer
from microtwin_hardware.coils import lab as lab_coils
from microtwin_hardware.coils.lab import LabCoils
from microtwin_hardware.coils.link import Link
from microtwin_hardware.coils.uplink import Uplink
from microtwin_hardware.config import CoilsConfig

needs_terminals = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals")

ROLL = RotatingField(alpha_rad=0.5, frequency_hz=12.0)
NO_GUARD = "no guard process here: if this program is killed, the field stays as it is"


def crc8(data):
    from pySerialTransfer.CRC import CRC

    return CRC().calculate(list(data)) if data else 0


class PaperLab:
    """Takes the first ``count`` floats of any packet, keeps them for ever, and reports six currents every 20 ms.

    Attributes:
        floats: as they are now. heard: all packets' floats. supply: without it no current. talks: the uplink.
        swap: x and y coils are wired crosswise. answer: sent when something begins with a zero. noise: sent every
        20 ms. name: of the port. port: that it hangs on; host: the host's end of a terminal. was_on: it was ever told
        to make a field.
    """

    port: Any = None
    host = -1

    def __init__(self, count, name="/dev/ttyLAB", supply=True, talks=True):
        self.count, self.name, self.supply, self.talks = count, name, supply, talks
        self.floats, self.heard, self.swap, self.answer, self.noise = np.zeros(count), [], False, b"", b""
        self._held, self._ticks = b"", 0

    @property
    def is_off(self):
        return not np.any(self.floats)

    @property
    def was_on(self):
        return any(np.any(each) for each in self.heard)

    def currents_a(self):
        """5 A at full duty; a bridge does nothing below a tenth. The rotating field is not seen in the mean."""
        first = 1 if self.count == 17 else 0
        x, y, z = self.floats[first : first + 3]
        duties = np.array([y, x, -y, -x, z, -z]) + (self.floats[11:17] if self.count == 17 else 0)
        if self.swap:
            duties = duties[[1, 0, 3, 2, 4, 5]]
        return 5.0 * self.supply * np.sign(duties) * np.maximum(np.abs(duties) - 0.1, 0)

    def say(self, data):
        self.port.say(data)

    def hear(self, data):
        if self.answer and data[:1] == b"\0":  # a packet of another protocol
            self.say(self.answer)
        self._held += data
        while 0x7E in self._held:
            held = self._held = self._held[self._held.index(0x7E) :]
            if len(held) < 4 or len(held) < held[3] + 6:
                break
            length, payload = held[3], bytearray(held[4 : 4 + held[3]])
            if held[4 + length] != crc8(payload) or held[5 + length] != 0x81:
                self._held = held[1:]
                continue
            place, self._held = held[2], held[6 + length :]
            while place != 0xFF:
                step, payload[place] = payload[place], 0x7E
                place = place + step if step else 0xFF
            got = np.frombuffer(bytes(payload), "<f4")
            taken = min(len(got), self.count)
            self.floats[:taken] = got[:taken]
            self.heard.append(got)

    def tick(self):
        self._ticks += 1
        if self._ticks % 20:
            return
        payload = struct.pack("<6f", *self.currents_a())
        if self.talks and 0x7E not in payload:
            self.say(b"\x7e\x00\xff\x18" + payload + bytes([crc8(payload), 0x81]))
        if self.noise:
            self.say(self.noise)


@pytest.fixture
def lab(plug_in):
    """Makes boards, each on the port /dev/ttyLAB in place of the one before."""

    def make(count, **options):
        paper = PaperLab(count, **options)
        paper.port = plug_in(paper.name, paper)
        return paper

    return make


@pytest.fixture
def lab_on_terminal(on_terminal, monkeypatch):
    """The board with 10 floats where its guard finds it: silent, so that nothing is asked of how fast it answers."""
    monkeypatch.setattr(lab_probe, "LISTEN_S", 0.01)
    monkeypatch.setattr(lab_coils, "HELLO_S", 0.01)
    monkeypatch.setattr(guard, "LEAVE_S", 120.0)
    paper = PaperLab(10, talks=False)
    paper.name, paper.host = on_terminal(paper)
    return paper


def settings(paper, profile=None, **changes):
    given = {"profile": profile or f"lab-{paper.count}", "port": paper.name, "probe_duty": 0.2, "watchdog_ms": 500}
    return CoilsConfig(**(given | changes))


class TestProof:
    @pytest.mark.parametrize("count", [8, 10, 17])
    def test_the_right_profile_opens_with_the_field_off(self, lab, count):
        paper = lab(count)
        with open_coils(settings(paper)) as coils:
            assert isinstance(coils, LabCoils) and coils.armed
            assert coils.notes == [NO_GUARD]
            assert paper.is_off
            paper.port.let_pass(0.02)
            assert not np.any(coils.currents_a())
        assert max(np.abs(each).max() for each in paper.heard) == pytest.approx(0.2)

    @pytest.mark.parametrize("count", [8, 10])
    def test_a_17_float_host_is_refused_by_a_shorter_firmware(self, lab, count):
        paper = lab(count)
        with pytest.raises(InputError) as caught, LabCoils(settings(paper, "lab-17")):
            pass
        assert str(caught.value) == (
            f"firmware on {paper.name} takes 8 or 10 floats, the profile says 17 (its amplitude came out as a field on "
            "+X and -X): give profile = lab-10 or lab-8"
        )
        assert paper.is_off

    @pytest.mark.parametrize("profile", ["lab-8", "lab-10"])
    def test_a_shorter_host_is_refused_by_17_float_firmware(self, lab, profile):
        paper = lab(17)
        with pytest.raises(InputError, match=r"no coil .* a duty of 0.2: .*supply on.*firmware takes 17 floats"):
            LabCoils(settings(paper, profile)).__enter__()
        assert paper.is_off

    @pytest.mark.parametrize(("count", "other"), [(8, "17 floats"), (17, "8 or 10 floats")])
    def test_no_supply_proves_nothing(self, lab, count, other):
        paper = lab(count, supply=False)
        with pytest.raises(InputError, match=f"switch the coils' supply on, .*takes {other} and not {count}"):
            LabCoils(settings(paper)).__enter__()

    def test_a_pulse_that_the_bridges_swallow(self, lab):
        with pytest.raises(InputError, match=r"raise coils.probe_duty"):
            LabCoils(settings(lab(10), probe_duty=0.05)).__enter__()

    def test_coils_that_are_swapped(self, lab):
        paper = lab(10)
        paper.swap = True
        with pytest.raises(InputError, match=r"answers Bx with a current on \+Y and -Y, not on \+X or -X"):
            LabCoils(settings(paper)).__enter__()
        assert paper.is_off

    def test_what_a_dead_program_left_on_is_turned_off_first(self, lab):
        paper = lab(10)
        paper.floats[:] = [0.9, 0.5, 0.5, 1, 1, 5, 1, 0, 0, 0]
        with LabCoils(settings(paper)):
            assert paper.is_off
        assert not paper.heard[0].any()

    def test_silence_is_believed_for_the_short_firmwares_and_noted(self, lab):
        paper = lab(8, talks=False)
        with LabCoils(settings(paper)) as coils:
            assert coils.notes == [
                NO_GUARD,
                f"no currents from {paper.name}: that it takes 8 floats could not be proven",
            ]
            assert coils.currents_a() is None
            coils.apply(ROLL)
            coils.apply(ROLL)
        assert max(np.abs(each).max() for each in paper.heard[:2]) == 0  # and no pulse is sent blindly

    def test_silence_refuses_17_floats(self, lab):
        with pytest.raises(InputError, match=r"no currents from .*17-float command is not sent"):
            LabCoils(settings(lab(17, talks=False))).__enter__()

    def test_our_own_firmware_is_recognised(self, lab):
        """It is silent until it is greeted; its answer has a CRC made here."""
        paper = lab(10, talks=False)
        reply = b"\x81\x01" + struct.pack("<B3BH16s", 1, 1, 0, 0, 2000, b"microtwin_mega")
        crc = 0xFFFF
        for byte in reply:
            crc ^= byte << 8
            for _ in range(8):
                crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xFFFF
        coded = b"".join(bytes([len(run) + 1]) + run for run in (reply + struct.pack("<H", crc)).split(b"\0"))
        paper.answer = b"\0" + coded + b"\0"
        with pytest.raises(InputError, match=r"microtwin_mega 1.0.0 answers at .*: give profile = microtwin"):
            LabCoils(settings(paper)).__enter__()

    def test_another_baud_rate_is_noise(self, lab):
        paper = lab(10, talks=False)
        paper.noise = b"\x12\x9c\xff\x00\x80"
        with pytest.raises(InputError, match=r"bytes of no known protocol from .* at 500000 baud: .*115200"):
            LabCoils(settings(paper)).__enter__()

    def test_the_guard_is_told_of_every_field_so_often_that_it_ends_none(self, lab, monkeypatch):
        """The pulse is longer than its limit, and is sent again and again.

        It is told before a packet is on the line, as the program may hang right after; and once more when it is, as it
        may have hung before and the guard, which told the board off, forgot about it.
        """
        paper, told = lab(10), []

        class PaperGuard:
            def __init__(self, port, off_packet, limit_s):
                self.limit_s = limit_s

            def tell(self, on):
                told.append((paper.port.clock_s, on, len(paper.heard)))
                return True

            def dismiss(self):
                pass

        monkeypatch.setattr(lab_coils, "Guard", PaperGuard)
        with open(os.devnull, "rb") as file:
            paper.port.number = file.fileno()
            coils = LabCoils(settings(paper, hold_s=0.0, watchdog_ms=80, heartbeat_ms=20))
            with coils:
                assert coils.armed and not coils.notes
        on_s = [begin_s for begin_s, on, _ in told if on]
        assert on_s[-1] - on_s[0] > 0.08
        silences_s = [end_s - begin_s for (begin_s, on, _), (end_s, *_) in itertools.pairwise(told) if on]
        assert max(silences_s) < 0.08 / 2
        fields = {number for number, each in enumerate(paper.heard) if each.any()}
        assert fields and fields | {number + 1 for number in fields} == {number for _, on, number in told if on}


class TestField:
    def test_heading_on_the_wire_is_the_papers(self, lab):
        paper = lab(17)
        with LabCoils(settings(paper)) as coils:
            assert coils.apply(ROLL) == ROLL
            assert paper.floats[6] == 12.0
            np.testing.assert_allclose(
                paper.floats, [1, 0, 0, 0, 0.5 + math.pi / 2, math.pi / 2, 12, math.pi / 2, *[0] * 9], atol=1e-6
            )
            coils.off()
            assert paper.is_off
            coils.apply(RotatingField(frequency_hz=3.0, amplitude=0.25), cone_rad=1.0)
            assert paper.floats[0] == 0.25 and paper.floats[7] == pytest.approx(1.0)
            coils.apply(RotatingField.off())
            assert paper.is_off

    def test_half_strength_is_refused_where_it_cannot_be(self, lab):
        paper = lab(10)
        with pytest.raises(InputError, match="give 0 or 1"), LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            coils.apply(RotatingField(frequency_hz=3.0, amplitude=0.5))
        assert paper.is_off

    def test_currents_as_they_come(self, lab):
        paper = lab(8)
        with LabCoils(settings(paper)) as coils:
            coils.apply(RotatingField(gamma_rad=0.0, alpha_rad=math.pi / 2, amplitude=0.5))  # stands along +x
            paper.port.let_pass(0.02)
            assert coils.currents_a() == pytest.approx([0, 2, 0, -2, 0, 0], abs=1e-3)

    def test_currents_that_came_while_the_host_was_held_up_are_taken(self, lab, monkeypatch):
        paper, seconds = lab(8), itertools.count()
        link = Link(paper.name, 500_000, "-")
        link.open()
        paper.port.let_pass(0.1)
        monkeypatch.setattr(Link, "now_s", property(lambda self: float(next(seconds))))
        assert Uplink(link).gather(0.06).shape == (5, 6)

    def test_settings_are_refused_before_anything_is_opened(self):
        with pytest.raises(InputError, match=r"max_duty is 0.5"):
            open_coils(CoilsConfig(profile="lab-10", max_duty=0.5, port="/dev/none"))


class TestTrouble:
    def test_on_for_too_long(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper, max_on_s=0.2)) as coils:
            coils.apply(ROLL)
            paper.port.let_pass(0.15)
            coils.apply(ROLL)
            paper.port.let_pass(0.15)
            with pytest.raises(
                RigError, match=r"on for longer than max_on_s = 0.2 s; let the coils cool; then start again, or arm"
            ):
                coils.apply(ROLL)
            assert paper.is_off
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            coils.arm()
            coils.apply(ROLL)

    def test_currents_that_stop(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.port.let_pass(2 * lab_coils.SILENT_S)
            coils.apply(ROLL)  # they came meanwhile
            paper.talks = False
            paper.port.let_pass(0.9 * lab_coils.SILENT_S)
            coils.apply(ROLL)
            paper.port.let_pass(0.2 * lab_coils.SILENT_S)
            with pytest.raises(RigError, match="its currents stopped coming; switch the coils' supply off"):
                coils.apply(ROLL)

    def test_unplugged(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.port.plugged = False
            with pytest.raises(RigError, match=r"are gone: .*switch the coils' supply off; then plug it in"):
                coils.apply(ROLL)
            with pytest.raises(RigError, match="no port"):
                coils.reconnect()
            again = lab(10)
            coils.reconnect()
            assert not coils.armed
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            assert again.is_off
            coils.arm()
            coils.apply(ROLL)
            assert not again.is_off

    def test_an_exception_ends_with_zeros_sent_more_than_once(self, lab):
        paper = lab(17)
        with pytest.raises(ZeroDivisionError), LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            raise ZeroDivisionError
        assert paper.is_off and not np.any(paper.heard[-3:])


PROGRAM = """
import os, sys, time
from microtwin.field import RotatingField
from microtwin_hardware.config import CoilsConfig
from microtwin_hardware.coils import lab, lab_probe
lab_probe.LISTEN_S = lab.HELLO_S = 0.01
port, hold_s, forks = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "forks"
with lab.LabCoils(CoilsConfig(profile="lab-10", port=port, hold_s=hold_s, watchdog_ms=200)) as coils:
    coils.apply(RotatingField(frequency_hz=12.0))
    if forks and os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    print("on", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def program(lab_on_terminal):
    """Starts a program that turns the field on and then sleeps; gives the process."""
    started = []

    def start(hold_s=60.0, forks=False):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        words = [sys.executable, "-c", PROGRAM, lab_on_terminal.name, str(hold_s), "forks" if forks else "alone"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, start_new_session=True)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        return process

    yield start
    for process in started:
        try:
            os.killpg(
                process.pid, signal.SIGKILL
            )  # with the worker it may have forked; its guard is in a session apart
        except ProcessLookupError:
            pass
        process.wait()
        process.stdout.close()


@needs_terminals
class TestGuard:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_killed_program_leaves_no_field(self, lab_on_terminal, program, until, number):
        process = program()
        until(lambda: not lab_on_terminal.is_off)
        process.send_signal(number)
        until(lambda: lab_on_terminal.is_off)

    def test_a_forked_worker_that_lives_on_does_not_keep_the_field(self, lab_on_terminal, program, until):
        process = program(forks=True)
        until(lambda: not lab_on_terminal.is_off)
        process.kill()
        until(lambda: lab_on_terminal.is_off)

    def test_a_program_that_hangs(self, lab_on_terminal, program, until):
        process = program(hold_s=0.1)
        until(lambda: lab_on_terminal.was_on and lab_on_terminal.is_off)
        assert process.poll() is None

    def test_a_program_that_stops_commanding_is_told(self, lab_on_terminal, until):
        paper = lab_on_terminal
        with LabCoils(settings(paper, hold_s=0.1, watchdog_ms=200)) as coils:
            coils.apply(ROLL)
            until(lambda: paper.was_on and paper.is_off)
            with pytest.raises(RigError, match=r"nothing was commanded for .* s; find out what held the program up"):
                coils.apply(ROLL)

    def test_without_a_field_it_sends_nothing_and_with_one_it_ends_it_once(self, lab_on_terminal, until):
        paper = lab_on_terminal
        guarding = guard.Guard(paper.host, serial_transfer.floats(lab_floats.in_order("lab-10")), 0.05)
        assert guarding.tell(False)
        time.sleep(0.3)  # it may do nothing in it
        assert not paper.heard
        assert guarding.tell(True)
        until(lambda: len(paper.heard) >= guard.REPEATS)
        guarding.dismiss()
        assert len(paper.heard) == guard.REPEATS and not np.any(paper.heard)

    def test_a_guard_that_died_is_replaced(self, lab_on_terminal, until):
        with LabCoils(settings(lab_on_terminal, hold_s=60.0)) as coils:
            first = coils._guard
            assert first
            first._child.kill()
            first._child.wait()
            coils.apply(ROLL)
            assert coils._guard is not first
            until(lambda: not lab_on_terminal.is_off)

    def test_it_ends_with_the_coils(self, lab_on_terminal):
        with LabCoils(settings(lab_on_terminal)) as coils:
            assert coils._guard and not any("guard" in note for note in coils.notes)
            child = coils._guard._child
        assert child.returncode == 0


@pytest.fixture
def bench():
    """Makes boards with the lab's way of listening (or any other sketch) in the emulator, as ``lockstep://lab``."""
    from emulated_rig import build

    if build.missing():
        pytest.skip(f"needs the Debian packages {' '.join(build.missing())}")
    from emulated_rig import lockstep
    from emulated_rig.bench import EmulatedRig
    from emulated_rig.coil_model import CoilModel
    from microtwin.scene import PushScene

    made = []

    class Seen(CoilModel):
        """Coils with a memory: what the board drives them with from now on, for a while."""

        rows = ()

        def drive(self, duties):
            self.rows = [*self.rows, duties]
            return super().drive(duties)

        def seen(self, duration_s):
            self.rows = ()
            made[-1].advance_to(made[-1].time_s + duration_s)
            return np.concatenate(self.rows)

    def make(count, sketch="lab_legacy"):
        defines = (f"LAB_FLOATS={count}",) if sketch == "lab_legacy" else ()
        elf = build.compile_sketch(build.FIRMWARE / sketch, defines)
        made.append(EmulatedRig.of(PushScene(), np.array([[0.0, 0.0], [60.0, 0.0]]), elf=elf, coils=Seen.lab()))
        lockstep.attach("lab", made[-1])
        return made[-1]

    yield make
    lockstep.detach("lab")
    for rig in made:
        rig.close()


def in_lockstep(profile, **changes):
    given = {"port": "lockstep://lab", "heartbeat_ms": 0, "watchdog_ms": 500}
    return CoilsConfig(profile=profile, **(given | changes))


class TestRealFirmware:
    @pytest.mark.parametrize("count", [8, 10, 17])
    def test_the_field_on_the_pins_is_the_one_asked_for(self, bench, count):
        rig = bench(count)
        polarity = (1, 1, -1)
        with LabCoils(in_lockstep(f"lab-{count}", polarity=polarity)) as coils:
            assert coils.notes == [NO_GUARD]
            field = coils.apply(RotatingField(alpha_rad=0.7, gamma_rad=1.2, frequency_hz=5.0))
            rig.coils.seen(0.05)
            duties = rig.coils.seen(0.4)
        assert not rig.coils.seen(0.05).any()
        signed = (duties[:, 0::2] - duties[:, 1::2])[:, [1, 0, 4]] * polarity
        time_s = np.arange(len(signed)) * rig.mega.sample_s
        waves = np.stack([np.cos(2 * math.pi * 5 * time_s), np.sin(2 * math.pi * 5 * time_s)], axis=1)
        c, s = np.linalg.lstsq(waves, signed, rcond=None)[0]
        normal = np.cross(c, s)
        assert float(normal @ field.axis) / np.linalg.norm(normal) > math.cos(math.radians(2.0))
        assert np.sqrt(np.linalg.norm(normal)) == pytest.approx(1.0, rel=0.03)

    @pytest.mark.parametrize(
        ("count", "profile", "words"),
        [
            (8, "lab-17", "takes 8 or 10 floats, the profile says 17"),
            (10, "lab-17", "takes 8 or 10 floats, the profile says 17"),
            (17, "lab-10", "the firmware takes 17 floats and not 10"),
            (17, "lab-8", "the firmware takes 17 floats and not 8"),
        ],
    )
    def test_another_profile_is_refused_with_the_field_off(self, bench, count, profile, words):
        rig = bench(count)
        with pytest.raises(InputError, match=words):
            LabCoils(in_lockstep(profile)).__enter__()
        assert not rig.coils.seen(0.05).any()
        assert max(greatest for _, greatest in rig.duties) < 0.21  # no more than the pulse

    def test_without_current_sense_the_proof_can_be_left_out_and_is_said_to_be(self, bench):
        rig = bench(10)
        with LabCoils(in_lockstep("lab-10", probe_duty=0.0)) as coils:
            assert any("not proven" in note for note in coils.notes)
        assert not rig.duties or max(greatest for _, greatest in rig.duties) == 0

    def test_each_kind_of_firmware_is_told_from_the_other(self, bench):
        from microtwin_hardware.coils.mega import MegaCoils

        bench(0, sketch="microtwin_mega")
        with pytest.raises(
            InputError, match=r"microtwin_mega \d.* answers at lockstep://lab: give profile = microtwin"
        ):
            LabCoils(in_lockstep("lab-10")).__enter__()
        bench(17)
        with pytest.raises(InputError, match="is the lab's firmware: name its profile"):
            MegaCoils(in_lockstep("microtwin")).__enter__()
