"""What controllers that keep behind their object share: goals, the approach, and going back to it when it is lost."""

import math

import numpy as np

from microtwin.control import identify
from microtwin.control.approach import approach_point, heading_behind
from microtwin.control.path_frame import advance_goal, arc_lengths, place
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Observation


class Pusher:
    """Pushes one object along a list of nodes; how it steers while it pushes is the subclass's.

    Args:
        nodes_um: (n, 2) goals in order. cruise_hz: frequency of the approach.
        threshold_um: distance at which a goal, and the approach point, counts as reached.
        approach_um, lost_um: as for the :class:`~microtwin.control.corridor.Corridor`.
        frame_rate_hz: of the camera.

    Raises:
        InputError: a threshold, distance or rate that is not positive, nodes that are no path.
    """

    lost_rad = math.pi / 2  # an object seen further off the way ahead than this is beside the robot, or behind it

    def __init__(
        self,
        nodes_um: np.ndarray,
        cruise_hz: float,
        *,
        threshold_um: float = 8.0,
        approach_um: float = 15.0,
        lost_um: float = 40.0,
        frame_rate_hz: float = 24.0,
    ):
        for name, value in (
            ("threshold", threshold_um),
            ("approach distance", approach_um),
            ("lost distance", lost_um),
            ("frame rate", frame_rate_hz),
        ):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        self.nodes_um = np.ascontiguousarray(nodes_um, dtype=float)
        self.threshold_um, self.approach_um, self.lost_um = threshold_um, approach_um, lost_um
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._cruise_hz = cruise_hz
        self._arc = arc_lengths(self.nodes_um)
        self._frame_s = 1.0 / frame_rate_hz
        self._memory = identify.memory()

    def act(self, observation: Observation) -> RotatingField:
        if self.done:
            return RotatingField.off()
        robot, cargo = observation.robot_um, observation.object_um
        goal = advance_goal(self.nodes_um, self.goal_index, cargo[0], cargo[1], self.threshold_um)
        self.goal_index = min(goal, len(self.nodes_um) - 1)
        if goal == len(self.nodes_um):
            self.done, self.mode = True, "done"
            return RotatingField.off()
        heading, frequency, s, off = self._steer(robot, cargo)
        if math.dist(robot, cargo) > self.lost_um or abs(off) > self.lost_rad:
            self.mode = "approach"
        if self.mode == "approach":
            self._start_over()
            ahead = place(self.nodes_um, self._arc, s + self.threshold_um)
            behind = approach_point(cargo, np.array(ahead[:2]), self.approach_um)
            if math.dist(behind, robot) > self.threshold_um:
                heading, frequency = heading_behind(robot, behind, cargo) - self._memory[identify.BIAS], self._cruise_hz
            else:
                self.mode = "push"
        identify.told(self._memory, heading, PUSH_RAD, frequency)
        return RotatingField(heading, PUSH_RAD, frequency)

    def _steer(self, robot_um: np.ndarray, cargo_um: np.ndarray) -> tuple[float, float, float, float]:
        """(heading rad, frequency Hz, the object's s µm, its bearing off the way it should go rad)."""
        raise NotImplementedError

    def _start_over(self) -> None:
        """The object is not being pushed: forget what only holds while it is."""
        raise NotImplementedError
