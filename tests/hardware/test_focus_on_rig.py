"""A depth held on a rig of the hardware's classes: a camera and a stage of one's own, a film, and no coils."""

import json
import sys
import types
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import tyro

from microtwin.cli.focus import focus
from microtwin.errors import InputError, exit_code
from microtwin.field import RotatingField
from microtwin.perception import focus_checkpoint
from microtwin.rig import Frame, RigError, open_rig
from microtwin_hardware.coils.absent import AbsentCoils
from microtwin_hardware.config import CoilsConfig, RigConfig, load
from microtwin_hardware.diagnosis import doctor
from microtwin_hardware.stages.simulated import SimulatedStage

BACKGROUND, GAIN = 100, 20.0  # grey values; of the disc per µm of depth
STAGE = """
[stage]
driver = "bench_of_mine:Stage"
direction = {direction}
[stage.options]
min_um = 0.0
max_um = 100.0
start_um = 50.0
settle_ms = 0.0
"""


def picture(depth_um: float, rng) -> np.ndarray:
    """A disc that is brighter the deeper, in the noise of a camera."""
    image = np.full((256, 256), BACKGROUND, np.float32)
    cv2.circle(image, (128, 128), 45, BACKGROUND + 60 + GAIN * depth_um, -1)
    return np.clip(image + rng.normal(0, 1, image.shape), 0, 255).astype(np.uint8)


def read(images: np.ndarray) -> SimpleNamespace:
    """The estimator that goes with it."""
    middle = images[:, 108:148, 108:148].astype(float).mean(axis=(1, 2))
    return SimpleNamespace(depth_um=(middle - BACKGROUND - 60) / GAIN, depth_sd_um=np.full(len(images), 0.05))


@pytest.fixture
def bench(monkeypatch):
    """Classes that a rig's file can name: a stage, and a camera that sees what it does, with drift, in no time.

    Their clock goes on by the camera's frames and the stage's waits.
    """
    module = types.ModuleType("bench_of_mine")
    module.gain, module.ends, module.error, module.now_s = 1.0, 10**6, None, 0.0  # type: ignore[attr-defined]

    def wait(duration_s):
        module.now_s += duration_s  # type: ignore[attr-defined]

    class Stage(SimulatedStage):
        def __init__(self, config):
            super().__init__(config, clock=lambda: module.now_s, sleep=wait)
            module.stage = self  # type: ignore[attr-defined]

    class Camera:
        frame_rate_hz, um_per_px, dropped = 24.0, 0.055, 0

        def __init__(self, config):
            self.count, self.rng = 0, np.random.default_rng(0)

        def read(self, timeout_s):
            self.count += 1
            if self.count > module.ends:
                raise module.error
            wait(1 / 24)
            depth_um = module.gain * (module.stage.position_um - 50.0) + 0.5 + 0.5 * self.count / 24
            return Frame(self.count, self.count / 24, picture(min(max(depth_um, -2.9), 4.5), self.rng), self.um_per_px)

        def __enter__(self):
            return self

        def __exit__(self, *exception):
            pass

    module.Stage, module.Camera = Stage, Camera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "bench_of_mine", module)
    monkeypatch.setattr(focus_checkpoint, "depth_estimator", lambda path, robot: read)
    return module


def settings(folder, camera='driver = "bench_of_mine:Camera"', direction=1):
    path = folder / "rig.toml"
    path.write_text(f'[coils]\nprofile = "none"\n[camera]\n{camera}\n' + STAGE.format(direction=direction))
    return str(path)


def run(*words: str) -> int:
    return exit_code(
        "microtwin", lambda: tyro.cli(focus, args=["--backend", "hardware", *words], use_underscores=False)
    )


def test_a_rig_without_coils_holds_a_depth(bench, tmp_path, capsys):
    out = tmp_path / "run"
    assert run("--config", settings(tmp_path), "--target-um", "1", "--seconds", "3", "--latency", "0",
               "--out", str(out)) == 0  # fmt: skip
    table = pd.read_csv(out / "focus.csv")
    late = table[table.time_s > 0.5]
    assert np.abs(late.read_um - 1.0).max() < 0.1
    assert late.stage_um.iloc[0] - late.stage_um.iloc[-1] == pytest.approx(
        2.5 * 0.5, abs=0.1
    )  # it made up for the drift
    assert table.true_um.isna().all()
    said = json.loads((out / "focus.json").read_text())
    assert said["settings"]["depth_per_stage_um"] == pytest.approx(1.0, abs=0.1)
    assert not said["found"]["truth_known"] and said["found"]["rms_um"] < 0.2
    assert "reading" in capsys.readouterr().out


def test_a_stage_that_runs_the_wrong_way_is_found_before_anything_runs_away(bench, tmp_path, capsys):
    out = tmp_path / "run"
    assert run("--config", settings(tmp_path, direction=-1), "--seconds", "2", "--out", str(out)) == 2
    said = capsys.readouterr().err
    assert "set direction = -1 under [stage] (or 1, if it is -1)" in said and said.count("\n") == 1
    assert bench.stage.position_um == pytest.approx(50.0)
    assert not list(out.iterdir())
    bench.gain = -1.0  # the rig is turned round too
    assert run("--config", settings(tmp_path, direction=-1), "--seconds", "1", "--out", str(out)) == 0


def test_a_film_does_not_follow_a_stage(bench, tmp_path, capsys):
    rng = np.random.default_rng(0)
    body = b"".join(b"FRAME\n" + picture(1.0, rng).tobytes() for _ in range(20)) * 40  # no end, however late we are
    film = tmp_path / "film.y4m"
    film.write_bytes(b"YUV4MPEG2 W256 H256 F24:1 Ip A1:1 Cmono\n" + body)
    camera = f'source = "{film.as_posix()}"\nframe_rate_hz = 60.0\num_per_px = 0.055\ntimeout_s = 60.0'
    assert run("--config", settings(tmp_path, camera), "--seconds", "1", "--out", str(tmp_path / "run")) == 2
    assert "the depth read follows the stage by 0.0" in capsys.readouterr().err.replace("-0.0", "0.0")


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (RigError("the camera is gone"), 1)])
def test_what_was_recorded_is_kept_when_a_run_ends_early(bench, tmp_path, error, code, capsys):
    bench.ends, bench.error = 60, error  # 36 of them go into the probe
    out = tmp_path / "run"
    assert run("--config", settings(tmp_path), "--seconds", "60", "--out", str(out)) == code
    assert len(pd.read_csv(out / "focus.csv")) == 24
    assert json.loads((out / "focus.json").read_text())["ended"] in ("stopped by hand", "the camera is gone")


def test_a_rig_without_a_stage_is_told(bench, tmp_path, capsys):
    path = tmp_path / "rig.toml"
    path.write_text('[coils]\nprofile = "none"\n[camera]\ndriver = "bench_of_mine:Camera"\n')
    assert run("--config", str(path), "--out", str(tmp_path / "run")) == 2
    assert "this rig has no stage" in capsys.readouterr().err


def test_a_dry_run_has_no_stage(bench, tmp_path):
    rig = open_rig("hardware", config=settings(tmp_path), dry_run=True)
    assert rig.stage is None  # type: ignore[attr-defined]


def test_no_coils_turn_nothing(bench, tmp_path):
    rig = open_rig("hardware", config=settings(tmp_path))
    with rig:
        assert rig.command(RotatingField.off()).amplitude == 0.0
        with pytest.raises(InputError, match=r'coils.profile is "none"'):
            rig.command(RotatingField())
    assert AbsentCoils().currents_a() is None


def test_the_doctor_does_not_miss_coils_that_are_not_there(bench, tmp_path):
    config = load(settings(tmp_path))
    bench.Stage(config.stage)  # the camera looks at it
    found = doctor.examine(config, camera=bench.Camera(None))
    assert not [finding for finding in found if "coils" in str(finding)]
    assert any("stage" in str(finding) for finding in found)
    assert RigConfig(CoilsConfig(profile="none")).coils.profile == "none"
