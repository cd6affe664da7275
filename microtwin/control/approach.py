"""Step 1 of the pushing paper: get behind the cargo, round it if need be.

The paper drives straight to A = O − d·(G − O)/|G − O| (section IV-A). A robot that starts beside or in front would push
its cargo away with the flow it drags along: passing at a distance b moves a bead by about 7000 µm³/b² (the ρ⁻³ flow of
a rolling sphere, integrated), 30 µm at b = 15 µm. So outside a cone behind the cargo the robot first goes round it at
``clearance_um``.
"""

import math

import numpy as np

CLEARANCE_UM = 30.0
CONE_RAD = math.radians(35)  # from straight behind: inside it the way to A is clear
STRIDE_RAD = math.radians(40)  # how far ahead on the circle to aim


def approach_point(cargo_um: np.ndarray, goal_um: np.ndarray, distance_um: float) -> np.ndarray:
    """(2,) point A behind the cargo, in line with the goal."""
    ahead = goal_um - cargo_um
    return cargo_um - distance_um * ahead / max(float(np.hypot(*ahead)), 1e-9)


def heading_behind(
    robot_um: np.ndarray, target_um: np.ndarray, cargo_um: np.ndarray, clearance_um: float = CLEARANCE_UM
) -> float:
    """Heading (rad) of a robot on its way to a point behind the cargo, keeping clear of the cargo on the way."""
    rear = target_um - cargo_um
    place = robot_um - cargo_um
    straight_behind = math.atan2(rear[1], rear[0])
    off = math.remainder(math.atan2(place[1], place[0]) - straight_behind, 2 * math.pi)
    aim = target_um
    if abs(off) > CONE_RAD:
        bearing = straight_behind + off - math.copysign(min(STRIDE_RAD, abs(off)), off)
        aim = cargo_um + clearance_um * np.array([math.cos(bearing), math.sin(bearing)])
    way = aim - robot_um
    return math.atan2(way[1], way[0])
