"""Names and label lines against what the published loaders assume: they are re-enacted here on folders written so."""

import math
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from microtwin.errors import InputError
from microtwin.otmr import layout
from microtwin.otmr.pose import POSES, Pose

ROBOT = "robot_5_satble_bot_cylinder_r3l5"
numbers = st.integers(0, layout.LARGEST)
lengths = st.lists(st.floats(-50, 50), min_size=1, max_size=30)


def picture(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((8, 8), grey, np.uint8))


def names(count: int) -> list[str]:
    return [layout.image_name(ROBOT, 0, frame) for frame in range(count)]


@pytest.fixture
def tree(tmp_path):
    """Two poses with both label files' variants, and one depth folder; the grey value says which image it is."""
    for first, pose in ((10, Pose(0, 0)), (20, Pose(10, 5))):
        folder = layout.pose_folder(tmp_path, ROBOT, pose)
        for frame in range(3):
            picture(folder / layout.image_name(ROBOT, 1, frame), first + frame)
        text = layout.scaled_depth_lines(sorted(os.listdir(folder)), [0.0, 0.5, 1.0])
        layout.scaled_depth_file(folder).write_text(text, encoding="utf-8")
    folder = layout.depth_folder(tmp_path, ROBOT)
    greys = {(0, 99): 40, (0, 100): 41, (1, 2): 42, (1, 12): 43}
    for (sequence, frame), grey in greys.items():
        picture(folder / layout.image_name(ROBOT, sequence, frame), grey)
    text = layout.depth_lines(sorted(os.listdir(folder)), [-1.5, 0.0, 2.25, 12.0])
    layout.depth_file(folder).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_loader_of_poses_finds_every_image_under_its_class(tree):
    found: dict[tuple[int, int], list[int]] = {}
    root = tree / "Image_Pose" / ROBOT
    (root / "notes.txt").write_text("not a class")
    for name in os.listdir(root):
        match = re.match(r"P(\d+)_R(\d+)", name)
        if not match or not (root / name).is_dir():
            continue
        for file in sorted(os.listdir(root / name)):
            if file.lower().endswith((".png", ".jpg", ".jpeg")):
                image = Image.open(root / name / file).convert("RGB").resize((224, 224))
                found.setdefault((int(match[1]), int(match[2])), []).append(round(np.asarray(image).mean()))
    assert found == {(0, 0): [10, 11, 12], (10, 5): [20, 21, 22]}


def test_a_loader_of_depths_pairs_sorted_images_with_lines_of_the_first_text(tree):
    folder = tree / "Image_Depth" / ROBOT
    text = next(name for name in os.listdir(folder) if name.endswith(".txt"))
    depths = [float(line.split()[-1]) for line in (folder / text).read_text().split("\n") if line]
    images = sorted(name for name in os.listdir(folder) if name.endswith(("jpg", "png")))
    greys = [round(np.asarray(Image.open(folder / name)).mean()) for name in images]
    assert [name for name in os.listdir(folder) if name.endswith(".txt")] == [f"{ROBOT}.txt"]
    assert list(zip(greys, depths, strict=True)) == [(40, -1.5), (41, 0.0), (42, 2.25), (43, 12.0)]


def test_a_loader_of_scaled_depths_reads_every_pose_folder(tree):
    found = []
    root = tree / "Image_Pose" / ROBOT
    for folder in sorted(path for path in root.iterdir() if re.fullmatch(r"P\d+_R\d+", path.name, re.IGNORECASE)):
        labels = {}
        for line in (folder / f"{folder.name}_depth.txt").read_text().splitlines():
            parts = line.strip("()").split(",")
            assert len(parts) == 2
            labels[parts[0].strip().strip("'\"")] = float(parts[1])
        for path in sorted(folder.rglob("*.jpg")):
            found.append((round(np.asarray(Image.open(path).convert("L")).mean()), labels[path.name]))
    assert found == [(10, 0.0), (11, 0.5), (12, 1.0), (20, 0.0), (21, 0.5), (22, 1.0)]


def test_folders_and_files_bear_the_published_names(tmp_path):
    folder = layout.pose_folder(tmp_path, ROBOT, Pose(30, 5))
    assert folder.relative_to(tmp_path).as_posix() == f"Image_Pose/{ROBOT}/P30_R5"
    assert layout.scaled_depth_file(folder).name == "P30_R5_depth.txt"
    assert layout.depth_file(layout.depth_folder(tmp_path, ROBOT)) == tmp_path / "Image_Depth" / ROBOT / f"{ROBOT}.txt"
    assert layout.image_name("robot_8_robot", 3, 255) == "video_robot_8_robot_00003_00255.jpg"
    assert layout.scaled_depth_lines(["video_a_00255.jpg"], [0.893]) == "('video_a_00255.jpg', 0.8930)\n"
    assert layout.depth_lines(["video_a_00255.jpg"], [-0.00001]) == "video_a_00255.jpg 0.0000\n"


def test_every_pose_of_the_grid_has_a_folder_of_its_own():
    for poses in POSES.values():
        folders = {layout.pose_folder("", ROBOT, pose) for pose in poses}
        assert len(folders) == len(poses)
        assert {Pose.named(folder.name) for folder in folders} == set(poses)


@given(st.lists(st.tuples(numbers, numbers), min_size=2))
def test_names_sort_as_sequence_and_frame(pairs):
    assert sorted(layout.image_name(ROBOT, *pair) for pair in pairs) == [
        layout.image_name(ROBOT, *pair) for pair in sorted(pairs)
    ]


@given(lengths)
def test_depths_come_back_to_a_tenth_of_a_nanometre(tmp_path_factory, depths):
    path = tmp_path_factory.getbasetemp() / "depths.txt"
    path.write_text(layout.depth_lines(names(len(depths)), depths), encoding="utf-8")
    back = layout.parse_depths(path)
    assert [name for name, _ in back] == names(len(depths))
    assert [depth for _, depth in back] == pytest.approx(depths, abs=0.51e-4)


@given(lengths)
def test_scaled_depths_come_back_and_keep_their_order(tmp_path_factory, depths):
    path = tmp_path_factory.getbasetemp() / "P0_R0_depth.txt"
    parts = layout.scaled(depths)
    path.write_text(layout.scaled_depth_lines(names(len(depths)), parts), encoding="utf-8")
    back = layout.parse_scaled_depths(path)
    assert list(back) == names(len(depths))
    assert list(back.values()) == pytest.approx(parts, abs=0.51e-4)
    if np.ptp(depths) > 0:
        assert back[names(len(depths))[int(np.argmin(depths))]] == 0
        assert back[names(len(depths))[int(np.argmax(depths))]] == 1


def test_a_sequence_that_does_not_move_is_at_0():
    assert layout.scaled([3.0, 3.0]).tolist() == [0.0, 0.0]
    assert layout.scaled([]).tolist() == []


def test_a_label_file_without_names_gives_the_last_column(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("1 0.5 3.25\n2 0.5\t-1e-1\n")
    assert layout.parse_depths(path) == [(None, 3.25), (None, -0.1)]


@pytest.mark.parametrize("bad", ["", "a b", "a,b", "../x", "it's", "(a)", ".hidden"])
def test_a_folder_name_that_would_break_a_line_is_refused(bad):
    for use in (layout.depth_folder, lambda _, name: layout.image_name(name, 0, 0)):
        with pytest.raises(InputError, match=r"give letters, digits"):
            use("", bad)


@pytest.mark.parametrize(("sequence", "frame"), [(-1, 0), (0, -1), (100_000, 0), (0, 100_000)])
def test_numbers_that_would_not_sort_are_refused(sequence, frame):
    with pytest.raises(InputError, match=r"give 0 to 99999"):
        layout.image_name(ROBOT, sequence, frame)


@pytest.mark.parametrize(
    ("files", "depths", "match"),
    [
        (["b.jpg", "a.jpg"], [0, 1], r"image a\.jpg follows b\.jpg"),
        (["a.jpg", "a.jpg"], [0, 1], r"image a\.jpg follows a\.jpg"),
        (["a.jpg"], [0, 1], r"1 images and 2 depths"),
        (["a.jpg"], [math.nan], r"nan"),
    ],
)
def test_labels_that_fit_no_images_are_not_written(files, depths, match):
    for lines in (layout.depth_lines, layout.scaled_depth_lines):
        with pytest.raises(InputError, match=match):
            lines(files, depths)


@pytest.mark.parametrize("depth", [-0.01, 1.01])
def test_a_depth_that_is_not_scaled_is_not_written(depth):
    with pytest.raises(InputError, match=r"give 0 to 1"):
        layout.scaled_depth_lines(["a.jpg"], [depth])


@pytest.mark.parametrize("line", ["", "a.jpg", "a.jpg nan", "a.jpg 1.0um"])
def test_a_broken_line_of_depths_is_named(tmp_path, line):
    path = tmp_path / "one.txt"
    path.write_text(f"a.jpg 1.0\n{line}\nb.jpg 1.0\n")
    with pytest.raises(InputError, match=r"one\.txt, line 2: .* is not a finite number"):
        layout.parse_depths(path)


@pytest.mark.parametrize(
    "line", ["", "('a.jpg' 0.5)", "('a.jpg', 0.5, 1)", "('a.jpg', x)", "('a.jpg', 1.5)", "('', 0.5)"]
)
def test_a_broken_pair_is_named(tmp_path, line):
    path = tmp_path / "P0_R0_depth.txt"
    path.write_text(f"('b.jpg', 0.5)\n{line}\n")
    with pytest.raises(InputError, match=r"P0_R0_depth\.txt, line 2: "):
        layout.parse_scaled_depths(path)


def test_a_name_may_not_come_twice(tmp_path):
    path = tmp_path / "P0_R0_depth.txt"
    path.write_text("('b.jpg', 0.5)\n('b.jpg', 0.5)\n")
    with pytest.raises(InputError, match=r"line 2: b\.jpg has a depth already"):
        layout.parse_scaled_depths(path)


def test_a_label_file_that_is_no_text_or_not_there(tmp_path):
    (tmp_path / "binary.txt").write_bytes(b"\xff\xd8\xff\xe0")
    for name, match in (("binary.txt", "not text"), ("none.txt", "No such file")):
        for parse in (layout.parse_depths, layout.parse_scaled_depths):
            with pytest.raises(InputError, match=match):
                parse(tmp_path / name)
