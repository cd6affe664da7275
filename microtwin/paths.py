"""Reference paths: the ordered goal positions ("nodes") that a cargo is pushed along.

A path is an array of shape (nodes, 2): x and y in µm, world frame, y up. The cargo visits node 1, then node 2, up to
the last one. A drawn line keeps both its ends. The shapes that close on themselves (circle, square, figure-eight) hold
each node once: the last node lies one spacing before the first.
"""

import csv
import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from microtwin import files
from microtwin.errors import InputError

Nodes = NDArray[np.float64]

CIRCLE_LENGTH_UM = 538.0
"""Length of the circle of the pushing paper (section VI), summed from node to node."""
CIRCLE_NODES = 100
"""Nodes of that circle, N_d in section V of the pushing paper."""
SPACING_UM = CIRCLE_LENGTH_UM / CIRCLE_NODES
"""Distance between neighbouring nodes of that circle: 5.38 µm."""

COLUMNS = ("x_um", "y_um")
SHAPES = ("circle", "figure-eight", "square", "clover")
MAX_NODES = 1_000_000


def circle(
    length_um: float = CIRCLE_LENGTH_UM,
    nodes: int = CIRCLE_NODES,
    centre_um: ArrayLike = (0.0, 0.0),
    start_angle_rad: float = 0.0,
    clockwise: bool = False,
) -> Nodes:
    """Nodes evenly spaced on a circle, shape (nodes, 2), in µm; counter-clockwise from ``start_angle_rad``.

    The pushing paper takes 100 nodes and finds "by summing the distance between each node" that the total length of
    the circle is 538 µm (sections V and VI). It does not say whether node 100 repeats node 1. Here the 100 nodes are
    distinct and the ``length_um`` is the sum over the closed polygon, so the spacing is 538/100 = 5.38 µm, the radius
    L / (2 n sin(π/n)) = 85.6 µm, and the way from node 1 to node 100 is 532.6 µm. The other reading (node 100 on
    node 1) makes that way 1 % longer, less than the published times can tell apart.

    Raises InputError if the length is not finite and positive, if there are fewer than 3 nodes, or if the centre or
    the angle is not finite.
    """
    _check_count(nodes, least=3)
    if not math.isfinite(start_angle_rad):
        raise InputError(f"start angle {start_angle_rad} rad: give a finite angle")
    turn = -1.0 if clockwise else 1.0
    angle = start_angle_rad + turn * 2.0 * np.pi * np.arange(nodes) / nodes
    return _scaled(np.column_stack((np.cos(angle), np.sin(angle))), length_um, centre_um)


def square(length_um: float = CIRCLE_LENGTH_UM, nodes: int = CIRCLE_NODES, centre_um: ArrayLike = (0.0, 0.0)) -> Nodes:
    """Nodes on a square with sides along x and y, shape (nodes, 2), in µm; counter-clockwise from its lower right.

    ``length_um`` is the sum over the closed polygon of the nodes. The corners are nodes when ``nodes`` is a multiple
    of 4. Raises InputError as `circle` does, for fewer than 4 nodes.
    """
    _check_count(nodes, least=4)
    outline = np.array([(1, -1), (1, 1), (-1, 1), (-1, -1), (1, -1)], dtype=float)
    return _scaled(resample(outline, nodes=nodes + 1)[:-1], length_um, centre_um)


def figure_eight(
    length_um: float = CIRCLE_LENGTH_UM, nodes: int = CIRCLE_NODES, centre_um: ArrayLike = (0.0, 0.0)
) -> Nodes:
    """Nodes on the lemniscate of Gerono (cos t, sin t cos t), shape (nodes, 2), in µm, from its right end upwards.

    The right lobe is run counter-clockwise, the left one clockwise, so a controller has to turn both ways.
    ``length_um`` is the sum over the closed polygon of the nodes. Raises InputError as `circle` does, for fewer than
    8 nodes.
    """
    _check_count(nodes, least=8)
    t = np.linspace(0.0, 2.0 * np.pi, 64 * nodes + 1)
    outline = np.column_stack((np.cos(t), np.sin(t) * np.cos(t)))
    return _scaled(resample(outline, nodes=nodes + 1)[:-1], length_um, centre_um)


def clover(length_um: float = CIRCLE_LENGTH_UM, nodes: int = CIRCLE_NODES, centre_um: ArrayLike = (0.0, 0.0)) -> Nodes:
    """Nodes on a clover of four leaves, r = 1 + ½ cos 4θ, shape (nodes, 2), in µm, from its right end upwards.

    ``length_um`` is the sum over the closed polygon of the nodes. Raises InputError as `circle` does, for fewer than
    16 nodes.
    """
    _check_count(nodes, least=16)
    angle = np.linspace(0.0, 2.0 * np.pi, 64 * nodes + 1)
    outline = (1.0 + 0.5 * np.cos(4.0 * angle))[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
    return _scaled(resample(outline, nodes=nodes + 1)[:-1], length_um, centre_um)


def polyline(points_um: ArrayLike, nodes: int | None = None, spacing_um: float | None = None) -> Nodes:
    """A drawn line through ``points_um`` of shape (points, 2), in µm, as nodes of shape (nodes, 2).

    Give ``nodes`` or ``spacing_um``; with neither, the nodes of the paper's circle set the spacing (5.38 µm). See
    `resample` for what is kept and for the errors.
    """
    if nodes is None and spacing_um is None:
        spacing_um = SPACING_UM
    return resample(points_um, nodes=nodes, spacing_um=spacing_um)


def resample(points_um: ArrayLike, nodes: int | None = None, spacing_um: float | None = None) -> Nodes:
    """Nodes at equal steps of arc length along a line, shape (nodes, 2), in µm; both ends are kept exactly.

    ``points_um`` has shape (points, 2). Give the number of ``nodes`` (at least 2), or the ``spacing_um``, which is
    rounded so that a whole number of equal steps fits. The nodes lie on the line, so a corner between two nodes is cut
    and the sum of distances is at most the line's length.

    Raises InputError if the points are not of that shape, not finite or all the same, if the spacing is not finite and
    positive, if more than a million nodes would be needed, or unless exactly one of the two is given.
    """
    points = _check_points(points_um)
    arc = np.concatenate(([0.0], np.cumsum(_steps(points))))
    length = float(arc[-1])
    if (nodes is None) == (spacing_um is None):
        raise InputError("resampling: give either the number of nodes or the spacing, not both or neither")
    if spacing_um is not None:
        if not (math.isfinite(spacing_um) and spacing_um > 0):
            raise InputError(f"node spacing {spacing_um} µm: give a finite spacing above 0")
        if length / spacing_um > MAX_NODES - 1:
            raise InputError(
                f"node spacing {spacing_um} µm on a path of {length:.6g} µm: give a larger spacing, "
                f"a path has at most {MAX_NODES} nodes"
            )
        nodes = max(round(length / spacing_um), 1) + 1
    assert nodes is not None
    _check_count(nodes, least=2)
    at = np.linspace(0.0, length, nodes)
    resampled = np.column_stack((np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])))
    resampled[0], resampled[-1] = points[0], points[-1]
    return resampled


def path_length(nodes_um: ArrayLike, closed: bool = False) -> float:
    """Sum of the distances between neighbouring nodes, in µm; with ``closed``, also from the last to the first.

    ``nodes_um`` has shape (nodes, 2). Raises InputError if it has not, or if it is not finite or all one point.
    """
    nodes = _check_points(nodes_um)
    return float(_steps(nodes, closed).sum())


def from_name(name: str, spacing_um: float = SPACING_UM) -> Nodes:
    """The path that a user names, shape (nodes, 2), in µm: one of `SHAPES`, or a CSV file (see `read_csv`).

    The shapes are 538 µm long, as the circle of the pushing paper is, and centred on the origin. A CSV file is
    resampled; ``spacing_um`` applies to both and is rounded so that a whole number of equal steps fits.

    Raises InputError if the name is neither a shape nor a file, or if the file or the spacing cannot be used.
    """
    if name not in SHAPES:
        if not name.lower().endswith(".csv") and not os.path.isfile(name):
            raise InputError(
                f"path '{name}': give {', '.join(SHAPES)}, or a CSV file with columns {', '.join(COLUMNS)}"
            )
        return resample(read_csv(name), spacing_um=spacing_um)
    if not (math.isfinite(spacing_um) and CIRCLE_LENGTH_UM / MAX_NODES < spacing_um <= CIRCLE_LENGTH_UM / 16):
        raise InputError(
            f"node spacing {spacing_um} µm: give one above 0 and at most {CIRCLE_LENGTH_UM / 16} µm for a {name}"
        )
    count = round(CIRCLE_LENGTH_UM / spacing_um)
    return {"circle": circle, "figure-eight": figure_eight, "square": square, "clover": clover}[name](nodes=count)


def read_csv(path: str | os.PathLike[str]) -> Nodes:
    """The points of a CSV file with a header that names ``x_um`` and ``y_um``, shape (points, 2), in µm.

    The points come as they stand in the file, in its order; other columns are ignored.

    Raises InputError, naming the file, the line and the value, if the file cannot be read, lacks a column, holds a
    value that is not a finite number, or holds fewer than 2 distinct points.
    """
    remedy = f"give a CSV file with columns {', '.join(COLUMNS)} in µm"
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header = [column.strip() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            missing = [column for column in COLUMNS if column not in header]
            if missing:
                found = ", ".join(header) or "none"
                raise InputError(f"{path}: no column {' and no column '.join(missing)}, found {found}: {remedy}")
            points = [[_number(path, reader.line_num, column, row[column]) for column in COLUMNS] for row in reader]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}): {remedy}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}): {remedy}") from error
    return _check_points(np.array(points, dtype=float).reshape(-1, 2), of=f"{path}: path")


def write_csv(path: str | os.PathLike[str], nodes_um: ArrayLike) -> None:
    """Write nodes of shape (nodes, 2), in µm, so that `read_csv` gives back the same bits.

    The file is written under a temporary name beside its place and then renamed: it is there whole or not at all.
    Raises InputError if the nodes are no path (see `path_length`) or if the place cannot be written.
    """
    nodes = _check_points(nodes_um)
    with files.whole(Path(path)) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((repr(float(x)), repr(float(y))) for x, y in nodes)


def _scaled(shape: Nodes, length_um: float, centre_um: ArrayLike) -> Nodes:
    """The shape about ``centre_um``, scaled until its closed polygon is ``length_um`` long."""
    if not (math.isfinite(length_um) and length_um > 0):
        raise InputError(f"path length {length_um} µm: give a finite length above 0")
    centre = np.asarray(centre_um, dtype=float)
    if centre.shape != (2,) or not np.isfinite(centre).all():
        raise InputError(f"path centre {centre_um} µm: give two finite numbers, x and y")
    return centre + shape * (length_um / _steps(shape, closed=True).sum())


def _steps(nodes: Nodes, closed: bool = False) -> NDArray[np.float64]:
    """Distances between neighbouring nodes, shape (nodes - 1,), or (nodes,) when the line closes."""
    offsets = np.diff(nodes, axis=0, append=nodes[:1]) if closed else np.diff(nodes, axis=0)
    return np.hypot(offsets[:, 0], offsets[:, 1])


def _check_count(nodes: int, least: int) -> None:
    if not least <= nodes <= MAX_NODES:
        raise InputError(f"{nodes} nodes: give a number from {least} to {MAX_NODES}")


def _check_points(points_um: ArrayLike, of: str = "path") -> Nodes:
    """The points as a new array of shape (points, 2), if they make a line of finite length above zero."""
    try:
        points = np.array(points_um, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{of}: the points are not numbers: give an array of shape (points, 2) in µm") from error
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"{of} of shape {points.shape}: give points of shape (points, 2): x and y in µm")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        x, y = points[bad[0]]
        raise InputError(f"{of}: point {bad[0] + 1} is ({x}, {y}): give finite numbers in µm")
    if len(points) < 2 or (points == points[0]).all():
        raise InputError(f"{of} of {len(points)} points has no length: give at least 2 different points")
    with np.errstate(over="ignore"):
        length = _steps(points).sum()
    if not (np.isfinite(length) and length > 0):
        raise InputError(f"{of} is {length} µm long: give points that are µm apart")
    return points


def _number(path: str | os.PathLike[str], line: int, column: str, text: str | None) -> float:
    try:
        if text is None or "_" in text:
            raise ValueError
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}: line {line}: {column} is '{text or ''}': give a finite number in µm")
    return value
