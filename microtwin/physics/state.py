"""What the stepper works on, as plain arrays with the shape beside each."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

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
    turns: np.ndarray  # these three as a State's: what they were before a step that may be tried again
    springs: np.ndarray
    sliding: np.ndarray


def _borrowed(typing_context, thing):
    """The same array, or named tuple of arrays, without its reference counts, which are half the time of a small world.

    Compiled code counts a reference whenever it takes a row of an array, by an atomic operation that costs as much as
    the arithmetic on that row, and that two cores fight over. Only for what the caller holds on to meanwhile.
    """

    def stripped(context, builder, kind, value):
        if isinstance(kind, types.Array):
            array = context.make_array(kind)(context, builder, value)
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            array.parent = cgutils.get_null_value(array.parent.type)
            return array._getvalue()
        if isinstance(kind, types.NamedTuple):
            parts = [stripped(context, builder, of, builder.extract_value(value, i)) for i, of in enumerate(kind.types)]
            return context.make_tuple(builder, kind, parts)
        return value

    def generate(context, builder, signature, values):
        return stripped(context, builder, signature.args[0], values[0])

    return thing(thing), generate


borrowed: Any = intrinsic(_borrowed)  # Any: called without the context


@njit(cache=True)
def aim(drive, bodies):
    """Fill a drive's last three arrays from its quadratures."""
    for i in range(bodies.shape[1]):
        drive.forward[i] = drive.backward[i] = 0.0
        if bodies[MOMENT, i] > 0.0:
            b_forward, b_backward = magnetics.ellipse(drive.quadratures[i, 0], drive.quadratures[i, 1], drive.axes[i])
            drive.forward[i] = bodies[MOMENT, i] * b_forward
            drive.backward[i] = bodies[MOMENT, i] * b_backward


@njit(cache=True)
def drive_of(bodies, quadratures, rate, resolved):
    n = bodies.shape[1]
    drive = Drive(quadratures, rate, resolved, np.zeros((n, 3)), np.zeros(n), np.zeros(n))
    aim(drive, bodies)
    return drive


@njit(cache=True)
def scratch_for(n, resolved, rubs):
    m = 6 * n
    return Scratch(
        np.empty((m, m)), np.empty((m, m)), np.empty(m), np.zeros(m), np.empty(m), np.zeros(m), np.empty(m),
        np.empty((n, 3)), np.empty((n, 3)), np.empty((3 * n if resolved else 0, m)), np.empty((n, 4)),
        np.empty((n, n + 1, 3) if rubs else (0, 0, 0)), np.empty((n, n + 1) if rubs else (0, 0), np.bool_),
    )  # fmt: skip
