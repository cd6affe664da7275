"""One camera frame of following a path, compiled: what is seen and what it is worth, for one world and for many."""

import math

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.path_task import ACROSS, FINISHED, FURTHEST_S, GONE, say, see

PROGRESS_UM = 10.0  # of progress, on the path, are worth 1
LOST, DONE = -5.0, 1.0  # rewards


@njit(cache=True, nogil=True)
def take_in(row, nodes, arc, numbers, error_scale, frame_s, bodies, out):
    """(state, reward) of one frame; the observation into ``out``.

    ``bodies`` (2 + M, 2): robot, object and the others told of, as observed, µm.
    """
    state = see(
        row, nodes, arc, numbers, frame_s, bodies[0, 0], bodies[0, 1], bodies[1, 0], bodies[1, 1], bodies[2:], out
    )
    further = max(0.0, row[identify.S] - row[FURTHEST_S])  # new ground only: who goes back far off the path and forth
    reward = further / PROGRESS_UM * math.exp(-abs(row[ACROSS]) / error_scale)  # on it would be paid for every round
    if state == GONE:
        reward += LOST
    elif state == FINISHED:
        reward += DONE
    return state, reward


@njit(cache=True, nogil=True)
def speak(row, numbers, action):
    """(α, γ, f) of an action, its numbers brought back to [−1, 1]."""
    return say(row, numbers, np.minimum(1.0, np.maximum(-1.0, action)))


@njit(cache=True, nogil=True)
def take_in_all(slots, rows, nodes, arcs, counts, numbers, error_scale, frame_s, bodies, out, states, rewards, errors):
    """:func:`take_in` in the worlds ``slots``; their rewards and cross-track distances are added up."""
    for w in slots:
        n = counts[w]
        state, reward = take_in(rows[w], nodes[w][:n], arcs[w][:n], numbers[w], error_scale, frame_s, bodies[w], out[w])
        states[w] = state
        rewards[w] += reward
        errors[w] += abs(rows[w, ACROSS])


@njit(cache=True, nogil=True)
def speak_all(slots, rows, numbers, actions, commands):
    """commands (3, W) ← α, γ, f of the worlds ``slots``."""
    for w in slots:
        commands[0, w], commands[1, w], commands[2, w] = speak(rows[w], numbers[w], actions[w])
