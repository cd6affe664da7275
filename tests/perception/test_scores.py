"""Scores against scikit-learn, closed forms and cases small enough to count."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, mean_squared_error, r2_score

from microtwin.errors import InputError
from microtwin.perception.scores import coverage, depth_scores, pose_scores

steps = st.sampled_from([0, 15, 30, 45, 60])
four = st.lists(st.tuples(steps, steps, steps, steps), min_size=1, max_size=30).map(lambda rows: np.array(rows).T)


def test_all_right_is_one_and_no_angle():
    scores = pose_scores([0, 30, 60], [0, 5, 45], [0, 30, 60], [0, 5, 45], robot=[3, 3, 3])
    for key, value in scores.items():
        assert value == (0.0 if "_deg" in key else 1.0), key


def test_a_case_to_count_by_hand():
    #              right     pitch off   pitch off   roll off
    true = [(0, 0), (30, 0), (30, 45), (60, 45)]
    given_ = [(0, 0), (0, 0), (60, 45), (60, 0)]
    scores = pose_scores(*np.array(true).T, *np.array(given_).T)
    assert scores["pitch_accuracy"] == 2 / 4 and scores["roll_accuracy"] == 3 / 4 and scores["pose_accuracy"] == 1 / 4
    assert scores["pitch_precision"] == pytest.approx((1 / 2 + 0 + 1 / 2) / 3)  # of 0, 30 and 60
    assert scores["pitch_recall"] == pytest.approx((1 + 0 + 1) / 3)
    assert scores["pitch_f1"] == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
    assert scores["roll_precision"] == pytest.approx((2 / 3 + 1) / 2) and scores["roll_recall"] == pytest.approx(3 / 4)
    assert scores["pitch_median_deg"] == 15 and scores["pitch_mean_deg"] == 15  # 0, 30, 30, 0
    assert scores["roll_median_deg"] == 0 and scores["roll_mean_deg"] == 45 / 4


@given(four)
def test_measures_are_those_of_scikit_learn(poses):
    scores = pose_scores(*poses)
    for name, true, given_ in (("pitch", poses[0], poses[2]), ("roll", poses[1], poses[3])):
        assert scores[f"{name}_accuracy"] == pytest.approx(accuracy_score(true, given_))
        f1 = f1_score(true, given_, average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
        assert scores[f"{name}_f1"] == pytest.approx(f1)


@given(four, st.sampled_from([1, 2, 3, 7, 10, -1]))
def test_a_symmetry_can_only_help(poses, number):
    scores = pose_scores(*poses, robot=np.full(poses.shape[1], number))
    for key in ("pitch_accuracy", "roll_accuracy", "pose_accuracy"):
        assert scores[f"{key}_view"] >= scores[key]
    for key in ("pitch_mean_deg", "roll_mean_deg"):
        assert scores[f"{key}_view"] <= scores[key]
    assert set(scores) == {*(key for key in scores if not key.endswith("_view")), *(f"{k}_view" for k in named(scores))}


def named(scores):
    return [key for key in scores if not key.endswith("_view") and not key.startswith("axis")]


def test_the_other_name_of_a_view_counts_as_right_by_view_alone():
    # robot 10 has four equal arms: tipped about one axis or the other, it looks the same but for a turn in the plane
    scores = pose_scores([45, 30], [0, 30], [0, 30], [45, 30], robot=[10, 10])
    assert scores["pose_accuracy"] == 0.5 and scores["pitch_mean_deg"] == scores["roll_mean_deg"] == 22.5
    assert scores["pose_accuracy_view"] == scores["pitch_accuracy_view"] == scores["roll_f1_view"] == 1.0
    assert scores["pitch_mean_deg_view"] == 0.0 and scores["axis_mean_deg"] == pytest.approx(0.0, abs=1e-5)


def test_robot_3_has_no_such_symmetry_and_an_unknown_robot_none_at_all():
    for robot in ([3], [-1], None):
        scores = pose_scores([45], [0], [0], [45], robot=robot)
        assert scores["pose_accuracy_view"] == 0.0 and scores["axis_median_deg"] > 5
    # seen from the side, pitch is an angle in the plane: that needs no symmetry
    scores = pose_scores([60], [90], [0], [90])
    assert scores["pose_accuracy"] == 0.0 and scores["pose_accuracy_view"] == 1.0


def test_each_robot_has_its_own_symmetry():
    scores = pose_scores([45] * 3, [0] * 3, [0] * 3, [45] * 3, robot=[10, 3, 7])  # four arms, none, a ball
    assert scores["pose_accuracy_view"] == pytest.approx(2 / 3)


def test_axes_are_apart_by_the_angle_between_them():
    scores = pose_scores([10, 90], [0, 0], [25, 90], [0, 60])
    assert scores["axis_mean_deg"] == pytest.approx((15 + 60) / 2)
    # cos of the angle between z after (pitch, roll) and z: the axis of pose (p, r) is at acos(cos p cos r)
    away = math.degrees(math.acos(math.cos(math.radians(30)) * math.cos(math.radians(45))))
    assert pose_scores([0], [0], [30], [45])["axis_median_deg"] == pytest.approx(away)


finite = st.floats(-20, 20)
pairs = st.lists(st.tuples(finite, finite), min_size=2, max_size=40).map(lambda rows: np.array(rows).T)


@given(pairs)
def test_depth_scores_are_those_of_scikit_learn(depths):
    true, given_ = depths
    scores = depth_scores(true, given_)
    assert scores["mse_um2"] == pytest.approx(mean_squared_error(true, given_))
    assert scores["mae_um"] == pytest.approx(mean_absolute_error(true, given_))
    if np.ptp(true) > 1e-3:
        assert scores["r2"] == pytest.approx(r2_score(true, given_))
        if np.ptp(given_) > 1e-3:
            assert scores["correlation"] == pytest.approx(np.corrcoef(true, given_)[0, 1], abs=1e-9)


def test_an_offset_spoils_the_error_and_not_the_correlation():
    true = np.linspace(-6, 6, 25)
    scores = depth_scores(true, 2 * true + 3)
    assert scores["correlation"] == pytest.approx(1.0)
    assert scores["mse_um2"] == pytest.approx(np.mean((true + 3) ** 2)) and scores["mae_um"] > 3
    assert depth_scores(true, -true)["correlation"] == pytest.approx(-1.0)
    assert depth_scores(true, np.full(25, true.mean()))["r2"] == pytest.approx(0.0)


def test_what_has_no_spread_has_no_r2():
    scores = depth_scores([2.0, 2.0], [2.0, 3.0])
    assert math.isnan(scores["r2"]) and math.isnan(scores["correlation"]) and scores["mse_um2"] == 0.5
    assert math.isnan(depth_scores([1.0, 2.0], [0.0, 0.0])["correlation"])


def test_coverage_is_the_share_inside_with_ends():
    true, low = np.arange(4.0), np.array([0.0, 1.5, 1.0, 4.0])
    assert coverage(true, low, low + 1.0) == 0.5
    rng = np.random.default_rng(0)
    error = rng.normal(0, 2.0, 20_000)
    assert coverage(error, np.full(20_000, -3.29), np.full(20_000, 3.29)) == pytest.approx(0.90, abs=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pose_scores([0, 0], [0, 0], [0, 0], [0]), r"scores of arrays \(1,\), \(2,\): give one value"),
        (lambda: pose_scores([], [], [], []), "scores of no images"),
        (lambda: pose_scores([-1], [0], [0], [0]), "pitch is -1°"),
        (lambda: pose_scores([0], [0], [0], [0], robot=[19]), "no robot 19"),
        (lambda: depth_scores([math.nan], [0.0]), "not finite"),
        (lambda: depth_scores(np.zeros((2, 1)), np.zeros((2, 1))), "give one value for each image"),
        (lambda: coverage([0.0], [math.inf], [1.0]), "not finite"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_neighbouring_pose_is_not_the_same_view():
    scores = pose_scores([30], [0], [31], [0], robot=[3])
    assert scores["pose_accuracy_view"] == 0.0 and scores["pitch_mean_deg_view"] == 1.0


def test_views_are_judged_picture_by_picture():
    scores = pose_scores([45, 15], [0, 0], [0, 30], [45, 0], robot=[10, 10])  # another name, then an error of 15°
    assert scores["pitch_mean_deg"] == 30.0 and scores["roll_mean_deg"] == 22.5
    assert scores["pitch_mean_deg_view"] == 7.5 and scores["roll_mean_deg_view"] == 0.0
