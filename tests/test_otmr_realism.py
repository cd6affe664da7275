"""Comparing crops with renderings: on drawn crops, where everything is known, nearly nothing may be left over."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from microtwin.otmr.fit import fit_turn
from microtwin.otmr.match import Target
from microtwin.otmr.pose import Pose
from microtwin.otmr.read import read
from microtwin.otmr.render import render_sequence
from microtwin.robots.catalogue import robot

SCRIPT = Path(__file__).parents[1] / "experiments" / "otmr_realism.py"
spec = importlib.util.spec_from_file_location("otmr_realism", SCRIPT)
assert spec and spec.loader
realism = importlib.util.module_from_spec(spec)
sys.modules["otmr_realism"] = realism  # its dataclass looks itself up
spec.loader.exec_module(realism)


@pytest.fixture(scope="module")
def crop(tmp_path_factory):
    """A drawn crop of robot 8, off its label, its origin far from the middle of its outline once it is turned."""
    draw = realism.plain(
        spot_um=0.0, lean_x_deg=9.0, lean_y_deg=6.0, in_plane_deg=125.0, gradient_x=0.03, background_dn=100.0
    )
    image = render_sequence(robot(8).mesh, Pose(), [1.0], draw, np.random.default_rng(2), origin_um=(0.4, -0.7))[0]
    folder = tmp_path_factory.mktemp("crops")
    cv2.imwrite(str(folder / "robot_08.png"), image)
    return folder, {name: getattr(draw, name) for name in realism.OPTICS}


def test_a_drawn_crop_is_explained(crop):
    folder, values = crop
    (sample,) = read(folder)
    fit = fit_turn(
        Target.of(sample.image()), robot(8).mesh, realism.turn_of(sample), realism.optics(values), quick=True
    )
    found = realism.compare(realism.rendered(sample, values, fit), 0.6)
    assert found.row["correlation"] > 0.97
    assert found.row["psnr_db"] > 30.0 > found.row["blank_psnr_db"] + 3.0
    assert found.row["depth_um"] == pytest.approx(1.0, abs=0.3)
    assert found.row["ssim"] > found.row["blank_ssim"]


def test_the_measures_of_likeness():
    rng = np.random.default_rng(0)
    one = rng.integers(60, 140, (64, 64)).astype(np.uint8)
    assert realism.ssim(one, one) == pytest.approx(1.0)
    assert realism.ssim(one, rng.integers(60, 140, (64, 64)).astype(np.uint8)) < 0.2
    assert realism.psnr_db(one, one + 5) == pytest.approx(20 * np.log10(255 / 5), abs=0.01)


def test_it_runs_on_any_folder_of_crops(crop, tmp_path):
    folder, _ = crop
    done = subprocess.run(
        [sys.executable, SCRIPT, "--crops", folder, "--out", tmp_path, "--quick", "--workers", "1"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "robot_08" in done.stdout and "GAN" in done.stdout
    assert pd.read_csv(tmp_path / "crops.csv").correlation[0] > 0.8
    picture = cv2.imread(str(tmp_path / "robot_08.png"))
    assert picture is not None and picture.shape[1] >= 3 * 256


def test_a_folder_without_crops_is_refused(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, "--crops", tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
