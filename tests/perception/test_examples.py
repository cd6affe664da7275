"""Pictures in memory are those of the files, each beside its own labels."""

import os
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.examples import _CHUNK, load
from microtwin.perception.image_file import read_image
from microtwin.perception.prepare import prepare

REFERENCE = Path(__file__).parents[2] / "../shared/reference/otmr/robot_03_labelled"


def test_each_picture_stands_beside_its_labels(toy_set):
    examples = load(toy_set(), 32, kind="depth")
    assert examples.images.shape == (len(examples), 32, 32) and examples.images.dtype == np.uint8
    assert examples.size == 32 and examples.kind == "depth" and examples.skipped == ()
    for k in (0, len(examples) // 2, len(examples) - 1):
        np.testing.assert_array_equal(examples.images[k], prepare(read_image(examples.paths[k])[None], 32)[0])
    # the toy's ring is as strong as the depth says: a wrong order would not correlate
    contrast = examples.images.reshape(len(examples), -1).std(axis=1) / examples.images[:, 0, 0]
    flat = (examples.pitch_deg == 0) & (examples.roll_deg == 0)
    assert np.corrcoef(contrast[flat], examples.depth[flat])[0, 1] > 0.9


def test_types_are_as_promised(toy_set):
    examples = load(toy_set(), 16, kind="joint")
    kinds = {field.name: getattr(getattr(examples, field.name), "dtype", None) for field in fields(examples)}
    integers = ("pitch_deg", "roll_deg", "robot")
    assert {name for name, kind in kinds.items() if kind == np.int16} == set(integers)
    assert kinds["sequence"] == np.int32 and kinds["depth"] == np.float32 and kinds["images"] == np.uint8


def test_a_part_is_taken_whole(toy_set):
    examples = load(toy_set(), 16, kind="depth")
    chosen = [5, 2, 2]
    for part in (examples.take(chosen), examples.take(np.array(chosen))):
        assert part.paths == [examples.paths[k] for k in chosen]
        for field in fields(examples):
            value = getattr(examples, field.name)
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(part, field.name), value[chosen])
    mask = examples.robot == 8
    assert len(examples.take(mask)) == mask.sum() and set(examples.take(mask).robot) == {8}
    assert len(examples.take([])) == 0 and examples.take([]).depth_unit == "um"


def test_progress_counts_up_to_all(toy_set):
    told = []
    examples = load(toy_set(), 16, kind="depth", report=lambda done, of: told.append((done, of)))
    assert [done for done, _ in told] == [*range(_CHUNK, len(examples), _CHUNK), len(examples)]
    assert {of for _, of in told} == {len(examples)}


@pytest.fixture
def harmed(tmp_path, write_picture):
    """Eighty pictures, of which some cannot be read; their names."""
    for k in range(80):
        write_picture(tmp_path / "robot_3" / "P30_R5" / f"{k:02d}.png", seed=k)
    bad = [tmp_path / "robot_3" / "P30_R5" / f"{k}.png" for k in (12, 70, 71, 72)]
    bad[0].write_bytes(bad[0].read_bytes()[:-300])
    bad[1].write_bytes(b"no picture")
    bad[2].write_bytes(b"")
    cv2.imwrite(str(bad[3]), np.zeros((100, 100), np.uint8))
    return tmp_path, [str(path) for path in bad]


def test_the_first_picture_that_cannot_be_read_is_named(harmed):
    root, bad = harmed
    with pytest.raises(InputError, match=r"12\.png is cut off") as caught:
        load(root, 32)
    assert bad[0] in str(caught.value) and "\n" not in str(caught.value)


def test_or_all_such_are_left_out_and_listed(harmed):
    root, bad = harmed
    examples = load(root, 32, unreadable="skip")
    assert examples.skipped == tuple(bad)
    assert len(examples) == 76 and not set(bad) & set(examples.paths)
    for k in (11, 12, 75):  # what follows has moved up with its path
        np.testing.assert_array_equal(examples.images[k], prepare(read_image(examples.paths[k])[None], 32)[0])


def test_a_shape_that_is_refused_names_the_file(harmed):
    root, bad = harmed
    for name in bad[:3]:
        os.unlink(name)
    with pytest.raises(InputError, match=r"72\.png: images of 100 × 100 px: give crops"):
        load(root, 32)


def test_nothing_left_is_refused_either_way(tmp_path, write_picture):
    write_picture(tmp_path / "P0_R0" / "a.png")
    (tmp_path / "P0_R0" / "a.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"none of its 1 images can be read, the first: .*a\.png is cut off"):
        load(tmp_path, 32, unreadable="skip")


def test_frames_are_cropped_and_empty_ones_are_unreadable(tmp_path, frame):
    folder = tmp_path / "robot_3" / "P0_R0"
    folder.mkdir(parents=True)
    image, _ = frame()
    cv2.imwrite(str(folder / "a.png"), image)
    cv2.imwrite(str(folder / "b.png"), np.full((488, 678), 110, np.uint8))
    examples = load(tmp_path, 64, unreadable="skip")
    np.testing.assert_array_equal(examples.images, prepare(image[None], 64))
    with pytest.raises(InputError, match=r"b\.png: no robot found"):
        load(tmp_path, 64)


def test_settings_are_checked_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match="size is 8 px: give 16 to 256"):
        load(tmp_path / "gone", 8)
    with pytest.raises(InputError, match="unreadable is 'ignore': give refuse or skip"):
        load(tmp_path / "gone", 32, unreadable="ignore")  # pyright: ignore[reportArgumentType]


def test_the_labelled_crops_of_the_group_are_read():
    if not REFERENCE.is_dir():
        pytest.skip("the reference crops of robot 3 are not here")
    examples = load(REFERENCE, 128, kind="joint")
    assert len(examples) == 12 and examples.depth_unit == "scaled" and set(examples.robot.tolist()) == {3}
    names = [Path(path).stem for path in examples.paths]
    poses = [Pose(int(p), int(r)).name for p, r in zip(examples.pitch_deg, examples.roll_deg, strict=True)]
    assert names == [f"{pose}_depth{depth:.2f}" for pose, depth in zip(poses, examples.depth, strict=True)]
