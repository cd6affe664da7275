"""From a picture to what a network is shown: one scale, one size, the background at zero.

The scale is part of what is learnt, so pictures are not stretched to fit: a crop is OTMR's, 256 × 256 pixels of
0.055 µm, and a full frame of its camera is cropped to that around the robot first.
"""

import operator

import cv2
import numpy as np
import torch
from torch import Tensor

from microtwin.errors import InputError
from microtwin.otmr.framing import CROP, FRAME

SMALLEST = 16
GAIN = 3.0  # robots differ from the background by up to a third or so, but for their brightest spots
LOWEST, HIGHEST = -3.0, 6.0  # after the gain: black, and three times the background
_RIM = 16  # a rim of 1/16 of the width on each side holds no robot but the largest's rings


def prepare(images: np.ndarray, size: int) -> np.ndarray:
    """(n, size, size) uint8 crops, scaled down by averaging over the area of each new pixel.

    Args:
        images: (n, H, W) uint8: crops of 256 × 256 pixels, or frames of 488 × 678 that show one robot.
        size: 16 to 256.

    Raises:
        InputError: another size, shape or type.
        LostError: no robot stands out in a frame.
    """
    images = np.asarray(images)
    check_size(size)
    if images.dtype != np.uint8:
        raise InputError(f"images are {images.dtype}: give grey values from 0 to 255 as uint8")
    if images.ndim != 3 or images.shape[1:] not in (CROP, FRAME):
        shape = " × ".join(map(str, images.shape[1:] if images.ndim == 3 else images.shape))
        raise InputError(
            f"images of {shape or 'no'} px: give crops of {CROP[0]} × {CROP[1]} (0.055 µm each) "
            f"or frames of {FRAME[0]} × {FRAME[1]}"
        )
    if images.shape[1:] == FRAME:
        from microtwin.vision.roi import crop

        images = np.array([crop(image).image for image in images], dtype=np.uint8).reshape(-1, *CROP)
    if size == CROP[0]:
        return images.copy()
    small = np.empty((len(images), size, size), dtype=np.uint8)
    for image, target in zip(images, small, strict=True):
        cv2.resize(image, (size, size), dst=target, interpolation=cv2.INTER_AREA)
    return small


def check_size(size: int) -> None:
    """Raises InputError unless a network's pictures can have that many pixels a side."""
    if not SMALLEST <= operator.index(size) <= CROP[0]:
        raise InputError(f"size is {size} px: give {SMALLEST} to {CROP[0]}, the crops have no more")


def normalised(images: Tensor) -> Tensor:
    """(n, 1, s, s) float32: 3·(grey/background − 1), from −3 to 6, so that the lamp's brightness does not matter.

    The background is the median of the rim, 1/16 of the width on each side.

    Args:
        images: (n, s, s) grey values, uint8 or floating.
    """
    height, width = images.shape[-2:]
    rows, columns = max(height // _RIM, 1), max(width // _RIM, 1)
    sides = images[:, rows:-rows, :columns], images[:, rows:-rows, -columns:]
    rim = torch.cat([part.flatten(1) for part in (images[:, :rows], images[:, -rows:], *sides)], dim=1)
    background = _median(rim).to(torch.float32).clamp_min(1.0)  # a dark picture has none
    grey = images.to(torch.float32) / background[:, None, None]
    return ((grey - 1.0) * GAIN).clamp_(LOWEST, HIGHEST).unsqueeze(1)


def _median(values: Tensor) -> Tensor:
    """(n,) of (n, m), the lower one of two; CUDA's own is not deterministic, a processor's sort is slow."""
    return values.sort(dim=1).values[:, (values.shape[1] - 1) // 2] if values.is_cuda else values.median(dim=1).values
