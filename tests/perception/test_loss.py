import math

import pytest
import torch
from torch.nn import functional as F

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.loss import WIDTH_DEG, classes_of, loss
from microtwin.perception.source import Labels
from microtwin.perception.task import Task

POSE = Task("pose", (0, 30, 60), (0, 45), (Pose(0, 0), Pose(30, 45), Pose(60, 0)))
DEPTH = Task("depth", depth_mean=1.0, depth_sd=2.0, depth_unit="um")
JOINT = Task("joint", POSE.pitches_deg, POSE.rolls_deg, POSE.poses, 1.0, 2.0, "um")


def labels(pitch=(0,), roll=(0,), depth=(math.nan,)) -> Labels:
    return Labels(torch.tensor(pitch), torch.tensor(roll), torch.tensor(depth, dtype=torch.float32))


def test_pose_loss_is_two_cross_entropies():
    """Labels of classes far apart are hard ones."""
    outputs = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    mine = loss(POSE, outputs, labels((0, 60, 30, 0), (45, 0, 45, 0), (0.0,) * 4))
    pitch = F.cross_entropy(outputs[:, :3], torch.tensor([0, 2, 1, 0]))
    roll = F.cross_entropy(outputs[:, 3:], torch.tensor([1, 0, 1, 0]))
    assert mine.item() == pytest.approx((pitch + roll).item(), rel=1e-6)


def test_the_likeliest_answer_is_as_wide_as_a_label():
    task = Task("pose", (0, 5, 10, 50), (0,), tuple(Pose(p, 0) for p in (0, 5, 10, 50)))
    densities = [math.exp(-0.5 * (apart / WIDTH_DEG) ** 2) for apart in (5, 0, 5, 45)]
    best = torch.tensor([[*(math.log(d / sum(densities)) for d in densities), 0.0]], requires_grad=True)
    loss(task, best, labels((5,), (0,))).backward()
    assert best.grad is not None and best.grad.abs().max() < 1e-6  # nothing is better

    def cost(said: int) -> float:
        logits = torch.zeros(1, 5)
        logits[0, task.pitches_deg.index(said)] = 5.0
        return loss(task, logits, labels((5,), (0,))).item()

    assert cost(0) == pytest.approx(cost(10))
    assert cost(5) < cost(0) < cost(50)  # five degrees off is less wrong


def test_the_mean_follows_the_squared_error_alone():
    """Whatever the variance says: that is least squares."""
    target = (torch.tensor([3.0, -1.0]) - 1.0) / 2.0
    for log_variance in (-6.0, 0.0, 3.0):
        outputs = torch.tensor([[0.5, log_variance], [-2.0, log_variance]], requires_grad=True)
        loss(DEPTH, outputs, labels((-1, -1), (-1, -1), (3.0, -1.0))).backward()
        assert outputs.grad is not None
        torch.testing.assert_close(outputs.grad[:, 0], 2 * (outputs.detach()[:, 0] - target) / 2)


def test_the_variance_comes_to_rest_at_the_mean_squared_error():
    generator = torch.Generator().manual_seed(0)
    depth = 1.0 + 2.0 * 0.3 * torch.randn(4000, generator=generator)
    found = Labels(torch.full((4000,), -1), torch.full((4000,), -1), depth)
    log_variance = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([log_variance], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        outputs = torch.stack([torch.zeros(4000), log_variance.expand(4000)], dim=1)
        loss(DEPTH, outputs, found).backward()
        optimiser.step()
    assert math.exp(log_variance.item() / 2) == pytest.approx(((depth - 1) / 2).square().mean().sqrt().item(), rel=0.02)


def test_unknown_labels_count_for_nothing():
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(3, 7, generator=generator, requires_grad=True)
    alone = loss(JOINT, outputs[:1], labels((30,), (45,), (2.0,)))
    mixed = loss(JOINT, outputs, labels((30, -1, -1), (45, -1, -1), (2.0, math.nan, math.nan)))
    assert mixed.item() == pytest.approx(alone.item(), rel=1e-6)
    mixed.backward()
    assert outputs.grad is not None and not outputs.grad[1:].any() and outputs.grad[0].all()
    nothing = loss(JOINT, outputs, labels((-1,) * 3, (-1,) * 3, (math.nan,) * 3))
    assert nothing.item() == 0.0


def test_half_precision_outputs_are_scored_in_full():
    outputs = torch.randn(2, 7, generator=torch.Generator().manual_seed(2)).bfloat16()
    found = loss(JOINT, outputs, labels((0, 60), (0, 0), (1.0, 2.0)))
    assert found.dtype == torch.float32
    assert found.item() == loss(JOINT, outputs.float(), labels((0, 60), (0, 0), (1.0, 2.0))).item()


def test_an_angle_that_is_no_class():
    assert classes_of((0, 30, 60), torch.tensor([60, -1, 0, 30])).tolist() == [2, -100, 0, 1]
    for odd in (15, 90):
        with pytest.raises(InputError, match=f"pitch {odd}°, which is no class"):
            classes_of((0, 30, 60), torch.tensor([0, odd]), "pitch")
