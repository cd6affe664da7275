"""The experiment that holds robots in focus: it runs without a network too, and its verdict can fail."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microtwin.errors import InputError

PATH = Path(__file__).parents[1] / "experiments" / "otmr_focus.py"


@pytest.fixture(scope="module")
def experiment():
    spec = importlib.util.spec_from_file_location("otmr_focus", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_truth_is_held_and_drawn(experiment, tmp_path, capsys):
    experiment.main(oracle=True, robots=(8, 16), runs=2, seconds=20.0, out=tmp_path)
    cells = pd.read_csv(tmp_path / "focus.csv")
    assert list(cells.robot) == [8, 8, 16, 16] and (cells.sight == "truth").all()
    assert (cells.rms_um < 0.15).all() and (cells.at_rest_rms_um > 1.0).all()
    assert capsys.readouterr().out.count("pass 0.15") == 2
    assert (tmp_path / "focus.png").stat().st_size > 20_000


def test_a_bad_estimator_misses(experiment, tmp_path, monkeypatch, capsys):
    from types import SimpleNamespace

    def estimator(images):  # always a µm too deep, like a network that has not seen such optics
        return SimpleNamespace(depth_um=np.array([-1.0]), depth_sd_um=np.array([0.1]))

    monkeypatch.setattr(experiment, "depth_estimator", lambda checkpoint, number: estimator)
    experiment.main(robots=(7,), quick=True, out=tmp_path)
    assert "MISS 0.15" in capsys.readouterr().out
    assert list(pd.read_csv(tmp_path / "focus.csv").sight) == ["truth", "pixels"]


def test_runs_that_cannot_be(experiment, tmp_path):
    with pytest.raises(InputError, match="runs is 0"):
        experiment.main(oracle=True, runs=0, out=tmp_path / "none")
    with pytest.raises(InputError, match="no robot 99"):
        experiment.main(oracle=True, robots=(99,), out=tmp_path / "none")
    with pytest.raises(InputError, match="seed is -1"):
        experiment.main(oracle=True, seed=-1, out=tmp_path / "none")
    with pytest.raises(InputError, match="robots are none"):
        experiment.main(oracle=True, robots=(), out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
