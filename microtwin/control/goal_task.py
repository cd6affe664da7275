"""Pushing an object to a goal as a policy sees it: numbers in, numbers out, the same in training and on a rig.

Everything is written in the world's axes, and nothing but the goals depends on where the world's origin is. Positions
are those expected when the next command starts to act (:func:`microtwin.control.identify.expect`), but for the achieved
goal, which is where the object was seen.

Observation, layout ``goal/1`` (all clipped to ±10):

===== ========================================================================================= =================
index what                                                                                      unit
===== ========================================================================================= =================
0, 1  place of the robot from the object, x and y                                               10 µm
2     distance robot – object, less 15 µm                                                       10 µm
3, 4  velocity of the object, x and y                                                           50 µm/s
5, 6  velocity of the robot, x and y                                                            50 µm/s
7     heading bias identified so far, counter-clockwise                                         rad
8     speed per hertz identified so far                                                         2 µm/s per Hz
9–16  the last two commands, newest first: cos α, sin α, cos γ, f                               1, 1, 1, 60 Hz
17    greatest frequency allowed                                                                60 Hz
18–   two numbers for each of the other bodies asked for, nearest first: its place from the     40 µm
      object, x and y
===== ========================================================================================= =================

Achieved and desired goal: place of the object, x and y, from where it was first seen in this episode, in 10 µm (the
robot's diameter).

Action, each in [−1, 1]: 0, 1 the heading α as a vector in the world's axes (cos α, sin α, of any length: no angle wraps
round; zero means +x); 2 cos γ (0 rolls, 1 spins counter-clockwise, −1 clockwise); 3 the frequency, −1 for none and 1
for the greatest allowed.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.path_task import FREQUENCY_UNIT_HZ, LIMIT, nearest
from microtwin.errors import InputError

LAYOUT = "goal/1"
GOAL_UNIT_UM = 10.0
GOAL_SIZE = 2
FIXED = 18  # entries of an observation before the other bodies

# entries of a task's memory, after those of identify
ORIGIN_X, ORIGIN_Y = range(identify.SIZE, identify.SIZE + 2)
SIZE = identify.SIZE + 2
# entries of a task's numbers
LIMIT_HZ, SMOOTH_S, ADAPT_S, DELAY = range(4)


@njit(cache=True)
def see(row, numbers, frame_s, robot_x, robot_y, object_x, object_y, others, out, achieved):
    """Take in one frame; write what the policy sees into ``out``, the achieved goal (2,) into ``achieved``.

    ``others`` (M, 2) are the positions of the other bodies.
    """
    delay = int(numbers[DELAY])
    identify.watch(row, robot_x, robot_y, object_x, object_y, frame_s, delay, numbers[SMOOTH_S], numbers[ADAPT_S])
    if row[identify.FRAMES] == 1.0:
        row[ORIGIN_X], row[ORIGIN_Y] = object_x, object_y
    achieved[0] = (object_x - row[ORIGIN_X]) / GOAL_UNIT_UM
    achieved[1] = (object_y - row[ORIGIN_Y]) / GOAL_UNIT_UM

    rx, ry, ox, oy = identify.expect(row, frame_s, delay)
    out[0], out[1] = 0.1 * (rx - ox), 0.1 * (ry - oy)
    out[2] = 0.1 * (math.hypot(rx - ox, ry - oy) - 15.0)
    out[3], out[4] = row[identify.OBJECT_VX] / 50.0, row[identify.OBJECT_VY] / 50.0
    out[5], out[6] = row[identify.ROBOT_VX] / 50.0, row[identify.ROBOT_VY] / 50.0
    out[7] = row[identify.BIAS]
    out[8] = 0.5 * row[identify.SPEED_PER_HZ]
    for k in range(2):
        at = identify.COMMANDS + 4 * k
        out[9 + 4 * k], out[10 + 4 * k] = math.cos(row[at]), math.sin(row[at])
        out[11 + 4 * k], out[12 + 4 * k] = row[at + 2], row[at + 3] / FREQUENCY_UNIT_HZ
    out[17] = numbers[LIMIT_HZ] / FREQUENCY_UNIT_HZ
    nearest(others, object_x, object_y, 1.0, 0.0, out[FIXED:])
    for k in range(out.size):
        out[k] = min(LIMIT, max(-LIMIT, out[k]))


@njit(cache=True)
def say(row, numbers, action):
    """(α, γ, f) of an action, remembered as the command it becomes."""
    away = action[0] != 0.0 or action[1] != 0.0
    alpha = math.atan2(action[1], action[0]) if away else 0.0
    gamma = math.acos(min(1.0, max(-1.0, action[2])))
    frequency = numbers[LIMIT_HZ] * 0.5 * (action[3] + 1.0)
    identify.told(row, alpha, gamma, frequency)
    return alpha, gamma, frequency


@dataclass(frozen=True)
class GoalTask:
    """What a policy is told and what its actions mean.

    Attributes:
        limit_hz: greatest frequency allowed.
        others: how many other bodies are told of.
        smooth_s, adapt_s, delay_frames: of what is identified, as in :class:`~microtwin.control.steering.Law`.
    """

    limit_hz: float = 20.0
    others: int = 0
    smooth_s: float = 0.08
    adapt_s: float = 0.2
    delay_frames: int = 2

    def __post_init__(self):
        for name in ("limit_hz", "smooth_s", "adapt_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"task {name} is {value}: give a positive number")
        if not 0 <= self.others <= 100:
            raise InputError(f"task others is {self.others}: give 0 to 100 other bodies")
        if not 1 <= self.delay_frames <= identify.DELAYS:
            raise InputError(f"task delay is {self.delay_frames} frames: give 1 to {identify.DELAYS}")

    @property
    def layout(self) -> str:
        """Name and version of observation and action."""
        return LAYOUT

    @property
    def observation_size(self) -> int:
        return FIXED + 2 * self.others

    @property
    def action_size(self) -> int:
        return 4

    def numbers(self) -> np.ndarray:
        """(4,) for the compiled functions."""
        return np.array([self.limit_hz, self.smooth_s, self.adapt_s, self.delay_frames])


def memory() -> np.ndarray:
    """(SIZE,) an empty memory of a task."""
    row = np.zeros(SIZE)
    row[: identify.SIZE] = identify.memory()
    return row
