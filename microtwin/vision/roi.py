"""Where one robot is in a frame, and the 256 × 256 pixels around it: the preprocessing of the OTMR pictures.

Grey, pixel-wise adaptive Wiener filter, automatic threshold, Canny edges, centroid, crop (the OTMR paper, section III.B
and Fig. 4). The paper does not say what is thresholded. A transparent robot is brighter than the background in one
place, darker in the next and equal to it between its fringes, so a threshold on grey values tears it up. Here it is the
local RMS contrast to the fitted background, on a logarithmic scale: the camera's noise makes one peak there, robots and
their rings another.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.rig import LostError
from microtwin.vision.background import Background, grey_image, whole

SIZE_PX = 256
WIENER_PX = 5
WINDOW_PX = 9  # of the local contrast: half a micrometre of the OTMR camera, about one fringe
GAP_PX = 9  # gaps in a robot up to twice this are closed
DUST_PX = 12  # whatever fits no disc of this radius is dust, a stray fringe, or a bridge to one
EDGE_PX = 2  # pictures cut from a page keep a bright line along their edges
SMALLEST_PX = 1000  # area of a region: a sphere of 1.5 µm covers as much; three specks of dust side by side do not
FAINTEST = 0.02  # contrast below which nothing counts, as in vision.mask.suggest
NOISES = 1.5  # nor below this many standard deviations of a pixel's noise; filtered background has a quarter of one


@dataclass(frozen=True, eq=False)
class Region:
    """What stands out from the background most: one robot and its nearest rings.

    Attributes:
        row, column: centroid of the area inside, px, fractional; pixel middles are whole numbers.
        inside: (H, W) bool, holes filled. It holds the rings that are strong, 2 to 5 µm beyond the robot.
        outline: (H, W) bool, its Canny edges.
    """

    row: float
    column: float
    inside: np.ndarray
    outline: np.ndarray

    @property
    def area_px(self) -> int:
        return int(np.count_nonzero(self.inside))


@dataclass(frozen=True, eq=False)
class Roi:
    """A square region of interest: (size, size) uint8 grey, the (row, column) of its first pixel, and its robot."""

    image: np.ndarray
    origin: tuple[int, int]
    region: Region


def locate(frame: Any) -> Region:
    """The robot in a frame, or in an image (H, W) grey or (H, W, 3) blue, green, red, uint8.

    Raises:
        InputError: no image, or one of a wrong type or shape.
        LostError: nothing in it stands out from the background, or it is dark.
    """
    image = grey_image(frame)
    background = Background(image)
    if background.level <= 1:
        raise LostError("no robot found: the frame is dark, switch the lamp on")
    deviation = background.normalised(image, whole(image)).astype(np.float32) - 1
    for edge in (deviation[:EDGE_PX], deviation[-EDGE_PX:], deviation[:, :EDGE_PX], deviation[:, -EDGE_PX:]):
        edge[:] = 0
    # the median and not the filter's usual mean: a robot that fills half of the picture is no noise
    noise = float(np.median(_local(deviation, WIENER_PX)[1]))
    power = cv2.boxFilter(wiener(deviation, WIENER_PX, noise) ** 2, -1, (WINDOW_PX, WINDOW_PX))
    contrast = np.sqrt(np.maximum(power, 0))
    lowest = max(NOISES * noise**0.5, FAINTEST)
    inside = _largest(contrast > max(_otsu(contrast, 0.25 * lowest), lowest))
    if inside is None:
        raise LostError(
            f"no robot found: nothing of {SMALLEST_PX} pixels differs by {100 * lowest:.0f} % from its surroundings"
        )
    rows, columns = np.nonzero(inside)
    outline = cv2.Canny(255 * inside, 100, 200) > 0  # of two values, so that the thresholds have no say
    return Region(float(rows.mean()), float(columns.mean()), inside > 0, outline)


def crop(frame: Any, size: int = SIZE_PX) -> Roi:
    """The ``size`` × ``size`` pixels centred on the robot in a frame; near a border they are moved to stay inside it.

    Raises:
        InputError: as :func:`locate`, or the frame is smaller than the crop.
        LostError: as :func:`locate`.
    """
    image = grey_image(frame)
    if not (size == int(size) and 1 <= size <= min(image.shape)):
        raise InputError(
            f"crop of {size} px from a frame of {image.shape}: give a whole size from 1 to its shorter side"
        )
    size, region = int(size), locate(image)
    middle = (region.row, region.column)
    row, column = (
        min(max(round(at - (size - 1) / 2), 0), side - size) for at, side in zip(middle, image.shape, strict=True)
    )
    return Roi(image[row : row + size, column : column + size].copy(), (row, column), region)


def wiener(image: np.ndarray, size: int = WIENER_PX, noise: float | None = None) -> np.ndarray:
    """Pixel-wise adaptive low-pass filter, float32: μ + (σ² − ν²)/σ² (I − μ) with mean μ and variance σ² of the window.

    Lim, Two-Dimensional Signal and Image Processing (1990), p. 548, and ``scipy.signal.wiener``, by running sums.

    Args:
        image: (H, W), 0 outside.
        size: pixels of the window's side, odd.
        noise: its variance ν²; the mean of σ² if None.
    """
    image = np.asarray(image, dtype=np.float32)
    mean, variance = _local(image, size)
    noise = float(variance.mean(dtype=float)) if noise is None else noise
    signal = np.maximum(variance - np.float32(noise), 0)
    return mean + signal / np.maximum(variance, np.float32(1e-12)) * (image - mean)


def _local(image: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance in a window around every pixel, 0 outside of the image."""
    mean = cv2.boxFilter(image, -1, (size, size), borderType=cv2.BORDER_CONSTANT)
    square = cv2.boxFilter(image * image, -1, (size, size), borderType=cv2.BORDER_CONSTANT)
    return mean, np.maximum(square - mean * mean, 0)  # running sums may round below


def _otsu(contrast: np.ndarray, floor: float) -> float:
    """Otsu's threshold of the logarithm (IEEE Trans. Syst. Man Cybern. 9 (1979) 62); ``floor`` ends it below."""
    value = np.log(np.maximum(contrast, floor) / floor)
    step = max(float(value.max()), 1e-6) / 255
    level, _ = cv2.threshold(np.round(value / step).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    return floor * float(np.exp((level + 0.5) * step))


def _largest(mask: np.ndarray) -> np.ndarray | None:
    """(H, W) uint8, 1 inside the largest piece of a mask, with gaps and holes filled; None if all are too small."""
    pad = GAP_PX + 1  # or what is closed would spread along the frame's edge
    closed = cv2.copyMakeBorder(mask.astype(np.uint8), pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, _disc(GAP_PX))[pad:-pad, pad:-pad]
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(closed), outlines, -1, 1, cv2.FILLED)
    filled = cv2.morphologyEx(filled, cv2.MORPH_OPEN, _disc(DUST_PX))
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(filled, connectivity=4)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if count < 2 or areas.max() < SMALLEST_PX:
        return None
    return (labels == 1 + int(areas.argmax())).astype(np.uint8)


def _disc(radius_px: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1, 2 * radius_px + 1))
