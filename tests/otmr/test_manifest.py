"""Verify: silent about what is as written, and naming each kind of damage."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from microtwin.errors import InputError
from microtwin.otmr.generate import generate
from microtwin.otmr.manifest import verify
from microtwin.otmr.plan import Plan

sys.path.insert(0, str(Path(__file__).parent))

import cheap

POSE = "Image_Pose/robot_3_stable_bot_l6s3/P30_R5"
DEPTH = "Image_Depth/robot_8_robot"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "set"
    generate(Plan("both", (3, 8), 2, 2, 1), folder, draw=cheap.draw)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "set"))


def seal(folder: Path) -> None:
    """A manifest of what is there now, as a tool that did not know labels would write it."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in names
        if name != "manifest.sha256"
    ]
    (folder / "manifest.sha256").write_text("".join(lines))


def test_what_was_written_has_no_problems(made):
    calls: list[tuple[int, int]] = []
    found = verify(made, lambda done, of: calls.append((done, of)))
    assert found.problems == []
    assert found.images == 41 * 2 * 2
    assert found.files == found.images + 41 + 2 == len(calls)  # label files, the table, the settings
    assert calls[-1] == (len(calls), len(calls))


def test_the_manifest_is_sha256sums(made):
    done = subprocess.run(["sha256sum", "--strict", "--quiet", "-c", "manifest.sha256"], cwd=made, capture_output=True)
    assert done.returncode == 0, done.stderr


def first_image(folder: Path, under: str) -> Path:
    return sorted((folder / under).glob("*.jpg"))[0]


def lose(folder):
    path = first_image(folder, POSE)
    path.unlink()
    return f"{path.relative_to(folder).as_posix()} is missing"


def cut(folder):
    path = first_image(folder, DEPTH)
    path.write_bytes(path.read_bytes()[:-20])
    return f"{path.relative_to(folder).as_posix()} has changed"


def flip(folder):
    path = folder / "metadata.parquet"
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    return "metadata.parquet has changed"


def add(folder):
    shutil.copy(first_image(folder, DEPTH), folder / DEPTH / "holiday.jpg")
    return f"{DEPTH}/holiday.jpg is not the data set's"


def add_deep(folder):
    (folder / "Image_Pose" / "mine" / "notes").mkdir(parents=True)
    (folder / "Image_Pose" / "mine" / "notes" / ".a").write_text("x")
    return "Image_Pose/mine/notes/.a is not the data set's"


def lose_table(folder):
    (folder / "metadata.parquet").unlink()
    return "metadata.parquet is missing"


def lose_labels(folder):
    (folder / DEPTH / "robot_8_robot.txt").unlink()
    return f"{DEPTH}/robot_8_robot.txt is missing"


@pytest.mark.parametrize("damage", [lose, cut, flip, add, add_deep, lose_table, lose_labels])
def test_damaged_files_are_named(copy, damage):
    said = damage(copy)
    assert said in verify(copy).problems


def fewer_labels(folder):
    path = folder / DEPTH / "robot_8_robot.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    return f"{DEPTH}/robot_8_robot.txt has 3 lines for 4 images"


def other_depth(folder):
    path = folder / POSE / "P30_R5_depth.txt"
    lines = path.read_text().splitlines(keepends=True)
    name = lines[1].split("'")[1]
    path.write_text("".join([lines[0], f"('{name}', 0.4321)\n", *lines[2:]]))
    return f"{POSE}/P30_R5_depth.txt and metadata.parquet disagree on {name}"


def bad_label(folder):
    (folder / POSE / "P30_R5_depth.txt").write_text("deep\n")
    return "no pair"


def no_labels(folder):
    (folder / DEPTH / "robot_8_robot.txt").unlink()
    return f"{DEPTH} has no label file"


def fewer_rows(folder):
    table = pd.read_parquet(folder / "metadata.parquet")
    table.iloc[1:].to_parquet(folder / "metadata.parquet", index=False)
    return f"metadata.parquet has 163 rows for 164 images, {table.path[0]} is on one side only"


def other_pose(folder):
    table = pd.read_parquet(folder / "metadata.parquet")
    table.loc[table.path.str.contains("P30_R5/"), "pitch_deg"] = 45
    table.to_parquet(folder / "metadata.parquet", index=False)
    return f"{POSE} and metadata.parquet disagree on the pose"


def no_table(folder):
    (folder / "metadata.parquet").write_bytes(b"PAR1")
    return "metadata.parquet cannot be read"


def no_column(name):
    def damage(folder):
        table = pd.read_parquet(folder / "metadata.parquet")
        table.drop(columns=name).to_parquet(folder / "metadata.parquet", index=False)
        return f"metadata.parquet has no column {name}"

    return damage


def no_numbers(folder):
    table = pd.read_parquet(folder / "metadata.parquet")
    table.assign(depth_um="deep").to_parquet(folder / "metadata.parquet", index=False)
    return "metadata.parquet has no numbers in column depth_um"


def no_text(folder):
    table = pd.read_parquet(folder / "metadata.parquet")
    table.assign(path=3).to_parquet(folder / "metadata.parquet", index=False)
    return "metadata.parquet has no text in column path"


COLUMNS = [no_column(name) for name in ("path", "task", "pitch_deg", "roll_deg", "depth_um", "depth_scaled")]
LABELS = [fewer_labels, other_depth, bad_label, no_labels, fewer_rows, other_pose, no_table, no_numbers, no_text]


@pytest.mark.parametrize("damage", [*LABELS, *COLUMNS])
def test_labels_that_do_not_fit_are_named_even_where_checksums_do(copy, damage):
    said = damage(copy)
    seal(copy)
    problems = verify(copy).problems
    assert any(said in problem for problem in problems), problems


def test_a_folder_that_cannot_be_read_is_one_error(copy, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if Path(path) == copy / DEPTH:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=f"cannot read .*{DEPTH}/? .Permission denied.: give"):
        verify(copy)


def test_exports_are_left_out(copy):
    (copy / "bop").mkdir()
    (copy / "bop" / "x").write_text("x")
    assert verify(copy).problems == []


def test_what_is_no_complete_data_set_is_an_error(copy, tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*dataset\.json"):
        verify(tmp_path)
    (copy / "manifest.sha256").write_text("no sums\n")
    with pytest.raises(InputError, match="line 1 is no checksum"):
        verify(copy)
    (copy / "manifest.sha256").unlink()
    with pytest.raises(InputError, match="is not complete: run the command that began it again"):
        verify(copy)
