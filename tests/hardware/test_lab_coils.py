"""The driver of the lab's firmwares, against a board of paper on a pseudo-terminal and a real one in an emulator."""

import math
import os
import pty
import signal
import struct
import subprocess
import sys
import threading
import time
import tty

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin_hardware.coils import lab as lab_coils
from microtwin_hardware.coils import lab_probe, open_coils
from microtwin_hardware.coils.lab import LabCoils
from microtwin_hardware.config import CoilsConfig

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals")

ROLL = RotatingField(alpha_rad=0.5, frequency_hz=12.0)
X, NONE = {"+X", "-X"}, set()


def crc8(data):
    from pySerialTransfer.CRC import CRC

    return CRC().calculate(list(data)) if data else 0


class PaperLab:
    """Takes the first ``count`` floats of any packet, keeps them for ever, and reports six currents every 20 ms.

    Attributes:
        floats: as they are now. heard: all packets' floats. supply: without it no current. talks: the uplink.
        swap: x and y coils are wired crosswise. answer: sent when something begins with a zero.
    """

    def __init__(self, folder, count, supply=True, talks=True):
        self.count, self.supply, self.talks = count, supply, talks
        self.name = str(folder / "ttyLAB")
        self.floats, self.heard, self.swap, self.answer = np.zeros(count), [], False, b""
        self.board, self.host = pty.openpty()
        tty.setraw(self.host)
        os.set_blocking(self.board, False)
        os.symlink(os.ttyname(self.host), self.name)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._listen, self._report)]
        for each in self._threads:
            each.start()

    def close(self):
        self._ended.set()
        for each in self._threads:
            each.join()
        ends, self.board, self.host = {self.board, self.host} - {-1}, -1, -1
        for end in ends:
            os.close(end)

    @property
    def is_off(self):
        return not np.any(self.floats)

    def currents_a(self):
        """5 A at full duty; a bridge does nothing below a tenth. The rotating field is not seen in the mean."""
        first = 1 if self.count == 17 else 0
        x, y, z = self.floats[first : first + 3]
        duties = np.array([y, x, -y, -x, z, -z]) + (self.floats[11:17] if self.count == 17 else 0)
        if self.swap:
            duties = duties[[1, 0, 3, 2, 4, 5]]
        return 5.0 * self.supply * np.sign(duties) * np.maximum(np.abs(duties) - 0.1, 0)

    def _listen(self):
        held = b""
        while not self._ended.wait(0.002):
            try:
                data = os.read(self.board, 4096)
            except OSError:
                continue
            if self.answer and data[:1] == b"\0":  # a packet of another protocol
                os.write(self.board, self.answer)
            held += data
            while 0x7E in held:
                held = held[held.index(0x7E) :]
                if len(held) < 4 or len(held) < held[3] + 6:
                    break
                length, payload = held[3], bytearray(held[4 : 4 + held[3]])
                if held[4 + length] != crc8(payload) or held[5 + length] != 0x81:
                    held = held[1:]
                    continue
                place, held = held[2], held[6 + length :]
                while place != 0xFF:
                    step, payload[place] = payload[place], 0x7E
                    place = place + step if step else 0xFF
                got = np.frombuffer(bytes(payload), "<f4")
                self.heard.append(got)
                taken = min(len(got), self.count)
                self.floats[:taken] = got[:taken]

    def _report(self):
        while not self._ended.wait(0.02):
            payload = struct.pack("<6f", *self.currents_a())
            if self.talks and 0x7E not in payload:
                try:
                    os.write(self.board, b"\x7e\x00\xff\x18" + payload + bytes([crc8(payload), 0x81]))
                except BlockingIOError:  # nobody reads
                    pass


@pytest.fixture
def lab(tmp_path, monkeypatch):
    for name, shorter_s in {"LISTEN_S": 0.25, "PULSE_S": 0.1, "REST_S": 0.06}.items():
        monkeypatch.setattr(lab_probe, name, shorter_s)
    monkeypatch.setattr(lab_coils, "HELLO_S", 0.15)
    made = []

    def make(count, **options):
        made.append(PaperLab(tmp_path, count, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


def settings(paper, profile=None, **changes):
    given = {"profile": profile or f"lab-{paper.count}", "port": paper.name, "probe_duty": 0.2, "watchdog_ms": 500}
    return CoilsConfig(**(given | changes))


def until(true, limit_s=5.0):
    end_s = time.monotonic() + limit_s
    while not true() and time.monotonic() < end_s:
        time.sleep(0.005)
    assert true()


class TestProof:
    @pytest.mark.parametrize("count", [8, 10, 17])
    def test_the_right_profile_opens_with_the_field_off(self, lab, count):
        paper = lab(count)
        with open_coils(settings(paper)) as coils:
            assert isinstance(coils, LabCoils) and coils.armed and not coils.notes
            until(lambda: paper.is_off)
            until(lambda: not np.any(coils.currents_a()))
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
        until(lambda: paper.is_off)

    @pytest.mark.parametrize("profile", ["lab-8", "lab-10"])
    def test_a_shorter_host_is_refused_by_17_float_firmware(self, lab, profile):
        paper = lab(17)
        with pytest.raises(InputError, match=r"no coil .* a duty of 0.2: .*supply on.*firmware takes 17 floats"):
            LabCoils(settings(paper, profile)).__enter__()
        until(lambda: paper.is_off)

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
        until(lambda: paper.is_off)

    def test_what_a_dead_program_left_on_is_turned_off_first(self, lab):
        paper = lab(10)
        paper.floats[:] = [0.9, 0.5, 0.5, 1, 1, 5, 1, 0, 0, 0]
        with LabCoils(settings(paper)):
            until(lambda: paper.is_off)
        assert not paper.heard[0].any()

    def test_silence_is_believed_for_the_short_firmwares_and_noted(self, lab):
        paper = lab(8, talks=False)
        with LabCoils(settings(paper)) as coils:
            assert coils.notes == [f"no currents from {paper.name}: that it takes 8 floats could not be proven"]
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
        ended = threading.Event()

        def noise():
            while not ended.wait(0.02):
                os.write(paper.board, b"\x12\x9c\xff\x00\x80")

        speaker = threading.Thread(target=noise)
        speaker.start()
        try:
            with pytest.raises(InputError, match=r"bytes of no known protocol from .* at 500000 baud: .*115200"):
                LabCoils(settings(paper)).__enter__()
        finally:
            ended.set()
            speaker.join()


class TestField:
    def test_heading_on_the_wire_is_the_papers(self, lab):
        paper = lab(17)
        with LabCoils(settings(paper)) as coils:
            assert coils.apply(ROLL) == ROLL
            until(lambda: paper.floats[6] == 12.0)
            np.testing.assert_allclose(
                paper.floats, [1, 0, 0, 0, 0.5 + math.pi / 2, math.pi / 2, 12, math.pi / 2, *[0] * 9], atol=1e-6
            )
            coils.off()
            until(lambda: paper.is_off)
            coils.apply(RotatingField(frequency_hz=3.0, amplitude=0.25), cone_rad=1.0)
            until(lambda: paper.floats[0] == 0.25 and paper.floats[7] == pytest.approx(1.0))
            coils.apply(RotatingField.off())
            until(lambda: paper.is_off)

    def test_half_strength_is_refused_where_it_cannot_be(self, lab):
        paper = lab(10)
        with pytest.raises(InputError, match="give 0 or 1"), LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            coils.apply(RotatingField(frequency_hz=3.0, amplitude=0.5))
        until(lambda: paper.is_off)

    def test_currents_as_they_come(self, lab):
        paper = lab(8)
        with LabCoils(settings(paper)) as coils:
            coils.apply(RotatingField(gamma_rad=0.0, alpha_rad=math.pi / 2, amplitude=0.5))  # stands along +x
            until(lambda: np.any(coils.currents_a()))
            assert coils.currents_a() == pytest.approx([0, 2, 0, -2, 0, 0], abs=1e-3)

    def test_settings_are_refused_before_anything_is_opened(self):
        with pytest.raises(InputError, match=r"max_duty is 0.5"):
            open_coils(CoilsConfig(profile="lab-10", max_duty=0.5, port="/dev/none"))


class TestTrouble:
    def test_on_for_too_long(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper, max_on_s=0.2)) as coils:
            coils.apply(ROLL)
            time.sleep(0.15)
            coils.apply(ROLL)
            time.sleep(0.15)
            with pytest.raises(
                RigError, match=r"on for longer than max_on_s = 0.2 s; let the coils cool; then start again, or arm"
            ):
                coils.apply(ROLL)
            until(lambda: paper.is_off)
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            coils.arm()
            coils.apply(ROLL)

    def test_currents_that_stop(self, lab, monkeypatch):
        monkeypatch.setattr(lab_coils, "SILENT_S", 0.2)
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.talks = False
            time.sleep(0.4)
            with pytest.raises(RigError, match="its currents stopped coming; switch the coils' supply off"):
                coils.apply(ROLL)

    def test_unplugged(self, lab, tmp_path):
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            paper.close()
            with pytest.raises(RigError, match=r"are gone: .*switch the coils' supply off; then plug it in"):
                coils.apply(ROLL)
                coils.apply(ROLL)
            os.unlink(paper.name)
            with pytest.raises(RigError, match="no port"):
                coils.reconnect()
            again = lab(10)
            coils.reconnect()
            assert not coils.armed
            with pytest.raises(RigError, match="disarmed: call arm"):
                coils.apply(ROLL)
            until(lambda: again.is_off)
            coils.arm()
            coils.apply(ROLL)
            until(lambda: not again.is_off)

    def test_an_exception_ends_with_zeros_sent_more_than_once(self, lab):
        paper = lab(17)
        with pytest.raises(ZeroDivisionError), LabCoils(settings(paper)) as coils:
            coils.apply(ROLL)
            raise ZeroDivisionError
        until(lambda: paper.is_off)
        assert not np.any(paper.heard[-3:])


PROGRAM = """
import sys, time
from microtwin.field import RotatingField
from microtwin_hardware.config import CoilsConfig
from microtwin_hardware.coils.lab import LabCoils
port, hold_s, forks = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "forks"
config = CoilsConfig(profile="lab-10", port=port, probe_duty=0.2, hold_s=hold_s, watchdog_ms=200)
with LabCoils(config) as coils:
    coils.apply(RotatingField(frequency_hz=12.0))
    if forks:
        import os
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    print("on", flush=True)
    time.sleep(20)
"""


@pytest.fixture
def program(lab):
    """Starts a program that turns the field on and then sleeps; gives the board and the process."""
    started = []

    def start(hold_s=30.0, forks=False):
        paper = lab(10)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        words = [sys.executable, "-c", PROGRAM, paper.name, str(hold_s), "forks" if forks else "alone"]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, start_new_session=True)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == b"on\n"
        until(lambda: not paper.is_off)
        return paper, process

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


class TestGuard:
    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
    def test_a_killed_program_leaves_no_field(self, program, number):
        paper, process = program()
        process.send_signal(number)
        until(lambda: paper.is_off)

    def test_a_forked_worker_that_lives_on_does_not_keep_the_field(self, program):
        paper, process = program(forks=True)
        process.kill()
        until(lambda: paper.is_off)

    def test_a_program_that_hangs(self, program):
        paper, process = program(hold_s=0.3)
        until(lambda: paper.is_off)
        assert process.poll() is None

    def test_a_program_that_stops_commanding_is_told(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper, hold_s=0.1, watchdog_ms=200)) as coils:
            coils.apply(ROLL)
            until(lambda: not paper.is_off)
            until(lambda: paper.is_off)
            with pytest.raises(RigError, match=r"nothing was commanded for .* s; find out what held the program up"):
                coils.apply(ROLL)

    def test_it_stays_out_of_the_way_of_the_proof_and_without_a_field(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper, hold_s=0.0, watchdog_ms=80, heartbeat_ms=20)) as coils:
            coils.off()
            time.sleep(0.1)
            count = len(paper.heard)
            time.sleep(0.4)
            assert len(paper.heard) == count and coils.apply(ROLL) == ROLL

    def test_a_guard_that_died_is_replaced(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            first = coils._guard
            assert first
            first._child.kill()
            first._child.wait()
            coils.apply(ROLL)
            assert coils._guard is not first
            until(lambda: not paper.is_off)

    def test_it_ends_with_the_coils(self, lab):
        paper = lab(10)
        with LabCoils(settings(paper)) as coils:
            assert coils._guard
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
            assert coils.notes == ["no guard process here: if this program is killed, the field stays as it is"]
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
