"""Other bodies: free beads and anchored cells near a path, but not on it."""

import math

import numpy as np

from microtwin.errors import InputError
from microtwin.robots import bead, cell

WAY_UM = 6.0  # left free beside a robot that follows the path
NEAR_UM = 20.0  # how much further away a body may lie
APART_UM = 2.0
TRIES = 2000

ROBOT_UM, BEAD_UM, CELL_UM = 5.0, bead(range_um=1.0).radius_um, cell(range_um=1.0).radius_um


def scatter(
    rng: np.random.Generator, nodes_um: np.ndarray, radii_um: list[float], cargo_um: float, start_um: float
) -> list[tuple[float, float]]:
    """Centres of bodies of these radii, drawn beside the path; the robot starts ``start_um`` from its first node.

    Raises:
        InputError: no room for so many.
    """
    found: list[tuple[float, float]] = []
    widest = max(cargo_um, ROBOT_UM)
    for k, radius in enumerate(radii_um):
        for _ in range(TRIES):
            node = nodes_um[rng.integers(len(nodes_um))]
            away, angle = rng.uniform(0.0, NEAR_UM), rng.uniform(-math.pi, math.pi)
            clear = radius + widest + WAY_UM
            at = node + (clear + away) * np.array([math.cos(angle), math.sin(angle)])
            if (
                np.hypot(*(nodes_um - at).T).min() >= clear
                and math.dist(at, nodes_um[0]) >= start_um + ROBOT_UM + radius + APART_UM
                and all(math.dist(at, one) >= radius + radii_um[i] + APART_UM for i, one in enumerate(found))
            ):
                found.append((float(at[0]), float(at[1])))
                break
        else:
            raise InputError(f"no room for {len(radii_um)} other bodies beside the path, only for {k}: ask for fewer")
    return found
