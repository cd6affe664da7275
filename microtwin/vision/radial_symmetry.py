"""The centre of a round body, to a fraction of a pixel, by radial symmetry (Parthasarathy, Nat. Methods 9, 724, 2012).

The gradient of a round image points along a radius, so the centre is the point nearest to all lines along gradients.
Threshold, radius, the side of focus and a missing arc do not shift it. Lines that miss are weighted down: they belong
to the straight edge of the robot's cap, to a granule or to a neighbour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from microtwin.vision.background import Crop, blurred

GRADIENT_BLUR_PX = 1.5
ANNULUS = (0.7, 1.25)  # of the radius: where gradients are read
MISS = 0.12  # of the radius: a line that passes the centre this far off counts a quarter
RIM = 0.09  # of the radius: half the width of the annulus around the outline that settles the centre
FINE_MISS = 0.04  # of the radius: MISS for that
LOWEST_QUALITY = 0.3  # share of the gradient that must point at the centre


@dataclass(frozen=True)
class Centre:
    """A refined centre (row, column), px; ``quality`` 0–1 is the share of the gradient that points at it."""

    position_px: np.ndarray
    quality: float


def refine(
    normalised: np.ndarray, start_px: np.ndarray, radius_px: float, others: Sequence[tuple[np.ndarray, float]] = ()
) -> Centre:
    """The centre of a round body by radial symmetry.

    Args:
        normalised: frame over background. start_px: (2,) within about half a radius of the centre.
        others: (centre, radius) of neighbours, px, whose surroundings are left out.
    """
    crop = Crop.around(start_px, (ANNULUS[1] + 0.3) * radius_px + 3, normalised.shape)
    if min(crop.height, crop.width) < 8:
        return Centre(np.asarray(start_px, dtype=float), 0.0)
    patch = blurred(np.ascontiguousarray(crop.of(normalised)), GRADIENT_BLUR_PX)
    down = cv2.Scharr(patch, cv2.CV_32F, 0, 1)
    right = cv2.Scharr(patch, cv2.CV_32F, 1, 0)
    rows = np.arange(crop.height, dtype=np.float32)[:, None]
    cols = np.arange(crop.width, dtype=np.float32)[None, :]
    allowed = np.ones(patch.shape, dtype=bool)
    for centre, radius in others:
        here = centre - crop.corner
        allowed &= (rows - here[0]) ** 2 + (cols - here[1]) ** 2 > (1.2 * radius) ** 2
    edge = _Edges(down, right, rows, cols, allowed, np.asarray(start_px, dtype=float) - crop.corner, radius_px)
    if not (edge.fit(ANNULUS, 0.3, 3) and edge.fit(ANNULUS, MISS, 2) and edge.fit(ANNULUS, MISS, 2)):
        return Centre(np.asarray(start_px, dtype=float), 0.0)
    quality, coarse = edge.quality, edge.centre
    rim = edge.rim()
    for _ in range(2):
        if not edge.fit((rim - RIM, rim + RIM), FINE_MISS):
            edge.centre = coarse
            break
    return Centre(edge.centre + crop.corner, quality)


class _Edges:
    """The gradients of one patch, and the point that most of them point at."""

    def __init__(
        self,
        down: np.ndarray,
        right: np.ndarray,
        rows: np.ndarray,
        cols: np.ndarray,
        allowed: np.ndarray,
        start_px: np.ndarray,
        radius_px: float,
    ):
        square = (rows - np.float32(start_px[0])) ** 2 + (cols - np.float32(start_px[1])) ** 2
        chosen = np.flatnonzero(allowed & (square > (0.4 * radius_px) ** 2) & (square < (1.55 * radius_px) ** 2))
        gy, gx = down.ravel()[chosen], right.ravel()[chosen]
        self._strength = np.sqrt(gy * gy + gx * gx) + np.float32(1e-9)
        row, col = np.divmod(chosen, down.shape[1])
        self._row, self._col = row.astype(np.float32), col.astype(np.float32)
        self._ty, self._tx = -gx / self._strength, gy / self._strength  # along the edge
        self._offset = self._ty * self._row + self._tx * self._col
        self._start, self._radius_px = start_px, radius_px
        self.centre = start_px
        self.quality = 0.0

    def fit(self, annulus: tuple[float, float], miss: float, every: int = 1) -> bool:
        """Move the centre to where the lines in an annulus meet, read at one pixel in ``every``; False if nowhere."""
        r = self._distance()
        chosen = np.flatnonzero((r > annulus[0] * self._radius_px) & (r < annulus[1] * self._radius_px))[::every]
        if len(chosen) < 40:
            return False
        ty, tx, offset = self._ty[chosen], self._tx[chosen], self._offset[chosen]
        strength = self._strength[chosen]
        for _ in range(2):
            distance = (ty * self._f(0) + tx * self._f(1) - offset) / np.float32(miss * self._radius_px)
            fits = 1 / (1 + distance * distance) ** 2
            weight = strength * fits
            wy, wx = weight * ty, weight * tx
            yy, xx, yx = float(wy @ ty), float(wx @ tx), float(wy @ tx)
            y, x = float(wy @ offset), float(wx @ offset)
            determinant = yy * xx - yx * yx
            if not determinant > 1e-3 * (yy + xx) ** 2:
                return False
            self.centre = np.array([(xx * y - yx * x) / determinant, (yy * x - yx * y) / determinant])
            self.quality = float(weight.sum() / strength.sum())
        return math.hypot(*(self.centre - self._start)) < 0.75 * self._radius_px

    def rim(self) -> float:
        """Radius of the outermost strong edge, in radii: the outline, not a cap's edge or a spot within it."""
        distance = (self._ty * self._f(0) + self._tx * self._f(1) - self._offset) / (MISS * self._radius_px)
        r = self._distance()
        weight = self._strength / (1 + distance * distance) ** 2 / np.maximum(r, 1)
        profile = np.bincount(r.astype(int), weights=weight, minlength=int(1.5 * self._radius_px) + 2)
        low, high = int(ANNULUS[0] * self._radius_px), int(ANNULUS[1] * self._radius_px) + 2
        strong = low + np.flatnonzero(profile[low:high] > 0.5 * profile[low:high].max())
        outer = int(strong[-1])
        while profile[outer - 1] > profile[outer]:
            outer -= 1
        return (outer + 0.5) / self._radius_px

    def _distance(self) -> np.ndarray:
        down, across = self._row - self._f(0), self._col - self._f(1)
        return np.sqrt(down * down + across * across)

    def _f(self, axis: int) -> np.float32:
        return np.float32(self.centre[axis])
