import dataclasses

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.calibration import QUANTILE, Calibration, calibrate, depth_and_sd, log_posterior
from microtwin.perception.scores import coverage
from microtwin.perception.task import Task

PITCHES, ROLLS = (0, 15, 30, 45), (0, 10)
GRID = tuple(Pose(p, r) for p in PITCHES for r in ROLLS)
TASK = Task("joint", PITCHES, ROLLS, GRID, 1.0, 2.0, "um", (3,))


def truthful(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outputs that mean what they say, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    outputs = rng.normal(0, 2, (count, 8))
    outputs[:, 7] = rng.uniform(-3, 1, count)

    def drawn(logits: np.ndarray) -> np.ndarray:
        return (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)

    pitch, roll = np.array(PITCHES)[drawn(outputs[:, :4])], np.array(ROLLS)[drawn(outputs[:, 4:6])]
    depth = 1 + 2 * (outputs[:, 6] + np.exp(outputs[:, 7] / 2) * rng.normal(size=count))
    return outputs, pitch, roll, depth


def test_what_is_right_already_is_left_alone():
    outputs, pitch, roll, depth = truthful(20_000)
    found = calibrate(TASK, outputs, pitch, roll, depth)
    assert found.pitch_temperature == pytest.approx(1.0, abs=0.05)
    assert found.roll_temperature == pytest.approx(1.0, abs=0.05)
    assert found.depth_factor == pytest.approx(1.0, abs=0.03) and found.images == 20_000


@pytest.mark.parametrize(("pitch_by", "roll_by"), [(3.0, 0.5), (0.4, 1.0)])
def test_temperatures_undo_a_known_scaling(pitch_by, roll_by):
    outputs, pitch, roll, depth = truthful(20_000)
    outputs[:, :4] *= pitch_by
    outputs[:, 4:6] *= roll_by
    found = calibrate(TASK, outputs, pitch, roll, depth)
    assert found.pitch_temperature == pytest.approx(pitch_by, rel=0.05)
    assert found.roll_temperature == pytest.approx(roll_by, rel=0.05)


@pytest.mark.parametrize("count", [20, 500])
def test_images_that_are_all_read_right_do_not_make_it_certain(count):
    rng = np.random.default_rng(0)
    outputs, pose = rng.normal(0, 0.5, (count, 8)), rng.integers(0, len(GRID), count)
    index = TASK.pose_indices[pose]
    outputs[np.arange(count), index[:, 0]] += 8
    outputs[np.arange(count), 4 + index[:, 1]] += 8
    found = calibrate(TASK, outputs, np.array(PITCHES)[index[:, 0]], np.array(ROLLS)[index[:, 1]], np.full(count, 1.0))
    posterior = np.exp(
        log_posterior(TASK, outputs, pitch_temperature=found.pitch_temperature, roll_temperature=found.roll_temperature)
    )
    doubt = 1.0 - posterior[np.arange(count), pose].mean()
    assert 0.5 / (count + 1) < doubt < 4.0 / (count + 1)  # of the next one being another: about one in so many


@pytest.mark.parametrize("wrong", [0.2, 1.0, 5.0])
def test_intervals_of_a_wrong_sigma_are_repaired(wrong):
    outputs, pitch, roll, depth = truthful(4_000)
    outputs[:, 7] += 2 * np.log(wrong)  # it thinks itself worse, or better, than it is
    found = calibrate(TASK, outputs, pitch, roll, depth)
    assert found.depth_factor == pytest.approx(1 / wrong, rel=0.06)
    outputs, _, _, depth = truthful(10_000, seed=1)
    outputs[:, 7] += 2 * np.log(wrong)
    mean, sd = depth_and_sd(TASK, outputs)
    half = QUANTILE * found.depth_factor * sd
    assert coverage(depth, mean - half, mean + half) == pytest.approx(0.9, abs=0.02)


def test_errors_that_are_not_normal_are_covered_too():
    rng = np.random.default_rng(3)
    outputs = np.zeros((4_000, 8))
    calm = Calibration()
    depth = 1 + 2 * rng.standard_t(2, 4_000)
    found = calibrate(TASK, outputs, np.full(4_000, 0), np.full(4_000, 0), depth)
    half = QUANTILE * found.depth_factor * 2
    fresh = 1 + 2 * rng.standard_t(2, 20_000)
    assert np.mean(abs(fresh - 1) <= half) == pytest.approx(0.9, abs=0.02)
    assert np.mean(abs(fresh - 1) <= QUANTILE * calm.depth_factor * 2) < 0.87  # what it repairs


def test_the_posterior_is_one_over_the_poses_that_exist():
    task = dataclasses.replace(TASK, poses=(Pose(0, 0), Pose(15, 10), Pose(45, 0)))
    outputs = np.random.default_rng(0).normal(0, 3, (50, 8))
    found = np.exp(log_posterior(task, outputs))
    assert found.shape == (50, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    pitch, roll = np.exp(outputs[:, :4]), np.exp(outputs[:, 4:6])
    weights = np.stack([pitch[:, 0] * roll[:, 0], pitch[:, 1] * roll[:, 1], pitch[:, 3] * roll[:, 0]], axis=1)
    np.testing.assert_allclose(found, weights / weights.sum(axis=1, keepdims=True))
    assert np.isfinite(log_posterior(task, 1e3 * outputs)).all()


def test_without_images_or_labels_nothing_is_changed():
    none = np.zeros((0, 8))
    assert calibrate(TASK, none, none[:, 0], none[:, 0], none[:, 0]) == Calibration()
    outputs, pitch, _, depth = truthful(10)
    unknown = calibrate(TASK, outputs, np.full(10, -1), np.full(10, -1), np.full(10, np.nan))
    assert unknown == Calibration(images=10)
    depth_task = Task("depth", depth_mean=1.0, depth_sd=2.0, depth_unit="um")
    assert calibrate(depth_task, outputs[:, 6:], pitch, pitch, depth).pitch_temperature == 1.0


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), "hot"])
def test_a_calibration_that_cannot_be(value):
    with pytest.raises(InputError, match="calibrate again"):
        Calibration(depth_factor=value)
