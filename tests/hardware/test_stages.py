"""Stages: travel, speed and arrival, and the adapter to Micro-Manager on devices written in Python."""

import sys
import types
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.rig import RigError
from microtwin_hardware.cameras import open_camera
from microtwin_hardware.config import CameraConfig, StageConfig
from microtwin_hardware.stages import open_stage
from microtwin_hardware.stages.micromanager import MicroManagerStage
from microtwin_hardware.stages.mirrored import Mirrored
from microtwin_hardware.stages.simulated import SimulatedStage


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self):
        self.now_s = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.naps.append(duration_s)
        self.now_s += duration_s


def simulated(clock, **options):
    return SimulatedStage(StageConfig(driver="simulated", options=options), clock=clock, sleep=clock.sleep)


@given(start_um=st.floats(0, 100), target_um=st.floats(0, 100), speed_um_s=st.floats(1, 1000))
def test_a_move_takes_the_way_at_its_speed_and_then_settles(start_um, target_um, speed_um_s):
    clock = Clock()
    stage = simulated(clock, start_um=start_um, speed_um_s=speed_um_s, settle_ms=20)
    with stage:
        stage.move_to(target_um)
    assert stage.position_um == pytest.approx(target_um)
    assert clock.now_s == pytest.approx(abs(target_um - start_um) / speed_um_s + 0.02)


def test_it_is_on_the_way_while_it_moves_and_a_broken_off_move_goes_on():
    clock = Clock()
    stage = simulated(clock, start_um=10.0, speed_um_s=100.0, settle_ms=0)

    def half(duration_s: float) -> None:
        clock.now_s += duration_s / 2
        raise KeyboardInterrupt

    stage._sleep = half
    with pytest.raises(KeyboardInterrupt):
        stage.move_to(50.0)
    assert stage.position_um == pytest.approx(30.0)
    stage._sleep = clock.sleep
    before_s = clock.now_s
    stage.move_to(20.0)  # from where it is, not from where it was to go
    assert clock.now_s - before_s == pytest.approx(0.1)
    assert stage.position_um == pytest.approx(20.0)


def test_setting_out_does_not_wait_and_another_way_takes_its_place():
    clock = Clock()
    stage = simulated(clock, start_um=10.0, speed_um_s=100.0)
    stage.head_for(50.0)
    assert stage.position_um == 10.0 and not clock.naps
    clock.now_s += 0.1
    stage.head_for(15.0)
    clock.now_s += 0.02
    assert stage.position_um == pytest.approx(18.0)
    with pytest.raises(InputError, match="give 0 to 100 µm"):
        stage.head_for(101.0)
    clock.now_s += 1.0
    assert stage.position_um == pytest.approx(15.0)  # it went on as before
    assert stage.travel_um == (0.0, 100.0)


def test_a_stage_that_runs_against_the_depth_is_turned_upside_down():
    config = StageConfig(driver="simulated", direction=-1, options={"start_um": 10.0, "max_um": 50.0, "settle_ms": 0.0})
    stage = open_stage(config)
    assert isinstance(stage, Mirrored)
    with stage:
        assert stage.position_um == -10.0 and stage.travel_um == (-50.0, 0.0)
        stage.move_to(-20.0)
        assert stage.position_um == pytest.approx(-20.0) and stage.stage.position_um == pytest.approx(20.0)
        stage.head_for(-20.0)
        with pytest.raises(InputError, match="stage position is -1 µm"):
            stage.move_to(1.0)


@pytest.mark.parametrize("target_um", [-0.1, 100.1, float("nan"), float("inf")])
def test_outside_its_travel_it_does_not_go(target_um):
    stage = simulated(Clock(), start_um=40.0)
    with pytest.raises(InputError, match=r"stage position is .* µm: give 0 to 100 µm"):
        stage.move_to(target_um)
    assert stage.position_um == 40.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_um": 5, "max_um": 5}, "give min_um below max_um"),
        ({"speed_um_s": 0}, "stage.options.speed_um_s is 0: give a number of at least 0.001"),
        ({"settle_ms": "10"}, "stage.options.settle_ms is '10': give a number"),
        ({"start_um": 200}, "stage position is 200 µm"),
        ({"speed": 3}, "stage.options.speed is unknown"),
    ],
)
def test_a_stage_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        open_stage(StageConfig(driver="simulated", options=options))


def test_which_stage_a_configuration_means(monkeypatch):
    assert open_stage(StageConfig()) is None
    assert isinstance(open_stage(StageConfig(driver="simulated")), SimulatedStage)
    module = types.ModuleType("own_stage")
    module.Mine = lambda config: ("made with", config.options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_stage", module)
    assert open_stage(StageConfig(driver="own_stage:Mine", options={"a": 1})) == ("made with", {"a": 1})
    with pytest.raises(InputError, match=r'stage.driver is "no.such:Stage": no.such cannot'):
        open_stage(StageConfig(driver="no.such:Stage"))


# ---- Micro-Manager


@pytest.fixture
def devices(monkeypatch):
    """A module with a piezo and a camera for Micro-Manager, by the name ``twin_test_devices``."""
    unicore = pytest.importorskip("pymmcore_plus.experimental.unicore", reason="pymmcore-plus is not installed")
    import numpy as np

    class Piezo(unicore.StageDevice):
        made: ClassVar[list] = []

        def __init__(self):
            super().__init__()
            self.at_um, self.sent, self.stuck, self.broken = 3.0, [], False, False
            Piezo.made.append(self)

        def home(self):
            self.at_um = 0.0

        def stop(self):
            pass

        def set_origin(self):
            pass

        def busy(self):
            return False

        def set_position_um(self, val):
            if self.broken:
                raise OSError("controller\ndoes not respond")
            self.sent.append(val)
            if not self.stuck:
                self.at_um = val

        def get_position_um(self):
            return self.at_um

    class Camera(unicore.CameraDevice):
        def get_exposure(self):
            return 1000 / 24

        def set_exposure(self, exposure):
            pass

        def shape(self):
            return (24, 32)

        def dtype(self):
            return np.uint8

        def start_sequence(self, n, get_buffer):
            import time

            for number in range(10_000):
                get_buffer(self.shape(), self.dtype())[:] = np.random.default_rng(number).integers(0, 256, (24, 32))
                time.sleep(0.01)
                yield {}

    module = types.ModuleType("twin_test_devices")
    module.Piezo, module.Camera = Piezo, Camera  # type: ignore[attr-defined]
    Piezo.__module__ = Camera.__module__ = "twin_test_devices"
    monkeypatch.setitem(sys.modules, "twin_test_devices", module)
    return module


@pytest.fixture
def core(devices):
    from pymmcore_plus.experimental.unicore import UniMMCore

    made = UniMMCore()
    made.loadPyDevice("Z", devices.Piezo())
    made.initializeDevice("Z")
    made.setFocusDevice("Z")
    yield made
    made.unloadAllDevices()


def piezo(core, **options):
    options = {"min_um": 0.0, "max_um": 80.0, **options}
    return MicroManagerStage(StageConfig(driver="micromanager", options=options), core)


def test_the_focus_of_micromanager_goes_where_it_is_sent(core, devices):
    with piezo(core) as stage:
        assert stage.position_um == 3.0
        stage.move_to(12.5)
        assert stage.position_um == 12.5
    assert devices.Piezo.made[0].sent == [12.5]


def test_the_focus_of_micromanager_sets_out_without_waiting(core, devices):
    with piezo(core) as stage:
        assert stage.travel_um == (0.0, 80.0)
        devices.Piezo.made[0].stuck = True  # whoever waited would be told that it did not arrive
        stage.head_for(12.5)
        with pytest.raises(InputError, match="give 0 to 80 µm"):
            stage.head_for(-1.0)
    assert devices.Piezo.made[0].sent == [12.5]


def test_nothing_is_sent_outside_the_travel(core, devices):
    with piezo(core) as stage:
        for target_um in (-1.0, 80.5, float("nan")):
            with pytest.raises(InputError, match="give 0 to 80 µm"):
                stage.move_to(target_um)
    assert devices.Piezo.made[0].sent == []


def test_a_focus_that_does_not_arrive_or_answer(core, devices):
    with piezo(core) as stage:
        devices.Piezo.made[0].stuck = True
        with pytest.raises(RigError, match=r"stage Z stopped at 3 µm instead of 20 µm"):
            stage.move_to(20.0)
        stage.move_to(3.4)  # within the tolerance
        devices.Piezo.made[0].broken = True
        with pytest.raises(RigError, match=r"stage Z does not answer \(move: .*controller does not respond.*\)"):
            stage.move_to(20.0)
    with pytest.raises(RigError, match="the stage is not open"):
        stage.move_to(20.0)


def test_a_travel_must_be_given():
    with pytest.raises(InputError, match=r"stage.options.max_um is missing: give it, so that the stage is not driven"):
        open_stage(StageConfig(driver="micromanager", options={"min_um": 0}))


def test_a_focus_that_is_not_there(core):
    with pytest.raises(InputError, match=r'no device "Y": name one in stage.options.device, of Z'):
        piezo(core, device="Y").__enter__()


def test_camera_and_stage_share_one_configuration_and_the_last_one_unloads_it(devices, tmp_path):
    from pymmcore_plus.experimental.unicore import UniMMCore

    lines = "Property,Core,Initialize,0|pyDevice,Z,twin_test_devices,Piezo|pyDevice,Cam,twin_test_devices,Camera"
    lines += "|Property,Core,Initialize,1|Property,Core,Camera,Cam|Property,Core,Focus,Z"
    path = tmp_path / "rig.cfg"
    path.write_text("".join(f"#py {line}\n" for line in lines.split("|")))
    options = {"config_file": str(path), "python_devices": True}
    camera = open_camera(CameraConfig(driver="micromanager", options=options))
    stage = open_stage(StageConfig(driver="micromanager", options={**options, "min_um": 0, "max_um": 50}))
    assert stage is not None
    with camera:
        with stage:
            stage.move_to(7.0)
            assert camera.read(120.0).um_per_px == camera.um_per_px
            assert len(devices.Piezo.made) == 1  # loaded once
            other = StageConfig(driver="micromanager", options={"config_file": __file__, "min_um": 0, "max_um": 1})
            with pytest.raises(InputError, match="give camera and stage one file"):
                MicroManagerStage(other).__enter__()
        assert "Cam" in UniMMCore.instance().getLoadedDevices()
        camera.read(120.0)
    assert "Cam" not in UniMMCore.instance().getLoadedDevices()


def test_a_configuration_that_does_not_load(devices, tmp_path):
    path = tmp_path / "rig.cfg"
    path.write_text("#py pyDevice,Z,no_such_module,Piezo\n")
    options = {"config_file": str(path), "python_devices": True, "min_um": 0, "max_um": 1}
    with pytest.raises(InputError, match=r"Micro-Manager cannot load .*rig.cfg .*no_such_module"):
        MicroManagerStage(StageConfig(driver="micromanager", options=options)).__enter__()
