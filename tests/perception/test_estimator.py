import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception import checkpoint, networks
from microtwin.perception.calibration import QUANTILE, Calibration
from microtwin.perception.checkpoint import Loaded
from microtwin.perception.estimator import Estimates, Estimator, estimates
from microtwin.perception.task import Task

TASK = Task("joint", (0, 30, 60), (0, 45), (Pose(0, 0), Pose(30, 45), Pose(60, 0)), 1.5, 2.0, "um", (3,))
SMALL = {"widths": [8, 16], "blocks": 1}


def estimator(turns: int = 1, task: Task = TASK, model: nn.Module | None = None, size: int = 32) -> Estimator:
    torch.manual_seed(0)
    model = model or networks.build("twinnet", task.n_outputs, size=size, options=SMALL)
    return Estimator(Loaded(model.eval(), task, "twinnet", size, SMALL, Calibration(2.0, 0.5, 3.0)), turns=turns)


def crops(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 160, (count, 256, 256), dtype=np.uint8)


def depths(estimator: Estimator, images: np.ndarray) -> np.ndarray:
    found = estimator(images).depth_um
    assert found is not None
    return found


def logits(pitch, roll, mean=0.0, log_variance=0.0) -> np.ndarray:
    return np.array([[*np.log(pitch), *np.log(roll), mean, log_variance]])


def test_the_decision_is_the_likeliest_pose_that_exists():
    """Pitch 30 and roll 0 are the likeliest by themselves, and there is no such pose."""
    said = estimates(TASK, logits([0.3, 0.5, 0.2], [0.8, 0.2]), Calibration())
    assert said.pitch_deg is not None and said.roll_deg is not None
    assert (said.pitch_deg[0], said.roll_deg[0]) == (0, 0)
    weights = np.array([0.3 * 0.8, 0.5 * 0.2, 0.2 * 0.8])
    posterior = weights / weights.sum()
    assert said.pitch_probability == pytest.approx([posterior[0]])
    assert said.roll_probability == pytest.approx([posterior[0] + posterior[2]])
    mean = posterior @ [0, 30, 60]
    assert said.pitch_sd_deg == pytest.approx([np.sqrt(posterior @ (np.array([0, 30, 60]) - mean) ** 2)])
    roll = posterior[1]
    assert said.roll_sd_deg == pytest.approx([45 * np.sqrt(roll * (1 - roll))])


def test_calibration_changes_how_sure_it_is():
    outputs = logits([0.7, 0.2, 0.1], [0.5, 0.5], 0.5, np.log(0.01))
    plain, cold = estimates(TASK, outputs, Calibration()), estimates(TASK, outputs, Calibration(0.2, 1.0, 3.0))
    assert plain.pitch_probability is not None and cold.pitch_probability is not None
    assert cold.pitch_probability[0] > plain.pitch_probability[0]
    assert cold.depth_um == plain.depth_um == pytest.approx([1.5 + 2 * 0.5])
    assert plain.depth_sd_um == pytest.approx([0.2]) and cold.depth_sd_um == pytest.approx([0.6])
    assert cold.depth_low_um == pytest.approx([2.5 - QUANTILE * 0.6])
    assert cold.depth_high_um == pytest.approx([2.5 + QUANTILE * 0.6])


def test_parts_of_a_task_have_their_parts_of_the_estimates():
    outputs = logits([0.7, 0.2, 0.1], [0.5, 0.5])
    both = estimates(TASK, outputs, Calibration())
    pose = estimates(dataclasses.replace(TASK, kind="pose"), outputs[:, :5], Calibration())
    depth = estimates(Task("depth", depth_mean=1.5, depth_sd=2.0, depth_unit="um"), outputs[:, 5:], Calibration())
    assert {n for n, v in vars(both.part("pose")).items() if v is not None} == {
        n for n, v in vars(pose).items() if v is not None
    }
    assert {n for n, v in vars(both.part("depth")).items() if v is not None} == {
        n for n, v in vars(depth).items() if v is not None
    }
    assert set(both.row(0)) == {"pitch", "roll", "pitch_probability", "roll_probability", "pitch_sd_deg", "roll_sd_deg",
                                "depth_um", "depth_sd_um", "depth_low_um", "depth_high_um"}  # fmt: skip
    assert isinstance(both.row(0)["pitch"], int)
    scaled = estimates(dataclasses.replace(TASK, depth_unit="scaled"), outputs, Calibration()).row(0)
    assert "depth_scaled" in scaled and "depth_sd_scaled" in scaled and not any("um" in key for key in scaled)
    assert Estimates().row(0) == {}


def test_an_image_is_read_the_same_alone_and_among_others():
    images = crops(70)
    all_at_once, alone = estimator()(images), estimator()(images[66:67])
    for name, values in vars(alone).items():
        if isinstance(values, np.ndarray):
            np.testing.assert_allclose(getattr(all_at_once, name)[66:67], values, rtol=2e-3, atol=2e-3)


def test_the_lamp_does_not_matter():
    images = crops(4) // 2
    one, other = estimator().outputs(images[:, ::8, ::8]), estimator().outputs(images[:, ::8, ::8] * 2)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_averaged_over_four_turns_a_turned_image_is_the_same():
    images = crops(3)
    turned = np.rot90(images, axes=(1, 2)).copy()
    four, two, one = estimator(4), estimator(2), estimator(1)
    np.testing.assert_allclose(depths(four, images), depths(four, turned), atol=1e-4)
    half = np.rot90(images, 2, axes=(1, 2)).copy()
    np.testing.assert_allclose(depths(two, images), depths(two, half), atol=1e-4)
    assert not np.allclose(depths(one, images), depths(one, turned), atol=1e-4)
    mean = np.mean([one.outputs(np.rot90(images[:, ::8, ::8], k, axes=(1, 2)).copy()) for k in range(4)], axis=0)
    np.testing.assert_allclose(four.outputs(images[:, ::8, ::8].copy()), mean, atol=1e-4)
    with pytest.raises(InputError, match="turns is 3"):
        estimator(3)


def test_no_images_give_no_estimates():
    found = estimator()(np.zeros((0, 256, 256), dtype=np.uint8))
    assert found.depth_um is not None and found.pitch_deg is not None
    assert found.depth_um.shape == found.pitch_deg.shape == (0,)


def test_a_checkpoint_is_read_as_it_was_written(tmp_path):
    mine = estimator()
    checkpoint.save(tmp_path / "c.pt", mine.model, TASK, "twinnet", 32, SMALL, mine.loaded.calibration)
    images = crops(3)
    loaded = Estimator.load(tmp_path / "c.pt")
    np.testing.assert_allclose(depths(loaded, images), depths(mine, images), atol=0.02)
    with pytest.raises(InputError, match="images of 40 × 40 px"):
        mine(np.zeros((1, 40, 40), dtype=np.uint8))
