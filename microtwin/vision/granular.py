"""Bodies told by their granules and placed by their mask: cells near focus.

Their granules are steeper than their outline, so that gradients do not point at the centre, and bright and dark ones
cancel under a blur, which tears the mask of the mean contrast.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from microtwin.vision.background import Crop, blurred
from microtwin.vision.discs import LARGEST_RADIUS_UM, Disc, elsewhere, find_discs, look, neighbours
from microtwin.vision.mask import MaskSettings, body_mask, filled_band
from microtwin.vision.radial_symmetry import LOWEST_QUALITY, Centre, refine

GRANULAR = 0.5  # share of the gradient: below it, a body is placed by its mask's centre of mass, as in the paper
GRAIN_UM = 1.0  # size of a cell's granules
SMALLEST_GRANULAR_UM = 2.5  # radius: what is smaller holds no granules, it is dust
ABOVE_NOISE = 2.0  # standard deviations of a pixel: the noise has a root mean square of one


def granular_mask(normalised: np.ndarray, settings: MaskSettings, um_per_px: float, noise: float) -> np.ndarray:
    """(H, W) uint8, 255 inside: as :func:`body_mask`, for a body whose bright and dark grains cancel under a blur.

    The band is of the root mean square contrast within half a grain, not of the mean: in bright field, the variance of
    brightness tells a cell where brightness alone does not (Inglis et al., Int. J. Biomed. Imaging 2010, 582760).
    A band of brightness is taken as it is: it is meant for what is dark, grains or not.

    Args:
        noise: standard deviation of one pixel of the background, 1 being its brightness; the band begins above it.
    """
    if settings.of != "contrast":
        return body_mask(normalised, settings)
    deviation = normalised - np.float32(1)
    value = np.sqrt(blurred(deviation * deviation, max(0.5 * GRAIN_UM / um_per_px, 1.0)))
    return filled_band(value, replace(settings, lower=max(settings.lower, ABOVE_NOISE * noise)))


def mass_centre(
    mask: np.ndarray, start_px: np.ndarray, radius_px: float, others: Sequence[tuple[np.ndarray, float]] = ()
) -> np.ndarray:
    """(2,) centre of mass of a mask within 1.15 radii of it, less what is nearer to a neighbour's surface."""
    centre = np.asarray(start_px, dtype=float)
    crop = Crop.around(centre, 1.6 * radius_px, mask.shape)
    rows, cols = (index[::2] for index in np.nonzero(crop.of(mask)))  # every other pixel is plenty
    rows, cols = (rows + crop.row).astype(np.float32), (cols + crop.col).astype(np.float32)
    for _ in range(3):
        depth = np.hypot(rows - np.float32(centre[0]), cols - np.float32(centre[1])) - radius_px
        own = depth < 0.15 * radius_px
        for place, radius in others:
            own &= depth < np.hypot(rows - np.float32(place[0]), cols - np.float32(place[1])) - radius
        if np.count_nonzero(own) < 0.15 * math.pi * radius_px**2:
            break
        centre = np.array([rows[own].mean(dtype=float), cols[own].mean(dtype=float)])
    return centre


def find_granular(
    normalised: np.ndarray, mask: np.ndarray, known: Sequence[Disc], um_per_px: float
) -> list[tuple[Disc, Centre]]:
    """Bodies of a granular mask, on none of those known, whose outline is round although their gradients are not.

    Each is placed at its mask's centre of mass; the quality is the outline's.
    """
    more = find_discs(mask, normalised, SMALLEST_GRANULAR_UM / um_per_px, LARGEST_RADIUS_UM / um_per_px)
    new = elsewhere(more, known)
    shape = blurred(mask.astype(np.float32) / 255, GRAIN_UM / um_per_px)  # granules leave its edge ragged
    found = []
    for disc in new:
        others = neighbours(disc, [*known, *new])
        quality = refine(shape, disc.centre_px, disc.radius_px, others).quality
        if quality > LOWEST_QUALITY:
            place = mass_centre(mask, disc.centre_px, disc.radius_px, others)
            found.append((look(normalised, place, disc.radius_px), Centre(place, quality)))
    return found
