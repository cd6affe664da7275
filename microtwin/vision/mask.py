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
from microtwin.vision.background import Background, blurred, grey_image, whole

Of = Literal["contrast", "brightness"]
HIGHEST = 0.12  # of a suggestion: a higher threshold tears a cell beside a robot into its granules
PALEST = 0.04  # contrast: below it are the rings around other bodies


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


def body_mask(normalised: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """(H, W) uint8, 255 inside: the band of the blurred normalised frame, gaps closed, outlines filled."""
    value = blurred(normalised, settings.blur_px)
    if settings.of == "contrast":
        value = cv2.absdiff(value, np.ones_like(value))
    return filled_band(value, settings)


def filled_band(value: np.ndarray, settings: MaskSettings) -> np.ndarray:
    """(H, W) uint8, 255 inside: where a value is in the band, gaps closed, outlines filled."""
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
