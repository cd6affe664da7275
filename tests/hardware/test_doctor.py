"""The doctor against coils and cameras that have one thing wrong with them."""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microtwin.errors import InputError, RigError, exit_code
from microtwin.field import RotatingField
from microtwin.rig import Frame
from microtwin.scene import PushScene
from microtwin_hardware import commands
from microtwin_hardware.config import CameraConfig, CoilsConfig, RigConfig, StageConfig
from microtwin_hardware.diagnosis import check_camera as check_camera_module
from microtwin_hardware.diagnosis import check_coils, doctor, listing
from microtwin_hardware.diagnosis.check_camera import check_camera
from microtwin_hardware.diagnosis.check_coils import check_axes, check_idle, check_link
from microtwin_hardware.diagnosis.check_loop import check_delay, check_loop
from microtwin_hardware.diagnosis.delay import loop_delay_s
from microtwin_hardware.diagnosis.findings import Finding

AXIS_OF = np.array([1, 0, 1, 0, 2, 2])  # of the coils +Y +X −Y −X +Z −Z


@dataclass
class FakeCoils:
    """Coils of 2 A per full field, each with a gain of its own; a clock that an exchange moves on."""

    gains: np.ndarray = field(default_factory=lambda: np.ones(6))
    offset_a: np.ndarray = field(default_factory=lambda: np.zeros(6))
    exchange_s: float = 0.004
    faults: int = 0
    noise: Iterator[int] = field(default_factory=lambda: itertools.repeat(0))
    answers: bool = True
    swapped: bool = False
    firmware: str = "microtwin_mega 1.0.0"

    def __post_init__(self):
        self.time_s, self.fields, self.left = 0.0, [], False
        self.now = RotatingField.off()

    def clock(self):
        return self.time_s

    def apply(self, field):
        self.time_s += self.exchange_s
        if not self.answers:
            raise RigError("coils do not answer: check the cable")
        self.now = field
        self.fields.append(field)
        return field

    def off(self):
        self.apply(RotatingField.off())

    def currents_a(self):
        self.time_s += self.exchange_s
        flow = 2.0 * np.abs(self.now.at(self.time_s)[AXIS_OF])
        return self.offset_a + self.gains * (flow[[4, 1, 2, 3, 0, 5]] if self.swapped else flow)

    def status(self):
        return SimpleNamespace(faults=self.faults, bad_packets=next(self.noise))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.left = True


@dataclass
class FakeCamera:
    frame_rate_hz: float = 24.0
    true_rate_hz: float = 24.0
    grey: float = 120.0
    every: int = 1
    twice: bool = False
    ends_after: int = 10**9
    um_per_px: float = 0.1725
    age_s: float = 0.003
    notes: tuple = ()

    def __post_init__(self):
        self.count, self.dropped, self.rng = 0, 0, np.random.default_rng(0)

    def read(self, timeout_s):
        self.count += self.every
        self.dropped += self.every - 1
        if self.count > self.ends_after:
            raise RigError(f"no frame for {timeout_s:g} s: check its cable")
        if not self.twice or self.count % 2:
            self.image = np.clip(self.rng.normal(self.grey, 5, (240, 320)), 0, 255).astype(np.uint8)
        return Frame(self.count, self.count / self.true_rate_hz, self.image, self.um_per_px)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


def robot_place(frame: Any):
    return frame.positions_um[0, :2]


def in_frames(finding):
    """The number in ``42 ms (1.0 frames), spread …``."""
    return float(finding.found.split("(")[1].split()[0])


def wrong(findings):
    return [one for one in findings if one.ok is False]


def test_good_coils():
    coils = FakeCoils()
    found = check_link(coils, coils.clock) + check_idle(coils) + check_axes(coils, coils.clock)
    assert not wrong(found)
    assert "4.0 ms, 95 % within 4.0 ms" in [one.found for one in found if one.test == "round trip"]
    assert {f.amplitude for f in coils.fields} == {0.0, check_coils.PULSE}  # nothing stronger than the pulse
    assert coils.now.amplitude == 0


@pytest.mark.parametrize(
    ("coils", "test", "said"),
    [
        (FakeCoils(exchange_s=0.03), "round trip", "latency timer"),
        (FakeCoils(faults=4), "faults", "before the next run"),
        (FakeCoils(noise=itertools.count()), "bad packets", "cable"),
        (FakeCoils(offset_a=np.array([0, 0, 1.2, 0, 0, 0])), "currents, off", "supply off"),
        (FakeCoils(gains=np.zeros(6)), "pulse in x and y", "supply on"),
        (FakeCoils(gains=np.array([1, 1, 1, 0, 1, 1])), "pulse in x and y", "no current in −X"),
        (FakeCoils(gains=np.array([1, 1, 1, 1, 0, 1])), "pulse in x and z", r"no current in \+Z"),
        (FakeCoils(swapped=True), "pulse in x and y", r"current in \+Z, which should have none"),
    ],
)
def test_what_is_wrong_with_coils(coils, test, said):
    found = check_link(coils, coils.clock) + check_idle(coils) + check_axes(coils, coils.clock)
    assert test in [one.test for one in wrong(found)]
    assert any(re.search(said, one.advice) for one in wrong(found) if one.test == test)
    assert coils.now.amplitude == 0


def test_coils_of_the_lab_s_firmware():
    class Lab(FakeCoils):
        status: Any = None  # it answers nothing

        def apply(self, field):
            if field.amplitude not in (0, 1):
                raise InputError("amplitude is 0.2: give 0 or 1")
            return super().apply(field)

    coils = Lab()
    found = check_link(coils) + check_idle(coils) + check_axes(coils, coils.clock)
    assert not wrong(found)
    assert "left out" in [one.found for one in found]


def test_a_good_camera():
    found = check_camera(FakeCamera(), CameraConfig())
    assert not wrong(found)
    words = {one.test: one.found for one in found}
    assert words["size"].startswith("240 × 320") and words["frame rate"].startswith("24.00 Hz")
    assert words["from arrival to use"] == "3.0 ms"


@pytest.mark.parametrize(
    ("camera", "test", "said"),
    [
        (FakeCamera(true_rate_hz=15.0), "frame rate", "camera.frame_rate_hz = 15"),
        (FakeCamera(every=2), "dropped", "USB 3"),
        (FakeCamera(every=2), "dropped", "camera.frame_rate_hz = 12, the rate of what arrives"),
        (FakeCamera(twice=True), "new pictures", "a lower camera.frame_rate_hz"),
        (FakeCamera(grey=8.0), "light", "more light"),
        (FakeCamera(grey=255.0), "light", "less light"),
        (FakeCamera(ends_after=20), "picture", "check its cable"),
    ],
)
def test_what_is_wrong_with_a_camera(camera, test, said):
    found = wrong(check_camera(camera, CameraConfig()))
    assert [one.test for one in found] == [test] and said in found[0].advice


def test_a_late_frame_does_not_change_the_rate():
    class Late(FakeCamera):
        def read(self, timeout_s):
            frame = super().read(timeout_s)
            return replace(frame, time_s=frame.time_s - 0.2 * (self.count == 1))

    words = {one.test: one for one in check_camera(Late(), CameraConfig())}
    assert words["frame rate"].ok


def test_a_vendors_colon_is_not_taken_for_ours():
    found = Finding.of("camera", "open", InputError("camera 1 cannot be opened (Spin: error (-5)): check its cable"))
    assert (found.found, found.advice) == ("camera 1 cannot be opened (Spin: error (-5))", "check its cable")


def test_dropped_frames_do_not_make_the_camera_slow():
    words = {one.test: one for one in check_camera(FakeCamera(every=2), CameraConfig())}
    assert words["frame rate"].ok and words["frame rate"].found.startswith("24.00")


def test_loop_with_the_field_off():
    coils = FakeCoils()
    (found,) = check_loop(coils, FakeCamera(), 1.0)
    assert found.ok and all(f.amplitude == 0 for f in coils.fields)


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_the_delay_of_the_loop_is_seen_in_the_motion(latency):
    scene = PushScene(start_um=900.0, latency_frames=latency)
    rig, _ = scene.open(np.array([[300.0, 300.0], [400.0, 300.0]]), np.random.default_rng(0))
    delays = loop_delay_s(rig, robot_place)
    assert np.median(delays) == pytest.approx(latency / 24, abs=0.012)


def test_a_late_loop_is_told():
    scene = PushScene(start_um=900.0, latency_frames=6)
    rig, _ = scene.open(np.array([[300.0, 300.0], [400.0, 300.0]]), np.random.default_rng(0))
    (found,) = check_delay(rig, robot_place)
    assert found.ok is False and in_frames(found) == pytest.approx(6, abs=0.4) and "controllers" in found.advice
    (found,) = check_delay(rig, lambda frame: np.random.default_rng(frame.index).normal(0, 0.1, 2))
    assert found.ok is False and "turn round" in found.found


class TwinBench:
    """A rendered twin as coils and a camera, with the world's rest."""

    def __init__(self):
        nodes = np.array([[-40.0, -40.0], [40.0, 40.0]])
        scene = PushScene(observe="camera", start_um=50.0, start_bearing_rad=math.pi)
        self.rig, _ = scene.open(nodes, np.random.default_rng(1))
        self.coils, bench = FakeCoils(), self
        given = self.coils.apply

        class Eye(FakeCamera):
            def read(self, timeout_s):
                return bench.rig.observe()

        def apply(field):
            bench.rig.command(field)
            return given(field)

        self.coils.apply = apply
        self.camera = Eye()


def test_nothing_is_energised_unless_asked_for(monkeypatch):
    monkeypatch.setattr(check_coils, "PULSE_S", 0.02)
    monkeypatch.setattr(check_camera_module, "WATCHED_S", 0.5)
    bench = TwinBench()
    calm = doctor.examine(RigConfig(), coils=bench.coils, camera=bench.camera)
    assert not wrong(calm) and all(f.amplitude == 0 for f in bench.coils.fields)
    assert bench.coils.left
    config = RigConfig(stage=StageConfig(driver="simulated"))
    found = doctor.examine(config, energise=True, coils=bench.coils, camera=bench.camera)
    assert any(f.amplitude > 0 for f in bench.coils.fields) and bench.coils.now.amplitude == 0
    (delay,) = [one for one in found if one.test == "exposure to motion"]
    assert delay.ok and in_frames(delay) == pytest.approx(1, abs=0.4)  # the scene's latency
    assert [one.link for one in found][-1] == "stage"


def test_the_lab_s_firmware_is_not_opened_unless_asked_for():
    coils = FakeCoils()
    config = RigConfig(coils=CoilsConfig(profile="lab-17"))
    found = doctor.examine(config, coils=coils, camera=FakeCamera())
    assert not coils.fields and "--energise" in next(one.advice for one in found if one.link == "coils")


def test_what_does_not_open_leaves_the_rest_to_be_tested():
    class Missing(FakeCamera):
        def __enter__(self):
            raise InputError("no camera 0: plug it in")

    found = doctor.examine(RigConfig(), coils=FakeCoils(), camera=Missing())
    (gone,) = wrong(found)
    assert (gone.link, gone.found, gone.advice) == ("camera", "no camera 0", "plug it in")
    assert any(one.test == "round trip" and one.ok for one in found)
    found = doctor.examine(RigConfig(), coils=FakeCoils(answers=False), camera=FakeCamera())
    assert ["answer"] == [one.test for one in wrong(found)]
    assert any(one.test == "frame rate" and one.ok for one in found)


@pytest.fixture
def board(plug_in):
    """Puts something on the port /dev/ttyACM0 that says the same every 20 ms."""

    class Talker:
        port: Any = None

        def __init__(self, words):
            self.words, self.ticks = words, 0

        def hear(self, data):
            pass

        def tick(self):
            self.ticks += 1
            if self.ticks % 20 == 0:
                self.port.say(self.words)

    def talks(words):
        talker = Talker(words)
        talker.port = plug_in("/dev/ttyACM0", talker)
        return "/dev/ttyACM0"

    return talks


def test_who_answers_at_a_port(board):
    from microtwin_hardware.coils.packets import packet

    # type 0x81, seq 1, protocol 1, firmware 1.2.3, 2000 updates a second, its name
    hello = bytes([0x81, 1, 1, 1, 2, 3, 0xD0, 0x07]) + b"microtwin_mega".ljust(16, b"\0")
    found = listing.who_answers(board(packet(hello)))
    assert found.ok and found.found == "microtwin_mega 1.2.3"


def test_the_lab_s_currents_are_recognised(board):
    from microtwin_hardware.coils.serial_transfer import floats

    found = listing.who_answers(board(floats((0.0, 0.1, 0.0, 0.0, 0.2, 0.0))))
    assert found.ok and "lab's firmware" in found.found and "lab-17" in found.advice


def test_silence_and_noise(board, monkeypatch):
    monkeypatch.setattr(listing, "QUIET_S", 0.01)
    monkeypatch.setattr(listing, "ANSWER_S", 0.01)
    assert "silent" in listing.who_answers(board(b"")).found
    assert "no known protocol" in listing.who_answers("loop://").found  # it sends back what it hears
    gone = listing.who_answers("/dev/ttyNONE9")
    assert gone.ok is False and "ttyNONE9" in gone.found


def test_only_an_arduino_is_spoken_to(monkeypatch):
    from serial.tools import list_ports

    asked = []
    monkeypatch.setattr(listing, "who_answers", lambda port, words: asked.append(port) or Finding("port", port, words))
    ports = [
        SimpleNamespace(device=name, description=name, vid=vid)
        for name, vid in (("ttyS0", None), ("ttyUSB0", 0x0403), ("ttyACM0", 0x2341), ("ttyACM1", 0x2341))
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    found = listing.ports(busy="ttyACM1")
    assert asked == ["ttyACM0"] and len(found) == 4
    monkeypatch.setattr(list_ports, "comports", lambda: [])
    assert wrong(listing.ports())


def test_cameras_of_every_driver(monkeypatch):
    import microtwin_hardware.cameras

    there = {"opencv": ["0, a webcam"], "basler": [], "spinnaker": "PySpin is not installed: install the SDK"}
    monkeypatch.setattr(microtwin_hardware.cameras, "available", lambda: there)
    found = {one.test: one for one in listing.cameras()}
    assert found["opencv"].ok and found["basler"].found == "none" and not wrong(found.values())
    assert found["spinnaker"].advice == "install the SDK"
    there["opencv"] = []
    assert wrong(listing.cameras()) and not wrong(listing.cameras(expected=False))


def test_the_command(monkeypatch, tmp_path, capsys):
    import microtwin_hardware.cameras
    import microtwin_hardware.coils
    from microtwin_hardware.config import save

    path = tmp_path / "rig.toml"
    save(RigConfig(), path)
    camera = FakeCamera()
    monkeypatch.setattr(listing, "ports", lambda busy="": [Finding("port", busy or "x", "there", True)])
    monkeypatch.setattr(listing, "cameras", lambda expected: [Finding("camera", "opencv", "0", True)])
    monkeypatch.setattr(microtwin_hardware.coils, "open_coils", lambda config: FakeCoils())
    monkeypatch.setattr(microtwin_hardware.cameras, "open_camera", lambda config: camera)
    assert commands.doctor() == 0
    assert commands.doctor(path) == 0
    told = capsys.readouterr().out
    assert "microtwin_mega 1.0.0" in told and "all well" in told and "--energise" in told
    camera = replace(camera, grey=5.0)
    assert commands.doctor(path) == 1
    assert "begin with camera, light" in capsys.readouterr().out
    path.write_text("[camera]\nfps = 24\n")
    assert exit_code("microtwin", lambda: commands.doctor(path)) == 2
    assert capsys.readouterr().err.count("\n") == 1
