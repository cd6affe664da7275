"""What the pushing paper measures of a run's positions and modes: mean absolute error, share of time spent spinning.

All are computed from what any rig records, so a twin and a microscope are measured alike. Positions are arrays of
shape (n, 2): x and y in µm in one frame.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from microtwin.errors import InputError


def closest_points(nodes_um: ArrayLike, track_um: ArrayLike) -> NDArray[np.float64]:
    """The recorded object position closest to each node, shape (nodes, 2), in µm.

    ``nodes_um`` has shape (nodes, 2), ``track_um`` shape (frames, 2). This is T_a^new of section V of the pushing
    paper, and what its Fig. 6 draws. Raises InputError if a shape is wrong, or if an array is empty or not finite.
    """
    nodes, track = _positions(nodes_um, "nodes"), _positions(track_um, "track")
    _, index = KDTree(track).query(nodes)
    return track[index]


def mean_absolute_error(nodes_um: ArrayLike, track_um: ArrayLike) -> float:
    """Mean over the nodes of the distance to the closest recorded object position, in µm.

    ``nodes_um`` has shape (nodes, 2), ``track_um`` shape (frames, 2). Section V of the pushing paper:
    Σ |G_i - O_i^closest| / N_d. The measure ignores time and order, as the paper's does: a run that stops short is
    charged the distance from its last positions to the nodes it never reached. Raises InputError as `closest_points`
    does.
    """
    nodes, track = _positions(nodes_um, "nodes"), _positions(track_um, "track")
    distance, _ = KDTree(track).query(nodes)
    return float(np.mean(distance))


def spin_fraction(spinning: ArrayLike) -> float:
    """Fraction of the frames in which the robot was told to spin, 0 to 1.

    ``spinning`` holds one boolean per frame, shape (frames,): true where the field has γ = 0 or 180°, the spin
    conditions of section IV-C of the pushing paper; for a column of modes, write ``mode == "spin"``. Raises InputError
    if it is not boolean, not one-dimensional, or empty.
    """
    mask = np.asarray(spinning)
    if mask.dtype != np.bool_ or mask.ndim != 1 or mask.size == 0:
        raise InputError(f"spinning: {mask.dtype} of shape {mask.shape}: give one true or false per frame")
    return float(mask.mean())


def _positions(positions_um: ArrayLike, name: str) -> NDArray[np.float64]:
    positions = np.asarray(positions_um, dtype=float)
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) == 0:
        raise InputError(f"{name} of shape {positions.shape}: give at least one position, as an array of shape (n, 2)")
    if not np.isfinite(positions).all():
        row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise InputError(f"{name}: row {row} is {positions[row]} µm: leave out what was not measured")
    return positions
