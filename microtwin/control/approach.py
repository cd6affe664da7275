"""Step 1 of the pushing paper: get behind the cargo, round it if need be.

The paper drives straight to A = O − d·(G − O)/|G − O| (section IV-A). A robot that starts on the far side would push its
cargo away, so while the straight way passes closer to the cargo than ``clearance_um`` the robot steers along the
tangent to a circle of that radius about it.
"""

import math

import numpy as np


def approach_point(cargo_um: np.ndarray, goal_um: np.ndarray, distance_um: float) -> np.ndarray:
    """(2,) point A behind the cargo, in line with the goal."""
    ahead = goal_um - cargo_um
    return cargo_um - distance_um * ahead / max(float(np.hypot(*ahead)), 1e-9)


def heading_round(
    robot_um: np.ndarray, target_um: np.ndarray, obstacle_um: np.ndarray, clearance_um: float
) -> tuple[float, bool]:
    """Heading (rad) towards the target that keeps clear of a round obstacle, and whether it is the straight one."""
    way = target_um - robot_um
    to_obstacle = obstacle_um - robot_um
    length = float(np.hypot(*way))
    distance = float(np.hypot(*to_obstacle))
    straight = math.atan2(way[1], way[0])
    along = float(way @ to_obstacle) / max(length, 1e-9)
    across = float(way[0] * to_obstacle[1] - way[1] * to_obstacle[0]) / max(length, 1e-9)
    clearance = min(clearance_um, float(np.hypot(*(target_um - obstacle_um))) * 0.95)
    if along <= 0 or along >= length or abs(across) >= clearance or length == 0:
        return straight, True
    bearing = math.atan2(to_obstacle[1], to_obstacle[0])
    side = -1.0 if across > 0 else 1.0  # obstacle to the left: pass it on its right
    if distance > clearance:
        return bearing + side * math.asin(clearance / distance), False
    # inside the circle: go round and outwards
    return bearing + side * (math.pi / 2 + 0.5 * (1.0 - distance / clearance)), False
