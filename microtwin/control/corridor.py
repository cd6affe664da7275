"""The pushing paper's algorithm: approach, push inside a guiding corridor, spin when the cargo leaves it.

Algorithm 1 of Sokolich et al. 2025. The corridor runs from the robot M to the goal G and is rebuilt every frame. The
cargo is left of it when it lies to the left of the left edge L₁L₂ (and so of both edges): spin clockwise; right of the
right edge: spin counter-clockwise; between: roll from M towards G. Sides come from the cross product in a y-up frame;
the paper's Eqs. 4 and 9–13 mix image and world axes.
"""

import math

import numpy as np

from microtwin.control.approach import approach_point, heading_behind
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD, RotatingField
from microtwin.rig import Observation


def side_of(start_um: np.ndarray, end_um: np.ndarray, point_um: np.ndarray) -> float:
    """Signed distance (µm) of a point from the directed line start → end; positive to its left."""
    along = end_um - start_um
    reach = point_um - start_um
    return float(along[0] * reach[1] - along[1] * reach[0]) / max(float(np.hypot(*along)), 1e-9)


class Corridor:
    """Pushes one object along a list of nodes.

    Args:
        nodes_um: (n, 2) goals in order.
        frequency_hz: frequency of the field.
        width_um: corridor width w.
        threshold_um: distance at which a goal, and the approach point, counts as reached.
        approach_um: distance d of the approach point behind the cargo (not published; the lab's software offers
            8.6–17 µm).
        lost_um: cargo this far from the robot, or behind it: approach again.

    Raises:
        InputError: a width, frequency, threshold or approach distance that is not positive.
    """

    def __init__(
        self,
        nodes_um: np.ndarray,
        *,
        frequency_hz: float,
        width_um: float,
        threshold_um: float = 8.0,
        approach_um: float = 15.0,
        lost_um: float = 40.0,
    ):
        for name, value in (
            ("frequency", frequency_hz),
            ("corridor width", width_um),
            ("threshold", threshold_um),
            ("approach distance", approach_um),
        ):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        if not lost_um > approach_um + threshold_um:
            raise InputError(f"lost distance is {lost_um}: give more than approach and threshold together")
        self.nodes_um = np.asarray(nodes_um, dtype=float)
        if self.nodes_um.ndim != 2 or self.nodes_um.shape[1] != 2 or not self.nodes_um.size:
            raise InputError(
                f"nodes of shape {self.nodes_um.shape}: give at least one goal, as an array of shape (n, 2)"
            )
        if not np.isfinite(self.nodes_um).all():
            raise InputError("nodes hold NaN or infinity: give finite numbers in µm")
        self.frequency_hz = frequency_hz
        self.width_um = width_um
        self.threshold_um = threshold_um
        self.approach_um = approach_um
        self.lost_um = lost_um
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._alpha = 0.0

    def act(self, observation: Observation) -> RotatingField:
        if self.done:
            return RotatingField.off()
        robot, cargo = observation.robot_um, observation.object_um
        while math.dist(self.nodes_um[self.goal_index], cargo) <= self.threshold_um:
            if self.goal_index == len(self.nodes_um) - 1:
                self.done, self.mode = True, "done"
                return RotatingField.off()
            self.goal_index += 1
        goal = self.nodes_um[self.goal_index]
        apart = math.dist(robot, cargo)
        passed = float((goal - robot) @ (cargo - robot)) < 0
        if apart > self.lost_um or (passed and apart > self.approach_um):
            self.mode = "approach"
        if self.mode == "approach":
            behind = approach_point(cargo, goal, self.approach_um)
            if math.dist(behind, robot) > self.threshold_um:
                self._alpha = heading_behind(robot, behind, cargo)
                return self._field(PUSH_RAD)
        offset = side_of(robot, goal, cargo)
        if offset > self.width_um / 2:
            self.mode = "spin_cw"
            return self._field(SPIN_CW_RAD)
        if offset < -self.width_um / 2:
            self.mode = "spin_ccw"
            return self._field(SPIN_CCW_RAD)
        self.mode = "push"
        self._alpha = math.atan2(goal[1] - robot[1], goal[0] - robot[0])
        return self._field(PUSH_RAD)

    def _field(self, gamma: float) -> RotatingField:
        return RotatingField(self._alpha, gamma, self.frequency_hz)
