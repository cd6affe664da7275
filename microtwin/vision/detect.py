"""Round bodies in a frame: where they are, to a fraction of a pixel, and which of them is the robot.

A mask's distance from its own edge peaks at the centre of every disc in it, also where discs touch and their masks have
merged. From there the centre is refined by radial symmetry (Parthasarathy, Nat. Methods 9, 724, 2012): the gradient of
a round image points along a radius, so the centre is the point nearest to all lines along gradients. Threshold, radius,
the side of focus and a missing arc do not shift it. Lines that miss are weighted down: they belong to the straight
edge of the robot's cap, to a granule or to a neighbour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import check_scale, to_world
from microtwin.vision.mask import (
    Background,
    Crop,
    MaskSettings,
    blurred,
    body_mask,
    granular_mask,
    grey_image,
    paler,
    suggest,
    whole,
)

Kind = Literal["robot", "cargo", "other"]
SMALLEST_RADIUS_UM = 1.5
LARGEST_RADIUS_UM = 15.0
GRADIENT_BLUR_PX = 1.5
ANNULUS = (0.7, 1.25)  # of the radius: where gradients are read
MISS = 0.12  # of the radius: a line that passes the centre this far off counts a quarter
DARK = 0.6  # of the background: darker than this is the shadow of a metal cap
RIM = 0.09  # of the radius: half the width of the annulus around the outline that settles the centre
FINE_MISS = 0.04  # of the radius: MISS for that
ROBOT_SCORE = 0.3
LOWEST_QUALITY = 0.3  # share of the gradient that must point at the centre
GRAIN_UM = 1.0  # size of a cell's granules
SMALLEST_GRANULAR_UM = 2.5  # radius: what is smaller holds no granules, it is dust


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


@dataclass(frozen=True)
class Centre:
    """A refined centre (row, column), px; ``quality`` 0–1 is the share of the gradient that points at it."""

    position_px: np.ndarray
    quality: float


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
        discs += _elsewhere(more, discs)
    seen = []
    for disc in discs:
        centre = refine(normalised, disc.centre_px, disc.radius_px, _others(disc, discs))
        if centre.quality > LOWEST_QUALITY:
            seen.append((look(normalised, centre.position_px, disc.radius_px), centre))
    if first.of == "contrast":
        mask = granular_mask(normalised, first, 0.5 * GRAIN_UM / scale, background.noise)
        seen += _granular(normalised, mask, seen, scale)
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


def _elsewhere(discs: Sequence[Disc], known: Sequence[Disc]) -> list[Disc]:
    """The discs that lie on none of those already known."""
    return [
        disc
        for disc in discs
        if all(np.hypot(*(disc.centre_px - old.centre_px)) > disc.radius_px + 0.5 * old.radius_px for old in known)
    ]


def _others(disc: Disc, discs: Sequence[Disc]) -> list[tuple[np.ndarray, float]]:
    return [(other.centre_px, other.radius_px) for other in discs if other is not disc]


def _granular(
    normalised: np.ndarray, mask: np.ndarray, seen: Sequence[tuple[Disc, Centre]], scale: float
) -> list[tuple[Disc, Centre]]:
    """Bodies whose outline is round although their gradients point nowhere, at their mask's centre of mass.

    A cell near focus: its granules are steeper than its outline.
    """
    known = [disc for disc, _ in seen]
    more = find_discs(mask, normalised, SMALLEST_GRANULAR_UM / scale, LARGEST_RADIUS_UM / scale)
    discs = [*known, *_elsewhere(more, known)]
    shape = blurred(mask.astype(np.float32) / 255, GRAIN_UM / scale)  # granules leave its edge ragged
    found = []
    for disc in discs[len(known) :]:
        others = _others(disc, discs)
        quality = refine(shape, disc.centre_px, disc.radius_px, others).quality
        if quality > LOWEST_QUALITY:
            place = mass_centre(mask, disc.centre_px, disc.radius_px, others)
            found.append((look(normalised, place, disc.radius_px), Centre(place, quality)))
    return found


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
