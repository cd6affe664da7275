"""``microtwin focus`` in the twin: what it writes, what it refuses, and Ctrl-C."""

import json
import struct
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tyro

from microtwin.cli.focus import focus
from microtwin.errors import InputError, exit_code
from microtwin.focusing import hold as loop
from microtwin.otmr.pose import Pose
from microtwin.perception import focus_checkpoint
from microtwin.perception.focus_checkpoint import depth_estimator


def run(*words: str) -> int:
    return exit_code("microtwin", lambda: tyro.cli(focus, args=list(words), use_underscores=False))


def refused(capsys, *words: str) -> str:
    assert run(*words) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.startswith("microtwin: ")
    return said


TRUTH = ["--observation", "truth", "--robot", "7"]


def test_a_run_leaves_a_table_a_picture_and_its_settings(tmp_path, capsys):
    out = tmp_path / "run"
    assert run(*TRUTH, "--seconds", "1.5", "--target-um", "0.5", "--out", str(out)) == 0
    said = capsys.readouterr().out
    assert "robot 7 at +0.50 µm for 1.5 s: error" in said and "wrote focus.csv, focus.json and focus.png" in said
    table = pd.read_csv(out / "focus.csv")
    assert len(table) == 37 and np.abs(table.true_um.iloc[12:] - 0.5).max() < 0.5
    report = json.loads((out / "focus.json").read_text())
    assert report["settings"]["target_um"] == 0.5 and report["found"]["frames"] == 37
    width, height = struct.unpack(">II", (out / "focus.png").read_bytes()[16:24])
    assert width > 1000 and height > 500


def test_the_same_seed_gives_the_same_table_but_for_the_waits(tmp_path):
    tables = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run(*TRUTH, "--seconds", "0.3", "--seed", seed, "--out", str(tmp_path / name)) == 0
        tables.append(pd.read_csv(tmp_path / name / "focus.csv").drop(columns="wait_ms"))
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])


def test_pixels_go_through_the_estimator(tmp_path, monkeypatch):
    asked = []

    def estimator(images):
        assert images.shape == (1, 256, 256)
        return SimpleNamespace(depth_um=np.array([0.2]), depth_sd_um=np.array([0.1]))

    monkeypatch.setattr(focus_checkpoint, "depth_estimator", lambda path, robot: asked.append(robot) or estimator)
    assert run("--robot", "7", "--seconds", "0.3", "--out", str(tmp_path)) == 0
    assert asked == [7] and (pd.read_csv(tmp_path / "focus.csv").read_um == 0.2).all()


def test_ctrl_c_keeps_what_was_recorded(tmp_path, monkeypatch, capsys):
    acts = iter(range(100))
    act = loop.FocusController.act

    def interrupted(self, *seen):
        if next(acts) == 5:
            raise KeyboardInterrupt
        return act(self, *seen)

    monkeypatch.setattr(loop.FocusController, "act", interrupted)
    assert run(*TRUTH, "--out", str(tmp_path)) == 130
    assert len(pd.read_csv(tmp_path / "focus.csv")) == 5
    assert "stopped by hand" in capsys.readouterr().out


def test_ctrl_c_before_the_first_frame_saves_nothing(tmp_path, monkeypatch):
    def interrupted(self, *seen):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop.FocusController, "act", interrupted)
    assert run(*TRUTH, "--out", str(tmp_path)) == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--robot", "40"], "no robot 40: choose 1 to 18"),
        (["--robot", "8", "--pose", "P30_R5"], "robot 8 has no pose P30_R5"),
        (["--pose", "30"], "pose '30': give P and R"),
        (["--seconds", "0"], "seconds is 0.0"),
        (["--seed", "-1"], "seed is -1"),
        (["--latency", "-2"], "latency is -2"),
        (["--drift-um-s", "nan"], "drift is nan"),
        (["--target-um", "50", "--observation", "truth"], "target is 50 µm: give a depth of robot 3, -9.2 to 2.8"),
        (["--target-um", "inf", "--observation", "truth"], "target is inf"),
        (["--truth-noise-um", "0", "--observation", "truth"], "noise of the depth is 0.0"),
        (["--config", "rig.toml"], "add --backend hardware"),
        (["--backend", "hardware", "--observation", "truth"], "only the twin knows the truth"),
        (["--backend", "hardware", "--drift-um-s", "2"], "leave out what describes the twin"),
        (["--checkpoint", "nowhere.pt"], "nowhere.pt"),
        (["--backend", "moon", "--observation", "pixels"], "moon"),
    ],
)
def test_what_cannot_be_asked_for(capsys, monkeypatch, tmp_path, words, message):
    if "--checkpoint" not in words:
        monkeypatch.setattr(focus_checkpoint, "depth_estimator", lambda path, robot: None)
    assert message in refused(capsys, *words, "--out", str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def task(**changes):
    about = {"has_depth": True, "kind": "depth", "depth_unit": "um", "robots": (3, 8)} | changes
    return SimpleNamespace(**about)


@pytest.mark.parametrize(
    ("changes", "robot", "message"),
    [
        ({}, 5, r"checkpoint net.pt does not know robot 5: it was trained on 3, 8"),
        ({"has_depth": False, "kind": "pose"}, 3, "net.pt reads pose, no depth"),
        ({"depth_unit": "scaled"}, 3, "a scale of 0 to 1"),
    ],
)
def test_checkpoints_that_do_not_fit(monkeypatch, tmp_path, changes, robot, message):
    estimator = pytest.importorskip("microtwin.perception.estimator", reason="needs the learn extra")
    monkeypatch.setattr(estimator.Estimator, "load", lambda path: SimpleNamespace(task=task(**changes)))
    with pytest.raises(InputError, match=message):
        depth_estimator(tmp_path / "net.pt", robot)


def test_without_a_checkpoint_it_says_how_to_make_one(monkeypatch, tmp_path):
    pytest.importorskip("torch", reason="needs the learn extra")
    monkeypatch.setattr(focus_checkpoint, "shipped", lambda name: tmp_path / "none.pt")
    with pytest.raises(InputError, match="give --checkpoint FILE; microtwin train depth makes one"):
        depth_estimator(None, 3)


def test_poses_of_the_set_are_taken(tmp_path):
    assert run("--observation", "truth", "--robot", "3", "--pose", Pose(30, 5).name, "--seconds", "0.1",
               "--out", str(tmp_path)) == 0  # fmt: skip
