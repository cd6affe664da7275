"""One camera frame of pushing to a goal, compiled, for one world and for many."""

import numpy as np
from numba import njit

from microtwin.control.goal_task import say, see


@njit(cache=True, nogil=True)
def take_in(row, numbers, frame_s, bodies, out, achieved):
    """One frame; ``bodies`` (2 + M, 2): robot, object and the others told of, as observed, µm."""
    see(
        row, numbers, frame_s, bodies[0, 0], bodies[0, 1], bodies[1, 0], bodies[1, 1], bodies[2:], out, achieved
    )  # fmt: skip


@njit(cache=True, nogil=True)
def speak(row, numbers, action):
    """(α, γ, f) of an action, its numbers brought back to [−1, 1]."""
    return say(row, numbers, np.minimum(1.0, np.maximum(-1.0, action)))


@njit(cache=True, nogil=True)
def take_in_all(slots, rows, numbers, frame_s, bodies, out, achieved):
    """:func:`take_in` in the worlds ``slots``."""
    for w in slots:
        take_in(rows[w], numbers, frame_s, bodies[w], out[w], achieved[w])


@njit(cache=True, nogil=True)
def speak_all(slots, rows, numbers, actions, commands):
    """commands (3, W) ← α, γ, f of the worlds ``slots``."""
    for w in slots:
        commands[0, w], commands[1, w], commands[2, w] = speak(rows[w], numbers, actions[w])
