"""What a window may ask of the rig: step-out, dropped frames, the frame's age, currents."""

import numpy as np
import pytest

from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin.rig import COILS, Frame, Watched
from microtwin_hardware.config import RigConfig, RobotConfig, save
from microtwin_hardware.rig import HardwareRig, open_hardware


class PaperCoils:
    currents: np.ndarray | None = None
    gone = False

    def apply(self, field):
        return field

    def off(self):
        pass

    def currents_a(self):
        if self.gone:
            raise RigError("coils are gone")
        return self.currents

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class PaperCamera:
    frame_rate_hz, um_per_px, dropped = 20.0, 0.5, 0

    def read(self, timeout_s):
        return Frame(0, 0.0, np.zeros((16, 16), np.uint8), 0.5)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class OldFrames(PaperCamera):
    age_s = 0.012


def test_it_is_watched_and_says_what_it_does_not_know():
    rig = HardwareRig(PaperCoils(), PaperCamera())
    assert isinstance(rig, Watched)
    with rig:
        rig.observe()
        assert (rig.step_out_hz, rig.dropped, rig.latency_s, rig.coil_reading()) == (None, 0, None, None)


def test_dropped_frames_and_their_age_are_the_camera_s():
    camera = OldFrames()
    rig = HardwareRig(PaperCoils(), camera)
    assert rig.latency_s is None
    with rig:
        rig.observe()
        assert rig.latency_s == 0.012
        camera.dropped = 7
        assert rig.dropped == 7


def test_currents_have_their_names_and_unit():
    coils = PaperCoils()
    with HardwareRig(coils, PaperCamera()) as rig:
        coils.currents = np.arange(6) / 2
        reading = rig.coil_reading()
        assert reading is not None
        assert (reading.names, reading.unit) == (COILS, "A")
        assert reading.values == (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
        assert all(type(value) is float for value in reading.values)  # they go into JSON
        coils.gone = True
        with pytest.raises(RigError, match="gone"):
            rig.coil_reading()
        rig.command(RotatingField.off())


@pytest.mark.parametrize(("measured", "known"), [(0.0, None), (48.5, 48.5)])
def test_the_step_out_is_the_one_in_the_file(tmp_path, measured, known):
    path = tmp_path / "rig.toml"
    save(RigConfig(robot=RobotConfig(step_out_hz=measured)), path)
    assert open_hardware(path, dry_run=True).step_out_hz == known
