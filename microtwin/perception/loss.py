"""What a training makes small."""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from microtwin.errors import InputError
from microtwin.perception.source import Labels
from microtwin.perception.task import Task

WIDTH_DEG = 3.0  # of class labels: neighbours are five degrees apart, and a label is not that sure
_IGNORED = -100
LOG_VARIANCES = (-16.0, 8.0)  # beyond these a variance says nothing more


def loss(task: Task, outputs: Tensor, labels: Labels, width_deg: float = WIDTH_DEG) -> Tensor:
    """Mean loss of a batch, a scalar: the sum of what the task has.

    Pitch and roll: cross entropy with labels ``width_deg`` wide, so that five degrees off is less wrong than fifty
    (Díaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019).

    Depth: the squared error of the mean, plus the Gaussian negative log likelihood of the variance, weighted by the
    variance (β = 1 in Seitzer et al., ICLR 2022, eq. 5) and with the residual held fixed. So the mean is the
    least-squares one, and the variance learns the squared error without drowning the rest when errors are small.

    Unknown labels (−1, NaN) count for nothing.

    Args:
        outputs: (n, task.n_outputs); taken to float32.
        width_deg: of the class labels.
        labels: in degrees and the task's unit of depth.

    Raises:
        InputError: an angle that is no class of the task.
    """
    outputs = outputs.float()
    total = outputs.new_zeros(())
    for name, classes, degrees in (
        ("pitch", task.pitches_deg, labels.pitch_deg),
        ("roll", task.rolls_deg, labels.roll_deg),
    ):
        if task.has_pose:
            wanted = classes_of(classes, degrees, name)
            soft = _soft(classes, width_deg, outputs.device)
            total = total + _cross_entropy(outputs[:, task.slices[name]], wanted, soft)
    if task.has_depth:
        mean, log_variance = outputs[:, task.slices["depth"]].unbind(1)
        target = standardised(task, labels.depth)
        known = torch.isfinite(target)
        squared = torch.where(known, (mean - torch.where(known, target, 0.0)) ** 2, 0.0)
        log_variance = log_variance.clamp(*LOG_VARIANCES)
        variance = log_variance.exp()
        likelihood = variance.detach() * (log_variance + squared.detach() / variance)
        each = squared + torch.where(known, likelihood, 0.0)
        total = total + each.sum() / known.sum().clamp(min=1)
    return total


def standardised(task: Task, depth: Tensor) -> Tensor:
    """Depths as the network says them."""
    return (depth - task.depth_mean) / task.depth_sd


def classes_of(classes: tuple[int, ...], degrees: Tensor, name: str = "angle") -> Tensor:
    """(n,) indices of angles among the classes, −100 where the angle is unknown (below 0).

    Raises:
        InputError: an angle that is no class.
    """
    table = _table(classes, degrees.device)
    found = table[degrees.clamp(0, len(table) - 1)]
    found = torch.where(degrees < 0, _IGNORED, found)
    if not degrees.is_cuda and bool((found == -1).any()):  # on a GPU the look would cost a wait: the loss is made NaN
        odd = int(degrees[found == -1][0])
        raise InputError(
            f"an image with {name} {odd}°, which is no class of the task: train on images with all classes"
        )
    return found


@functools.cache
def _table(classes: tuple[int, ...], device: torch.device) -> Tensor:
    """Index by whole degrees, −1 where there is no class."""
    table = torch.full((max(classes) + 2,), -1, dtype=torch.int64)
    for index, angle in enumerate(classes):
        table[angle] = index
    return table.to(device)


@functools.cache
def _soft(classes: tuple[int, ...], width_deg: float, device: torch.device) -> Tensor:
    """(c, c) what each class's label says of every class: a normal distribution of the angle."""
    angles = torch.tensor(classes, dtype=torch.float32, device=device)
    return torch.softmax(-0.5 * ((angles[:, None] - angles) / width_deg) ** 2, dim=1)


def _cross_entropy(logits: Tensor, targets: Tensor, soft: Tensor) -> Tensor:
    known = targets != _IGNORED
    each = -(soft[targets.clamp(min=0)] * F.log_softmax(logits, dim=1)).sum(dim=1)
    each = torch.where(targets == -1, math.nan, each)  # no class: it would be learnt as the first one
    return torch.where(known, each, 0.0).sum() / known.sum().clamp(min=1)
