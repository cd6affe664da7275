import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.labels import Kind
from microtwin.perception.task import LEAST_SD, Task

POSES = st.lists(st.builds(Pose, st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=12, unique=True)


def of_poses(poses, kind: Kind = "joint", **more) -> Task:
    return Task(
        kind,
        tuple(sorted({p.pitch_deg for p in poses})),
        tuple(sorted({p.roll_deg for p in poses})),
        tuple(sorted(poses)),
        **more,
    )


@given(POSES, st.floats(-10, 10), st.floats(0.1, 10))
def test_a_task_survives_json(poses, mean, sd):
    task = of_poses(poses, depth_mean=mean, depth_sd=sd, depth_unit="um", robots=(3, 8))
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
    flat = Task.from_json(json.loads(json.dumps(of_poses(poses, "pose").to_json())))
    assert math.isnan(flat.depth_mean) and flat.poses == task.poses and flat.depth_unit is None


@given(POSES, st.sampled_from(["pose", "depth", "joint"]))
def test_every_output_has_one_meaning(poses, kind):
    task = of_poses(poses, kind) if kind != "depth" else Task(kind, depth_mean=0.0, depth_sd=1.0)
    covered = sorted(k for part in task.slices.values() for k in range(task.n_outputs)[part])
    assert covered == list(range(task.n_outputs))
    assert (
        set(task.slices) == {"pose": {"pitch", "roll"}, "depth": {"depth"}, "joint": {"pitch", "roll", "depth"}}[kind]
    )


@given(POSES)
def test_indices_of_poses_point_at_their_classes(poses):
    task = of_poses(poses, "pose")
    found = {Pose(task.pitches_deg[p], task.rolls_deg[r]) for p, r in task.pose_indices}
    assert found == set(poses) and len(task.pose_indices) == len(poses)


def test_the_task_of_examples(toy_examples):
    examples = toy_examples(kind="joint")
    task = Task.of(examples, "joint")
    assert task.pitches_deg == (0, 30, 60) and task.rolls_deg == (0, 45) and task.robots == (3,)
    assert task.poses == (Pose(0, 0), Pose(30, 0), Pose(30, 45), Pose(60, 45)) and task.n_outputs == 3 + 2 + 2
    assert task.depth_mean == pytest.approx(examples.depth.mean()) and task.depth_sd == pytest.approx(
        examples.depth.std()
    )
    depth = Task.of(examples, "depth")
    assert not depth.poses and depth.n_outputs == 2 and depth.slices == {"depth": slice(0, 2)}
    assert math.isnan(Task.of(examples, "pose").depth_sd)


def test_one_depth_alone_can_be_standardised(toy_examples):
    examples = toy_examples(kind="depth")
    still = dataclasses.replace(examples, depth=np.full(len(examples), 2.0, dtype=np.float32))
    assert Task.of(still, "depth").depth_sd == LEAST_SD


def test_examples_without_labels_are_refused(toy_examples):
    examples = toy_examples(kind="joint")
    depth = examples.depth.copy()
    depth[:3] = np.nan
    with pytest.raises(InputError, match=f"3 of {len(examples)} images have no depth"):
        Task.of(dataclasses.replace(examples, depth=depth), "joint")
    with pytest.raises(InputError, match=r"1 of .* have no pose"):
        pitch = examples.pitch_deg.copy()
        pitch[5] = -1
        Task.of(dataclasses.replace(examples, pitch_deg=pitch), "pose")
    with pytest.raises(InputError, match="no images"):
        Task.of(examples.take([]), "pose")
    with pytest.raises(InputError, match="task 'colour'"):
        Task.of(examples, "colour")  # pyright: ignore[reportArgumentType]


def test_a_class_that_the_task_does_not_know(toy_examples):
    task = Task.of(toy_examples(poses=(Pose(0, 0), Pose(30, 0))), "pose")
    with pytest.raises(InputError, match="pitch 60°, and the checkpoint knows 0, 30°"):
        task.check(toy_examples())
    task.check(toy_examples(poses=(Pose(30, 0),)))
    Task.of(toy_examples(kind="depth"), "depth").check(toy_examples())


@pytest.mark.parametrize("change", [{"kind": "colour"}, {"poses": ["P1"]}, {"pitches_deg": ["x"]}, {"robots": None}])
def test_json_that_is_no_task(toy_examples, change):
    values = Task.of(toy_examples(), "pose").to_json()
    with pytest.raises(InputError, match="a task that cannot be read"):
        Task.from_json(values | change)
    with pytest.raises(InputError, match="a task that cannot be read"):
        Task.from_json({name: value for name, value in values.items() if name not in change})
