"""What the stepper works on, as plain arrays with the shape beside each."""

from typing import NamedTuple

import numpy as np
from numba import njit

from microtwin.physics import magnetics

# rows of Setup.bodies
RADIUS, WEIGHT, RANGE, MOMENT, FRICTION, LIFT, ANCHORED = range(7)
# entries of Setup.liquid
VISCOSITY, KT, HAMAKER, PAIR_FRICTION = range(4)


class Setup(NamedTuple):
    """What stays the same from step to step."""

    bodies: np.ndarray  # (7, N)
    liquid: np.ndarray  # (4,)
    flow: np.ndarray  # Flow.parameters()
    walls: np.ndarray  # lubrication.wall_table()
    which: np.ndarray  # (N, N) which of the pairs' tables
    pairs: np.ndarray  # lubrication.pair_tables()


class State(NamedTuple):
    """What a step changes, in place."""

    positions: np.ndarray  # (N, 3) µm
    turns: np.ndarray  # (N, 4) unit quaternions
    clock: np.ndarray  # (2,) time, s, and phase of the field, rad
    motion: np.ndarray  # (N, 6) mean velocities over the last call, µm/s and rad/s
    spins: np.ndarray  # (N, 3) angular velocities of the last inner step, rad/s
    drag: np.ndarray  # (N,) last torque per angular velocity of each robot, pN·µm·s
    torques: np.ndarray  # (N, 3) last magnetic torque, pN·µm
    springs: np.ndarray  # (N, N + 1, 3) tangential springs, µm; empty without friction
    sliding: np.ndarray  # (N, N + 1) whether the contact slides; empty without friction


class Drive(NamedTuple):
    """The field as the robots feel it during one call. Made inside it: every array handed over costs 0.1 µs."""

    quadratures: np.ndarray  # (N, 2, 3) mT
    rate: float  # rad/s
    resolved: bool
    axes: np.ndarray  # (N, 3) unit normals of the ellipses
    forward: np.ndarray  # (N,) greatest torque of the forward-turning part, pN·µm; 0 for what is no robot
    backward: np.ndarray  # (N,) the same of the backward-turning part


class Scratch(NamedTuple):
    """Room to work in."""

    resist: np.ndarray  # (6N, 6N)
    matrix: np.ndarray  # (6N, 6N)
    fixed: np.ndarray  # (6N,) forces that do not depend on velocity
    noise: np.ndarray  # (6N,) random force × √dt
    force: np.ndarray  # (6N,)
    ambient: np.ndarray  # (6N,)
    velocity: np.ndarray  # (6N,)
    middle: np.ndarray  # (N, 3)
    after: np.ndarray  # (N, 3)
    response: np.ndarray  # (3N, 6N) velocities per unit torque on each robot; resolved only


@njit(cache=True)
def drive_of(bodies, quadratures, rate, resolved):
    n = bodies.shape[1]
    axes, forward, backward = np.zeros((n, 3)), np.zeros(n), np.zeros(n)
    for i in range(n):
        if bodies[MOMENT, i] > 0.0:
            b_forward, b_backward = magnetics.ellipse(quadratures[i, 0], quadratures[i, 1], axes[i])
            forward[i] = bodies[MOMENT, i] * b_forward
            backward[i] = bodies[MOMENT, i] * b_backward
    return Drive(quadratures, rate, resolved, axes, forward, backward)


@njit(cache=True)
def scratch_for(n, resolved):
    m = 6 * n
    return Scratch(
        np.empty((m, m)), np.empty((m, m)), np.empty(m), np.zeros(m), np.empty(m), np.zeros(m), np.empty(m),
        np.empty((n, 3)), np.empty((n, 3)), np.empty((3 * n if resolved else 0, m)),
    )  # fmt: skip
