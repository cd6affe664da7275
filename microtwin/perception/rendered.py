"""Rendered light as a source of training images: every look is another in-plane angle, place, blur, lamp and noise."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from microtwin.otmr.pose import Pose
from microtwin.perception.camera import Camera
from microtwin.perception.labels import Kind
from microtwin.perception.lights import Lights
from microtwin.perception.prepare import normalised
from microtwin.perception.source import Labels
from microtwin.perception.task import LEAST_SD, Task


@dataclass(eq=False)
class Rendered:
    """A :class:`microtwin.perception.source.Source` whose images never repeat.

    Args:
        size: of the images' sides, pixels.
        seed: of order and cameras.
    """

    lights: Lights
    size: int = 128
    camera: Camera = field(default_factory=Camera)
    seed: int = 0

    def __len__(self) -> int:
        return len(self.lights)

    def batches(self, epoch: int, batch: int) -> Iterator[tuple[Tensor, Labels]]:
        """As the protocol says; in another order each epoch, batches of one size to within an image."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self))
        for chosen in np.array_split(order, math.ceil(len(self) / batch)):
            images = self.camera.expose(self.lights.light[chosen], self.size, rng)
            yield normalised(torch.as_tensor(images)), self._labels(chosen)

    def _labels(self, chosen: np.ndarray) -> Labels:
        lights = self.lights
        return Labels(
            torch.as_tensor(lights.pitch_deg[chosen].astype(np.int64)),
            torch.as_tensor(lights.roll_deg[chosen].astype(np.int64)),
            torch.as_tensor(lights.depth_um[chosen]),
        )


def task_of(lights: Lights, kind: Kind) -> Task:
    """The task that rendered light poses."""
    poses = sorted({Pose(int(p), int(r)) for p, r in zip(lights.pitch_deg, lights.roll_deg, strict=True)})
    posed, deep = kind != "depth", kind != "pose"
    return Task(
        kind=kind,
        pitches_deg=tuple(sorted({p.pitch_deg for p in poses})) if posed else (),
        rolls_deg=tuple(sorted({p.roll_deg for p in poses})) if posed else (),
        poses=tuple(poses) if posed else (),
        depth_mean=float(lights.depth_um.mean(dtype=float)) if deep else math.nan,
        depth_sd=max(float(lights.depth_um.std(dtype=float)), LEAST_SD) if deep else math.nan,
        depth_unit="um" if deep else None,
        robots=tuple(sorted(set(lights.robot.tolist()))),
    )


def held_back(lights: Lights, every: int = 10) -> tuple[Lights, Lights]:
    """For training, and for validation: every tenth sequence of each robot, or its last where it has fewer."""
    out = lights.sequence % every == every - 1
    for robot in np.unique(lights.robot):
        mine = lights.robot == robot
        if not out[mine].any():
            out |= mine & (lights.sequence == lights.sequence[mine].max())
    return lights.take(~out), lights.take(out)
