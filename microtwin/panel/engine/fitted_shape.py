"""A shape by name, as large as the picture lets it be, turned, mirrored or made smaller to keep clear of bodies."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from microtwin import paths
from microtwin.control.approach import BERTH_UM
from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView

ROOM_UM = BERTH_UM + 5.0  # from a path to the picture's edge: the robot, rounding the object, stays in view
EDGE_UM = 10.0  # at least this, so that the object stays in view
SHORTEST_UM = 100.0  # of a shape that is fitted in
LEAST_NODES = 24  # of a shape, however short
WORTH = 1.05  # a shape is turned out of its usual way only if that makes it longer by more than this
SMALLER = (1.0, 0.85, 0.7, 0.55, 0.4)  # of the longest that fits, tried in turn where a body is in the way
Blocked = Callable[[np.ndarray], bool]


def fit(
    name: str,
    view: FieldOfView,
    start_um: np.ndarray | None = None,
    length_um: float | None = None,
    blocked: Blocked = lambda nodes_um: False,
) -> np.ndarray:
    """(n, 2) nodes, µm, of a shape of :data:`microtwin.paths.SHAPES`.

    Where every way to lay it is blocked it lies as if none were.

    Args:
        start_um: (2,) where it shall begin; None: about the middle of the picture.
        length_um: None for the longest that leaves the robot room, at most 538 µm, or less where that is blocked.
        blocked: whether nodes are in somebody's way.

    Raises:
        InputError: no such length, or no room for it in the picture.
    """
    if length_um is not None and not (math.isfinite(length_um) and length_um > 0):
        raise InputError(f"length of the {name} is {length_um} µm: give a positive number")
    at = np.asarray(view.centre_um if start_um is None else start_um, dtype=float)
    if start_um is not None and not view.contains(at):
        raise InputError(f"the object is outside the picture: choose another one for a {name}")
    begins, longest = start_um is not None, 0.0

    def laid(length: float, turn: np.ndarray) -> np.ndarray:
        count = max(round(length / paths.SPACING_UM), LEAST_NODES)
        return at + length * _unit(name, count, begins) @ turn

    usual = _unit(name, paths.CIRCLE_NODES, begins)
    for clear_of in (blocked, lambda nodes_um: False):
        for margin_um in (ROOM_UM, EDGE_UM):  # better with room for the robot
            turn, longest = np.eye(2), 0.0
            for way in _ways():
                fits = _longest(usual @ way, at, view, margin_um)
                for length in _lengths(fits, length_um):
                    if not (length > WORTH * longest or longest < length == length_um):
                        break
                    if not clear_of(laid(length, way)):
                        turn, longest = way, length
                        break
            if longest >= (SHORTEST_UM if length_um is None else length_um):
                return laid(longest, turn)
    place = "from here" if begins else "in the picture"
    if longest < SHORTEST_UM:
        raise InputError(f"no room for a {name} {place}: choose an object nearer to the middle")
    raise InputError(f"no room for a {name} of {length_um:g} µm {place}: give at most {math.floor(longest)} µm")


def _lengths(fits_um: float, wanted_um: float | None) -> list[float]:
    """What to try where ``fits_um`` fits, the best first; smaller ones only where no length is asked for."""
    if wanted_um is not None:
        return [min(fits_um, wanted_um)]
    longest = min(fits_um, paths.CIRCLE_LENGTH_UM)
    return [longest, *(share * longest for share in SMALLER[1:] if share * longest >= SHORTEST_UM)]


def _unit(name: str, count: int, begins: bool) -> np.ndarray:
    """(count, 2) nodes of a shape of length 1 about the origin, or beginning there."""
    nodes = paths.from_name(name, paths.CIRCLE_LENGTH_UM / count) / paths.CIRCLE_LENGTH_UM
    return nodes - nodes[0] if begins else nodes


def _ways() -> Iterator[np.ndarray]:
    """(2, 2) matrices that turn and mirror rows (x, y): none, quarter turns, then the turns between."""
    for eighths in (0, 2, 4, 6, 1, 3, 5, 7):
        c, s = math.cos(eighths * math.pi / 4), math.sin(eighths * math.pi / 4)
        for mirror in (1.0, -1.0):
            yield np.array([[c, s], [-mirror * s, mirror * c]])


def _longest(offsets: np.ndarray, at: np.ndarray, view: FieldOfView, margin_um: float) -> float:
    """The factor up to which ``at + factor·offsets`` keeps the margin, or what there is of it where it begins."""
    left, right, bottom, top = view.extent_um
    longest = math.inf
    for along, here, low, high in ((offsets[:, 0], at[0], left, right), (offsets[:, 1], at[1], bottom, top)):
        ahead, back = max(high - margin_um - here, 0.0), max(here - low - margin_um, 0.0)
        for most, room in ((float(along.max()), ahead), (float(-along.min()), back)):
            if most > 1e-9:
                longest = min(longest, room / most)
    return longest
