"""Splits keep apart what must be apart, and lose nothing."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.examples import Examples
from microtwin.perception.folds import folds, hold_out
from microtwin.perception.labels import Kind

PARTS = ("train", "validation", "test")


def examples(poses, sequence, robot: Any = 3, kind: Kind = "pose") -> Examples:
    """Pictures without pixels: one for each pose and sequence given."""
    n = len(poses)
    pitch = np.array([pose.pitch_deg for pose in poses], dtype=np.int16)
    roll = np.array([pose.roll_deg for pose in poses], dtype=np.int16)
    return Examples(
        images=np.zeros((n, 1, 1), np.uint8),
        pitch_deg=pitch,
        roll_deg=roll,
        depth=np.zeros(n, np.float32),
        depth_unit="um",
        robot=np.broadcast_to(np.array(robot, dtype=np.int16), n).copy(),
        sequence=np.array(sequence, dtype=np.int32),
        paths=[str(k) for k in range(n)],
        kind=kind,
    )


@st.composite
def sets(draw, least=5, most=9):
    """Sets of some poses, each with ``least`` sequences or more, of any lengths, in any order."""
    counts = draw(st.lists(st.integers(least, most), min_size=1, max_size=5))
    labels = [(Pose(5 * k, 0), 100 * k + s) for k, count in enumerate(counts) for s in range(count)]
    frames = [label for label in labels for _ in range(draw(st.integers(1, 4)))]
    frames = draw(st.permutations(frames))
    return examples([pose for pose, _ in frames], [number for _, number in frames])


ways = st.sampled_from(["sequence", "frame"])
seeds = st.integers(0, 2**31)


@given(sets(), st.integers(2, 5), ways, seeds)
def test_every_picture_is_in_one_part_of_each_fold_and_in_one_test(data, n, by, seed):
    found = folds(data, n, by, seed)
    assert len(found) == n
    for fold in found:
        parts = [getattr(fold, part) for part in PARTS]
        assert sorted(np.concatenate(parts).tolist()) == list(range(len(data)))
        assert all(len(part) and (np.diff(part) > 0).all() for part in parts)
    assert sorted(np.concatenate([fold.test for fold in found]).tolist()) == list(range(len(data)))


@given(sets(), st.integers(2, 5), seeds)
def test_no_sequence_is_on_two_sides(data, n, seed):
    for fold in folds(data, n, "sequence", seed):
        sides = [set(data.sequence[getattr(fold, part)].tolist()) for part in PARTS]
        assert not any(one & other for one, other in itertools.combinations(sides, 2))


@given(sets(), seeds)
def test_every_pose_is_trained_on_and_tested_in_every_fold(data, seed):
    poses = set(data.pitch_deg.tolist())
    for fold in folds(data, 5, "sequence", seed):
        assert set(data.pitch_deg[fold.train].tolist()) == poses
        assert set(data.pitch_deg[fold.test].tolist()) == poses


@given(sets(least=1), st.integers(2, 5), ways, seeds)
def test_no_test_takes_more_than_its_part_of_a_pose(data, n, by, seed):
    data = replace(data, kind="depth", robot=data.pitch_deg)  # so that single sequences are no error
    try:
        found = folds(data, n, by, seed)
    except InputError:  # nothing to spare for validation
        return
    of_pose = data.pitch_deg
    number = data.sequence if by == "sequence" else np.arange(len(data))
    for pose in set(of_pose.tolist()):
        there = len(set(number[of_pose == pose].tolist()))
        for fold in found:
            tested = len(set(number[fold.test][of_pose[fold.test] == pose].tolist()))
            assert there // n <= tested <= -(-there // n)


@given(sets(least=2, most=4), seeds)
def test_even_two_sequences_are_enough_to_train_on_each_pose(data, seed):
    if len(set(data.sequence.tolist())) >= 5:
        for fold in folds(data, 5, "sequence", seed):
            assert set(data.pitch_deg[fold.train].tolist()) == set(data.pitch_deg.tolist())


@given(sets(), ways, seeds)
def test_one_seed_one_split(data, by, seed):
    one, other = folds(data, 5, by, seed), folds(data, 5, by, seed)
    for first, second in zip(one, other, strict=True):
        assert all(np.array_equal(getattr(first, part), getattr(second, part)) for part in PARTS)


def test_another_seed_is_another_split():
    data = examples([Pose(5 * k, 0) for k in range(8) for _ in range(10)], range(80))
    tests = [tuple(folds(data, 5, seed=seed)[0].test.tolist()) for seed in range(5)]
    assert len(set(tests)) == 5


def test_parts_have_their_shares():
    data = examples([Pose(5 * k, 0) for k in range(10) for _ in range(40)], np.arange(400) // 4)
    for by in ("sequence", "frame"):
        for fold in folds(data, 5, by):
            assert len(fold.test) == 80
            assert len(fold.validation) == pytest.approx((400 - 80) / 8, abs=4)
            for part in (fold.test, fold.validation):  # and so has each pose
                counts = np.bincount(data.pitch_deg[part] // 5, minlength=10)
                assert counts.max() - counts.min() <= (4 if by == "sequence" else 1)


def test_long_and_short_sequences_are_balanced():
    lengths = [40, 38, 4, 3, 36, 5, 2, 37, 39, 6]
    data = examples([Pose()] * sum(lengths), np.repeat(np.arange(10), lengths))
    sizes = [len(fold.test) for fold in folds(data, 5)]
    assert max(sizes) - min(sizes) <= 2


def test_a_split_by_frame_shares_sequences():
    data = examples([Pose()] * 100, np.arange(100) // 10)
    fold = folds(data, 5, "frame")[0]
    assert set(data.sequence[fold.test]) & set(data.sequence[fold.train])


def test_a_sequence_that_shows_two_poses_stays_on_one_side():
    data = examples([Pose(0, 0), Pose(30, 0)] * 10, np.repeat(np.arange(10), 2))  # each shows two poses
    for fold in folds(data, 5):
        assert not set(data.sequence[fold.test].tolist()) & set(data.sequence[fold.train].tolist())


def test_depths_are_spread_by_robot_whatever_the_pose():
    robots = np.repeat([3, 8, 16], 5)
    poses = [Pose(5 * k, 0) for k in range(15)]  # each has one sequence: no matter for depths
    data = examples(poses, np.arange(15), robots, kind="depth")
    for fold in folds(data, 5):
        assert sorted(data.robot[fold.test].tolist()) == [3, 8, 16]
        assert set(data.robot[fold.train].tolist()) == {3, 8, 16}


def test_too_few_sequences_are_refused_with_the_remedy():
    data = examples([Pose()] * 6, [0, 0, 1, 1, 2, 2])
    with pytest.raises(InputError, match="3 sequences for 5 folds: give 3 folds at most, or split by frame"):
        folds(data, 5)
    assert len(folds(data, 3)) == 3 and len(folds(data, 5, "frame")) == 5
    with pytest.raises(InputError, match=r"6 images for 7 folds: give 6 folds at most$"):
        folds(data, 7, "frame")
    with pytest.raises(InputError, match="1 sequence for 2 folds: give a folder with more of them"):
        folds(data.take([0, 1]), 2)


def test_a_pose_with_one_sequence_cannot_be_learnt_and_tested():
    poses = [Pose(0, 0)] * 5 + [Pose(30, 5)]
    with pytest.raises(InputError, match="pose P30_R5 of robot 3 has 1 sequence, which cannot be both"):
        folds(examples(poses, range(6)), 5)
    assert len(folds(examples(poses, range(6), kind="depth"), 5)) == 5


def test_a_validation_that_would_starve_training_is_refused():
    data = examples([Pose(0, 0), Pose(0, 0), Pose(30, 0), Pose(30, 0)], range(4))
    with pytest.raises(InputError, match="2 sequences to train on, one of each class, and none to spare"):
        folds(data, 2)


@pytest.mark.parametrize(
    ("n", "by", "message"), [(1, "sequence", "folds is 1: give 2 or more"), (5, "video", "split is by 'video'")]
)
def test_settings_that_are_none_are_refused(n, by, message):
    with pytest.raises(InputError, match=message):
        folds(examples([Pose()] * 6, range(6)), n, by)


@given(sets(least=2), ways, seeds)
def test_held_out_pictures_are_a_part_of_every_set(data, by, seed):
    train, validation = hold_out(data, by=by, seed=seed)
    assert sorted([*train.tolist(), *validation.tolist()]) == list(range(len(data)))
    assert len(validation) and set(data.pitch_deg[train].tolist()) == set(data.pitch_deg.tolist())
    if by == "sequence":
        assert not set(data.sequence[train].tolist()) & set(data.sequence[validation].tolist())


def test_a_share_of_groups_is_held_out_in_all():
    data = examples([Pose(5 * k, 0) for k in range(16) for _ in range(3)], range(48))
    assert len(hold_out(data)[1]) == 6  # an eighth of 48, though an eighth of 3 is none
    assert len(hold_out(data, share=0.5)[1]) == 24
    with pytest.raises(InputError, match="none to spare"):
        hold_out(data.take(range(0, 48, 3)))


def test_the_only_sequence_of_a_pose_is_never_held_out():
    poses = [Pose(5 * k, 0) for k in (0, *range(12))]  # one pose has two; an eighth of 13 would be two sequences
    train, validation = hold_out(examples(poses, range(13)))
    assert validation.tolist() in ([0], [1]) and len(train) == 12
