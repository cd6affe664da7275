"""Pushing without ever letting go: the robot stays behind the object and turns round it as the path turns.

Two loops, one inside the other, both in distances rather than times, so that one set holds from 15 to 50 Hz:
the object's wanted direction is the path's, leaned back towards it over the distance ``return_um`` (line-of-sight
guidance, Fossen, Breivik & Skjetne, IFAC Proc. 36 (2003) 211); the robot turns the bearing robot → object into the
wanted direction while it goes ``turn_um``. An object goes where it is pushed from, so a bearing that shall turn by κ
per µm of way needs the robot to head κ·L past it, L the distance between the two. The path's own curvature is added
before it shows as an error. Heading bias, speed per hertz and what the latency hides come from
:mod:`microtwin.control.identify`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.approach import approach_point, heading_behind
from microtwin.control.path_frame import advance_goal, arc_lengths, place, project, smooth_tangent, wrapped
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Observation

CHORD_UM = 7.0  # tangents and curvature are taken over about a node and a half
MOST_INTEGRAL_UM = 3.0  # more would overshoot when the flow that holds it there stops
LARGEST_TURN_RAD = 1.2  # past this the robot would leave the object beside it


@dataclass(frozen=True)
class Law:
    """The law's parameters.

    Attributes:
        cruise_hz: frequency on a straight path.
        turn_um: way on which an error of the bearing falls to 1/e.
        return_um: way on which a cross-track distance does.
        preview_s: how far ahead in time the path's direction is taken.
        feed_forward: share of the path's curvature that the robot turns by without an error.
        integral_per_s: rate at which a standing cross-track distance is made up for.
        touch_um: distance between the centres at which the two touch. A robot that rolls against its object climbs it
            and loses it, so over the last µm the frequency falls to ``touching_hz``, at which the object keeps ahead.
        smooth_s, adapt_s: time constants of the velocities and of the robot's bias and speed.
        delay_frames: frames from a command to the first frame that shows it: latency and one.
        lifted_hz: cruising as fast as this, a robot rolls clear of its object, and slowing down would bring it nearer.

    Raises:
        InputError: a value out of its range; a delay that cannot be made up for.
    """

    cruise_hz: float = 15.0
    turn_um: float = 5.0
    return_um: float = 8.0
    preview_s: float = 0.0
    feed_forward: float = 0.8
    integral_per_s: float = 0.5
    touch_um: float = 10.0
    touching_hz: float = 5.0
    smooth_s: float = 0.05
    adapt_s: float = 0.1
    delay_frames: int = 2
    lifted_hz: float = 30.0

    def __post_init__(self):
        for name in ("cruise_hz", "turn_um", "return_um", "touching_hz", "smooth_s", "adapt_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"steering {name} is {value}: give a positive number")
        for name in ("preview_s", "feed_forward", "integral_per_s", "touch_um", "lifted_hz"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"steering {name} is {value}: give 0 or more")
        if not 1 <= self.delay_frames <= identify.DELAYS:
            raise InputError(f"steering delay is {self.delay_frames} frames: give 1 to {identify.DELAYS}")

    def numbers(self) -> np.ndarray:
        """(12,) for the compiled law."""
        return np.array([getattr(self, name) for name in self.__dataclass_fields__], dtype=float)


@njit(cache=True)
def steer(row, nodes, arc, law, frame_s):
    """(heading, frequency, bearing error, object's s, cross-track distance) for the next command.

    ``row`` is the memory after :func:`~microtwin.control.identify.watch`; its progress and integral are updated.
    ``nodes`` (n, 2) and ``arc`` (n,) in µm, ``law`` (12,) of :meth:`Law.numbers`, ``frame_s`` in s; angles in rad.
    """
    cruise, turn_um, return_um, preview_s = law[0], law[1], law[2], law[3]
    forward, integral, touch, touching = law[4], law[5], law[6], law[7]
    rx, ry, ox, oy = identify.expect(row, frame_s, int(law[10]))
    s, across = project(nodes, arc, row[identify.S], ox, oy)
    row[identify.S] = s
    row[identify.INTEGRAL] = min(
        MOST_INTEGRAL_UM, max(-MOST_INTEGRAL_UM, row[identify.INTEGRAL] + integral * across * frame_s)
    )
    v = max(row[identify.SPEED_PER_HZ] * cruise, 1.0)
    apart = math.hypot(ox - rx, oy - ry)
    ahead = s + v * preview_s
    direction = smooth_tangent(nodes, arc, ahead, CHORD_UM)
    later = smooth_tangent(nodes, arc, ahead + 0.5 * CHORD_UM, CHORD_UM)
    before = smooth_tangent(nodes, arc, ahead - 0.5 * CHORD_UM, CHORD_UM)
    curvature = wrapped(later - before) / CHORD_UM
    wanted = direction - math.atan((across + row[identify.INTEGRAL]) / return_um)
    bearing = math.atan2(oy - ry, ox - rx)
    error = wrapped(bearing - wanted)
    turn = apart * error / turn_um - math.atan(forward * apart * curvature)
    turn = min(LARGEST_TURN_RAD, max(-LARGEST_TURN_RAD, turn))
    slow = cruise if cruise >= law[11] else min(touching, cruise)
    frequency = slow + (cruise - slow) * min(1.0, max(0.0, apart - touch))
    return bearing + turn - row[identify.BIAS], frequency, error, s, across


class Steering:
    """Pushes one object along a list of nodes by :func:`steer`.

    Args:
        nodes_um: (n, 2) goals in order. law: its parameters.
        threshold_um: distance at which a goal, and the approach point, counts as reached.
        approach_um, lost_um: as for the :class:`~microtwin.control.corridor.Corridor`.
        frame_rate_hz: of the camera.

    Raises:
        InputError: a threshold, distance or rate that is not positive, nodes that are no path.
    """

    def __init__(
        self,
        nodes_um: np.ndarray,
        law: Law | None = None,
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
        self.law = law or Law()
        self.threshold_um, self.approach_um, self.lost_um = threshold_um, approach_um, lost_um
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._arc = arc_lengths(self.nodes_um)
        self._numbers = self.law.numbers()
        self._frame_s = 1.0 / frame_rate_hz
        self._memory = identify.memory()

    def act(self, observation: Observation) -> RotatingField:
        if self.done:
            return RotatingField.off()
        robot, cargo, law = observation.robot_um, observation.object_um, self.law
        goal = advance_goal(self.nodes_um, self.goal_index, cargo[0], cargo[1], self.threshold_um)
        if goal == len(self.nodes_um):
            self.done, self.mode, self.goal_index = True, "done", goal - 1
            return RotatingField.off()
        self.goal_index = goal
        identify.watch(
            self._memory, robot[0], robot[1], cargo[0], cargo[1], self._frame_s, law.delay_frames, law.smooth_s,
            law.adapt_s,
        )  # fmt: skip
        heading, frequency, error, s, _ = steer(self._memory, self.nodes_um, self._arc, self._numbers, self._frame_s)
        if math.dist(robot, cargo) > self.lost_um or abs(error) > math.pi / 2:
            self.mode = "approach"
        if self.mode == "approach":
            ahead = place(self.nodes_um, self._arc, s + self.threshold_um)
            behind = approach_point(cargo, np.array(ahead[:2]), self.approach_um)
            if math.dist(behind, robot) > self.threshold_um:
                self._memory[identify.INTEGRAL] = 0.0
                heading, frequency = heading_behind(robot, behind, cargo) - self._memory[identify.BIAS], law.cruise_hz
            else:
                self.mode = "push"
        identify.told(self._memory, heading, PUSH_RAD, frequency)
        return RotatingField(heading, PUSH_RAD, frequency)
