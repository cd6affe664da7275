import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import tyro

from microtwin.cli.evaluate import evaluate
from microtwin.cli.predict import predict
from microtwin.cli.train import train
from microtwin.cli.train_progress import clock, figures
from microtwin.errors import InputError, exit_code
from microtwin.perception import checkpoint, extra
from microtwin.perception.lights import LIGHT, Lights
from microtwin.perception.request import Request
from microtwin.perception.training import Training

SMALL = ["--size", "32", "--epochs", "2", "--batch", "16", "--learning-rate", "4e-3", "--precision", "float32",
         "--options", "widths=[8,16]", "blocks=1"]  # fmt: skip
POSES = ((0, 0), (30, 0), (30, 45))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose by sharing, and tests may run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(*arguments: str) -> int:
    commands: dict[str, Any] = {"train": train, "evaluate": evaluate, "predict": predict}

    def call() -> int:
        return tyro.extras.subcommand_cli_from_dict(
            commands, prog="microtwin", args=list(arguments), use_underscores=False
        )

    return exit_code("microtwin", call)


def refused(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and said.err.startswith("microtwin: ")
    return said.err.strip()


def crop(pitch: int, roll: int, depth: float, seed: int) -> np.ndarray:
    """(256, 256) uint8: a bar as long as pitch says, as wide as roll says, as dark as depth says."""
    rng = np.random.default_rng(seed)
    image = np.full((256, 256), 110.0)
    length, width = 30 + pitch, 10 + roll // 2
    image[128 - width : 128 + width, 128 - length : 128 + length] = 40 + 50 * depth
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def write(folder: Path, *, robot: int = 3, poses=POSES, sequences: int = 4, frames: int = 3) -> Path:
    """OTMR's tree of the pose task: depths are scaled within a sequence."""
    rng = np.random.default_rng(robot)
    for pitch, roll in poses:
        place = folder / f"robot_{robot:02d}" / f"P{pitch}_R{roll}"
        place.mkdir(parents=True)
        lines = []
        for k in range(sequences * frames):
            name, depth = f"video_{pitch}_{roll}_{k // frames}_{k % frames:03d}.png", float(rng.uniform())
            cv2.imwrite(str(place / name), crop(pitch, roll, depth, k))
            lines.append(str((name, round(depth, 4))))
        (place / f"P{pitch}_R{roll}_depth.txt").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """The folder of a finished training without folds, of pose and depth."""
    out = tmp_path_factory.mktemp("trained") / "out"
    assert run("train", "joint", "--data", str(data), "--out", str(out), "--folds", "0", *SMALL) == 0
    return out


def test_training_by_folds(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("train", "pose", "--data", str(data), "--out", str(out), "--folds", "2", *SMALL) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "36 images in 12 sequences, 2 folds by sequence"
    assert any(line.startswith("fold 1  pitch ") for line in said) and said[-1] == f"wrote {out}"
    assert any("±" in line for line in said)
    config = json.loads((out / "config.json").read_text())
    assert (
        config["read"] == {"images": 36, "sequences": 12}
        and config["training"]["size"] == 32
        and "torch" in config["versions"]
    )
    assert {path.name for path in out.iterdir()} == {"config.json", "fold_0", "fold_1", "scores.csv", "scores.png"}
    assert {path.name for path in (out / "fold_0").iterdir()} == {
        "checkpoint.pt", "log.csv", "tb", "predictions.csv", "scores.json"}  # fmt: skip
    assert "holds a training already: go on with --resume" in refused(
        capsys, "train", "pose", "--data", str(data), "--out", str(out)
    )
    assert run("train", "pose", "--resume", str(out)) == 0  # finished: says its scores again
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {out}"


def test_the_leak_of_a_split_by_frame_is_stated(data, tmp_path, capsys):
    arguments = ["--data", str(data), "--out", str(tmp_path / "out"), "--folds", "3", "--fold", "0"]
    assert run("train", "pose", "--split", "frame", *SMALL, *arguments) == 0
    assert "a split by frame leaks" in capsys.readouterr().out.splitlines()[1]


def test_the_command_in_the_config_asks_for_the_same(data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("microtwin.cli.train_run.run", lambda request, *_: asked.append(request) or 0)
    given = ["train", "depth", "--data", str(data), "--network", "cnn", "--folds", "3", "--fold", "1", "--split",
             "frame", "--robots", "3", "8", "--size", "64", "--epochs", "9", "--batch", "8", "--learning-rate", "0.01",
             "--weight-decay", "0", "--no-augment", "--precision", "float32", "--device", "cpu", "--seed", "7",
             "--options", "a=[1,2]", "b=x", "--unreadable", "skip"]  # fmt: skip
    assert run(*given, "--out", str(tmp_path)) == 0
    assert asked[0].training == Training("depth", "cnn", 64, 9, 8, 0.01, 0.0, False, False, "float32", "cpu", 7,
                                         {"a": [1, 2], "b": "x"})  # fmt: skip
    assert run(*shlex.split(asked[0].command)[1:], "--out", str(tmp_path)) == 0
    assert asked[1] == asked[0]
    assert Request(data="x").command == "microtwin train pose --data x"


def test_resume_takes_what_the_folder_holds(tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr("microtwin.cli.train_run.run", lambda request, *rest: asked.append((request, *rest)) or 0)
    kept = Request(Training("depth", "cnn", epochs=7, batch=32), "/data", (3,), 4, None, "frame")
    kept.save(tmp_path, {"read": {"images": 5}})
    assert run("train", "depth", "--resume", str(tmp_path)) == 0
    assert asked[0][:2] == (kept, tmp_path) and asked[0][2]["read"] == {"images": 5}
    assert run("train", "depth", "--resume", str(tmp_path), "--batch", "16", "--device", "cpu", "--epochs", "7") == 0
    assert (asked[1][0].training.batch, asked[1][0].training.device, asked[1][0].folds) == (16, "cpu", 4)
    assert run("train", "depth", "--resume", str(tmp_path), "--batch", "64", "--fold", "2") == 0  # 64 as by default
    assert (asked[2][0].training.batch, asked[2][0].fold, asked[2][0].data) == (64, 2, "/data")
    assert "kind is pose, and depth in" in refused(capsys, "train", "pose", "--resume", str(tmp_path))
    assert "epochs is 9, and 7 in" in refused(capsys, "train", "depth", "--resume", str(tmp_path), "--epochs", "9")
    assert "folds is 3, and 4 in" in refused(capsys, "train", "depth", "--resume", str(tmp_path), "--folds", "3")
    assert "leave it out" in refused(capsys, "train", "depth", "--resume", str(tmp_path), "--out", "/other")
    assert "no training in" in refused(capsys, "train", "depth", "--resume", str(tmp_path / "none"))
    (tmp_path / "config.json").write_text("{}")
    assert "cannot read" in refused(capsys, "train", "depth", "--resume", str(tmp_path))
    assert len(asked) == 3


def test_bad_input_of_a_training(data, tmp_path, capsys):
    out = tmp_path / "out"
    here = ["--out", str(out)]
    assert "give --data DIR" in refused(capsys, "train", "pose", *here)
    assert "give --out DIR" in refused(capsys, "train", "pose", "--data", str(data))
    assert "is no folder" in refused(capsys, "train", "pose", "--data", str(tmp_path / "none"), *here)
    good = ["--data", str(data), *here]
    assert "folds is 1" in refused(capsys, "train", "pose", *good, "--folds", "1")
    assert "fold is 5: give 0 to 4" in refused(capsys, "train", "pose", *good, "--fold", "5")
    assert "epochs is 0" in refused(capsys, "train", "pose", *good, "--epochs", "0")
    assert "name=value" in refused(capsys, "train", "pose", *good, "--options", "widths")
    assert "option depth is not one" in refused(capsys, "train", "pose", *good, "--options", "depth=3")
    assert "has no robot 8" in refused(capsys, "train", "pose", *good, "--robots", "8")
    assert "finds no GPU" in refused(capsys, "train", "pose", *good, "--device", "cuda") or torch.cuda.is_available()
    assert "for 99 folds" in refused(capsys, "train", "pose", *good, "--folds", "99", *SMALL)
    assert not out.exists()
    (tmp_path / "file").write_text("")
    assert "cannot write to" in refused(capsys, "train", "pose", "--data", str(data), "--out", str(tmp_path / "file"))
    bare = tmp_path / "bare" / "robot_03"
    bare.mkdir(parents=True)
    cv2.imwrite(str(bare / "a.png"), crop(0, 0, 0.5, 0))
    assert refused(capsys, "train", "pose", "--data", str(bare.parent), *here)
    assert not out.exists()


def test_a_folder_that_was_there_is_not_taken_away(data, tmp_path, capsys):
    refused(capsys, "train", "pose", "--data", str(data), "--out", str(tmp_path), "--options", "depth=3")
    assert tmp_path.exists() and not list(tmp_path.iterdir())


def test_an_image_that_is_cut_off(tmp_path, capsys):
    folder = write(tmp_path / "set")
    bad = folder / "robot_03" / "P0_R0" / "video_0_0_0_000.png"
    bad.write_bytes(bad.read_bytes()[:2000])
    arguments = ["train", "pose", "--data", str(folder), "--out", str(tmp_path / "out"), "--folds", "0", *SMALL]
    assert "video_0_0_0_000.png is cut off" in refused(capsys, *arguments) and not (tmp_path / "out").exists()
    assert run(*arguments, "--unreadable", "skip") == 0
    said = capsys.readouterr().out
    assert "scored on the eighth that calibrates it: a little too good" in said
    assert said.startswith("35 images") and "left out 1 image that cannot be read" in said and str(bad) in said


def test_images_that_are_gone_when_it_goes_on(tmp_path, capsys):
    folder, out = write(tmp_path / "set"), tmp_path / "out"
    assert run("train", "pose", "--data", str(folder), "--out", str(out), "--folds", "0", *SMALL) == 0
    for path in (folder / "robot_03" / "P30_R45").glob("video_30_45_3_*"):
        path.unlink()
    (folder / "robot_03" / "P30_R45" / "P30_R45_depth.txt").unlink()
    assert "has 33 images, not 36 as before" in refused(capsys, "train", "pose", "--resume", str(out))


def test_a_loss_that_is_not_a_number(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("microtwin.perception.fit.loss_of", lambda *_: torch.tensor(float("nan")))
    out = tmp_path / "out"
    arguments = ["train", "pose", "--data", str(data), "--out", str(out), *SMALL]
    assert "the loss is nan in epoch 1 of 2: train again with a learning rate below 0.004" in refused(
        capsys, *arguments
    )
    assert not out.exists()  # nothing was computed


def test_predictions_are_lines_of_json(data, trained, capsys):
    images = sorted(map(str, (data / "robot_03" / "P30_R0").glob("video_30_0_0_*.png")))
    capsys.readouterr()
    assert run("predict", *images, "--checkpoint", str(trained / "checkpoint.pt")) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["file"] for row in rows] == images and len(rows) == 3 and not said.err
    for row in rows:
        assert (row["pitch"], row["roll"]) in POSES and 0 <= row["pitch_probability"] <= 1
        assert row["depth_low_scaled"] < row["depth_scaled"] < row["depth_high_scaled"] and row["depth_sd_scaled"] > 0
        assert row["pitch_sd_deg"] >= 0 and row["roll_sd_deg"] >= 0 and 0 <= row["roll_probability"] <= 1


def test_images_that_cannot_be_predicted(data, trained, tmp_path, capsys):
    checkpoint = ["--checkpoint", str(trained / "checkpoint.pt")]
    good = str(data / "robot_03" / "P30_R0" / "video_30_0_0_000.png")
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(good).read_bytes()[:500])
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((40, 40), dtype=np.uint8))
    assert "cut.png is cut off" in refused(capsys, "predict", good, str(cut), *checkpoint)
    assert "small.png: images of 40 × 40 px" in refused(capsys, "predict", str(small), *checkpoint)
    assert "none.png" in refused(capsys, "predict", str(tmp_path / "none.png"), *checkpoint)
    assert run("predict", good, str(cut), str(small), *checkpoint, "--unreadable", "skip") == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 1 and "left out 2 of 3 images, the first: " in said.err
    assert "no images" in refused(capsys, "predict", *checkpoint)
    assert "no checkpoint" in refused(capsys, "predict", good, "--checkpoint", str(tmp_path / "none.pt"))
    assert "cut short or not a checkpoint" in refused(capsys, "predict", good, "--checkpoint", good)


def test_evaluating_a_checkpoint(data, trained, tmp_path, capsys):
    checkpoint = ["--checkpoint", str(trained / "checkpoint.pt")]
    capsys.readouterr()
    assert run("evaluate", str(data), *checkpoint, "--out", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert said.startswith("36 images, network twinnet for joint") and "90 % intervals hold" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scores.json", "scores.png", "predictions.csv"}
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())["scores"]
    columns = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[0].split(",")
    assert {"true_depth_scaled", "depth_scaled", "depth_low_scaled"} <= set(columns)
    assert not any(name.endswith("_um") for name in columns)
    assert scores["images"] == 36 and scores["pitch_accuracy_view"] >= scores["pitch_accuracy"]
    assert run("evaluate", str(data), *checkpoint, "--task", "pose") == 0
    assert "depth:" not in capsys.readouterr().out
    assert run("evaluate", str(data), *checkpoint, "--task", "depth", "--turns", "4") == 0
    assert "accuracy" not in capsys.readouterr().out
    before = (trained / "scores.json").read_bytes()
    assert "holds a training, whose own scores this would replace" in refused(
        capsys, "evaluate", str(data), *checkpoint, "--out", str(trained)
    )
    assert (trained / "scores.json").read_bytes() == before


def test_a_checkpoint_that_does_not_fit_the_images(data, trained, tmp_path, capsys):
    checkpoint = ["--checkpoint", str(trained / "checkpoint.pt")]
    others = write(tmp_path / "others", robot=4, sequences=1)
    assert "images of robot 4, and the checkpoint was trained on 3" in refused(
        capsys, "evaluate", str(others), *checkpoint
    )
    assert run("evaluate", str(others), *checkpoint, "--other-robots") == 0
    steep = write(tmp_path / "steep", poses=((60, 0),), sequences=1)
    assert "pitch 60°, and the checkpoint knows 0, 30°" in refused(capsys, "evaluate", str(steep), *checkpoint)
    pose = tmp_path / "pose"
    assert run("train", "pose", "--data", str(data), "--out", str(pose), "--folds", "0", *SMALL) == 0
    pose_only = str(pose / "checkpoint.pt")
    assert "was trained for pose: leave --task depth out" in refused(
        capsys, "evaluate", str(data), "--checkpoint", pose_only, "--task", "depth"
    )


def test_what_is_not_installed(monkeypatch, capsys, trained):
    def absent():
        raise InputError("perception needs torch, which is not installed: pip install 'microtwin[learn]'")

    monkeypatch.setattr(extra, "require", absent)
    for command in (["train", "pose"], ["evaluate", "x", "--checkpoint", "y"], ["predict", "x", "--checkpoint", "y"]):
        assert "pip install 'microtwin[learn]'" in refused(capsys, *command)


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to a process")
def test_ctrl_c_saves_and_resume_goes_on(data, tmp_path):
    text = """
import sys, torch, tyro
torch.set_num_threads(1)
from microtwin.cli.train import train
from microtwin.errors import exit_code
from microtwin.perception import fit
done = fit.state.save
def save(*arguments):
    done(*arguments)
    print("an epoch", flush=True)
    sys.stdin.read()
fit.state.save = save
sys.exit(exit_code("microtwin", lambda: tyro.cli(train, args=sys.argv[1:], use_underscores=False)))
"""
    out = tmp_path / "out"
    arguments = ["pose", "--data", str(data), "--out", str(out), "--folds", "2", *SMALL, "--epochs", "50"]
    command = [sys.executable, "-c", text, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        while "an epoch" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate()  # its input ends: it goes on
    assert process.returncode == 130 and not errors
    assert f"go on with microtwin train pose --resume {out}" in said
    assert (out / "fold_0" / "last.pt").is_file() and not (out / "fold_0" / "checkpoint.pt").exists()


@pytest.fixture
def sketched(monkeypatch) -> Callable[[Callable[[int], None]], None]:
    """Light is made up, in this process; give what is called with how many sequences have been so far."""
    made, told = [0], []

    def light(job: Any) -> Lights:
        made[0] += 1
        for tell in told:
            tell(made[0])
        sequence, n = job.sequence, job.sequence.images
        at = np.arange(LIGHT) - (LIGHT - 1) / 2
        depths = sequence.streams(job.seed)[0].uniform(-5, 5, n).astype(np.float32)
        spot = np.exp(-(((np.hypot(at, at[:, None]) - sequence.pose.pitch_deg / 3) / 8) ** 2))
        pitch, roll = (np.full(n, v) for v in (sequence.pose.pitch_deg, sequence.pose.roll_deg))
        light = (1 + (0.5 + 0.05 * depths[:, None, None]) * spot).astype(np.float16)
        return Lights(light, pitch, roll, depths, np.full(n, sequence.robot), np.full(n, sequence.number))

    monkeypatch.setattr("microtwin.perception.lights._light", light)
    monkeypatch.setattr("microtwin.perception.light_store.in_processes", lambda workers: here)
    return told.append


def here(work, jobs):
    """In this process, instead of in others."""
    yield from map(work, jobs)


RENDER = ["--render", "2", "--sequences", "2", "--images-per-sequence", "1"]


def weights(out: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(out / "checkpoint.pt").model.state_dict()


def test_training_on_renderings(sketched, data, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("train", "joint", *RENDER, "--out", str(out), *SMALL) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "50 images of 50 sequences to render, then one network"
    assert said[-1] == f"wrote {out / 'checkpoint.pt'}"
    assert {path.name for path in out.iterdir()} == {"config.json", "checkpoint.pt", "light", "log.csv", "tb"}
    assert {path.name for path in (out / "light").iterdir()} == {"plan.json", "light_0000.npz", "light_0001.npz"}
    config = json.loads((out / "config.json").read_text())
    assert config["command"].startswith(f"microtwin train joint {' '.join(RENDER)} --size 32")
    assert config["render"] == [2] and config["data"] == "" and "torch" in config["versions"]
    images = sorted(map(str, (data / "robot_03" / "P30_R0").glob("*.png")))[:2]
    assert run("predict", *images, "--checkpoint", str(out / "checkpoint.pt")) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["pitch"] in (0, 15, 30, 45, 60) and row["depth_low_um"] < row["depth_high_um"] for row in rows)
    arguments = ["train", "joint", *RENDER, "--out", str(out)]
    assert "holds a training already: go on with --resume" in refused(capsys, *arguments)
    before = (out / "checkpoint.pt").read_bytes()
    assert run("train", "joint", "--resume", str(out)) == 0  # finished: nothing is done again
    assert (out / "checkpoint.pt").read_bytes() == before


def test_training_on_real_optics(monkeypatch, tmp_path):
    monkeypatch.setattr("microtwin.perception.light_store.in_processes", lambda workers: here)
    few = ["--render", "8", "--sequences", "2", "--images-per-sequence", "4"]
    assert run("train", "depth", *few, "--out", str(tmp_path / "out"), *SMALL) == 0
    task = checkpoint.load(tmp_path / "out" / "checkpoint.pt").task
    assert (task.kind, task.robots, task.depth_unit) == ("depth", (8,), "um")


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to oneself")
def test_ctrl_c_while_rendering_loses_one_chunk(sketched, tmp_path, capsys):
    out, whole, done = tmp_path / "out", tmp_path / "whole", [0]
    assert run("train", "joint", *RENDER, "--out", str(whole), *SMALL) == 0

    def interrupt(number: int) -> None:
        done[0] = number
        if number == 50 + 30:  # the fifth sequence of the second of two chunks
            signal.raise_signal(signal.SIGINT)

    sketched(interrupt)
    capsys.readouterr()
    assert run("train", "joint", *RENDER, "--out", str(out), *SMALL) == 130
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"stopped and saved: go on with microtwin train joint --resume {out}"
    assert not said.err and done[0] == 80
    assert [path.name for path in (out / "light").glob("*.npz")] == ["light_0000.npz"]
    assert not (out / "last.pt").exists() and not (out / "checkpoint.pt").exists()
    assert run("train", "joint", "--resume", str(out)) == 0
    assert done[0] == 80 + 25  # the second chunk alone
    expected = weights(whole)
    assert all(torch.equal(value, expected[name]) for name, value in weights(out).items())


def test_the_command_of_renderings_asks_for_the_same(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("microtwin.cli.train_rendered.run_rendered", lambda request, *_: asked.append(request) or 0)
    given = ["train", "depth", "--render", "3", "8", "--sequences", "7", "--images-per-sequence", "3", "--seed", "2"]
    assert run(*given, "--out", str(tmp_path)) == 0
    assert (asked[0].render, asked[0].sequences, asked[0].images_per_sequence) == ((3, 8), 7, 3)
    assert run(*shlex.split(asked[0].command)[1:], "--out", str(tmp_path)) == 0
    assert asked[1] == asked[0]
    asked[0].save(tmp_path, {})
    assert run("train", "depth", "--resume", str(tmp_path), "--batch", "16") == 0
    assert asked[2].render == (3, 8) and asked[2].training.batch == 16


def test_bad_input_of_renderings(sketched, data, tmp_path, capsys):
    sketched(lambda number: pytest.fail("rendered before all was looked at"))
    here = ["--out", str(tmp_path / "out")]
    for kind in ("pose", "joint"):
        assert "--render 3 8: robots 7 to 18 have no poses, train depth" in refused(
            capsys, "train", kind, "--render", "3", "8", *here
        )
    assert "robot 19 is unknown: give numbers from 1 to 18" in refused(capsys, "train", "pose", "--render", "19", *here)
    assert "robot 3 is given twice" in refused(capsys, "train", "pose", "--render", "3", "3", *here)
    good = ["train", "pose", "--render", "2", *here]
    assert f"--data {data} and --render: give one of the two" in refused(capsys, *good, "--data", str(data))
    assert "--robots and --fold choose among the images of --data" in refused(capsys, *good, "--robots", "2")
    assert "--robots and --fold choose" in refused(capsys, *good, "--fold", "1")
    assert "--sequences 1: give 2 or more" in refused(capsys, *good, "--sequences", "1")
    assert "images per sequence is 0" in refused(capsys, *good, "--images-per-sequence", "0")
    assert "option depth is not one" in refused(capsys, *good, "--options", "depth=3")
    assert "size" in refused(capsys, *good, "--size", "33")
    assert "finds no GPU" in refused(capsys, *good, "--device", "cuda") or torch.cuda.is_available()
    assert not (tmp_path / "out").exists()


def test_renderings_and_images_are_not_swapped_when_it_goes_on(data, tmp_path, capsys):
    Request(Training(), render=(2,)).save(tmp_path, {})
    resumed = ["train", "pose", "--resume", str(tmp_path)]
    assert "taught by renderings: leave --data and --fold out" in refused(capsys, *resumed, "--data", str(data))
    assert "render is (3,), and (2,) in" in refused(capsys, *resumed, "--render", "3")
    assert "sequences is 9, and 40 in" in refused(capsys, *resumed, "--sequences", "9")


def test_light_that_was_rendered_is_kept_when_the_loss_is_not_a_number(sketched, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    arguments = ["train", "joint", *RENDER, "--out", str(out), *SMALL]
    with monkeypatch.context() as broken:
        broken.setattr("microtwin.perception.fit.loss_of", lambda *_: torch.tensor(float("nan")))
        assert "the loss is nan in epoch 1 of 2" in refused(capsys, *arguments)
    assert len(list((out / "light").glob("*.npz"))) == 2
    sketched(lambda number: pytest.fail("rendered again"))
    assert run("train", "joint", "--resume", str(out)) == 0  # from the light that is there


def test_lines_for_people():
    assert clock(59.6) == "1:00" and clock(3725) == "1:02:05"
    assert figures({"pitch_accuracy": 0.5, "mse_um2": 0.0123, "other": 3.0}) == "pitch 50.0 %  depth MSE (µm²) 0.0123"
