"""The open-loop baseline: a person who watches the screen and steers the robot's heading with a thumb stick.

The pushing paper's operator steers α by hand and never spins (section VI-A). Here the person aims to keep the robot
behind the cargo, on the far side of a point a little ahead on the path, sees everything ``delay_s`` late (0.25 s is a
simple visual reaction; a human's effective delay in compensatory tracking is 0.2–0.3 s: McRuer & Jex, IEEE Trans. Human
Factors in Electronics 8 (1967) 231), and holds the stick with an error of 10° that wanders over 0.7 s (both stated, not
measured). How far ahead the person looks is fitted to the paper's open-loop error (``calibration.toml``).
"""

import math
from collections import deque

import numpy as np

from microtwin.control.approach import approach_point, heading_behind
from microtwin.control.following import abreast, at_end
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.paths import path_length
from microtwin.rig import Observation


class Joystick:
    """Rolls at one frequency, always; only the heading changes.

    Args:
        nodes_um: (n, 2) nodes of the path.
        frequency_hz: frequency of the field.
        rng: source of the hand's wandering.
        hand_rad: standard deviation of the hand's error.
        delay_s: from what the screen shows to what the thumb does.
        wander_s: correlation time of the hand's error.
        lead_um: how far ahead on the path the person looks.
        gain: how hard the robot is steered back behind the cargo, per radian of bearing error.
    """

    def __init__(
        self,
        nodes_um: np.ndarray,
        *,
        frequency_hz: float,
        rng: np.random.Generator,
        hand_rad: float = math.radians(10.0),
        delay_s: float = 0.25,
        wander_s: float = 0.7,
        lead_um: float = 20.0,
        gain: float = 1.0,
        threshold_um: float = 8.0,
        approach_um: float = 15.0,
        lost_um: float = 40.0,
    ):
        for name, value in (
            ("frequency", frequency_hz),
            ("wander time", wander_s),
            ("lead", lead_um),
            ("threshold", threshold_um),
            ("approach distance", approach_um),
        ):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        for name, value in (("hand error", hand_rad), ("delay", delay_s)):
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}: give 0 or more")
        path_length(nodes_um)  # its own checks
        self.nodes_um = np.asarray(nodes_um, dtype=float)
        self.frequency_hz = frequency_hz
        self.hand_rad, self.delay_s, self.wander_s = hand_rad, delay_s, wander_s
        self.lead_um, self.gain, self.threshold_um = lead_um, gain, threshold_um
        self.approach_um, self.lost_um = approach_um, lost_um
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._rng = rng
        self._seen: deque[Observation] = deque()
        self._hand = 0.0
        self._last_s: float | None = None
        steps = np.hypot(*np.diff(self.nodes_um, axis=0).T)
        self._ahead = max(1, round(lead_um / float(steps.mean())))

    def act(self, observation: Observation) -> RotatingField:
        self._seen.append(observation)
        while len(self._seen) > 1 and self._seen[1].time_s <= observation.time_s - self.delay_s:
            self._seen.popleft()
        seen = self._seen[0]
        robot, cargo = seen.robot_um, seen.object_um
        self._follow(cargo)
        if self.done:
            return RotatingField.off()
        aim = self.nodes_um[min(self.goal_index + self._ahead, len(self.nodes_um) - 1)]
        wanted = math.atan2(aim[1] - cargo[1], aim[0] - cargo[0])
        bearing = math.atan2(cargo[1] - robot[1], cargo[0] - robot[0])
        error = math.remainder(bearing - wanted, 2 * math.pi)
        if self.mode == "push" and (math.dist(robot, cargo) > self.lost_um or abs(error) > math.pi / 2):
            self.mode = "approach"
        if self.mode == "approach":
            behind = approach_point(cargo, aim, self.approach_um)
            if math.dist(behind, robot) <= self.threshold_um:
                self.mode = "push"
            else:
                bearing, error = heading_behind(robot, behind, cargo), 0.0
        heading = bearing + self.gain * error + self._wander(observation.time_s)
        return RotatingField(heading, PUSH_RAD, self.frequency_hz)

    def _follow(self, cargo: np.ndarray) -> None:
        """The node the cargo is abreast of, searched a little ahead; the end is reached as the corridor's is."""
        if self.mode == "approach" and self.goal_index == 0:
            return
        self.goal_index = abreast(self.nodes_um, self.goal_index, cargo, 2 * self._ahead)
        if at_end(self.nodes_um, self.goal_index, cargo, self.threshold_um):
            self.done, self.mode = True, "done"

    def _wander(self, time_s: float) -> float:
        """The hand's error now: an Ornstein–Uhlenbeck process sampled at the frames' times."""
        keep = 0.0 if self._last_s is None else math.exp(-(time_s - self._last_s) / self.wander_s)
        self._last_s = time_s
        self._hand = keep * self._hand + self.hand_rad * math.sqrt(1 - keep * keep) * self._rng.standard_normal()
        return self._hand
