"""What the pushing paper measures of a run: completion time, mean absolute error, and the share of time spent spinning.

All are computed from what any rig records, so a twin and a microscope are measured alike. Positions are arrays of
shape (n, 2): x and y in µm in one frame; times are in s.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from microtwin.errors import InputError

GOAL_THRESHOLD_UM = 8.0
"""A node is reached when the object is closer to it than this (threshold t, section VI of the pushing paper)."""


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


def nodes_reached(
    nodes_um: ArrayLike, track_um: ArrayLike, threshold_um: float = GOAL_THRESHOLD_UM
) -> NDArray[np.int64]:
    """How many nodes the object has reached, in their order, up to and including each frame: shape (frames,).

    ``nodes_um`` has shape (nodes, 2), ``track_um`` shape (frames, 2). A node counts once all before it do and the
    object is closer to it than ``threshold_um``; several can be reached in one frame, since the nodes stand closer
    (5.4 µm) than the threshold (8 µm, sections IV and VI of the pushing paper). Raises InputError as `closest_points`
    does, or if the threshold is not finite and positive.
    """
    nodes, track = _positions(nodes_um, "nodes"), _positions(track_um, "track")
    if not (math.isfinite(threshold_um) and threshold_um > 0):
        raise InputError(f"goal threshold {threshold_um} µm: give a finite threshold above 0")
    reached = np.zeros(len(track), dtype=np.int64)
    count = 0
    for frame, (x, y) in enumerate(track):
        while count < len(nodes) and math.hypot(nodes[count, 0] - x, nodes[count, 1] - y) < threshold_um:
            count += 1
        reached[frame] = count
    return reached


def completion_time(
    time_s: ArrayLike, nodes_um: ArrayLike, track_um: ArrayLike, threshold_um: float = GOAL_THRESHOLD_UM
) -> float:
    """Time from the frame that reaches the first node to the frame that reaches the last one, in s; NaN if none does.

    ``time_s`` has shape (frames,), ``nodes_um`` shape (nodes, 2), ``track_um``, the object, shape (frames, 2). Section
    V of the pushing paper: the time to push an object from G_1 to G_100. Nodes are reached as `nodes_reached` says.
    Raises InputError as that does, or if the times are not finite, do not rise, or are not one per frame.
    """
    reached = nodes_reached(nodes_um, track_um, threshold_um)
    time = np.asarray(time_s, dtype=float)
    if time.shape != reached.shape:
        raise InputError(f"times of shape {time.shape} for {len(reached)} frames: give one time per frame")
    if not (np.isfinite(time).all() and (np.diff(time) > 0).all()):
        raise InputError("times: give finite times in s that rise from frame to frame")
    if reached[-1] < len(np.asarray(nodes_um)):
        return math.nan
    return float(time[np.argmax(reached == reached[-1])] - time[np.argmax(reached > 0)])


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
