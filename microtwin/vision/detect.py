"""The round bodies in a frame: where they are, and which of them is the robot."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import check_scale, to_world
from microtwin.vision.background import Background, Crop, grey_image, whole
from microtwin.vision.discs import (
    LARGEST_RADIUS_UM,
    SMALLEST_RADIUS_UM,
    Disc,
    elsewhere,
    find_discs,
    look,
    neighbours,
)
from microtwin.vision.granular import find_granular, granular_mask
from microtwin.vision.mask import MaskSettings, body_mask, paler, suggest
from microtwin.vision.radial_symmetry import LOWEST_QUALITY, Centre, refine

Kind = Literal["robot", "cargo", "other"]
ROBOT_SCORE = 0.3


@dataclass(frozen=True)
class Detection:
    """A body found in a frame: (2,) world position and radius, µm, (2,) pixel position (row, column).

    ``score`` 0–1 says how sure the kind is.
    """

    position_um: np.ndarray
    radius_um: float
    kind: Kind
    score: float
    position_px: np.ndarray


def detect(frame: Any, settings: MaskSettings | None = None, um_per_px: float | None = None) -> list[Detection]:
    """Every round body of 1.5–15 µm radius in a frame, best first; no two robots.

    The robot is the body with the shadow of a metal cap: dark within, or dark on one side. A bead is a bright spot in a
    dark ring, or the reverse on the other side of focus. What is paler or not made of rings is ``other``:
    a cell. Near focus, granules hide its outline: then it is told by their contrast and placed by its mask.

    Args:
        frame: a frame, or an image with ``um_per_px`` given. settings: the mask; if None, suggested by the frame,
            and a paler one for what that leaves out.

    Raises:
        InputError: a frame that is none, no scale, nothing that stands out.
    """
    image = grey_image(frame)
    scale = getattr(frame, "um_per_px", None) if um_per_px is None else um_per_px
    if scale is None:
        raise InputError("the frame says no scale: give um_per_px, 0.1725 is the 20x camera's")
    check_scale(scale)
    first = settings or suggest(image)
    background = Background(image)
    normalised = background.normalised(image, whole(image))
    discs: list[Disc] = []
    for one in [first] if settings else [first, paler(first)]:
        more = find_discs(body_mask(normalised, one), normalised, SMALLEST_RADIUS_UM / scale, LARGEST_RADIUS_UM / scale)
        discs += elsewhere(more, discs)
    seen = []
    for disc in discs:
        centre = refine(normalised, disc.centre_px, disc.radius_px, neighbours(disc, discs))
        if centre.quality > LOWEST_QUALITY:
            seen.append((look(normalised, centre.position_px, disc.radius_px), centre))
    if first.of == "contrast":
        mask = granular_mask(normalised, first, scale, background.noise)
        seen += find_granular(normalised, mask, [disc for disc, _ in seen], scale)
    likeness = [robot_likeness(disc) for disc, _ in seen]
    robot = int(np.argmax(likeness)) if seen and max(likeness) > ROBOT_SCORE else -1
    found = []
    for k, (disc, centre) in enumerate(seen):
        kind, score = _kind(disc, centre, normalised, k == robot)
        found.append(
            Detection(
                to_world(centre.position_px, image.shape, scale),
                disc.radius_px * scale,
                kind,
                score,
                centre.position_px,
            )
        )
    return sorted(found, key=lambda one: -one.score)


def robot_likeness(disc: Disc) -> float:
    """0 for a body without a metal cap, 0.5 and more for one with it."""
    return 0.6 * disc.dark + 0.4 * min(disc.lopsided, 1.0)


def _kind(disc: Disc, centre: Centre, normalised: np.ndarray, robot: bool) -> tuple[Kind, float]:
    if robot:
        return "robot", min(1.0, centre.quality * (0.5 + robot_likeness(disc)))
    contrast, ringed = _rings(disc, normalised)
    score = min(1.0, centre.quality * contrast / 0.2)
    return ("cargo" if contrast > 0.1 and ringed > 0.6 else "other"), score


def _rings(disc: Disc, normalised: np.ndarray) -> tuple[float, float]:
    """Standard deviation of a disc, and the share of its variance that rings make: nearly all of a bead's."""
    crop = Crop.around(disc.centre_px, disc.radius_px, normalised.shape)
    away = np.arange(crop.height)[:, None] + (crop.row - disc.centre_px[0])
    across = np.arange(crop.width)[None, :] + (crop.col - disc.centre_px[1])
    r = np.hypot(away, across)
    inside = r < disc.radius_px
    value, ring = crop.of(normalised)[inside], r[inside].astype(int)
    count = np.maximum(np.bincount(ring), 1)
    rest = value - (np.bincount(ring, weights=value) / count)[ring]
    return float(value.std()), 1 - float(rest.var() / max(value.var(), 1e-9))
