"""The emulated rig on its own clock, through pyserial's port and the camera contract."""

import binascii
import math
import struct

import numpy as np
import pytest
import serial

from emulated_rig.bench import EmulatedRig
from emulated_rig.build import missing
from emulated_rig.lockstep import LockstepCamera, attach, detach
from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import RigError
from microtwin.scene import PushScene
from microtwin_hardware.config import CameraConfig

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")

PATH_UM = np.array([[0.0, 0.0], [60.0, 0.0], [60.0, 40.0]])
CONFIG, ARM, FIELD, OFF, STATUS = 2, 3, 4, 5, 7


def packet(kind: int, body: bytes = b"") -> bytes:
    message = bytes([kind, 1]) + body
    message += struct.pack("<H", binascii.crc_hqx(message, 0xFFFF))
    return b"\0" + b"".join(bytes([len(block) + 1]) + block for block in message.split(b"\0")) + b"\0"


def ask(port: serial.SerialBase, kind: int, body: bytes = b"") -> None:
    """Send, and wait for a whole reply."""
    port.write(packet(kind, body))
    port.timeout = 0.05
    reply = port.read(3)
    while not reply.endswith(b"\0"):
        byte = port.read(1)
        assert byte, f"no reply to {kind}"
        reply += byte


def arm(port: serial.SerialBase, soft_start_ms: int = 50) -> None:
    ask(port, CONFIG, struct.pack("<3hHHHIH", 32767, 32767, 32767, 32768, 400, soft_start_ms, 3_600_000, 1023))
    ask(port, ARM)


def set_field(port: serial.SerialBase, field: RotatingField) -> None:
    turns = [round(angle / (2 * math.pi) * 65536) % 65536 for angle in (field.alpha_rad, field.gamma_rad)]
    amplitude, frequency = round(field.amplitude * 32768), round(field.frequency_hz * 1e6)
    ask(port, FIELD, struct.pack("<HHHHI", *turns, 16384, amplitude, frequency))


@pytest.fixture
def rig():
    made = EmulatedRig.of(PushScene(observe="camera"), PATH_UM, seed=1)
    attach("bench", made)
    yield made
    detach("bench")
    made.close()


@pytest.fixture
def port(rig):
    with serial.serial_for_url("lockstep://bench", baudrate=500_000, timeout=0.05) as opened:
        yield opened


@pytest.fixture
def camera(rig):
    with LockstepCamera(CameraConfig(source="bench", um_per_px=rig.um_per_px)) as opened:
        yield opened


def drive(seed: int) -> tuple[np.ndarray, list[np.ndarray], list[float]]:
    """A second under a field that turns about, watched: positions, images, times."""
    rig = EmulatedRig.of(PushScene(observe="camera"), PATH_UM, seed=seed)
    attach("again", rig)
    port = serial.serial_for_url("lockstep://again")
    camera = LockstepCamera(CameraConfig(source="again", um_per_px=rig.um_per_px))
    arm(port)
    frames, places = [], []
    for k in range(24):
        frames.append(camera.read(1.0))
        set_field(port, RotatingField(0.2 * k, math.pi / 2, 12.0))
        places.append(rig.world.positions_um.copy())
    detach("again").close()
    return np.array(places), [frame.image for frame in frames], [frame.time_s for frame in frames]


def test_a_run_repeats_bit_for_bit():
    first, again, other = drive(1), drive(1), drive(2)
    assert np.array_equal(first[0], again[0]) and first[2] == again[2]
    assert all(np.array_equal(one, two) for one, two in zip(first[1], again[1], strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.ptp(first[0][:, 0], axis=0).max() > 2.0  # the robot did move


def test_frames_keep_their_time_whatever_the_port_takes(rig, port, camera):
    arm(port)
    frames = []
    for _ in range(6):
        frames.append(camera.read(1.0))
        assert rig.time_s == pytest.approx((frames[-1].index + 1) / 24, abs=1e-6)  # one frame late
        set_field(port, RotatingField(0.0, math.pi / 2, 5.0))
        assert 0.0005 < rig.time_s - (frames[-1].index + 1) / 24 < 0.01
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(6) / 24)
    assert frames[0].image.dtype == np.uint8 and frames[0].image.shape == rig.shape
    assert frames[0].um_per_px == rig.um_per_px
    port.timeout = 0.5
    assert port.read(1) == b""  # half a second passes, and twelve frames with it
    assert camera.read(1.0).index == 17 and camera.dropped == 11
    assert camera.read(1.0).index == 18 and camera.dropped == 11


def test_timeouts_are_emulated_time(rig, port, camera):
    begin = rig.time_s
    port.timeout = 0.0
    assert port.read(10) == b"" and rig.time_s == begin
    port.timeout = 0.123
    assert port.read(10) == b"" and rig.time_s == pytest.approx(begin + 0.123, abs=1e-5)
    with pytest.raises(RigError, match=r"no frame within 0\.001 s"):
        rig.advance_to(1.0)
        camera.read(1.0)
        camera.read(0.001)
    port.write(packet(STATUS))
    assert port.in_waiting == 0 and port.out_waiting > 0
    port.flush()
    assert port.out_waiting == 0


def test_the_robot_rolls_as_the_twin_does(rig, port):
    """Full amplitude at 12 Hz for three seconds: board, bridges and coils against the field that the twin takes."""
    field = RotatingField(math.pi, math.pi / 2, 12.0)  # away from the cargo, not across its way
    scene = PushScene(fidelity="resolved", brownian=False, drift_sd_um_s=0.0)
    calm = EmulatedRig.of(scene, PATH_UM, seed=1)
    attach("calm", calm)
    with serial.serial_for_url("lockstep://calm") as line:
        arm(line, soft_start_ms=0)
        set_field(line, field)
        begin_s = 0.25
        calm.advance_to(begin_s)
        begin = calm.world.positions_um[0].copy()
        for k in range(1, 13):
            ask(line, STATUS)
            calm.advance_to(begin_s + k / 4)
    moved = calm.world.positions_um[0] - begin
    detach("calm").close()
    twin = scene.world(PATH_UM, np.random.default_rng([1, 0]))
    twin.step(field, 0.25)
    start = twin.positions_um[0].copy()
    twin.step(field, 3.0)
    wanted = twin.positions_um[0] - start
    assert np.hypot(*moved[:2]) == pytest.approx(np.hypot(*wanted[:2]), rel=0.01)
    turned = math.atan2(moved[1], moved[0]) - math.atan2(wanted[1], wanted[0])
    assert abs(math.degrees(math.remainder(turned, 2 * math.pi))) < 1.0


def test_currents_come_back_to_the_board(rig, port):
    arm(port, soft_start_ms=0)
    set_field(port, RotatingField(0.0, math.pi / 2, 0.0))  # still, at phase 0 only z: full duty on ±Z
    rig.advance_to(rig.time_s + 0.1)
    port.read(port.in_waiting)
    port.write(packet(STATUS))
    port.timeout = 0.01
    reply = next(filter(None, port.read(60).split(b"\0")))
    data, at = b"", 0
    while at < len(reply):
        data += reply[at + 1 : at + reply[at]] + b"\0"
        at += reply[at]
    counts = np.array(struct.unpack_from("<6H", data, 2 + 20))
    assert counts * 0.0415 == pytest.approx(np.abs(rig.coils.currents_a), abs=0.1)
    assert counts[4] > 90


def test_the_log_knows_when_the_coils_were_driven(rig, port):
    rig.advance_to(0.1)
    assert rig.last_driven_s == -math.inf
    arm(port, soft_start_ms=0)
    set_field(port, RotatingField(0.0, math.pi / 2, 12.0))
    asked_s = rig.time_s
    rig.advance_to(asked_s + 0.2)
    assert rig.last_driven_s == pytest.approx(rig.time_s, abs=0.001)
    rig.advance_to(asked_s + 1.0)  # nobody feeds the watchdog
    assert asked_s + 0.39 < rig.last_driven_s < asked_s + 0.5
    times_s, greatest = np.array(rig.duties).T
    assert np.diff(times_s) == pytest.approx(1 / 96, abs=1e-6)
    assert greatest[times_s < asked_s - 0.011].max() == 0.0
    assert greatest[(times_s > asked_s + 0.02) & (times_s < asked_s + 0.39)].min() > 0.5
    assert greatest[times_s > rig.last_driven_s + 0.011].max() == 0.0


def test_unplugged_is_gone(rig, port):
    arm(port)
    set_field(port, RotatingField(0.0, math.pi / 2, 12.0))
    rig.unplugged = True
    for touch in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting):
        with pytest.raises(serial.SerialException):
            touch()
    with pytest.raises(serial.SerialException):
        serial.serial_for_url("lockstep://bench")
    rig.advance_to(rig.time_s + 0.6)
    assert rig.last_driven_s < rig.time_s - 0.1
    rig.unplugged = False
    arm(port)


def test_what_is_not_there_is_named(rig):
    with pytest.raises(serial.SerialException, match="nobody"):
        serial.serial_for_url("lockstep://nobody")
    with pytest.raises(InputError, match="there are bench"):
        LockstepCamera(CameraConfig(source="nobody"))
    with pytest.raises(InputError, match=r"camera\.shape"):
        LockstepCamera(CameraConfig(source="bench", shape=(480, 640)))
    blind = EmulatedRig.of(PushScene(), PATH_UM)
    attach("blind", blind)
    with pytest.raises(InputError, match="no microscope"):
        LockstepCamera(CameraConfig(source="blind"))
    assert blind.frame()[0] is None
    detach("blind").close()


def test_frames_of_any_rate_and_latency():
    scene = PushScene(latency_frames=3)
    rig = EmulatedRig.of(scene, PATH_UM, frame_rate_hz=30.0)
    for k in range(5):
        _, time_s, index = rig.frame()
        assert (index, time_s) == (k, pytest.approx(k / 30))
        assert rig.time_s == pytest.approx((k + 3) / 30, abs=1e-6)
    assert rig.world.time_s == pytest.approx(7 / 30)
    rig.close()


def test_an_averaged_world_is_refused(rig):
    world = PushScene().world(PATH_UM, np.random.default_rng(0))
    with pytest.raises(InputError, match="resolved"):
        EmulatedRig(rig.mega, world)


def test_how_time_is_cut_changes_nothing():
    def after(cuts_s: list[float]) -> tuple[np.ndarray, float, np.ndarray]:
        made = EmulatedRig.of(PushScene(), PATH_UM, seed=3)
        attach("cut", made)
        with serial.serial_for_url("lockstep://cut") as line:
            arm(line)
            set_field(line, RotatingField(0.4, math.pi / 2, 12.0))
        for time_s in cuts_s:
            made.advance_to(time_s)
        detach("cut").close()
        return made.world.positions_um, made.last_driven_s, made.coils.currents_a

    whole = after([0.3])
    parts = after([*np.sort(np.random.default_rng(0).uniform(0.02, 0.3, 200)).tolist(), 0.3])
    assert np.array_equal(whole[0], parts[0])
    assert whole[1] == parts[1] and np.array_equal(whole[2], parts[2])
