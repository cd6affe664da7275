"""Bodies as they are seen, and bodies as they are selected: two lists that are brought together by where things lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

REFIND_UM = 15.0  # a body that was not tracked for a while is looked for this far from its last place
DRAWN_UM = 3.0  # radius drawn for a body that was not measured


@dataclass
class Place:
    """A selected body: (2,) position in the world, µm, and radius; (n, 2) nodes of its path, and what that is called.

    ``found``: it was there when it was last looked for.
    """

    at_um: np.ndarray
    radius_um: float = DRAWN_UM
    nodes_um: np.ndarray | None = None
    path: str = ""
    found: bool = True


@dataclass
class Seen:
    """A body of the last detection, in the world."""

    at_um: np.ndarray
    radius_um: float
    kind: str


def same(place: Place, body: Seen) -> bool:
    """Whether they are one body, seen at the same moment."""
    return apart_um(place, body) < 0.75 * max(place.radius_um, body.radius_um)


def apart_um(one: Place | Seen, other: Place | Seen) -> float:
    """Distance of their centres."""
    return float(np.hypot(*(one.at_um - other.at_um)))


def in_order(found: list[Seen], before: list[Seen]) -> list[Seen]:
    """The bodies in the order in which they were shown before, new ones last: people choose them by their numbers."""
    left, ordered = list(found), []
    for old in before:
        near = min(left, key=lambda one: apart_um(one, old), default=None)
        if near is not None and apart_um(near, old) < REFIND_UM:
            left = [one for one in left if one is not near]
            ordered.append(near)
    return ordered + left


def refind(places: Sequence[Place], tracked: Sequence[Place], found: Sequence[Seen]) -> None:
    """Move places to where their bodies are found now, the nearest pairs first, each body for one place alone.

    ``tracked`` places take their bodies before all others and stay where the tracker has them.
    """
    held = {id(place) for place in tracked}
    pairs = sorted(
        (id(place) not in held, apart_um(place, body), p, b)
        for p, place in enumerate(places)
        for b, body in enumerate(found)
    )
    taken_places, taken_bodies = set(), set()
    for free, away_um, p, b in pairs:
        if p in taken_places or b in taken_bodies or away_um > REFIND_UM:
            continue
        taken_places.add(p)
        taken_bodies.add(b)
        if free:
            places[p].at_um, places[p].radius_um = found[b].at_um, found[b].radius_um
    for p, place in enumerate(places):
        place.found = p in taken_places or id(place) in held
