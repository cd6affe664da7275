"""What a controller finds out about its robot while it drives, from what it sees and what it has commanded.

No model of the physics: a robot rolls at ``speed_per_hz`` × f along the commanded heading turned by ``heading_bias``,
and the object goes on as it went. Both numbers are followed by first-order filters, frame by frame; a command shows in
the frames ``delay`` frames after it was given, which is the camera's latency and one.

A memory is one row of numbers, so that a compiled loop can keep thousands of them.
"""

import math

import numpy as np
from numba import njit

from microtwin.control.path_frame import wrapped

DELAYS = 8  # commands remembered; the longest delay that can be compensated, in frames
# entries of a memory
S, ROBOT_X, ROBOT_Y, OBJECT_X, OBJECT_Y, OBJECT_VX, OBJECT_VY, ROBOT_VX, ROBOT_VY = range(9)
BIAS, SPEED_PER_HZ, INTEGRAL, FRAMES, GOAL = range(9, 14)
COMMANDS = 14  # then DELAYS × (heading rad, rolling turns per second, cos γ, frequency Hz), the newest first
SIZE = COMMANDS + 4 * DELAYS

START_SPEED_PER_HZ = 2.0  # µm/s per Hz, between the slow and the fast robots of the calibration tracks
BELIEVABLE_RAD = 1.0  # a robot seen to go further off than this is not rolling as told: touching, spinning, lost
SLOWEST_UM = 0.2  # motion between two frames, below which its direction is noise


def memory() -> np.ndarray:
    """(SIZE,) an empty memory."""
    row = np.zeros(SIZE)
    row[SPEED_PER_HZ] = START_SPEED_PER_HZ
    return row


@njit(cache=True)
def watch(row, robot_x, robot_y, object_x, object_y, frame_s, delay, smooth_s, adapt_s):
    """Take in one observation: velocities (time constant ``smooth_s``), heading bias and speed (``adapt_s``).

    Positions in µm, times in s, ``delay`` in frames.
    """
    if row[FRAMES] > 0.0:
        dx, dy = robot_x - row[ROBOT_X], robot_y - row[ROBOT_Y]
        share = 1.0 if row[FRAMES] == 1.0 else min(1.0, frame_s / smooth_s)
        row[ROBOT_VX] += share * (dx / frame_s - row[ROBOT_VX])
        row[ROBOT_VY] += share * (dy / frame_s - row[ROBOT_VY])
        row[OBJECT_VX] += share * ((object_x - row[OBJECT_X]) / frame_s - row[OBJECT_VX])
        row[OBJECT_VY] += share * ((object_y - row[OBJECT_Y]) / frame_s - row[OBJECT_VY])
        told = COMMANDS + 4 * (delay - 1)
        turns = row[told + 1]
        moved = math.hypot(dx, dy)
        if turns > 1.0 and moved > SLOWEST_UM:
            off = wrapped(math.atan2(dy, dx) - row[told])
            if abs(off) < BELIEVABLE_RAD:
                share = min(1.0, frame_s / adapt_s)
                row[BIAS] += share * (off - row[BIAS])
                row[SPEED_PER_HZ] += share * (moved / (frame_s * turns) - row[SPEED_PER_HZ])
    row[ROBOT_X], row[ROBOT_Y], row[OBJECT_X], row[OBJECT_Y] = robot_x, robot_y, object_x, object_y
    row[FRAMES] += 1.0


@njit(cache=True)
def told(row, alpha, gamma, frequency):
    """Remember a command: α and γ in rad, the frequency in Hz."""
    for k in range(SIZE - 1, COMMANDS + 3, -1):
        row[k] = row[k - 4]
    row[COMMANDS] = alpha
    row[COMMANDS + 1] = frequency * math.sin(gamma)
    row[COMMANDS + 2] = math.cos(gamma)
    row[COMMANDS + 3] = frequency


@njit(cache=True)
def expect(row, frame_s, delay):
    """(robot x, y, object x, y) when the next command starts to act: the commands on their way, carried out.

    In µm; ``delay`` in frames. To be called after :func:`watch` and before :func:`told`.
    """
    rx, ry, ox, oy = row[ROBOT_X], row[ROBOT_Y], row[OBJECT_X], row[OBJECT_Y]
    for k in range(delay - 1):
        at = COMMANDS + 4 * k
        go = row[SPEED_PER_HZ] * row[at + 1] * frame_s
        rx += go * math.cos(row[at] + row[BIAS])
        ry += go * math.sin(row[at] + row[BIAS])
        ox += row[OBJECT_VX] * frame_s
        oy += row[OBJECT_VY] * frame_s
    return rx, ry, ox, oy
