"""Paths for the panel: from a drawing, by name, to and from files."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from microtwin import files, paths
from microtwin.control.approach import BERTH_UM
from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView

TREMOR_UM = 3.0  # standard deviation of the smoothing along a drawn line: less than a node's spacing
FINE_UM = 1.0  # step at which it is smoothed
ROOM_UM = BERTH_UM + 5.0  # from a path to the picture's edge: the robot, rounding the object, stays in view
EDGE_UM = 10.0  # at least this, so that the object stays in view
SHORTEST_UM = 100.0  # of a shape that is fitted in
LEAST_NODES = 24  # of a shape, however short
WORTH = 1.05  # a shape is turned out of its usual way only if that makes it longer by more than this
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def from_drawing(points_px: Sequence[Sequence[float]], view: FieldOfView, *, threshold_um: float = 8.0) -> np.ndarray:
    """(n, 2) nodes, µm, of a line drawn on the picture, ``paths.SPACING_UM`` apart, without the tremor of the hand.

    Both ends are kept. ``points_px`` are (x, y) places in the picture.

    Raises:
        InputError: points that are none, outside the picture, or no further than the threshold from the first.
    """
    try:
        points = np.array(points_px, dtype=float).reshape(len(points_px), 2)
    except (TypeError, ValueError):
        raise InputError("the drawing holds something that is no point: give x and y of each, in pixels") from None
    if not np.isfinite(points).all():
        raise InputError("the drawing holds a point that is not finite: draw it again")
    drawn = view.to_world(points)
    _check_inside(drawn, view, "the drawing", "draw within the picture")
    reach_um = float(np.hypot(*(drawn - drawn[:1]).T).max(initial=0.0))
    if reach_um <= threshold_um:
        raise InputError(
            f"the drawing stays within {reach_um:.3g} µm of its start: draw further than the threshold, "
            f"{threshold_um:g} µm"
        )
    return paths.resample(_calm(drawn), spacing_um=paths.SPACING_UM)


def load(
    name: str,
    view: FieldOfView,
    *,
    start_um: np.ndarray | None = None,
    length_um: float | None = None,
    folder: Path | None = None,
) -> np.ndarray:
    """(n, 2) nodes, µm, of a shape, of a saved path (``folder/NAME.csv``) or of any file ``*.csv``.

    A shape is turned or mirrored where that keeps it in the picture; a file is only moved.

    Args:
        start_um: (2,) where it shall begin; None: as it lies, a shape about the middle of the picture.
        length_um: of a shape; None for the longest that leaves the robot room, at most 538 µm. Files have their own.

    Raises:
        InputError: nothing of this name, a file that is no path, no room for it in the picture.
    """
    if name in paths.SHAPES:
        return _shape(name, view, start_um, length_um)
    saved_as = folder / f"{name}.csv" if folder is not None and NAME.fullmatch(name) else None
    if saved_as is not None and saved_as.is_file():
        points = paths.read_csv(saved_as)
    elif name.lower().endswith(".csv"):
        points = paths.read_csv(name)
    else:
        known = ", ".join([*paths.SHAPES, *(saved(folder) if folder is not None else [])])
        raise InputError(f"path '{name}' is not there: choose {known}, or give a CSV file")
    if start_um is not None:
        points = points + (np.asarray(start_um, dtype=float) - points[0])
    remedy = "choose an object elsewhere, or another path" if start_um is not None else "let it begin at the object"
    _check_inside(points, view, f"path '{name}'", remedy)
    return paths.resample(points, spacing_um=paths.SPACING_UM)


def save(folder: Path, name: str, nodes_um: np.ndarray) -> Path:
    """Write ``folder/NAME.csv``. A path that is there is never written over.

    Raises:
        InputError: a name of other characters than letters, digits, - and _, one that is taken, a full disk.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"path name is '{name}': give 1 to 64 letters, digits, - or _")
    if name in paths.SHAPES:
        raise InputError(f"path name is '{name}': that is a shape's, give another")
    path = files.open_folder(folder) / f"{name}.csv"
    if path.exists():
        raise InputError(f"path '{name}' is there already: give another name")
    paths.write_csv(path, nodes_um)
    return path


def saved(folder: Path) -> list[str]:
    """Names of the saved paths, sorted; none where there is no such folder."""
    return sorted(path.stem for path in folder.glob("*.csv") if NAME.fullmatch(path.stem))


def _calm(points: np.ndarray) -> np.ndarray:
    """The line smoothed along its arc; beyond the ends it is thought to go on point-symmetrically, which keeps them."""
    fine = paths.resample(points, spacing_um=FINE_UM)
    many = min(len(fine) - 1, math.ceil(4 * TREMOR_UM / FINE_UM))
    before, after = 2 * fine[0] - fine[many:0:-1], 2 * fine[-1] - fine[-2 : -many - 2 : -1]
    smooth = gaussian_filter1d(np.concatenate([before, fine, after]), TREMOR_UM / FINE_UM, axis=0)
    return np.concatenate([fine[:1], smooth[many + 1 : -many - 1], fine[-1:]])


def _shape(name: str, view: FieldOfView, start_um: np.ndarray | None, length_um: float | None) -> np.ndarray:
    if length_um is not None and not (math.isfinite(length_um) and length_um > 0):
        raise InputError(f"length of the {name} is {length_um} µm: give a positive number")
    at = np.asarray(view.centre_um if start_um is None else start_um, dtype=float)
    if start_um is not None and not view.contains(at):
        raise InputError(f"the object is outside the picture: choose another one for a {name}")
    begins = start_um is not None
    wanted = paths.CIRCLE_LENGTH_UM if length_um is None else length_um
    usual, longest = _unit(name, paths.CIRCLE_NODES, begins), 0.0
    for margin_um in (ROOM_UM, EDGE_UM):  # better with room for the robot
        turn, longest = np.eye(2), 0.0
        for way in _ways():
            fits = min(_longest(usual @ way, at, view, margin_um), wanted)
            if fits > WORTH * longest or longest < fits == length_um:
                turn, longest = way, fits
        if longest >= (SHORTEST_UM if length_um is None else length_um):
            count = max(round(longest / paths.SPACING_UM), LEAST_NODES)
            return at + longest * _unit(name, count, begins) @ turn
    place = "from here" if begins else "in the picture"
    if longest < SHORTEST_UM:
        raise InputError(f"no room for a {name} {place}: choose an object nearer to the middle")
    raise InputError(f"no room for a {name} of {length_um:g} µm {place}: give at most {math.floor(longest)} µm")


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


def _check_inside(points_um: np.ndarray, view: FieldOfView, what: str, remedy: str) -> None:
    outside = np.flatnonzero(~view.contains(points_um))
    if len(outside):
        x, y = points_um[outside[0]]
        raise InputError(f"{what} leaves the picture {view.side((x, y))}, at x {x:.0f} µm, y {y:.0f} µm: {remedy}")
