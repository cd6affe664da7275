"""The paper's open-loop mode with a person in it, who steers by keys or a gamepad while the object is watched.

:class:`~microtwin.control.joystick.Joystick` is a stand-in for this person where nobody is there to steer.
"""

import math

import numpy as np

from microtwin.control.approach import approach_point
from microtwin.control.following import abreast, at_end
from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.metrics import field_modes
from microtwin.paths import path_length
from microtwin.rig import Observation

AHEAD_UM = 40.0  # of path: no hand pushes an object further than this from one frame to the next
MODES = {1: "spin_ccw", -1: "spin_cw", 0: "push"}


class ByHand:
    """Applies what a person wishes and keeps the score.

    The approach, up to which the paper counts no time, ends as any controller's: at the approach point behind the
    object; or where the robot has come as near to the object as that point is, from whatever side. From then on the
    mode is what the field does (:func:`microtwin.metrics.field_modes`); without a field it is ``push``.

    Args:
        nodes_um: (n, 2) nodes of the path.
        threshold_um: distance at which the approach point, and the last node, counts as reached.
        approach_um: distance of the approach point behind the object.

    Attributes:
        wish: the field that is wanted now, off at first; may be set from another thread at any time. One that does
            not turn is taken for none.

    Raises:
        InputError: nodes that are no path, a distance that is not positive.
    """

    def __init__(self, nodes_um: np.ndarray, *, threshold_um: float = 8.0, approach_um: float = 15.0):
        for name, value in (("threshold", threshold_um), ("approach distance", approach_um)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        length_um = path_length(nodes_um)  # its own checks
        self.nodes_um = np.asarray(nodes_um, dtype=float)
        self.threshold_um, self.approach_um = threshold_um, approach_um
        self.wish = RotatingField.off()
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._ahead = max(2, round(AHEAD_UM * (len(self.nodes_um) - 1) / length_um))

    def act(self, observation: Observation) -> RotatingField:
        if self.done:
            return RotatingField.off()
        cargo = observation.object_um
        if self.mode == "approach" and not self._is_there(observation):
            return self._wanted()
        self.goal_index = abreast(self.nodes_um, self.goal_index, cargo, self._ahead)
        if at_end(self.nodes_um, self.goal_index, cargo, self.threshold_um):
            self.done, self.mode = True, "done"
            return RotatingField.off()
        wanted = self._wanted()
        self.mode = MODES[int(field_modes(wanted.gamma_rad))] if wanted.amplitude else "push"
        return wanted

    def _is_there(self, observation: Observation) -> bool:
        robot, cargo = observation.robot_um, observation.object_um
        away = np.hypot(*(self.nodes_um - cargo).T) > self.threshold_um
        goal = self.nodes_um[int(np.argmax(away))]  # the first one that is not reached yet
        behind = approach_point(cargo, goal, self.approach_um)
        return math.dist(behind, robot) <= self.threshold_um or math.dist(cargo, robot) <= self.approach_um

    def _wanted(self) -> RotatingField:
        wish = self.wish  # read once: it may change meanwhile
        return wish if wish.frequency_hz > 0 else RotatingField.off()
