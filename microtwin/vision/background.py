"""A frame divided by its own background: bodies on a field of ones, whatever the lamp does.

The background is fitted anew in every frame, so that a drift of the light changes nothing downstream.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from microtwin.errors import InputError

SMALLEST_FRAME_PX = 32
SAMPLES = 48  # of the background along the longer side of the frame, whatever its size
MIN_SAMPLES = 50


def grey_image(frame: Any) -> np.ndarray:
    """(H, W) uint8 image of a frame, or of an image itself; colour (blue, green, red) becomes grey.

    Raises:
        InputError: no image, not 8 bits, not two-dimensional grey or colour, smaller than 32 px.
    """
    image = getattr(frame, "image", frame)
    if not isinstance(image, np.ndarray):
        raise InputError(f"frame carries {type(image).__name__} for an image: give a (H, W) array of uint8")
    if image.dtype != np.uint8:
        raise InputError(f"frame of type {image.dtype}: give 8-bit pixels (uint8), set the camera to Mono8 or BGR8")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise InputError(f"frame of shape {image.shape}: give (H, W) grey or (H, W, 3) colour")
    if min(image.shape[:2]) < SMALLEST_FRAME_PX:
        raise InputError(f"frame of shape {image.shape}: give {SMALLEST_FRAME_PX} pixels or more either way")
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image


@dataclass(frozen=True)
class Crop:
    """A rectangle of the frame: first row and column, and its height and width, px."""

    row: int
    col: int
    height: int
    width: int

    @staticmethod
    def around(centre_px: np.ndarray, half_px: float, shape: tuple[int, ...]) -> "Crop":
        """The square of ± ``half_px`` around a position, cut to the frame; empty when it lies outside."""
        low = np.clip(np.floor(np.asarray(centre_px) - half_px).astype(int), 0, shape[:2])
        high = np.clip(np.ceil(np.asarray(centre_px) + half_px).astype(int) + 1, 0, shape[:2])
        return Crop(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))

    @property
    def corner(self) -> np.ndarray:
        """(2,) row and column of its first pixel."""
        return np.array([self.row, self.col], dtype=float)

    def of(self, image: np.ndarray) -> np.ndarray:
        return image[self.row : self.row + self.height, self.col : self.col + self.width]


def whole(image: np.ndarray) -> Crop:
    """The crop that is all of the frame."""
    return Crop(0, 0, image.shape[0], image.shape[1])


class Background:
    """The frame without its bodies: a quadratic surface through the pixels near the commonest grey level.

    The commonest level, and not the median, so that bodies may fill more than half of a small frame. A fixed number of
    samples is taken, so that a full frame costs no more than a region of interest.
    """

    def __init__(self, image: np.ndarray):
        self._shape = image.shape
        step = max(1, max(image.shape) // SAMPLES)
        sample = np.ascontiguousarray(image[step // 2 :: step, step // 2 :: step])
        v, u = (self._axis(step // 2 + step * np.arange(n), axis) for axis, n in enumerate(sample.shape))
        v, u = (np.broadcast_to(one, sample.shape).ravel() for one in (v[:, None], u[None, :]))
        grey = sample.ravel().astype(np.float32)
        counts = np.convolve(np.bincount(sample.ravel(), minlength=256), np.ones(9), mode="same")
        self.level = max(float(np.argmax(counts)), 1.0)
        self._terms = np.array([self.level, 0, 0, 0, 0, 0], dtype=np.float32)
        self.noise = 0.0  # standard deviation of one pixel, as a share of the background
        near, terms = np.abs(grey - self.level) < 0.25 * self.level, np.empty((0, 6), dtype=np.float32)
        if np.count_nonzero(near) >= MIN_SAMPLES:
            v, u, grey = v[near], u[near], grey[near]
            terms = np.stack([np.ones_like(u), v, u, v * v, u * v, u * u], axis=-1)
        for _ in range(3 if len(terms) else 0):
            gram = terms.T @ terms + 1e-3 * np.eye(6, dtype=np.float32)
            self._terms = np.linalg.solve(gram, terms.T @ grey)
            off = np.abs(grey - terms @ self._terms)
            spread = max(1.4826 * float(np.median(off)), 0.5)
            self.noise = spread / self.level
            keep = off < 3 * spread
            if np.count_nonzero(keep) < MIN_SAMPLES:
                break
            terms, grey = terms[keep], grey[keep]

    def _axis(self, index: np.ndarray, axis: int) -> np.ndarray:
        return (index / self._shape[axis] - 0.5).astype(np.float32)

    def normalised(self, image: np.ndarray, crop: Crop) -> np.ndarray:
        """(crop) float32: the frame over its background, 1 where there is nothing."""
        v = self._axis(np.arange(crop.row, crop.row + crop.height), 0)[:, None]
        u = self._axis(np.arange(crop.col, crop.col + crop.width), 1)[None, :]
        a = self._terms
        surface = (a[0] + v * (a[1] + a[3] * v)) + u * (a[2] + a[5] * u) + (a[4] * v) * u
        return crop.of(image) / np.maximum(surface, 1.0)


def blurred(normalised: np.ndarray, blur_px: float) -> np.ndarray:
    """Gaussian blur; none at 0."""
    return cv2.GaussianBlur(normalised, (0, 0), blur_px) if blur_px > 0 else normalised
