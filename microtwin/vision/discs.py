"""Round pieces of a mask, and what their insides look like.

A mask's distance from its own edge peaks at the centre of every disc in it, also where discs touch and their masks have
merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from microtwin.vision.background import Crop

SMALLEST_RADIUS_UM = 1.5
LARGEST_RADIUS_UM = 15.0
DARK = 0.6  # of the background: darker than this is the shadow of a metal cap


@dataclass(frozen=True)
class Disc:
    """A round piece of a mask: (2,) centre (row, column) and inscribed radius, px, and what its inside looks like.

    Attributes:
        brightness: mean of I / background within 0.7 radii. dark: share of that area below 0.6.
        lopsided: length of the mean of (1 − I / background)·r / radius, times four: 0 for what is symmetric.
    """

    centre_px: np.ndarray
    radius_px: float
    brightness: float
    dark: float
    lopsided: float


def find_discs(mask: np.ndarray, normalised: np.ndarray, smallest_px: float, largest_px: float) -> list[Disc]:
    """Round pieces of a mask, largest first; those within 0.8 radii of a larger one are left out."""
    depth = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), cv2.DIST_L2, 5)
    depth = depth[1:-1, 1:-1]
    reach = 2 * max(1, int(0.5 * smallest_px)) + 1
    peaks = (depth >= cv2.dilate(depth, np.ones((reach, reach), np.uint8))) & (depth >= smallest_px)
    rows, cols = np.nonzero(peaks)
    radii = depth[rows, cols]
    found: list[Disc] = []
    for k in np.argsort(-radii):
        here, radius = np.array([rows[k], cols[k]], dtype=float), float(radii[k])
        if any(np.hypot(*(here - disc.centre_px)) < 0.8 * disc.radius_px for disc in found):
            continue
        if radius <= largest_px:
            found.append(look(normalised, here, radius))
    return found


def look(normalised: np.ndarray, centre_px: np.ndarray, radius_px: float) -> Disc:
    """A disc of a known place and radius with what its inside looks like."""
    inner = 0.7 * radius_px
    crop = Crop.around(centre_px, inner, normalised.shape)
    away = np.arange(crop.height)[:, None] + (crop.row - centre_px[0])
    across = np.arange(crop.width)[None, :] + (crop.col - centre_px[1])
    inside = away * away + across * across <= inner * inner
    value = crop.of(normalised)[inside]
    if not value.size:
        return Disc(centre_px, radius_px, 1.0, 0.0, 0.0)
    shade = 1 - value
    moment = np.hypot(
        np.mean(shade * np.broadcast_to(away, inside.shape)[inside]),
        np.mean(shade * np.broadcast_to(across, inside.shape)[inside]),
    )
    return Disc(centre_px, radius_px, float(value.mean()), float(np.mean(value < DARK)), float(4 * moment / radius_px))


def elsewhere(discs: Sequence[Disc], known: Sequence[Disc]) -> list[Disc]:
    """The discs that lie on none of those already known."""
    return [
        disc
        for disc in discs
        if all(np.hypot(*(disc.centre_px - old.centre_px)) > disc.radius_px + 0.5 * old.radius_px for old in known)
    ]


def neighbours(disc: Disc, discs: Sequence[Disc]) -> list[tuple[np.ndarray, float]]:
    """(centre, radius), px, of all discs but this one."""
    return [(other.centre_px, other.radius_px) for other in discs if other is not disc]
