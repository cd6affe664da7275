"""Paths to train on: drawn at random, unlike the paths of the paper, which are for tests."""

import math

import numpy as np

from microtwin import paths
from microtwin.errors import InputError

SHORTEST_UM, LONGEST_UM = 150.0, 300.0
CORNERED = 0.25  # share of the random paths that are polylines
TIGHTEST_UM = 15.0  # radius of curvature: a robot and its object are 10 µm apart
LARGEST_UM = (325.0, 255.0)  # width and height that the 20x camera's chip holds with the margin round a path
MODES = 4
FINE_UM = 0.5


def named(path) -> np.ndarray:
    """(n, 2) nodes of a path that is named, a CSV file, or given as an array.

    Raises:
        InputError: none of these, or no path.
    """
    if isinstance(path, str):
        return paths.from_name(path)
    try:
        nodes = np.array(path, dtype=float)
    except (TypeError, ValueError):
        nodes = np.zeros(0)
    if nodes.ndim != 2:
        raise InputError(
            f"path is {path!r}: give {', '.join(paths.SHAPES)}, random, a CSV file or an (n, 2) array in µm"
        )
    paths.path_length(nodes)
    return np.ascontiguousarray(nodes)


def random_path(rng: np.random.Generator) -> np.ndarray:
    """(n, 2) nodes of a curve of 150 to 300 µm from the origin in any direction: smooth, or with sharp corners."""
    while True:
        length = rng.uniform(SHORTEST_UM, LONGEST_UM)
        heading = rng.uniform(-math.pi, math.pi)
        nodes = cornered(rng, length, heading) if rng.random() < CORNERED else smooth(rng, length, heading)
        if (np.ptp(nodes, axis=0) <= LARGEST_UM).all():
            return nodes


def smooth(rng: np.random.Generator, length_um: float, heading_rad: float) -> np.ndarray:
    """A curve whose curvature is a constant and a few Fourier modes along it, no tighter than TIGHTEST_UM."""
    s = np.arange(FINE_UM, length_um, FINE_UM)
    mean = rng.normal(0.0, 1.0 / 80.0)
    size = rng.uniform(0.0, 1.0 / 25.0) * rng.standard_normal(MODES) / np.sqrt(np.arange(1, MODES + 1))
    phase = rng.uniform(0.0, 2.0 * math.pi, MODES)
    waves = np.sin(2.0 * math.pi * np.arange(1, MODES + 1)[:, None] * s / length_um + phase[:, None])
    curvature = np.clip(mean + size @ waves, -1.0 / TIGHTEST_UM, 1.0 / TIGHTEST_UM)
    heading = heading_rad + np.cumsum(curvature) * FINE_UM
    steps = FINE_UM * np.column_stack((np.cos(heading), np.sin(heading)))
    return paths.polyline(np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)]))


def cornered(rng: np.random.Generator, length_um: float, heading_rad: float) -> np.ndarray:
    """A polyline: straight legs of 30 to 80 µm, turns of up to 120° between them."""
    points = [np.zeros(2)]
    while length_um > 0:
        leg = min(rng.uniform(30.0, 80.0), max(length_um, 15.0))
        points.append(points[-1] + leg * np.array([math.cos(heading_rad), math.sin(heading_rad)]))
        heading_rad += rng.choice((-1.0, 1.0)) * rng.uniform(math.pi / 6, 2 * math.pi / 3)
        length_um -= leg
    return paths.polyline(points)
