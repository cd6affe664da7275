"""Track initiation: the robot and its cargo in the first frame, where somebody clicked on them or by detection."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from microtwin.errors import InputError
from microtwin.vision.background import Background, Crop
from microtwin.vision.detect import detect
from microtwin.vision.discs import LARGEST_RADIUS_UM, SMALLEST_RADIUS_UM, Disc, find_discs, neighbours
from microtwin.vision.granular import GRANULAR, granular_mask, mass_centre
from microtwin.vision.mask import MaskSettings, body_mask, paler, suggest
from microtwin.vision.radial_symmetry import Centre, refine
from microtwin.vision.track import OVERLAP, Track

CLICK_REACH_UM = 4.0  # a click this far outside a body still selects it


def checked_click(name: str, position_px: Any) -> np.ndarray | None:
    """(2,) row and column of a click; None for none.

    Raises:
        InputError: it is not two numbers.
    """
    if position_px is None:
        return None
    try:
        click = np.asarray(position_px, dtype=float)
    except (TypeError, ValueError):
        click = np.empty(0)
    if click.shape != (2,) or not np.isfinite(click).all():
        raise InputError(f"click on the {name} is {position_px!r}: give two numbers, row and column")
    return click


def initiate(
    image: np.ndarray,
    now: float,
    um_per_px: float,
    clicks: Sequence[np.ndarray | None],
    masks: Sequence[MaskSettings | None],
) -> tuple[Track, Track]:
    """The tracks of robot and cargo in a first (H, W) uint8 image.

    Args:
        clicks, masks: the robot's and the cargo's; None for one that is to be found, or suggested by the image.

    Raises:
        InputError: a click on nothing, two on one body, no click and nothing detected.
    """
    background = Background(image)
    tracks = []
    for name, click, given in zip(("robot", "cargo"), _all_clicks(image, um_per_px, clicks), masks, strict=True):
        mask = given or suggest(image)
        try:
            track = _clicked(name, click, mask, background, image, now, um_per_px)
        except InputError:
            if given:
                raise
            track = _clicked(name, click, paler(mask), background, image, now, um_per_px)
        tracks.append(track)
    robot, cargo = tracks
    apart = float(np.hypot(*(robot.seen_px - cargo.seen_px)))
    if apart < OVERLAP * max(robot.radius_px, cargo.radius_px):
        raise InputError("the clicks on robot and cargo select the same body: click on two bodies")
    if apart > OVERLAP * (robot.radius_px + cargo.radius_px):
        for track, other in ((robot, cargo), (cargo, robot)):
            _without(track, other, background, image)
    return robot, cargo


def _all_clicks(image: np.ndarray, um_per_px: float, clicks: Sequence[np.ndarray | None]) -> list[Any]:
    """The clicks, and those that nobody made: on the robot, and on the bead nearest to it."""
    made: list[Any] = list(clicks)
    if all(click is not None for click in made):
        return made
    found = detect(image, None, um_per_px)
    for k, kind in enumerate(("robot", "cargo")):
        if made[k] is not None:
            continue
        choice = [one for one in found if one.kind == kind]
        if kind == "cargo":
            choice = choice or [one for one in found if one.kind == "other"]
            choice.sort(key=lambda one: np.hypot(*(one.position_px - made[0])))
        if not choice:
            raise InputError(f"no {kind} detected in the first frame: click on it, or focus")
        made[k] = choice[0].position_px
    return made


def _clicked(
    name: str,
    click: np.ndarray,
    settings: MaskSettings,
    background: Background,
    image: np.ndarray,
    now: float,
    um_per_px: float,
) -> Track:
    at = f"({click[0]:.0f}, {click[1]:.0f})"
    if not (0 <= click[0] < image.shape[0] and 0 <= click[1] < image.shape[1]):
        raise InputError(f"click on the {name} at {at} is outside: the frame has shape {image.shape}")
    crop = Crop.around(click, 2 * LARGEST_RADIUS_UM / um_per_px, image.shape)
    normalised = background.normalised(image, crop)

    def near(mask: np.ndarray) -> list[Disc]:
        """The discs of a mask, if the click is on one of them, that one first."""
        discs = find_discs(mask, normalised, SMALLEST_RADIUS_UM / um_per_px, LARGEST_RADIUS_UM / um_per_px)
        away = [float(np.hypot(*(one.centre_px + crop.corner - click))) - one.radius_px for one in discs]
        order = np.argsort(away)
        return [discs[k] for k in order] if discs and away[order[0]] <= CLICK_REACH_UM / um_per_px else []

    mask = body_mask(normalised, settings)
    discs = near(mask)
    if not discs:
        raise InputError(f"click on the {name} at {at} is on nothing: click on a body, or lower the mask's threshold")
    disc = discs[0]
    centre = refine(normalised, disc.centre_px, disc.radius_px, neighbours(disc, discs))
    granular = centre.quality <= GRANULAR
    if granular:
        mask = granular_mask(normalised, settings, um_per_px, background.noise)
        discs = near(mask) or discs
        disc = discs[0]
        place = mass_centre(mask, disc.centre_px, disc.radius_px, neighbours(disc, discs))
        centre = Centre(place, centre.quality)
    here = centre.position_px + crop.corner
    return Track(
        name, settings, um_per_px, disc.radius_px, here, here, now, disc.brightness,
        confidence=centre.quality, whole_mask=mask, crop=crop, granular=granular,
    )  # fmt: skip


def _without(track: Track, other: Track, background: Background, image: np.ndarray) -> None:
    """Measure a body again, without the other: a centre by radial symmetry is better than the first one."""
    assert track.crop is not None
    normalised, corner = background.normalised(image, track.crop), track.crop.corner
    centre = refine(normalised, track.seen_px - corner, track.radius_px, [(other.seen_px - corner, other.radius_px)])
    if centre.quality > GRANULAR:
        track.seen_px = track.position_px = centre.position_px + corner
        track.confidence = centre.quality
        track.granular = False
