"""One compiled call advances a world through a camera frame.

Fixman's midpoint scheme (J. Chem. Phys. 69 (1978) 1527): half a step with the mobility at the start, the whole step
with the mobility at the middle and the *same* random force √(2kT/dt) L w, R = L Lᵀ at the start. That yields
displacements of covariance 2kT R⁻¹ dt and the drift kT ∇·R⁻¹ with no derivative of R. The normal and tangential springs
enter as the linearised implicit midpoint, which keeps a harmonic well's Boltzmann variance at any step. The midpoint
also keeps a spinning robot from spiralling outward, which explicit Euler does.
"""

import math

import numpy as np
from numba import njit

from microtwin.physics import cholesky, contact, magnetics
from microtwin.physics.flow import carry
from microtwin.physics.resistance import fill_resistance
from microtwin.physics.state import (
    ANCHORED,
    FRICTION,
    HAMAKER,
    KT,
    LIFT,
    MOMENT,
    PAIR_FRICTION,
    RADIUS,
    RANGE,
    VISCOSITY,
    WEIGHT,
    borrowed,
    drive_of,
    scratch_for,
)

MOTOR = 2.5e6  # drag that imposes a locked rotation, in ηa³: 1e5 times the sphere's own
HALVINGS = 14
KEEP_GAP = 0.4  # a step that shrinks a gap below this fraction is halved
_OWN_ALGEBRA = 60  # rows up to which the hand-written solver beats LAPACK


@njit(cache=True)
def _copy_lower(source, target):
    """What :func:`_factor` reads of a matrix: half of it where it is small."""
    m = source.shape[0]
    for i in range(m):
        for k in range(i + 1 if m <= _OWN_ALGEBRA else m):
            target[i, k] = source[i, k]


@njit(cache=True)
def _factor(matrix):
    if matrix.shape[0] <= _OWN_ALGEBRA:
        return cholesky.factor(matrix)
    matrix[:] = np.linalg.cholesky(matrix)
    return True


@njit(cache=True)
def _resist(setup, positions, room):
    return fill_resistance(
        positions,
        setup.bodies[RADIUS],
        setup.liquid[VISCOSITY],
        setup.walls,
        setup.which,
        setup.pairs,
        room.matrix,
        room.resist,
    )


@njit(cache=True)
def _begin(setup, state, room, normals):
    """Forces at the start of a step: weight, lift, surfaces; and the random force. Returns the close surfaces."""
    n = setup.bodies.shape[1]
    touching = contact.close_surfaces(state.positions, setup.bodies[RADIUS], setup.bodies[RANGE], setup.liquid[HAMAKER])
    room.fixed[:] = 0.0
    for i in range(n):
        room.fixed[3 * i + 2] = -setup.bodies[WEIGHT, i]
        if setup.bodies[LIFT, i] > 0.0:
            rolling = state.spins[i, 0] ** 2 + state.spins[i, 1] ** 2
            room.fixed[3 * i + 2] += (
                setup.bodies[LIFT, i] * rolling / (state.positions[i, 2] - setup.bodies[RADIUS, i]) ** 3
            )
    contact.push_apart(touching, n, room.fixed)
    if setup.liquid[KT] > 0.0:
        _copy_lower(room.resist, room.matrix)
        _factor(room.matrix)
        m = 6 * n
        for i in range(m):
            t = 0.0
            for k in range(i + 1):
                t += room.matrix[i, k] * normals[k]
            room.noise[i] = math.sqrt(2.0 * setup.liquid[KT]) * t
    return touching


@njit(cache=True)
def _spin(state, drive, i):
    """Mean angular velocity the field gives robot i at its present drag."""
    return magnetics.mean_rate(drive.rate, drive.forward[i] / state.drag[i], drive.backward[i] / state.drag[i])


@njit(cache=True)
def _solve(setup, state, drive, room, touching, step, stage):
    """Velocities of stage 0 (start) or 1 (middle); room.matrix is left factored."""
    n = setup.bodies.shape[1]
    m = 6 * n
    viscosity = setup.liquid[VISCOSITY]
    shake = 1.0 / math.sqrt(step)
    for i in range(m):
        room.force[i] = room.fixed[i] + shake * room.noise[i]
    if setup.flow[0] > 0.0:
        where = state.positions if stage == 0 else room.middle
        time = state.clock[0] + 0.5 * stage * step
        carry(setup.flow, time, where, setup.bodies[RADIUS], viscosity, setup.walls, room.ambient, room.force)
        for i in range(m):
            t = 0.0
            for k in range(m):
                t += room.resist[i, k] * room.ambient[k]
            room.force[i] += t
    _copy_lower(room.resist, room.matrix)
    contact.stiffen(touching, n, 0.5 * step, room.matrix)
    if state.springs.size > 0:
        contact.drag_back(
            touching, n, setup.bodies[RADIUS], setup.bodies[FRICTION], setup.liquid[PAIR_FRICTION], state.springs,
            state.sliding, 0.5 * step, room.matrix, room.force,
        )  # fmt: skip
    for i in range(n):
        if drive.forward[i] > 0.0 and not drive.resolved:  # a motor that imposes the rotation, its torque read back
            o = 3 * (n + i)
            motor = MOTOR * viscosity * setup.bodies[RADIUS, i] ** 3
            spin = _spin(state, drive, i)
            for k in range(3):
                room.matrix[o + k, o + k] += motor
                room.force[o + k] += motor * spin * drive.axes[i, k]
        if setup.bodies[ANCHORED, i] > 0.0:  # a drag so high that it neither moves nor turns
            hold = MOTOR * viscosity * setup.bodies[RADIUS, i]
            for k in range(3):
                room.matrix[3 * i + k, 3 * i + k] += hold
                room.matrix[3 * (n + i) + k, 3 * (n + i) + k] += hold * setup.bodies[RADIUS, i] ** 2
    if not _factor(room.matrix):
        return False
    room.velocity[:] = room.force
    cholesky.solve(room.matrix, room.velocity)
    return True


@njit(cache=True)
def _read_motors(setup, state, drive, room):
    """Torques the motors needed, and from them the drag that decides who follows the field."""
    n = setup.bodies.shape[1]
    for i in range(n):
        if drive.forward[i] > 0.0:
            scale = setup.liquid[VISCOSITY] * setup.bodies[RADIUS, i] ** 3
            spin = _spin(state, drive, i)
            along = 0.0
            for k in range(3):
                torque = MOTOR * scale * (spin * drive.axes[i, k] - room.velocity[3 * (n + i) + k])
                state.torques[i, k] = torque
                along += torque * drive.axes[i, k]
            if spin > 0.0:
                state.drag[i] = max(along / spin, 1e-3 * scale)


@njit(cache=True)
def _turn_moments(setup, state, drive, room, step):
    """Follow every moment through the step and add what its mean torque does to all velocities."""
    n = setup.bodies.shape[1]
    block = np.empty((3, 3))
    free = np.empty(3)
    for i in range(n):
        if drive.forward[i] > 0.0:
            for k in range(3):
                row = room.response[3 * i + k]
                row[:] = 0.0
                row[3 * (n + i) + k] = 1.0
                cholesky.solve(room.matrix, row)
    for i in range(n):
        if drive.forward[i] > 0.0:
            o = 3 * (n + i)
            for a in range(3):
                free[a] = room.velocity[o + a]
                for k in range(3):
                    block[a, k] = room.response[3 * i + k, o + a]
                    for j in range(n):
                        if j != i and drive.forward[j] > 0.0:
                            free[a] += room.response[3 * j + k, o + a] * state.torques[j, k]
            magnetics.follow(
                state.turns[i], setup.bodies[MOMENT, i], drive.quadratures[i, 0], drive.quadratures[i, 1],
                state.clock[1], drive.rate, step, free, block, state.torques[i],
            )  # fmt: skip
    for i in range(n):
        if drive.forward[i] > 0.0:
            for k in range(3):
                for p in range(6 * n):
                    room.velocity[p] += state.torques[i, k] * room.response[3 * i + k, p]


@njit(cache=True)
def _move(positions, velocity, step, out):
    for i in range(positions.shape[0]):
        for k in range(3):
            out[i, k] = positions[i, k] + step * velocity[3 * i + k]


@njit(cache=True)
def _gaps_hold(old, new, radii):
    n = radii.size
    for i in range(n):
        if not new[i, 2] - radii[i] > KEEP_GAP * (old[i, 2] - radii[i]):
            return False
        for j in range(i):
            total = radii[i] + radii[j]
            after = (new[i, 0] - new[j, 0]) ** 2 + (new[i, 1] - new[j, 1]) ** 2 + (new[i, 2] - new[j, 2]) ** 2
            if after > 4.0 * total * total:
                continue
            before = (old[i, 0] - old[j, 0]) ** 2 + (old[i, 1] - old[j, 1]) ** 2 + (old[i, 2] - old[j, 2]) ** 2
            if not math.sqrt(after) - total > KEEP_GAP * (math.sqrt(before) - total):
                return False
    return True


@njit(cache=True)
def _try(setup, state, drive, room, touching, step):
    """Both stages of one step; True when the new positions in room.after keep every gap."""
    touching = borrowed(touching)
    for stage in range(2):
        if stage == 1 and not _resist(setup, room.middle, room):
            return False
        if not _solve(setup, state, drive, room, touching, step, stage):
            return False
        if not drive.resolved:
            _read_motors(setup, state, drive, room)
        elif stage == 0:  # half a step with a copy of the orientations
            turns = state.turns.copy()
            _turn_moments(setup, state, drive, room, 0.5 * step)
            state.turns[:] = turns
        else:
            _turn_moments(setup, state, drive, room, step)
        if state.springs.size > 0:
            contact.stretch(
                touching, setup.bodies.shape[1], setup.bodies[RADIUS], setup.bodies[FRICTION],
                setup.liquid[PAIR_FRICTION], room.velocity, step, state.springs, state.sliding, stage == 1,
            )  # fmt: skip
        if stage == 0:
            _move(state.positions, room.velocity, 0.5 * step, room.middle)
            if not _gaps_hold(state.positions, room.middle, setup.bodies[RADIUS]):
                return False
    _move(state.positions, room.velocity, step, room.after)
    return _gaps_hold(state.positions, room.after, setup.bodies[RADIUS])


@njit(cache=True)
def proceed(duration, total, normals, setup, state, drive, room):
    """:func:`advance` with the drive and the room to work in made by the caller, who may use them again."""
    setup, state, drive, room = borrowed(setup), borrowed(state), borrowed(drive), borrowed(room)
    normals = borrowed(normals)
    n = setup.bodies.shape[1]
    if duration == total:
        state.motion[:] = 0.0
    longest = duration / len(normals)
    remaining = duration
    for row in normals:
        step = min(longest, remaining)
        if not _resist(setup, state.positions, room):
            return -1.0
        touching = _begin(setup, state, room, row)
        room.turns[:] = state.turns
        room.sliding[:] = state.sliding
        room.springs[:] = state.springs
        tries = 1
        while not _try(setup, state, drive, room, touching, step):
            if tries == HALVINGS or not _resist(setup, state.positions, room):
                return -1.0
            tries += 1
            step *= 0.5
            state.turns[:] = room.turns
            state.sliding[:] = room.sliding
            state.springs[:] = room.springs
        state.positions[:] = room.after
        for i in range(n):
            o = 3 * (n + i)
            for k in range(3):
                state.spins[i, k] = room.velocity[o + k]
                state.motion[i, k] += step / total * room.velocity[3 * i + k]
                state.motion[i, 3 + k] += step / total * room.velocity[o + k]
            if not (drive.resolved and drive.forward[i] > 0.0):
                magnetics.turn(state.turns[i], state.spins[i, 0], state.spins[i, 1], state.spins[i, 2], step)
        state.clock[0] += step
        state.clock[1] = (state.clock[1] + drive.rate * step) % (2.0 * math.pi)
        remaining -= step
        if remaining <= 1e-9 * total:
            return 0.0
    return remaining


@njit(cache=True)
def advance(duration, total, normals, setup, state, quadratures, rate, resolved):
    """Advance the world by ``duration`` seconds, the last part of a call's ``total``, in place.

    ``normals`` (steps, 6N) holds one row of standard normal numbers for each inner step; ``quadratures`` (N, 2, 3) is
    the field seen by each body (mT), turning at ``rate`` (rad/s).

    Returns:
        The time left, s: zero, or what remains where halved steps used the normals up; −1 when no step, however short,
        keeps the bodies apart.
    """
    drive = drive_of(setup.bodies, quadratures, rate, resolved)
    room = scratch_for(setup.bodies.shape[1], resolved, state.springs.size > 0)
    return proceed(duration, total, normals, setup, state, drive, room)
