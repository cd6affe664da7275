"""``microtwin search`` and ``microtwin explain`` from the outside: what they write, refuse and say."""

import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
import tyro

from microtwin.cli.explain import _names, explain
from microtwin.cli.search import search
from microtwin.errors import exit_code
from microtwin.otmr.generate import Drawn, generate
from microtwin.otmr.plan import Plan
from microtwin.perception import networks
from microtwin.perception.calibration import Calibration
from microtwin.perception.checkpoint import save
from microtwin.perception.task import Task

COMMANDS = {"search": search, "explain": explain}
QUICK = ["--size", "32", "--epochs", "1", "--no-augment", "--precision", "float32", "--device", "cpu"]


def run(command: str, *arguments) -> int:
    given = [str(argument) for argument in arguments]
    return exit_code(
        "microtwin",
        lambda: tyro.cli(COMMANDS[command], prog=f"microtwin {command}", args=given, use_underscores=False),
    )


def refused(capsys, command: str, *arguments) -> str:
    capsys.readouterr()
    assert run(command, *arguments) == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said and said.startswith("microtwin: ")
    return said


def draw(sequence, randomise, streams) -> Drawn:
    """A disc as large as the pose says, as bright as the depth says."""
    y, x = np.mgrid[:256, :256] - 128
    depths_um = streams[0].uniform(-5, 5, sequence.images)
    disc = np.hypot(x, y) < 20 + sequence.pose.pitch_deg / 2 + sequence.pose.roll_deg / 4
    images = np.array([np.where(disc, 150 + 8 * depth, 110) for depth in depths_um])
    noise = streams[2].normal(0, 3, images.shape)
    row = randomise.draw(streams[1]).row()
    return Drawn(np.clip(images + noise, 0, 255).astype(np.uint8), depths_um, np.zeros((len(images), 2)), row, 95)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Depths of robot 8, ten sequences."""
    folder = tmp_path_factory.mktemp("data") / "set"
    generate(Plan("depth", (8,), 4, 10, 1), folder, draw=draw)
    return folder


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for name in ("one.png", "two.png"):
        image = np.clip(rng.normal(110, 3, (256, 256)), 0, 255).astype(np.uint8)
        cv2.circle(image, (128, 128), 50, 170, -1)
        cv2.imwrite(str(folder / name), image)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    task = Task("depth", depth_mean=0.0, depth_sd=2.0, depth_unit="um", robots=(8,))
    torch.manual_seed(0)
    model = networks.build("twinnet", task.n_outputs, size=64)
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.pt"
    save(path, model, task, "twinnet", 64, {}, Calibration())
    return path


def test_a_search_goes_on_and_its_network_explains(data, tmp_path, capsys):
    out = tmp_path / "search"
    assert run("search", "depth", "--data", data, "--trials", 1, "--out", out, *QUICK) == 0
    said = capsys.readouterr().out
    assert "40 images in 10 sequences" in said and "trial   0" in said and "wrote best.json" in said
    assert json.loads((out / "config.json").read_text())["trials"] == 1
    moved = tmp_path / "moved"
    shutil.copytree(data, moved)
    assert run("search", "depth", "--resume", out, "--trials", 2, "--data", moved) == 0
    assert json.loads((out / "config.json").read_text())["data"] == str(moved)
    assert len((out / "trials.csv").read_text().splitlines()) == 3
    image = next((data / "Image_Depth").rglob("*.jpg"))
    assert run("explain", image, "--checkpoint", out / "best.pt", "--out", tmp_path / "maps", "--device", "cpu") == 0
    assert {path.name for path in (tmp_path / "maps").iterdir()} == {f"{image.stem}.png", "sheet.png"}


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C to another process is POSIX")
def test_ctrl_c_stops_a_search_which_goes_on(data, tmp_path):
    out = tmp_path / "search"
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import test_cli_search as t; "
        "sys.exit(t.run('search', *sys.argv[1:]))"
    )
    here = os.path.dirname(__file__)
    given = ["depth", "--data", str(data), "--trials", "500", "--out", str(out), *QUICK]
    command = [sys.executable, "-u", "-c", code, here, *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8",
                          env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:  # fmt: skip
        assert process.stdout
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("trial   1"):
                process.send_signal(signal.SIGINT)
                break
        said += process.stdout.read()
    assert process.returncode == 130, said
    assert f"go on with microtwin search depth --resume {out}" in said and "Traceback" not in said
    done = [line for line in (out / "trials.csv").read_text().splitlines()[1:] if "running" not in line]
    assert run("search", "depth", "--resume", out, "--trials", len(done) + 1) == 0
    assert (out / "best.json").is_file()


def test_what_a_search_cannot_do_is_said_in_one_line(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert "give --data DIR" in refused(capsys, "search", "depth", "--out", out)
    assert "give --out DIR" in refused(capsys, "search", "depth", "--data", data)
    assert "trials is 0" in refused(capsys, "search", "depth", "--data", data, "--out", out, "--trials", 0)
    assert "has no poses" in refused(capsys, "search", "pose", "--data", data, "--out", out)
    assert "no search in" in refused(capsys, "search", "depth", "--resume", tmp_path)
    assert "memory_gb is -1" in refused(capsys, "search", "depth", "--data", data, "--out", out, "--memory-gb", -1)
    tiny = ["search", "depth", "--data", data, "--out", out, "--trials", 1, "--memory-gb", 1e-6, *QUICK]
    assert "none of 1 trials was completed: the last one needs" in refused(capsys, *tiny)
    assert "holds a search already" in refused(capsys, *tiny)
    assert "size is 64, and 32" in refused(capsys, "search", "depth", "--resume", out, "--size", 64)
    assert "holds a search for depth" in refused(capsys, "search", "pose", "--resume", out)


def test_a_folder_without_labels_leaves_nothing_behind(crops, tmp_path, capsys):
    out = tmp_path / "out"
    said = refused(capsys, "search", "depth", "--data", crops, "--out", out)
    assert str(crops) in said or "one.png" in said
    assert not out.exists()


def test_pictures_are_beside_their_heat_maps(crops, checkpoint, tmp_path, capsys):
    images = sorted(crops.iterdir())
    assert run("explain", *images, "--checkpoint", checkpoint, "--out", tmp_path, "--device", "cpu") == 0
    assert "wrote 2 pictures and sheet.png" in capsys.readouterr().out
    made, crop = cv2.imread(str(tmp_path / "one.png")), cv2.imread(str(images[0]), cv2.IMREAD_GRAYSCALE)
    assert made is not None and crop is not None
    assert made.shape == (256, 516, 3)
    assert np.array_equal(made[:, :256, 0], crop)
    assert np.ptp(made[:, 260:].astype(int).max(axis=2) - made[:, 260:].min(axis=2)) > 0  # colours


def test_images_that_cannot_be_read_are_named_or_left_out(crops, checkpoint, tmp_path, capsys):
    cut, odd = tmp_path / "cut.png", tmp_path / "odd.png"
    cut.write_bytes((crops / "one.png").read_bytes()[:3000])
    cv2.imwrite(str(odd), np.zeros((100, 90), np.uint8))
    out = tmp_path / "out"
    common = ("--checkpoint", checkpoint, "--out", out, "--device", "cpu")
    assert "cut.png is cut off" in refused(capsys, "explain", crops / "one.png", cut, *common)
    assert f"{odd}: images of 100 × 90" in refused(capsys, "explain", odd, *common)
    assert "none of 2 images" in refused(capsys, "explain", cut, odd, *common, "--unreadable", "skip")
    assert not out.exists()
    assert run("explain", cut, crops / "one.png", odd, *common, "--unreadable", "skip") == 0
    assert "left out 2 of 3 images" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"one.png", "sheet.png"}


def test_what_cannot_be_explained_is_said_in_one_line(crops, checkpoint, tmp_path, capsys):
    image, out = crops / "one.png", tmp_path / "out"
    common = ("explain", image, "--out", out, "--device", "cpu")
    assert "part is pose" in refused(capsys, *common, "--checkpoint", checkpoint, "--part", "pose")
    assert "no checkpoint" in refused(capsys, *common, "--checkpoint", tmp_path / "none.pt")
    broken = tmp_path / "broken.pt"
    broken.write_bytes(checkpoint.read_bytes()[:2000])
    assert "broken.pt" in refused(capsys, *common, "--checkpoint", broken)
    assert "no images" in refused(capsys, "explain", "--checkpoint", checkpoint, "--out", out)
    assert not out.exists()


def test_the_images_themselves_are_not_written_over(crops, checkpoint, tmp_path, capsys):
    mine = tmp_path / "mine"
    shutil.copytree(crops, mine)
    before = {path.name: path.read_bytes() for path in mine.iterdir()}
    given = (*sorted(mine.iterdir()), "--checkpoint", checkpoint, "--out", mine, "--device", "cpu")
    assert f"{mine / 'one.png'} would be written over: give another --out" in refused(capsys, "explain", *given)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == before


def test_pictures_of_images_with_the_same_name_do_not_replace_each_other(tmp_path):
    def names(*places):
        return _names([tmp_path / place for place in places])

    assert names("a/one.png", "a/two.png") == ["one", "two"]
    assert names("a/one.png", "b/one.png") == ["a_one", "b_one"]
    assert names("a/one.png", "a/one.jpg") == ["0001_one", "0002_one"]
    assert names("a/sheet.png") == ["a_sheet"]
