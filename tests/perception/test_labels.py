"""Labels of a folder as arrays, whoever wrote it, and one line when they do not serve the task."""

import shutil

import numpy as np
import pandas as pd
import pytest

from microtwin.errors import InputError
from microtwin.otmr import layout
from microtwin.otmr.assemble import TABLE
from microtwin.otmr.pose import POSES, Pose
from microtwin.perception.labels import _TABLE, Kind, labelled

THREE, EIGHT = "robot_3_stable_bot_l6s3", "robot_8_robot"


def posed(root, pose, frames=2, depths=None, robot=THREE, sequence=0):
    folder = layout.pose_folder(root, robot, pose)
    folder.mkdir(parents=True, exist_ok=True)
    names = [layout.image_name(robot, sequence, frame) for frame in range(frames)]
    for name in names:
        (folder / name).touch()
    if depths:
        layout.scaled_depth_file(folder).write_text(layout.scaled_depth_lines(names, depths), encoding="utf-8")
    return folder


def deep(root, depths, robot=EIGHT):
    folder = layout.depth_folder(root, robot)
    folder.mkdir(parents=True)
    names = [layout.image_name(robot, 0, frame) for frame in range(len(depths))]
    for name in names:
        (folder / name).touch()
    layout.depth_file(folder).write_text(layout.depth_lines(names, depths), encoding="utf-8")
    return folder


def test_a_generated_set_gives_its_table(toy_set):
    folder = toy_set()
    table = pd.read_parquet(folder / "metadata.parquet")
    found = labelled(folder, "depth")
    assert found.paths == [str(folder / name) for name in table.path]
    np.testing.assert_allclose(found.depth, table.depth_um, rtol=1e-6)
    assert found.depth_unit == "um"
    assert found.pitch_deg.tolist() == table.pitch_deg.tolist() and found.roll_deg.tolist() == table.roll_deg.tolist()
    assert found.robot.tolist() == table.robot.tolist()
    videos = table.groupby(["robot", "sequence"], sort=False).ngroup()
    assert len(set(zip(found.sequence.tolist(), videos, strict=True))) == len(set(videos)) == len(set(found.sequence))


@pytest.mark.parametrize("kind", ["pose", "joint"])
def test_robots_that_only_lie_flat_are_left_out_of_poses(toy_set, kind):
    found = labelled(toy_set(), kind)
    assert set(found.robot.tolist()) == {2}
    there = set(zip(found.pitch_deg.tolist(), found.roll_deg.tolist(), strict=True))
    assert there == {(pose.pitch_deg, pose.roll_deg) for pose in POSES[2]}
    assert np.isfinite(found.depth).all() and found.depth_unit == "um"


def test_of_several_robots_those_asked_for_are_taken(toy_set):
    assert set(labelled(toy_set(), "depth", (8,)).robot.tolist()) == {8}
    assert len(labelled(toy_set(), "depth", (2, 8)).paths) == len(labelled(toy_set(), "depth").paths)
    with pytest.raises(InputError, match=r"has no robot 5: it has robots 2, 8"):
        labelled(toy_set(), "depth", (8, 5))
    with pytest.raises(InputError, match=r"no poses for pose: its images have depths only, ask for depth"):
        labelled(toy_set(), "pose", (8,))


def test_a_real_tree_gives_poses_or_depths_as_asked(tmp_path):
    posed(tmp_path, Pose(0, 0), 2)
    posed(tmp_path, Pose(30, 5), 3)
    deep(tmp_path, [1.5, -2.0])
    poses, depths = labelled(tmp_path, "pose"), labelled(tmp_path, "depth")
    assert poses.pitch_deg.tolist() == [0, 0, 30, 30, 30] and poses.roll_deg.tolist() == [0, 0, 5, 5, 5]
    assert poses.robot.tolist() == [3] * 5 and poses.depth_unit is None and np.isnan(poses.depth).all()
    assert depths.depth.tolist() == [1.5, -2.0] and depths.depth_unit == "um"
    assert depths.pitch_deg.tolist() == depths.roll_deg.tolist() == [-1, -1]
    with pytest.raises(InputError, match="no images with both pose and depth for joint: no image has both"):
        labelled(tmp_path, "joint")


def test_real_depths_of_poses_are_scaled_and_serve_all_tasks(tmp_path):
    posed(tmp_path, Pose(0, 0), 2, [0.25, 1.0])
    for kind in ("pose", "depth", "joint"):
        found = labelled(tmp_path, kind)
        assert found.depth.tolist() == [0.25, 1.0] and found.depth_unit == "scaled"
        assert found.pitch_deg.tolist() == [0, 0]


def test_depths_in_two_units_are_refused_unless_robots_tell_them_apart(tmp_path):
    posed(tmp_path, Pose(0, 0), 2, [0.25, 1.0])
    deep(tmp_path, [1.5, -2.0])
    with pytest.raises(InputError, match="depths in µm and scaled ones: give the robots or the folder of one kind"):
        labelled(tmp_path, "depth")
    assert labelled(tmp_path, "depth", (8,)).depth_unit == "um"
    assert labelled(tmp_path, "joint").depth_unit == "scaled"  # the others have no pose


def test_a_pose_without_depths_among_others_is_named(tmp_path):
    posed(tmp_path, Pose(0, 0), 2, [0.25, 1.0])
    posed(tmp_path, Pose(30, 5), 2)
    for kind in ("depth", "joint"):
        with pytest.raises(InputError, match=r"P30_R5.video_.*_00000_00000\.jpg has no depth while others"):
            labelled(tmp_path, kind)
    assert len(labelled(tmp_path, "pose").paths) == 4


def test_unknown_robots_are_minus_one(tmp_path):
    (tmp_path / "mine" / "P15_R5").mkdir(parents=True)
    (tmp_path / "mine" / "P15_R5" / "a.png").touch()
    found = labelled(tmp_path / "mine", "pose")
    assert found.robot.tolist() == [-1] and found.pitch_deg.tolist() == [15]
    with pytest.raises(InputError, match="has no robot 3: it has images of unknown robots"):
        labelled(tmp_path / "mine", "pose", (3,))


def test_folders_without_labels_are_refused_in_one_line(tmp_path):
    (tmp_path / "robot_08.png").touch()  # a crop that says whose it is, and no more
    needed: dict[Kind, str] = {"pose": "poses", "depth": "depths", "joint": "images with both pose and depth"}
    for kind, what in needed.items():
        with pytest.raises(InputError, match=f"has no {what} for {kind}: give a folder with P30_R5 folders") as caught:
            labelled(tmp_path, kind)
        assert str(tmp_path) in str(caught.value)
    with pytest.raises(InputError, match="is no folder"):
        labelled(tmp_path / "gone", "pose")
    with pytest.raises(InputError, match="kind is 'both': give pose, depth, joint"):
        labelled(tmp_path, "both")  # pyright: ignore[reportArgumentType]


def test_the_table_is_the_generator_s():
    assert _TABLE == TABLE


def test_a_set_that_is_still_being_drawn_is_refused(toy_set, tmp_path):
    shutil.copytree(toy_set(), tmp_path / "set")
    (tmp_path / "set" / "metadata.parquet").unlink()
    with pytest.raises(InputError, match="is not complete: run the command that began it again"):
        labelled(tmp_path / "set", "depth")


@pytest.mark.parametrize("harm", ["text", "column"])
def test_a_table_that_is_none_is_named(harm, tmp_path):
    path = tmp_path / "metadata.parquet"
    if harm == "text":
        path.write_text("path,robot\n")
    else:
        pd.DataFrame({"path": ["a.jpg"]}).to_parquet(path)
    with pytest.raises(InputError, match=r"metadata\.parquet is not a data set's table"):
        labelled(tmp_path, "depth")
