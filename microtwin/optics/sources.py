"""Abbe's source points: the condenser's disc as 1 + 6 + 12 + … plane waves on concentric rings.

Ring j of m has 6j points at radius j·NA_c/(m + ½), the middle of an annulus of width NA_c/(m + ½), and its points share
that annulus' area: weight 1/3 each against 1/4 for the centre. Points of one ring share an obliquity, which lets the
propagation compute their phase screens once. Köhler illumination: points are mutually incoherent, their images add
(Abbe; Born & Wolf, Principles of Optics, §10.6).
"""

import math

import numpy as np

from microtwin.errors import InputError


def full_rings(m: int) -> int:
    """Points in the centre and ``m`` rings around it: 1, 7, 19, 37, 61, 91, 127, …"""
    return 1 + 3 * m * (m + 1)


def rings_of(count: int) -> int:
    """Number m of rings that ``count`` points fill.

    Raises:
        InputError: no number of rings has that many points.
    """
    m = 0
    while full_rings(m) < count and m < 100:
        m += 1
    if full_rings(m) != count:
        near = f"{full_rings(max(m - 1, 0))} or {full_rings(max(m, 1))}"
        raise InputError(f"source_points is {count}: give a number that fills whole rings, here {near}")
    return m


def source_points(condenser_na: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Directions (S, 2) in units of NA (x right, y down as in images) and weights (S,) that sum to 1.

    A closed condenser (0) is one plane wave whatever ``count``.

    Raises:
        InputError: a number of points that fills no rings.
    """
    m = rings_of(count)
    if condenser_na == 0:
        return np.zeros((1, 2)), np.ones(1)
    points, weights = [np.zeros((1, 2))], [0.25]
    for j in range(1, m + 1):
        angles = 2 * math.pi * (np.arange(6 * j) + 0.5 * (j % 2)) / (6 * j)
        points.append(condenser_na * j / (m + 0.5) * np.stack([np.cos(angles), np.sin(angles)], axis=1))
        weights += [1 / 3] * (6 * j)
    return np.concatenate(points), np.array(weights) / sum(weights)
