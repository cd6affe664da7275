"""Where a body is along a path: the frame of axes that slides along with the object that is pushed.

s is arc length from the path's first node, the tangent points ahead, the cross-track distance is positive to its left.
What is written in this frame does not change when path, robot and object are turned or shifted together. The compiled
functions take ``nodes`` (n, 2), ``arc`` (n,), s and distances in µm.
"""

import math

import numpy as np
from numba import njit

from microtwin.errors import InputError

BACK_UM, AHEAD_UM = 10.0, 25.0  # how far along the path the nearest point is looked for: it may cross itself


def arc_lengths(nodes_um: np.ndarray) -> np.ndarray:
    """(n,) arc length of each of the (n, 2) nodes, µm.

    Raises:
        InputError: fewer than two nodes, NaN, or two equal neighbours.
    """
    nodes = np.asarray(nodes_um, dtype=float)
    if nodes.ndim != 2 or nodes.shape[1] != 2 or len(nodes) < 2:
        raise InputError(f"path of shape {nodes.shape}: give at least two nodes, as an array of shape (n, 2) in µm")
    steps = np.hypot(*np.diff(nodes, axis=0).T)
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise InputError("path has nodes that are equal neighbours or not finite: give distinct nodes in µm")
    return np.concatenate(([0.0], np.cumsum(steps)))


@njit(cache=True)
def wrapped(angle):
    """The same angle between −π and π."""
    return math.atan2(math.sin(angle), math.cos(angle))


@njit(cache=True)
def segment(arc, s):
    """Index of the segment that holds arc length s; the first and the last one go on for ever."""
    return min(max(int(np.searchsorted(arc, s, side="right")) - 1, 0), arc.size - 2)


@njit(cache=True)
def place(nodes, arc, s):
    """(x, y, tangent x, tangent y) at arc length s; straight on beyond both ends."""
    i = segment(arc, s)
    length = arc[i + 1] - arc[i]
    tx, ty = (nodes[i + 1, 0] - nodes[i, 0]) / length, (nodes[i + 1, 1] - nodes[i, 1]) / length
    return nodes[i, 0] + tx * (s - arc[i]), nodes[i, 1] + ty * (s - arc[i]), tx, ty


@njit(cache=True)
def project(nodes, arc, near_s, x, y):
    """(s, cross-track distance) of the point of the path nearest to (x, y), looked for around ``near_s``."""
    first, last = segment(arc, near_s - BACK_UM), segment(arc, near_s + AHEAD_UM)
    best, best_s, across = math.inf, near_s, 0.0
    for i in range(first, last + 1):
        length = arc[i + 1] - arc[i]
        tx, ty = (nodes[i + 1, 0] - nodes[i, 0]) / length, (nodes[i + 1, 1] - nodes[i, 1]) / length
        dx, dy = x - nodes[i, 0], y - nodes[i, 1]
        along = min(max(tx * dx + ty * dy, 0.0), length)
        away = (dx - along * tx) ** 2 + (dy - along * ty) ** 2
        if away < best:
            best, best_s = away, arc[i] + along
            across = math.copysign(math.sqrt(away), tx * dy - ty * dx)
    return best_s, across


@njit(cache=True)
def advance_goal(nodes, goal, x, y, threshold):
    """The next goal after every goal within ``threshold`` of (x, y) is taken; the number of nodes when all are."""
    while goal < nodes.shape[0] and (nodes[goal, 0] - x) ** 2 + (nodes[goal, 1] - y) ** 2 <= threshold * threshold:
        goal += 1
    return goal


@njit(cache=True)
def smooth_tangent(nodes, arc, s, over):
    """Direction (rad) of the chord from s − over/2 to s + over/2: a tangent that does not jump at the nodes."""
    ax, ay, _, _ = place(nodes, arc, s - 0.5 * over)
    bx, by, _, _ = place(nodes, arc, s + 0.5 * over)
    return math.atan2(by - ay, bx - ax)
