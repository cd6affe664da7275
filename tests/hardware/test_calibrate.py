"""``calibrate-rig``: what is measured is written, and nothing else; what fails leaves the file as it was."""

import itertools
import math
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microtwin.errors import InputError, RigError, exit_code
from microtwin.field import RotatingField
from microtwin.rig import Frame
from microtwin.scene import PushScene
from microtwin_hardware import commands
from microtwin_hardware.calibration import measure as calibrate
from microtwin_hardware.config import CameraConfig, CoilsConfig, RigConfig, load, save

PITCH_PX, ANGLE_RAD = 50.0, 0.3


class LinesCamera:
    """Looks at a 10 µm grating: 0.2 µm per pixel."""

    frame_rate_hz, um_per_px, dropped = 24.0, 0.1725, 0

    def __init__(self):
        self.count, self.rng = itertools.count(), np.random.default_rng(0)

    def read(self, timeout_s):
        rows, cols = np.arange(360)[:, None], np.arange(480)[None, :]
        image = 120 + 40 * np.sin(2 * math.pi * (rows + 0.2 * cols) / math.hypot(1, 0.2) / PITCH_PX)
        noisy = image + 4 * self.rng.standard_normal(image.shape)
        index = next(self.count)
        return Frame(index, index / 24, noisy.astype(np.uint8), self.um_per_px)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


class TwinRig:
    """A twin seen by a camera at an angle, or by one that is mirrored too."""

    def __init__(self, mirrored=False):
        self.rig, _ = PushScene(start_um=900.0).open(
            np.array([[300.0, 300.0], [400.0, 300.0]]), np.random.default_rng(0)
        )
        self.begun, self.mirrored = self.rig.world.positions_um[0, :2].copy(), mirrored
        self.frame_rate_hz, self.last, self.left = 24.0, RotatingField.off(), False

    def locate(self, frame):
        place = complex(*(frame.positions_um[0, :2] - self.begun))
        seen = (place.conjugate() if self.mirrored else place) * complex(math.cos(ANGLE_RAD), math.sin(ANGLE_RAD))
        return np.array([seen.real, seen.imag])

    def command(self, field):
        self.last = field
        return self.rig.command(field)

    def observe(self):
        return self.rig.observe()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.command(RotatingField.off())
        self.left = True


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "rig.toml"
    save(RigConfig(CoilsConfig(port="COM7"), CameraConfig(source="12", flip="vertical")), path)
    path.write_text("# our rig\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def rig(monkeypatch):
    """Puts a twin and a camera in the place of the devices."""
    rig = TwinRig()
    monkeypatch.setattr(calibrate, "_rig", lambda config: rig)
    monkeypatch.setattr(calibrate, "_camera", lambda config: LinesCamera())
    monkeypatch.setattr(calibrate, "RobotFollower", lambda: rig.locate)
    return rig


def test_everything_is_measured_and_written(path, rig, capsys):
    before = path.read_text(encoding="utf-8")
    assert commands.calibrate_rig(path, grating_um=10.0, roll=True, step_out=True, highest=90.0) == 0
    after = path.read_text(encoding="utf-8")
    config = load(path)
    assert config.camera.um_per_px == pytest.approx(10.0 / PITCH_PX, rel=2e-3)
    assert config.camera.rotation_deg == pytest.approx(math.degrees(ANGLE_RAD), abs=1.0)
    assert 52 < config.robot.step_out_hz < 68
    changed = [line for line, old in zip(after.splitlines(), before.splitlines(), strict=True) if line != old]
    assert [line.split(" = ")[0] for line in changed] == ["um_per_px", "rotation_deg", "step_out_hz"]
    assert (path.parent / "rig.toml.bak").read_text(encoding="utf-8") == before
    assert (path.parent / "rig-calibration.png").read_bytes().startswith(b"\x89PNG")
    assert rig.left and rig.last.amplitude == 0
    told = capsys.readouterr().out
    assert "10 µm grating" in told and "step-out" in told


def test_the_same_angle_is_found_again_whatever_the_file_said(path, rig):
    for _ in range(2):  # the second time the file has the first one's angle
        commands.calibrate_rig(path, roll=True)
        assert load(path).camera.rotation_deg == pytest.approx(math.degrees(ANGLE_RAD), abs=1.0)
    text = (path.parent / "rig.toml.bak").read_text(encoding="utf-8")
    assert tomllib.loads(text)["camera"]["rotation_deg"] == pytest.approx(math.degrees(ANGLE_RAD), abs=1.0)


def test_a_mirrored_picture_is_told_and_nothing_written(path, rig, capsys):
    rig.mirrored, before = True, path.read_bytes()
    assert commands.calibrate_rig(path, roll=True, step_out=True) == 1
    told = capsys.readouterr().err
    assert 'camera.flip = "none"' in told and "polarity" in told  # it was vertical, and is to be turned back
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RigError("coils are gone: plug them in")])
def test_what_ends_it_early_leaves_the_file_and_no_field(path, rig, error):
    seen, locate = itertools.count(), rig.locate

    def interrupted(frame):
        if next(seen) == 300:
            raise error
        return locate(frame)

    rig.locate, before = interrupted, path.read_bytes()
    code = exit_code("microtwin", lambda: commands.calibrate_rig(path, grating_um=10.0, roll=True))
    assert code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1
    assert rig.left and rig.last.amplitude == 0


def test_another_objective_is_noticed(path, rig, capsys):
    commands.calibrate_rig(path, grating_um=20.0)
    assert "2.32 times what the file had" in capsys.readouterr().out


def test_a_first_file(tmp_path, capsys):
    path = tmp_path / "new.toml"
    assert commands.calibrate_rig(path) == 0
    assert load(path) == RigConfig() and "microtwin doctor" in capsys.readouterr().out
    with pytest.raises(InputError, match="nothing to measure"):
        commands.calibrate_rig(path)


def test_bad_input(path, tmp_path):
    with pytest.raises(InputError, match="give one of them"):
        commands.calibrate_rig(path, grating_um=10.0, bead_um=10.0)
    with pytest.raises(InputError, match="cannot read"):
        commands.calibrate_rig(tmp_path / "nowhere.toml", roll=True)
    with pytest.raises(InputError, match="pitch of the grating is -10"):
        calibrate.measure(load(path), grating_um=-10.0, open_camera=lambda config: LinesCamera())


def test_the_manuals_file_shows_every_default_but_those_it_marks(tmp_path):
    manual = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text(encoding="utf-8")
    sample = re.search(r"```toml\n(.*?)```", manual, re.DOTALL)
    assert sample
    path = tmp_path / "rig.toml"
    path.write_text(sample[1], encoding="utf-8")
    shown, default = load(path), RigConfig()
    marked = re.findall(r"^(\w+) = .*# \*", sample[1], re.MULTILINE)
    assert marked == ["shape", "um_per_px", "exposure_ms"]
    camera = replace(shown.camera, **{name: getattr(default.camera, name) for name in marked})
    assert replace(shown, camera=camera) == default
