"""Folders of the group's kinds, written small, come back as the samples that went in."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr import layout
from microtwin.otmr.pose import Pose
from microtwin.otmr.read import Sample, read

REFERENCE = Path(__file__).parents[2] / "../shared/reference/otmr"
POSED, DEEP = "robot_3_stable_bot_l6s3", "robot_10_eight_ball"
JPEG = cv2.imencode(".jpg", np.full((4, 6), 90, np.uint8))[1].tobytes()


def write_pose(root: Path, robot: str, pose: Pose, frames: int, depths=None, sequence: int = 0) -> Path:
    folder = layout.pose_folder(root, robot, pose)
    folder.mkdir(parents=True)
    names = [layout.image_name(robot, sequence, frame) for frame in range(frames)]
    for name in names:
        (folder / name).write_bytes(JPEG)
    if depths is not None:
        layout.scaled_depth_file(folder).write_text(layout.scaled_depth_lines(names, depths), encoding="utf-8")
    return folder


def write_depths(root: Path, robot: str, sequences: list[list[float]]) -> Path:
    folder = layout.depth_folder(root, robot)
    folder.mkdir(parents=True)
    names = [layout.image_name(robot, k, frame) for k, depths in enumerate(sequences) for frame in range(len(depths))]
    for name in names:
        (folder / name).write_bytes(JPEG)
    text = layout.depth_lines(names, [depth for depths in sequences for depth in depths])
    layout.depth_file(folder).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tree(tmp_path):
    write_pose(tmp_path, POSED, Pose(0, 0), 2, sequence=4)
    write_pose(tmp_path, POSED, Pose(30, 5), 3, [0.0, 0.25, 1.0])
    write_depths(tmp_path, DEEP, [[1.5, -2.0], [0.125]])
    return tmp_path


def told(samples: list[Sample]) -> list[tuple]:
    return [(one.robot, one.robot_folder, one.pose, one.depth, one.depth_unit, one.sequence) for one in samples]


def test_a_whole_tree_comes_back_with_every_label(tree):
    samples = read(tree)
    video = f"{POSED}/video_{POSED}_"
    assert told(samples) == [
        (3, POSED, Pose(0, 0), None, None, video + "00004"),
        (3, POSED, Pose(0, 0), None, None, video + "00004"),
        (3, POSED, Pose(30, 5), 0.0, "scaled", video + "00000"),
        (3, POSED, Pose(30, 5), 0.25, "scaled", video + "00000"),
        (3, POSED, Pose(30, 5), 1.0, "scaled", video + "00000"),
        (10, DEEP, None, 1.5, "um", f"{DEEP}/video_{DEEP}_00000"),
        (10, DEEP, None, -2.0, "um", f"{DEEP}/video_{DEEP}_00000"),
        (10, DEEP, None, 0.125, "um", f"{DEEP}/video_{DEEP}_00001"),
    ]
    image = samples[0].image()
    assert image.shape == (4, 6) and image.dtype == np.uint8
    assert image.mean() == pytest.approx(90, abs=1)


def test_every_part_of_a_tree_reads_alone(tree, monkeypatch):
    everything = read(tree)
    posed, deep = everything[:5], everything[5:]
    assert read(tree / "Image_Pose") == posed
    assert read(tree / "Image_Pose" / POSED) == posed
    assert read(tree / "Image_Pose" / POSED / "P30_R5") == posed[2:]
    assert read(tree / "Image_Depth") == deep
    assert read(tree / "Image_Depth" / DEEP) == deep
    monkeypatch.chdir(tree / "Image_Depth" / DEEP)
    assert read(".") == deep


def test_pose_folders_without_a_robot_and_names_without_a_video(tmp_path):
    for name in ("P0_R0", "p15_r5", "notes"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for file in ("b.PNG", "a.jpeg", ".half-written.jpg", "read.me"):
            (tmp_path / "mine" / name / file).write_bytes(JPEG)
    samples = read(tmp_path / "mine")
    assert [sample.path.name for sample in samples] == ["a.jpeg", "b.PNG"] * 2
    assert {sample.robot for sample in samples} == {None}
    assert [sample.sequence for sample in samples] == ["mine/P0_R0"] * 2 + ["mine/p15_r5"] * 2
    assert [sample.pose for sample in samples] == [Pose(0, 0)] * 2 + [Pose(15, 5)] * 2


def test_crops_say_what_they_show_in_their_names(tmp_path):
    folder = tmp_path / "robot_03_labelled"
    folder.mkdir()
    for name in ("P60_R30_depth0.54.png", "P0_R0.jpg", "robot_17_frame_00016.png", "robot_08.png", "robot_3_P5_R0.png"):
        (folder / name).write_bytes(JPEG)
    (folder / "readme.txt").write_text("not labels")
    assert told(read(folder)) == [
        (3, folder.name, Pose(0, 0), None, None, f"{folder.name}/P0_R0"),
        (3, folder.name, Pose(60, 30), 0.54, "scaled", f"{folder.name}/P60_R30"),
        (8, folder.name, None, None, None, f"{folder.name}/robot_08"),
        (17, folder.name, None, None, None, f"{folder.name}/robot_17"),
        (3, folder.name, Pose(5, 0), None, None, f"{folder.name}/robot_3_P5_R0"),
    ]


grid = st.sampled_from(range(0, 95, 5))
labels = st.dictionaries(
    st.builds(Pose, grid, grid), st.lists(st.floats(0, 1), min_size=1, max_size=3), min_size=1, max_size=4
)


@given(labels)
def test_poses_and_scaled_depths_make_the_round_trip(tmp_path_factory, posed):
    root = tmp_path_factory.mktemp("tree")
    for pose, depths in posed.items():
        write_pose(root, POSED, pose, len(depths), depths)
    samples = read(root)
    back = {pose: [one.depth for one in samples if one.pose == pose] for pose in {one.pose for one in samples}}
    assert back == {pose: pytest.approx(depths, abs=0.51e-4) for pose, depths in posed.items()}


@given(st.lists(st.lists(st.floats(-20, 20), min_size=1, max_size=4), min_size=1, max_size=3))
def test_depths_make_the_round_trip(tmp_path_factory, sequences):
    root = tmp_path_factory.mktemp("tree")
    write_depths(root, DEEP, sequences)
    samples = read(root)
    assert [one.depth for one in samples] == pytest.approx([d for depths in sequences for d in depths], abs=0.51e-4)
    assert len({one.sequence for one in samples}) == len(sequences)


def test_images_and_lines_must_be_as_many(tree):
    first = min((tree / "Image_Depth" / DEEP).glob("*.jpg"))
    first.unlink()
    with pytest.raises(InputError, match=r"robot_10_eight_ball\.txt has 3 lines for 2 images"):
        read(tree)


def test_lines_must_name_the_images_in_their_order(tree):
    labels = layout.depth_file(tree / "Image_Depth" / DEEP)
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join([lines[1], lines[0], lines[2]]))
    with pytest.raises(InputError, match=r"line 1 names .*_00001\.jpg where .*_00000\.jpg comes: sort"):
        read(tree)


@pytest.mark.parametrize("count", [0, 2])
def test_a_depth_folder_has_one_label_file(tree, count):
    folder = tree / "Image_Depth" / DEEP
    (folder / "more.txt").write_text("")
    if not count:
        (folder / "more.txt").unlink()
        layout.depth_file(folder).unlink()
    with pytest.raises(InputError, match=rf"holds 3 images and {count} \.txt files"):
        read(tree)


def test_a_pose_folder_labels_each_of_its_images(tree):
    folder = tree / "Image_Pose" / POSED / "P30_R5"
    (folder / "stray.jpg").write_bytes(JPEG)
    with pytest.raises(InputError, match=r"P30_R5_depth\.txt has 3 lines for 4 images, stray\.jpg is on one side only"):
        read(tree)
    (folder / "stray.jpg").unlink()
    (folder / layout.image_name(POSED, 0, 1)).unlink()
    with pytest.raises(InputError, match=r"3 lines for 2 images, .*_00001\.jpg is on one side"):
        read(tree)


def test_a_broken_label_is_named_with_its_file_and_line(tree):
    layout.depth_file(tree / "Image_Depth" / DEEP).write_text("a 1\nb two\nc 3\n")
    with pytest.raises(InputError, match=r"robot_10_eight_ball\.txt, line 2: 'two' is not a finite number"):
        read(tree)


def test_a_pose_that_cannot_be_is_named_with_its_folder(tmp_path):
    (tmp_path / "P100_R0").mkdir()
    with pytest.raises(InputError, match=r"P100_R0: pitch is 100°"):
        read(tmp_path)


def test_a_crop_of_another_name_is_named(tmp_path):
    for name in ("robot_08.png", "holiday.png"):
        (tmp_path / name).write_bytes(JPEG)
    with pytest.raises(InputError, match=r"holiday\.png: name it as P30_R5_depth0\.81\.png or robot_08\.png"):
        read(tmp_path)


def test_a_folder_with_nothing_known_says_what_was_expected(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no images that are known: give a folder with Image_Pose and Image_Depth"
    ):
        read(tmp_path)
    (tmp_path / "Image_Pose").mkdir()
    with pytest.raises(InputError, match=r"holds no images"):
        read(tmp_path)
    with pytest.raises(InputError, match=r"is no folder: give one with Image_Pose"):
        read(tmp_path / "gone")


def test_an_image_that_is_gone_or_broken_is_named(tree):
    sample = read(tree)[0]
    for data in (b"", b"not a picture"):
        sample.path.write_bytes(data)
        with pytest.raises(InputError, match=r"_00000\.jpg is no image"):
            sample.image()
    sample.path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*_00000\.jpg \(No such file"):
        sample.image()


def test_the_real_crops_read_as_what_they_are():
    if not REFERENCE.is_dir():
        pytest.skip("the real OTMR crops are not beside the project")
    posed, others = read(REFERENCE / "robot_03_labelled"), read(REFERENCE / "real")
    assert {(one.robot, one.depth_unit) for one in posed} == {(3, "scaled")}
    assert all(one.pose and f"{one.pose.name}_depth{one.depth}" == one.path.stem for one in posed)
    assert {one.robot for one in others} >= {1, 2, 3, 7, 8, 10, 15, 16, 17}
    assert sum(one.robot == 17 for one in others) == 4
    assert len({one.sequence for one in others if one.robot == 17}) == 1
    assert {one.image().shape for one in posed + others} == {(256, 256)}
