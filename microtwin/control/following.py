"""Where on a path an object is that somebody else steers: by eye, from the nodes it comes abreast of."""

import math

import numpy as np

LAST = 2  # of the nodes: one of these must have been reached before the end counts


def abreast(nodes_um: np.ndarray, index: int, object_um: np.ndarray, ahead: int) -> int:
    """Index of the node nearest to the object among the next ``ahead``: a path that crosses itself is not cut short."""
    near = nodes_um[index : index + ahead]
    return index + int(np.argmin(np.hypot(*(near - object_um).T)))


def at_end(nodes_um: np.ndarray, index: int, object_um: np.ndarray, threshold_um: float) -> bool:
    """Whether the object, abreast of node ``index``, lies within the threshold of the last one."""
    left = len(nodes_um) - 1 - index
    return left <= LAST and math.dist(nodes_um[-1], object_um) <= threshold_um
