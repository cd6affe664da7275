"""Data association: which piece of which mask is the robot in a frame, and which is the cargo.

Every round piece of a body's mask within its gate is a candidate. The two bodies choose among them together, at the
least cost in all (global nearest neighbour: Blackman and Popoli, Design and Analysis of Modern Tracking Systems, 1999),
so that they can never both take the same one or change places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from microtwin.vision.background import Background, Crop
from microtwin.vision.discs import Disc, find_discs, look
from microtwin.vision.granular import GRANULAR, mass_centre
from microtwin.vision.radial_symmetry import LOWEST_QUALITY, Centre, refine
from microtwin.vision.track import OVERLAP, SIZE, Track

NOT_FOUND = 24.0  # cost of taking no candidate at all, in squared standard deviations
STRANGER = 14.0  # cost of size and looks above which a search passes by
CLIMBED = 0.45  # OVERLAP for bodies that were apart: one may ride up on the other, and then both are still seen
SIZE_SEARCHED = 0.07  # in place of SIZE: a search must not take a stranger
SMALLEST_CROP_PX = 8


@dataclass(frozen=True)
class Gate:
    """Where one body is looked for in one frame, and what is there; positions are the frame's.

    Attributes:
        crop: a box that holds the gate. normalised, mask: the frame over its background and the body's mask, in it.
        candidates: the round pieces of the mask. reach_px: how far from ``expected_px`` the body is believed to be.
    """

    crop: Crop
    normalised: np.ndarray
    mask: np.ndarray
    candidates: list[Disc]
    reach_px: float
    expected_px: np.ndarray

    @staticmethod
    def of(track: Track, background: Background, image: np.ndarray, now: float, reach_um: float) -> "Gate":
        reach, expected = reach_um / track.um_per_px, track.expected(now)
        crop = Crop.around(expected, max(reach + 1.4 * track.radius_px, 3.2 * track.radius_px), image.shape)
        if min(crop.height, crop.width) < SMALLEST_CROP_PX:
            return Gate(crop, np.ones((0, 0)), np.zeros((0, 0), np.uint8), [], reach, expected)
        normalised = background.normalised(image, crop)
        mask = track.mask(normalised, background.noise)
        candidates = [
            replace(one, centre_px=one.centre_px + crop.corner)
            for one in find_discs(mask, normalised, max(0.4 * track.radius_px, 2.0), 2.0 * track.radius_px)
        ]
        return Gate(crop, normalised, mask, candidates, reach, expected)


def associate(tracks: tuple[Track, Track], gates: Sequence[Gate]) -> tuple[list[tuple[Centre, Disc] | None], bool]:
    """What is found of each of two bodies, None for one that is not found, and whether the two overlap."""
    chosen = _choose(tracks, gates)
    found: list[tuple[Centre, Disc] | None] = []
    for k, (track, gate, disc) in enumerate(zip(tracks, gates, chosen, strict=True)):
        around = [(one.centre_px, one.radius_px) for one in gate.candidates]
        other = chosen[1 - k]
        if other is not None:
            around.append((other.centre_px, tracks[1 - k].radius_px))
        centre = None if disc is None else _measure(track, gate, disc, around)
        found.append(None if disc is None or centre is None else (centre, disc))
    if found[0] is None or found[1] is None:
        return found, False
    first, second = found[0][0], found[1][0]
    apart = float(np.hypot(*(first.position_px - second.position_px))) / sum(track.radius_px for track in tracks)
    if apart < CLIMBED:
        found[0 if first.quality < second.quality else 1] = None
    return found, apart < OVERLAP


def _choose(tracks: tuple[Track, Track], gates: Sequence[Gate]) -> list[Disc | None]:
    """The pair of candidates, one for each body or none, that together cost least."""
    options: list[list[tuple[Disc | None, float]]] = []
    for track, gate in zip(tracks, gates, strict=True):
        mine: list[tuple[Disc | None, float]] = []
        for disc in gate.candidates:
            surprise = float(np.hypot(*(disc.centre_px - gate.expected_px))) / gate.reach_px
            like = track.strangeness(disc, SIZE if track.state == "tracking" else SIZE_SEARCHED)
            if surprise < 1 and (track.state == "tracking" or like < STRANGER):
                mine.append((disc, 6 * surprise**2 + like))
        if not mine and track.state == "tracking" and gate.normalised.size:
            there = look(gate.normalised, gate.expected_px - gate.crop.corner, track.radius_px)
            mine.append((replace(there, centre_px=gate.expected_px), 0.5 * NOT_FOUND))
        options.append([*mine, (None, NOT_FOUND)])
    apart = CLIMBED * sum(track.radius_px for track in tracks)
    pairs = [
        (first[1] + second[1], first[0], second[0])
        for first, second in product(*options)
        if first[0] is None or second[0] is None or np.hypot(*(first[0].centre_px - second[0].centre_px)) > apart
    ]
    _, robot, cargo = min(pairs, key=lambda pair: pair[0])
    return [robot, cargo]


def _measure(track: Track, gate: Gate, disc: Disc, around: Sequence[tuple[np.ndarray, float]]) -> Centre | None:
    """The centre of the body that was chosen, without what is around it; None if it has none."""
    corner = gate.crop.corner
    others = []
    for centre, radius in around:
        apart = float(np.hypot(*(centre - disc.centre_px)))
        if apart > 0.8 * track.radius_px:  # else it is this body again
            others.append((centre - corner, max(0.0, min(radius, (apart - 0.6 * track.radius_px) / 1.2))))
    centre = refine(gate.normalised, disc.centre_px - corner, track.radius_px, others)
    if centre.quality > GRANULAR:
        return Centre(centre.position_px + corner, centre.quality)
    if track.granular and any(disc is one for one in gate.candidates) and track.strangeness(disc) < STRANGER:
        return Centre(mass_centre(gate.mask, disc.centre_px - corner, track.radius_px, others) + corner, GRANULAR)
    return Centre(centre.position_px + corner, centre.quality) if centre.quality > LOWEST_QUALITY else None
