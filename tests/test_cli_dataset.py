"""``microtwin dataset``: real images from the command line, one-line errors before anything is written."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from microtwin.cli import main
from microtwin.otmr.read import read

SMALL = ["dataset", "--task", "depth", "--robots", "7", "3", "--images-per-sequence", "2", "--sequences", "1"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("cli") / "set"
    assert main([*SMALL, "--workers", "1", "--out", str(out)]) == 0
    return out


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_images_show_a_robot_on_a_grey_background(made):
    samples = read(made)
    assert [(sample.robot, sample.depth_unit) for sample in samples] == [(3, "um")] * 2 + [(7, "um")] * 2
    table = pd.read_parquet(made / "metadata.parquet").set_index("path")
    for sample in samples:
        image = sample.image()
        row = table.loc[sample.path.relative_to(made).as_posix()]
        assert image.shape == (256, 256)
        assert np.median(image) == pytest.approx(row.background_dn, rel=0.15)
        middle = image[64:192, 64:192].astype(float)
        assert middle.std() > 3 * image[:20].astype(float).std()


def test_two_workers_write_the_same_bytes(made, tmp_path, capsys):
    assert main([*SMALL, "--workers", "2", "--out", str(tmp_path)]) == 0
    assert tree(tmp_path) == tree(made)
    assert str(tmp_path) in capsys.readouterr().out


def test_the_same_command_finds_it_complete_and_another_is_refused(made, tmp_path, capsys):
    before = tree(made)
    assert main([*SMALL, "--out", str(made)]) == 0
    assert "is complete already" in capsys.readouterr().out
    assert main([*SMALL, "--seed", "5", "--out", str(made)]) == 2
    said, error = capsys.readouterr()
    assert "seed 0, not 5" in error and not said
    assert main([*SMALL, "--randomise.lean-deg", "1", "--out", str(made)]) == 2
    assert "randomise.lean-deg 4.0, not 1.0" in capsys.readouterr().err
    assert tree(made) == before


def test_verify_says_what_it_found(made, tmp_path, capsys):
    assert main(["dataset", "verify", str(made)]) == 0
    assert "8 files, 4 images" in (text := capsys.readouterr().out) and "all as written" in text
    copy = Path(shutil.copytree(made, tmp_path / "set"))
    for path in copy.rglob("*.jpg"):
        path.write_bytes(b"")
    assert main(["dataset", "verify", str(copy)]) == 1
    text = capsys.readouterr().out
    assert text.count("has changed") == 4 and "4 problems" in text
    for path in copy.rglob("*.jpg"):
        path.unlink()
    assert main(["dataset", "verify", str(copy)]) == 1
    text = capsys.readouterr().out
    assert text.count("is missing") == 4 and text.count("\n") == 6  # the first five and a sum
    assert "7 problems (2 more)" in text
    assert main(["dataset", "verify", str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_exports_are_written_beside(made, tmp_path, capsys):
    copy = Path(shutil.copytree(made, tmp_path / "set"))
    assert main([*SMALL, "--out", str(copy), "--export", "huggingface", "bop"]) == 0
    assert (copy / "huggingface" / "train" / "metadata.csv").is_file()
    assert len(list((copy / "bop" / "train").glob("*/gray/*.jpg"))) == 4
    assert main([*SMALL, "--out", str(copy), "--export", "bop"]) == 0
    assert "is there already" in capsys.readouterr().out
    assert main(["dataset", "verify", str(copy)]) == 0


def test_the_masks_lie_on_the_robots(made, tmp_path):
    """Light is bent where the mask is, and hardly beyond its surroundings."""
    copy = Path(shutil.copytree(made, tmp_path / "set"))
    main([*SMALL, "--out", str(copy), "--export", "bop"])
    for path in sorted(copy.glob("bop/train/*/gray/*.jpg")):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        mask = cv2.imread(str(path.parents[1] / "mask" / f"{path.stem}_000000.png"), cv2.IMREAD_GRAYSCALE)
        assert image is not None and mask is not None
        contrast = np.abs(image.astype(float) - np.median(image))
        far = cv2.dilate(mask, np.ones((61, 61), np.uint8)) == 0
        assert contrast[mask > 0].mean() > 3 * contrast[far].mean()


def test_dry_run_writes_nothing(tmp_path, capsys):
    assert main(["dataset", "--task", "both", "--dry-run", "--out", str(tmp_path / "set")]) == 0
    text = capsys.readouterr().out
    assert "7,520 images in 376 sequences of 18 robots" in text
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--workers", "1"], "4 images in 2 sequences of 2 robots, about 0.1 MB; about 0:02:00 with 1 worker\n"),
        (["--workers", "2"], "about 0:01:00 with 2 workers\n"),
        (["--workers", "9"], "about 0:00:40 with 9 workers on 3 cores\n"),
        (["--cluster", "tcp://there:1", "--workers", "9"], "about 0:02:00 of one core, shared by the cluster's\n"),
        (["--robots", "7", "--images-per-sequence", "1"], "1 image in 1 sequence of 1 robot, about"),
    ],
)
def test_dry_run_counts_cores_not_processes(capsys, monkeypatch, options, said):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    monkeypatch.setattr("microtwin.cli.dataset._IMAGES_S", 4 / 120)
    assert main([*SMALL, "--dry-run", *options]) == 0
    assert said in capsys.readouterr().out


BAD = [
    (["--robots", "19"], "robot 19 is unknown: give"),
    (["--robots", "17"], "robot 17 has no poses: give"),
    (["--robots", "3", "3"], "robot 3 is given twice: give"),
    (["--images-per-sequence", "0"], "images per sequence is 0: give"),
    (["--sequences", "0"], "sequences is 0: give"),
    (["--workers", "0"], "workers is 0: give"),
    (["--seed", "-1"], "seed is -1: give"),
    (["--randomise.na", "2", "1"], "na is 2 to 1: give"),
    (["--randomise.jpeg-quality", "0", "101"], "jpeg_quality is 0 to 101: give"),
    (["--export", "bop", "bop"], "export is bop bop: give"),
    (["--cluster", "nonsense::"], "no cluster answers at nonsense::"),
]


@pytest.mark.parametrize(("options", "named"), BAD, ids=[" ".join(o) for o, _ in BAD])
def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys, options, named):
    if "--cluster" in options:
        pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    assert main(["dataset", "--out", str(tmp_path / "out"), *options]) == 2
    said, error = capsys.readouterr()
    assert error.count("\n") == 1 and error.startswith("microtwin: ") and not said
    assert named in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["dataset", "--help"], ["dataset", "verify", "--help"]])
def test_help(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    text = capsys.readouterr().out
    options = (
        "--task",
        "--robots",
        "--images-per-sequence",
        "--workers",
        "--cluster",
        "--export",
        "--randomise.lean-deg",
    )
    for option in options if len(arguments) == 2 else ("DIR",):
        assert option in text


def test_settings_and_drawn_values_are_saved(made):
    settings = json.loads((made / "dataset.json").read_text())
    assert settings["config"]["robots"] == [3, 7] and settings["config"]["randomise"]["lean_deg"] == 4.0
    assert settings["versions"]["numpy"] == np.__version__
    table = pd.read_parquet(made / "metadata.parquet")
    assert {"condenser_na", "in_plane_deg", "lean_x_deg", "jpeg_quality", "x_um"} <= set(table.columns)
