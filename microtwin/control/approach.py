"""Step 1 of the pushing paper: get behind the cargo, round it if need be.

The paper drives straight to A = O − d·(G − O)/|G − O| (section IV-A). A robot that starts beside or in front would push
its cargo away long before it touches: near glass the flow of a rolling sphere falls off as the cube of the distance and
points along the line between the two, so that 25 µm ahead the cargo drifts at a third to half of the robot's speed,
while right beside the robot it stands still. The robot therefore goes round on a circle and turns in only once it is
behind.
"""

import math

import numpy as np

BERTH_UM = 25.0  # radius of the circle: five robot radii
CLOSE_UM = 13.0  # a robot this close drags the cargo along beside it for ever, unless it leans in and rolls round it
LEAN_RAD = math.radians(20.0)
BEHIND_RAD = math.radians(12.0)  # within this of straight behind, drive straight to the approach point


def approach_point(cargo_um: np.ndarray, goal_um: np.ndarray, distance_um: float) -> np.ndarray:
    """(2,) point A behind the cargo, in line with the goal."""
    ahead = goal_um - cargo_um
    return cargo_um - distance_um * ahead / max(float(np.hypot(*ahead)), 1e-9)


def heading_behind(robot_um: np.ndarray, target_um: np.ndarray, cargo_um: np.ndarray) -> float:
    """Heading (rad) to the target behind the cargo: straight from behind it, else round it at ``BERTH_UM``."""
    away = robot_um - cargo_um
    behind = target_um - cargo_um
    outward = math.atan2(away[1], away[0])
    round_ = math.remainder(outward - math.atan2(behind[1], behind[0]), 2 * math.pi)
    if abs(round_) <= BEHIND_RAD:
        return math.atan2(target_um[1] - robot_um[1], target_um[0] - robot_um[0])
    distance = float(np.hypot(*away))
    side = -1.0 if round_ > 0 else 1.0  # the shorter way round
    if distance > BERTH_UM:  # along the tangent to the circle
        return outward + side * (math.pi - math.asin(BERTH_UM / distance))
    return outward + side * (math.pi / 2 + (LEAN_RAD if distance < CLOSE_UM else 0.0))  # round it where the robot is
