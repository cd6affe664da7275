"""Pushing along a path as a policy sees it: numbers in, numbers out, the same in training, on the twin and on a rig.

Everything is written in the frame that slides along the path with the object, so that it does not change when the path,
the robot and the object are turned or shifted together. Positions are those expected when the next command starts to
act (:func:`microtwin.control.identify.expect`).

Observation, layout ``path/1`` (all clipped to ±10; the path's direction is its tangent at the object):

===== ========================================================================================= =================
index what                                                                                      unit
===== ========================================================================================= =================
0     cross-track distance of the object, positive left of the path                             2 µm
1, 2  cos, sin of the bearing robot → object against the path's direction                       1
3     distance robot – object, less 15 µm                                                       10 µm
4, 5  velocity of the object along the path and to its left                                     50 µm/s
6, 7  velocity of the robot along the path and to its left                                      50 µm/s
8–15  cos, sin of the path's direction 5, 12, 25 and 45 µm further on, against that here        1
16    length of path left, at most 100 µm                                                       100 µm
17    integral of the cross-track distance                                                      3 µm
18    heading bias identified so far, counter-clockwise                                         rad
19    speed per hertz identified so far                                                         2 µm/s per Hz
20–27 the last two commands, newest first: cos, sin of the heading against the path, cos γ, f   1, 1, 1, 60 Hz
28    greatest frequency allowed                                                                60 Hz
===== ========================================================================================= =================

``path-residual/1`` goes on with what :class:`~microtwin.control.steering.Steering` would do:

===== ========================================================================================= =================
29    its heading, the bias made up for, against the bearing robot → object                     rad
30    its frequency                                                                             60 Hz
===== ========================================================================================= =================

and both end with two numbers for each of the other bodies asked for, nearest first: its place ahead and left of the
object, where that is seen, along the path's direction, in 40 µm.

Action, each in [−1, 1]; ``path/1``: 0 ahead and 1 left, the heading as a vector in the path's frame (α is its
direction: no angle wraps round; zero means ahead); 2 cos γ (0 rolls, 1 spins counter-clockwise, −1 clockwise); 3 the
frequency, −1 for none and 1 for the greatest allowed. ``path-residual/1``: 0 turns Steering's heading left by up to
0.6 rad; 1 is cos γ; 2 scales its frequency by 2 to that power.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.path_frame import advance_goal, arc_lengths, smooth_tangent, wrapped
from microtwin.control.steering import CHORD_UM, Law, steer
from microtwin.errors import InputError

LAYOUTS = {False: "path/1", True: "path-residual/1"}
LIMIT = 10.0
TURN_RAD = 0.6
FREQUENCY_UNIT_HZ = 60.0

# entries of a task's memory, after those of identify
DIRECTION, HEADING, BASE_HZ, ACROSS, ERROR, BEARING, FURTHEST_S = range(identify.SIZE, identify.SIZE + 7)
SIZE = identify.SIZE + 7
# entries of a task's numbers; the rest is Law.numbers()
RESIDUAL, LIMIT_HZ, THRESHOLD, LOST, LAW = range(5)
PUSHING, FINISHED, GONE = range(3)


@njit(cache=True)
def see(row, nodes, arc, numbers, frame_s, robot_x, robot_y, object_x, object_y, others, out):
    """Take in one frame and write what the policy sees into ``out``; PUSHING, FINISHED or GONE (the object is lost).

    ``others`` (M, 2) are the positions of the other bodies.
    """
    law = numbers[LAW:]
    row[FURTHEST_S] = max(row[FURTHEST_S], row[identify.S])  # before this frame
    identify.watch(row, robot_x, robot_y, object_x, object_y, frame_s, int(law[10]), law[8], law[9])
    goal = advance_goal(nodes, int(row[identify.GOAL]), object_x, object_y, numbers[THRESHOLD])
    heading, base_hz, error, s, across = steer(row, nodes, arc, law, frame_s)
    row[identify.GOAL] = goal
    direction = smooth_tangent(nodes, arc, s, CHORD_UM)
    if row[identify.FRAMES] == 1.0:
        row[FURTHEST_S] = s
        for k in range(identify.DELAYS):  # no command yet: as if told to stand still, facing ahead
            row[identify.COMMANDS + 4 * k] = direction
    rx, ry, ox, oy = identify.expect(row, frame_s, int(law[10]))
    bearing = math.atan2(oy - ry, ox - rx)
    apart = math.hypot(ox - rx, oy - ry)
    row[DIRECTION], row[HEADING], row[BASE_HZ] = direction, heading, base_hz
    row[ACROSS], row[ERROR], row[BEARING] = across, error, bearing

    ca, sa = math.cos(direction), math.sin(direction)
    out[0] = 0.5 * across
    out[1], out[2] = math.cos(bearing - direction), math.sin(bearing - direction)
    out[3] = 0.1 * (apart - 15.0)
    vx, vy = row[identify.OBJECT_VX] / 50.0, row[identify.OBJECT_VY] / 50.0
    out[4], out[5] = ca * vx + sa * vy, ca * vy - sa * vx
    vx, vy = row[identify.ROBOT_VX] / 50.0, row[identify.ROBOT_VY] / 50.0
    out[6], out[7] = ca * vx + sa * vy, ca * vy - sa * vx
    for k, ahead in enumerate((5.0, 12.0, 25.0, 45.0)):
        bend = smooth_tangent(nodes, arc, s + ahead, CHORD_UM) - direction
        out[8 + 2 * k], out[9 + 2 * k] = math.cos(bend), math.sin(bend)
    out[16] = min(arc[-1] - s, 100.0) / 100.0
    out[17] = row[identify.INTEGRAL] / 3.0
    out[18] = row[identify.BIAS]
    out[19] = 0.5 * row[identify.SPEED_PER_HZ]
    for k in range(2):
        at = identify.COMMANDS + 4 * k
        out[20 + 4 * k], out[21 + 4 * k] = math.cos(row[at] - direction), math.sin(row[at] - direction)
        out[22 + 4 * k], out[23 + 4 * k] = row[at + 2], row[at + 3] / FREQUENCY_UNIT_HZ
    out[28] = numbers[LIMIT_HZ] / FREQUENCY_UNIT_HZ
    end = 29
    if numbers[RESIDUAL] > 0.0:
        out[29] = wrapped(heading + row[identify.BIAS] - bearing)
        out[30] = row[BASE_HZ] / FREQUENCY_UNIT_HZ
        end = 31
    nearest(others, object_x, object_y, ca, sa, out[end:])
    for k in range(out.size):
        out[k] = min(LIMIT, max(-LIMIT, out[k]))

    if goal == nodes.shape[0]:
        return FINISHED
    seen = math.hypot(object_x - robot_x, object_y - robot_y)
    return GONE if seen > numbers[LOST] or abs(error) > 0.5 * math.pi else PUSHING


@njit(cache=True)
def nearest(others, x, y, ca, sa, out):
    """Places of the other bodies in the path's frame, nearest first, as many as there is room for."""
    taken = np.zeros(others.shape[0], dtype=np.bool_)
    for k in range(out.size // 2):
        best, which = math.inf, -1
        for i in range(others.shape[0]):
            away = (others[i, 0] - x) ** 2 + (others[i, 1] - y) ** 2
            if not taken[i] and away < best:
                best, which = away, i
        if which < 0:
            out[2 * k], out[2 * k + 1] = LIMIT, LIMIT
            continue
        taken[which] = True
        dx, dy = (others[which, 0] - x) / 40.0, (others[which, 1] - y) / 40.0
        out[2 * k], out[2 * k + 1] = ca * dx + sa * dy, ca * dy - sa * dx


@njit(cache=True)
def say(row, numbers, action):
    """(α, γ, f) of an action, remembered as the command it becomes."""
    if numbers[RESIDUAL] > 0.0:
        alpha = row[HEADING] + TURN_RAD * action[0]
        spin, frequency = action[1], row[BASE_HZ] * 2.0 ** action[2]
    else:
        away = action[0] != 0.0 or action[1] != 0.0
        alpha = row[DIRECTION] + (math.atan2(action[1], action[0]) if away else 0.0)
        spin, frequency = action[2], numbers[LIMIT_HZ] * 0.5 * (action[3] + 1.0)
    alpha = wrapped(alpha)
    gamma = math.acos(min(1.0, max(-1.0, spin)))
    frequency = min(frequency, numbers[LIMIT_HZ])
    identify.told(row, alpha, gamma, frequency)
    return alpha, gamma, frequency


@dataclass(frozen=True)
class PathTask:
    """What a policy is told and what its actions mean.

    Attributes:
        residual: actions correct :class:`~microtwin.control.steering.Steering` instead of replacing it.
        limit_hz: greatest frequency allowed.
        threshold_um: distance at which a node counts as reached. lost_um: object this far away is lost.
        others: how many other bodies are told of.
        law: of Steering; its time constants also set the filters of what is identified.
    """

    residual: bool = True
    limit_hz: float = 60.0
    threshold_um: float = 8.0
    lost_um: float = 40.0
    others: int = 0
    law: Law = field(default_factory=Law)

    def __post_init__(self):
        for name in ("limit_hz", "threshold_um", "lost_um"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"task {name} is {value}: give a positive number")
        if not 0 <= self.others <= 100:
            raise InputError(f"task others is {self.others}: give 0 to 100 other bodies")

    @property
    def layout(self) -> str:
        """Name and version of observation and action."""
        return LAYOUTS[self.residual]

    @property
    def observation_size(self) -> int:
        return (31 if self.residual else 29) + 2 * self.others

    @property
    def action_size(self) -> int:
        return 3 if self.residual else 4

    def numbers(self) -> np.ndarray:
        """(16,) for the compiled functions; Steering cruises no faster than allowed."""
        law = replace(self.law, cruise_hz=min(self.law.cruise_hz, self.limit_hz))
        return np.concatenate(([self.residual, self.limit_hz, self.threshold_um, self.lost_um], law.numbers()))

    def follow(self, nodes_um: np.ndarray, frame_s: float) -> "PathFollower":
        """A fresh memory of this task on a path."""
        return PathFollower(self, nodes_um, frame_s)


class PathFollower:
    """One run of a task: remembers what was seen and said."""

    def __init__(self, task: PathTask, nodes_um: np.ndarray, frame_s: float):
        self.task = task
        self.nodes_um = np.ascontiguousarray(nodes_um, dtype=float)
        self.row = memory()
        self._arc = arc_lengths(self.nodes_um)
        self._numbers = task.numbers()
        self._frame_s = frame_s

    def see(self, robot_um, object_um, others_um=None) -> tuple[np.ndarray, int]:
        """(observation (n,) float32, PUSHING / FINISHED / GONE) from (2,), (2,) and (M, 2) positions, µm."""
        out = np.zeros(self.task.observation_size)
        others = np.empty((0, 2)) if others_um is None else np.ascontiguousarray(others_um, dtype=float)
        state = see(
            self.row, self.nodes_um, self._arc, self._numbers, self._frame_s,
            robot_um[0], robot_um[1], object_um[0], object_um[1], others, out,
        )  # fmt: skip
        return out.astype(np.float32), state

    def say(self, action: np.ndarray) -> tuple[float, float, float]:
        """(α rad, γ rad, f Hz) of an action."""
        return say(self.row, self._numbers, np.asarray(action, dtype=float))

    @property
    def goal_index(self) -> int:
        return min(int(self.row[identify.GOAL]), len(self.nodes_um) - 1)


def memory() -> np.ndarray:
    """(SIZE,) an empty memory of a task."""
    row = np.zeros(SIZE)
    row[: identify.SIZE] = identify.memory()
    return row
