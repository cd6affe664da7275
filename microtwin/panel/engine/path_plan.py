"""Paths for the panel: from a drawing, by name, to and from files."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from microtwin import files, paths
from microtwin.errors import InputError
from microtwin.panel.engine import fitted_shape
from microtwin.panel.engine.field_of_view import FieldOfView

TREMOR_UM = 3.0  # standard deviation of the smoothing along a drawn line: less than a node's spacing
FINE_UM = 1.0  # step at which it is smoothed
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
    blocked: fitted_shape.Blocked = lambda nodes_um: False,
) -> np.ndarray:
    """(n, 2) nodes, µm, of a shape, of a saved path (``folder/NAME.csv``) or of any file ``*.csv``.

    A shape is turned, mirrored or made smaller where that keeps it in the picture and clear of what is in its way; a
    file is only moved.

    Args:
        start_um: (2,) where it shall begin; None: as it lies, a shape about the middle of the picture.
        length_um: of a shape; None for the longest that leaves the robot room, at most 538 µm. Files have their own.
        blocked: whether nodes are in somebody's way; a shape for which they always are lies as if there was nobody.

    Raises:
        InputError: nothing of this name, a file that is no path, no room for it in the picture.
    """
    if name in paths.SHAPES:
        return fitted_shape.fit(name, view, start_um, length_um, blocked)
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


def _check_inside(points_um: np.ndarray, view: FieldOfView, what: str, remedy: str) -> None:
    outside = np.flatnonzero(~view.contains(points_um))
    if len(outside):
        x, y = points_um[outside[0]]
        raise InputError(f"{what} leaves the picture {view.side((x, y))}, at x {x:.0f} µm, y {y:.0f} µm: {remedy}")
