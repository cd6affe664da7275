"""The masks of section III of the pushing paper: threshold, blur and dilation, one set for each body.

The thresholds act on the frame divided by its own background, which is fitted anew in every frame: a drift of the lamp
changes nothing. By default they act on the contrast |I / background − 1|, because the bright centre and the dark ring
of a bead change places from one side of focus to the other, while both differ from the background on either side.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from microtwin.errors import InputError

Of = Literal["contrast", "brightness"]
SMALLEST_FRAME_PX = 32
SAMPLES = 48  # of the background along the longer side of the frame, whatever its size
MIN_SAMPLES = 50
HIGHEST = 0.12  # of a suggestion: a higher threshold tears a cell beside a robot into its granules
PALEST = 0.04  # contrast: below it are the rings around other bodies
ABOVE_NOISE = 2.0  # standard deviations of a pixel: the noise has a root mean square of one


@dataclass(frozen=True)
class MaskSettings:
    """How one body is told from the background.

    Attributes:
        lower, upper: the band of the normalised frame that is inside the mask.
        blur_px: standard deviation of the Gaussian blur before the threshold.
        dilation_px: gaps of up to twice this in an outline are closed before it is filled; the outline does not grow.
        of: ``contrast`` for a band of |I / background − 1|; ``brightness`` for one of I / background: 0 to 0.7, say,
            for dark bodies only.

    Raises:
        InputError: an empty or negative band, a blur or a dilation outside 0–20 px.
    """

    lower: float = 0.12
    upper: float = math.inf
    blur_px: float = 1.5
    dilation_px: int = 2
    of: Of = "contrast"

    def __post_init__(self):
        if not (math.isfinite(self.lower) and 0 <= self.lower < self.upper):
            raise InputError(f"mask band is {self.lower} to {self.upper}: give 0 ≤ lower < upper")
        if not 0 <= self.blur_px <= 20:
            raise InputError(f"mask blur is {self.blur_px} px: give 0 to 20")
        if not (0 <= self.dilation_px <= 20 and int(self.dilation_px) == self.dilation_px):
            raise InputError(f"mask dilation is {self.dilation_px} px: give a whole number from 0 to 20")
        if self.of not in ("contrast", "brightness"):
            raise InputError(f"mask of {self.of!r}: choose contrast or brightness")


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


def whole(image: np.ndarray) -> Crop:
    """The crop that is all of the frame."""
    return Crop(0, 0, image.shape[0], image.shape[1])


def blurred(normalised: np.ndarray, blur_px: float) -> np.ndarray:
    """Gaussian blur; none at 0."""
    return cv2.GaussianBlur(normalised, (0, 0), blur_px) if blur_px > 0 else normalised


def body_mask(normalised: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """(H, W) uint8, 255 inside: the band of the blurred normalised frame, gaps closed, outlines filled."""
    value = blurred(normalised, settings.blur_px)
    if settings.of == "contrast":
        value = cv2.absdiff(value, np.ones_like(value))
    return _filled(value, settings)


def granular_mask(normalised: np.ndarray, settings: MaskSettings, grain_px: float, noise: float) -> np.ndarray:
    """(H, W) uint8, 255 inside: as :func:`body_mask`, for a body whose bright and dark grains cancel under a blur.

    The band is of the root mean square contrast within ``grain_px``, not of the mean: in bright field, the variance of
    brightness tells a cell where brightness alone does not (Inglis et al., Int. J. Biomed. Imaging 2010, 582760).

    Args:
        grain_px: standard deviation of the Gaussian window, at least 1.
        noise: standard deviation of one pixel of the background, 1 being its brightness; the band begins above it.
    """
    deviation = normalised - np.float32(1)
    value = np.sqrt(blurred(deviation * deviation, max(grain_px, 1.0)))
    return _filled(value, replace(settings, lower=max(settings.lower, ABOVE_NOISE * noise)))


def _filled(value: np.ndarray, settings: MaskSettings) -> np.ndarray:
    upper = min(settings.upper, 1e9)
    mask = cv2.inRange(value, np.array([float(settings.lower)]), np.array([float(upper)]))
    kernel = None
    if settings.dilation_px:
        size = 2 * int(settings.dilation_px) + 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        mask = cv2.dilate(mask, kernel)
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    mask = cv2.drawContours(np.zeros_like(mask), outlines, -1, 255, cv2.FILLED)
    return mask if kernel is None else cv2.erode(mask, kernel)


def paler(settings: MaskSettings) -> MaskSettings:
    """The same mask for a body of half the contrast: a pale cell beside a robot."""
    return replace(settings, lower=max(0.5 * settings.lower, PALEST))


def suggest(frame: Any, *, blur_px: float = 1.5, dilation_px: int = 2) -> MaskSettings:
    """Thresholds for this frame: a quarter of the strongest contrast, above five times the noise and not above 0.12.

    Args:
        frame: a frame or an image.

    Raises:
        InputError: a frame that is none, or one in which nothing stands out.
    """
    image = grey_image(frame)
    background = Background(image)
    value = np.abs(blurred(background.normalised(image, whole(image)), blur_px) - 1)
    noise = 1.4826 * float(np.median(value))
    floor = max(5 * noise, 0.02)
    standing_out = value[value > floor]
    if standing_out.size < 50:
        raise InputError(f"nothing stands out by {100 * floor:.0f} % of the background: focus, or give a mask's band")
    strongest = float(np.quantile(standing_out, 0.9))
    lower = float(np.clip(0.25 * strongest, floor, HIGHEST))
    return MaskSettings(lower=round(lower, 3), blur_px=blur_px, dilation_px=dilation_px)
