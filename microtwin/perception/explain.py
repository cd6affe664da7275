"""Where a network looks: Grad-CAM heat maps (Selvaraju et al., ICCV 2017), as in Fig. 8 of the OTMR paper.

The maps of a late convolution, each weighted by how much it raises what the network said, summed, negatives cut off.
They are as coarse as that layer (8 × 8 for twinnet at 128 px) and drawn out to the image. Each heat map is scaled from
0 to 1 by itself: it says where, not how much.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
import torch

from microtwin.errors import InputError
from microtwin.perception import networks
from microtwin.perception.estimator import Estimates, Estimator
from microtwin.perception.prepare import normalised, prepare
from microtwin.perception.task import Task
from microtwin.perception.torchvision_models import models

Part = Literal["pose", "depth"]
BATCH = 16  # images at once: every layer keeps its values for the way back


def heat_maps(
    estimator: Estimator,
    images: np.ndarray,
    part: Part | None = None,
) -> tuple[np.ndarray, Estimates]:
    """What in each image spoke for the pose that was read from it, or raised the depth.

    Args:
        estimator: the trained network.
        images: (n, H, W) uint8 crops or frames, as :func:`microtwin.perception.prepare.prepare` takes them.
        part: ``pose`` (pitch and roll together) or ``depth``; None is the pose if the network says one.

    Returns:
        (n, s, s) float32 from 0 to 1, s being the network's size, all 0 where nothing speaks for it; and what the
        network said.

    Raises:
        InputError: a part that the network does not say; images that are neither crops nor frames.
    """
    task = estimator.task
    part = part_of(task, part)
    prepared = prepare(images, estimator.size)
    said = estimator.prepared(prepared)
    targets = _targets(task, said, part, len(prepared))
    found = np.zeros(prepared.shape, dtype=np.float32)
    layer, reshape = networks.attention_layer(estimator.model)
    with _grad_cam()(model=estimator.model, target_layers=[layer], reshape_transform=reshape) as camera:
        for start in range(0, len(prepared), BATCH):
            stop = start + BATCH
            batch = normalised(torch.as_tensor(prepared[start:stop]).to(estimator.device))
            batch = batch.contiguous(memory_format=torch.channels_last)
            found[start:stop] = camera(input_tensor=batch, targets=targets[start:stop])
    estimator.model.zero_grad(set_to_none=True)
    return found, said


def part_of(task: Task, part: Part | None = None) -> Part:
    """The part that is explained: the one asked for, or the pose if the network says one.

    Raises:
        InputError: the network does not say it.
    """
    part = part or ("pose" if task.has_pose else "depth")
    if not (task.has_pose if part == "pose" else task.has_depth):
        raise InputError(f"part is {part}, and the checkpoint was trained for {task.kind}: leave --part out")
    return part


def share_on(heat: np.ndarray, outline: np.ndarray) -> float:
    """Share of a heat map (H, W) inside an outline (H, W) bool; NaN if the map is cold all over."""
    total = float(heat.sum(dtype=float))
    return float(heat[outline].sum(dtype=float)) / total if total > 0 else math.nan


def grown(outline: np.ndarray, by_um: float, pixel_um: float) -> np.ndarray:
    """(H, W) bool: the pixels within a distance of an outline."""
    away = cv2.distanceTransform(np.where(outline, 0, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return outline | (away * pixel_um <= by_um) if outline.any() else outline.copy()


def _targets(task: Task, said: Estimates, part: Part, n: int) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """For each image, the number whose cause is asked for, from a row of the network's outputs."""
    if part == "depth":  # the mean; grad-cam's own choice is the largest output, which may be the variance
        return [lambda outputs: outputs[task.slices["depth"].start]] * n
    assert said.pitch_deg is not None and said.roll_deg is not None

    def of(pitch_deg: int, roll_deg: int) -> Callable[[torch.Tensor], torch.Tensor]:
        pitch = task.slices["pitch"].start + task.pitches_deg.index(pitch_deg)
        roll = task.slices["roll"].start + task.rolls_deg.index(roll_deg)
        return lambda outputs: outputs[pitch] + outputs[roll]

    return [of(int(pitch), int(roll)) for pitch, roll in zip(said.pitch_deg, said.roll_deg, strict=True)]


def _grad_cam() -> Any:
    """The class, imported after torchvision, which it uses too and which needs the guard."""
    models()
    from pytorch_grad_cam import GradCAM

    return GradCAM
