"""Where a training's images come from: a source hands out normalised batches with their labels.

The labels are in physical units, so that a source need not know the task: degrees, and depth as the examples have it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from microtwin.perception.examples import Examples
from microtwin.perception.prepare import normalised


class Labels(NamedTuple):
    """Of a batch of n images.

    Attributes:
        pitch_deg, roll_deg: (n,) int64 whole degrees; −1 is unknown.
        depth: (n,) float32; NaN is unknown.
    """

    pitch_deg: Tensor
    roll_deg: Tensor
    depth: Tensor


class Source(Protocol):
    """Images in an endless number of epochs."""

    size: int  # of an image's sides, pixels

    def __len__(self) -> int:
        """Images in an epoch."""
        ...

    def batches(self, epoch: int, batch: int) -> Iterator[tuple[Tensor, Labels]]:
        """(n, 1, size, size) float32 normalised images and labels, n ≤ batch; the same for the same epoch."""
        ...


@dataclass(frozen=True)
class Augmentation:
    """Changes that leave the labels true. Never a mirror image: poses that mirror each other differ in nothing else.

    The in-plane angle is no label, so every image may be turned. Half of them are turned by whole quarters and moved by
    whole pixels, which changes no grey value: interpolation smooths, and images to be read later are not smoothed.

    Args:
        shift: largest move along each axis, as a fraction of the width (6 px of 256).
        contrast: largest relative change of what stands out from the background.
        blur: largest weight of the 3 × 3 binomial mean; half of the images are not blurred.
        noise: largest standard deviation of white noise, in normalised units (0.03 is about a grey value).
    """

    shift: float = 6.0 / 256.0
    contrast: float = 0.1
    blur: float = 0.5
    noise: float = 0.05

    def moved(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(n, s, s) uint8 turned and shifted; what comes in from outside is background."""
        import cv2

        size = images.shape[-1]
        exact = rng.uniform(size=len(images)) < 0.5
        turns = rng.uniform(0.0, 360.0, len(images))
        turns[exact] = 90.0 * rng.integers(0, 4, int(exact.sum()))
        shifts = self.shift * size * rng.uniform(-1.0, 1.0, (len(images), 2))
        shifts[exact] = np.round(shifts[exact])
        backgrounds = background(images)
        out = np.empty_like(images)
        middle = (size - 1) / 2
        for k, image in enumerate(images):
            matrix = cv2.getRotationMatrix2D((middle, middle), float(turns[k]), 1.0)
            matrix[:, 2] += shifts[k]
            cv2.warpAffine(
                image,
                matrix,
                (size, size),
                dst=out[k],
                flags=cv2.INTER_CUBIC,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=float(backgrounds[k]),
            )
        return out

    def changed(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """(n, 1, s, s) normalised images with other contrast, sharpness and noise."""
        count = len(images)

        def each(values: np.ndarray) -> Tensor:
            return torch.as_tensor(values.astype(np.float32), device=images.device).view(-1, 1, 1, 1)

        weight = self.blur * rng.uniform(size=count) * (rng.uniform(size=count) < 0.5)
        if blurred := np.flatnonzero(weight).tolist():
            soft = images[blurred]
            images[blurred] += each(weight[blurred]) * (_binomial(soft) - soft)
        images *= each(1.0 + self.contrast * rng.uniform(-1.0, 1.0, count))
        generator = torch.Generator().manual_seed(int(rng.integers(2**63)))
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        return images.addcmul_(noise, each(self.noise * rng.uniform(size=count)))


class Stored:
    """Labelled images in memory, as a source.

    Args:
        indices: which of them; None is all.
        augment: how images are changed from epoch to epoch; None leaves them alone.
        shuffle: hand them out in another order each epoch.
        seed: of order and changes.
        device: where the batches are wanted.
    """

    def __init__(
        self,
        examples: Examples,
        indices: np.ndarray | None = None,
        *,
        augment: Augmentation | None = None,
        shuffle: bool = True,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.examples, self.augment, self.shuffle, self.seed = examples, augment, shuffle, seed
        self.indices = np.arange(len(examples)) if indices is None else np.asarray(indices)
        self.device = torch.device(device)
        self.size = int(examples.images.shape[-1])

    def __len__(self) -> int:
        return len(self.indices)

    def batches(self, epoch: int, batch: int) -> Iterator[tuple[Tensor, Labels]]:
        """As :class:`Source` says; batches are of one size to within an image, for none is left over."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.indices) if self.shuffle else self.indices
        for chosen in np.array_split(order, math.ceil(len(self) / batch)):
            images = self.examples.images[chosen]
            if self.augment is not None:
                images = self.augment.moved(images, rng)
            prepared = normalised(torch.as_tensor(images).to(self.device))
            if self.augment is not None:
                prepared = self.augment.changed(prepared, rng)
            yield prepared, self._labels(chosen)

    def _labels(self, chosen: np.ndarray) -> Labels:
        def of(values: np.ndarray, dtype: type) -> Tensor:
            return torch.as_tensor(values[chosen].astype(dtype), device=self.device)

        mine = self.examples
        return Labels(of(mine.pitch_deg, np.int64), of(mine.roll_deg, np.int64), of(mine.depth, np.float32))


def background(images: np.ndarray) -> np.ndarray:
    """(n,) median grey value of the two outermost pixels of (n, s, s) images."""
    sides = (images[:, :2], images[:, -2:], images[:, 2:-2, :2], images[:, 2:-2, -2:])
    return np.median(np.concatenate([side.reshape(len(images), -1) for side in sides], axis=1), axis=1)


def _binomial(images: Tensor) -> Tensor:
    """Mean with weights ¼, ½, ¼ along both axes; edges repeat."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), mode="replicate")
    rows = 0.25 * padded[:, :, :-2] + 0.5 * padded[:, :, 1:-1] + 0.25 * padded[:, :, 2:]
    return 0.25 * rows[..., :-2] + 0.5 * rows[..., 1:-1] + 0.25 * rows[..., 2:]
