"""One compiled call advances a world through a camera frame.

Fixman's midpoint scheme (J. Chem. Phys. 69 (1978) 1527): half a step with the mobility at the start, the whole step with
the mobility at the middle and the *same* random force √(2kT/dt) L w, R = L Lᵀ at the start. That yields displacements of
covariance 2kT R⁻¹ dt and the drift kT ∇·R⁻¹ with no derivative of R. The normal and tangential springs enter as the
linearised implicit midpoint, which keeps a harmonic well's Boltzmann variance at any step. The free midpoint also keeps
a spinning robot from spiralling outward, which explicit Euler does.
"""

import math

import numpy as np
from numba import njit

from microtwin.physics import cholesky, contact, magnetics
from microtwin.physics.flow import carry
from microtwin.physics.resistance import fill_resistance

# columns of the bodies' parameters
RADIUS, WEIGHT, RANGE, MOMENT, FRICTION, LIFT = range(6)
# of the liquid's
VISCOSITY, KT, HAMAKER, PAIR_FRICTION, MAX_STEP = range(5)
MOTOR = 1e5  # stiffness of a locked rotation, in 8πηa³: the torque follows to 1e-5
HALVINGS = 14
KEEP_GAP = 0.4  # a step that shrinks a gap below this fraction is halved


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
def _move(positions, velocity, step, out):
    for i in range(positions.shape[0]):
        for k in range(3):
            out[i, k] = positions[i, k] + step * velocity[3 * i + k]


@njit(cache=True)
def _lock(i, n, target, axis, motor, matrix, force):
    o = 3 * (n + i)
    for k in range(3):
        matrix[o + k, o + k] += motor
        force[o + k] += motor * target * axis[k]


@njit(cache=True)
def advance(duration, positions, turns, clock, bodies, liquid, quadratures, rate, resolved, rng, walls, index, pairs,
            flow, drag, torques, springs, sliding, velocities):  # fmt: skip
    """Advance the world by ``duration`` seconds; the arrays are updated in place.

    Args:
        positions: (N, 3) µm. turns: (N, 4) unit quaternions. clock: (2,) time (s) and phase of the field (rad).
        bodies: (N, 6) and liquid: (5,), by the column names above. quadratures: (N, 2, 3) field seen by each body, mT.
        rate: angular frequency of the field, rad/s. resolved: follow the moment, or use its mean torque.
        rng: a Generator; Brownian motion is off when liquid[KT] is 0. walls, index, pairs: the lubrication tables.
        flow: :meth:`Flow.parameters`. drag: (N,) last torque per angular velocity of each robot, pN·µm·s.
        torques: (N, 3) last magnetic torque, pN·µm. springs: (N, N + 1, 3), sliding: (N, N + 1) friction's memory,
        empty without friction. velocities: (N, 6) out, mean over the call, µm/s and rad/s.

    Returns:
        False when no step, however short, keeps the bodies apart.
    """
    n = positions.shape[0]
    m = 6 * n
    radii = bodies[:, RADIUS].copy()
    ranges = bodies[:, RANGE].copy()
    friction = bodies[:, FRICTION].copy()
    viscosity, kt = liquid[VISCOSITY], liquid[KT]
    rubs = springs.size > 0
    resist = np.empty((m, m))
    matrix = np.empty((m, m))
    force = np.empty(m)
    fixed = np.empty(m)
    noise = np.zeros(m)
    normals = np.zeros(m)
    ambient = np.zeros(m)
    velocity = np.empty(m)
    middle = np.empty((n, 3))
    after = np.empty((n, 3))
    start = positions.copy()
    turned = np.zeros(m // 2)
    spins = velocities[:, 3:].copy()
    axes = np.zeros((n, 3))
    caps = np.zeros(n)  # greatest torques, pN·µm, of the field's forward and backward parts
    backs = np.zeros(n)
    for i in range(n):
        if bodies[i, MOMENT] > 0.0:
            forward, backward = magnetics.ellipse(quadratures[i, 0], quadratures[i, 1], axes[i])
            caps[i] = bodies[i, MOMENT] * forward
            backs[i] = bodies[i, MOMENT] * backward
    old_turns = turns.copy()
    old_sliding = sliding.copy()
    old_springs = springs.copy()
    response = np.empty((3 * n if resolved else 1, m))
    block = np.empty((3, 3))
    free = np.empty(3)
    base = duration / math.ceil(duration / liquid[MAX_STEP] - 1e-9)
    remaining = duration
    while remaining > 1e-9 * duration:
        step = min(base, remaining)
        if not fill_resistance(positions, radii, viscosity, walls, index, pairs, matrix, resist):
            return False
        touching = contact.close_surfaces(positions, radii, ranges, liquid[HAMAKER])
        fixed[:] = 0.0
        for i in range(n):
            gap = positions[i, 2] - radii[i]
            fixed[3 * i + 2] = bodies[i, LIFT] * (spins[i, 0] ** 2 + spins[i, 1] ** 2) / gap**3 - bodies[i, WEIGHT]
        contact.push_apart(touching, n, fixed)
        if kt > 0.0:
            matrix[:] = resist
            if m <= 24:
                if not cholesky.factor(matrix):
                    return False
            else:
                matrix[:] = np.linalg.cholesky(resist)
            for i in range(m):
                normals[i] = rng.standard_normal()
            for i in range(m):
                t = 0.0
                for k in range(i + 1):
                    t += matrix[i, k] * normals[k]
                noise[i] = math.sqrt(2.0 * kt) * t
        accepted = False
        for attempt in range(HALVINGS):
            if attempt > 0:
                step *= 0.5
                turns[:] = old_turns
                if rubs:
                    sliding[:] = old_sliding
                    springs[:] = old_springs
                if not fill_resistance(positions, radii, viscosity, walls, index, pairs, matrix, resist):
                    return False
            else:
                old_turns[:] = turns
                if rubs:
                    old_sliding[:] = sliding
                    old_springs[:] = springs
            shake = 1.0 / math.sqrt(step)
            for stage in range(2):
                where = positions if stage == 0 else middle
                if stage == 1:
                    if not fill_resistance(middle, radii, viscosity, walls, index, pairs, matrix, resist):
                        break
                for i in range(m):
                    force[i] = fixed[i] + shake * noise[i]
                if flow[0] > 0.0:
                    carry(flow, clock[0] + 0.5 * stage * step, where, radii, viscosity, walls, ambient, force)
                    for i in range(m):
                        t = 0.0
                        for k in range(m):
                            t += resist[i, k] * ambient[k]
                        force[i] += t
                matrix[:] = resist
                contact.stiffen(touching, n, 0.5 * step, matrix)
                if rubs:
                    contact.drag_back(touching, n, radii, friction, liquid[PAIR_FRICTION], springs, sliding,
                                      0.5 * step, matrix, force)  # fmt: skip
                for i in range(n):
                    if caps[i] > 0.0:
                        if not resolved:
                            spin = magnetics.mean_rate(rate, caps[i] / drag[i], backs[i] / drag[i])
                            _lock(i, n, spin, axes[i], MOTOR * viscosity * radii[i] ** 3, matrix, force)
                        elif stage == 0:
                            for k in range(3):
                                force[3 * (n + i) + k] += torques[i, k]
                if m <= 60:
                    if not cholesky.factor(matrix):
                        return False
                    velocity[:] = force
                    cholesky.solve(matrix, velocity)
                else:
                    velocity[:] = np.linalg.solve(matrix, force)
                if not resolved:
                    for i in range(n):
                        if caps[i] > 0.0:
                            motor = MOTOR * viscosity * radii[i] ** 3
                            spin = magnetics.mean_rate(rate, caps[i] / drag[i], backs[i] / drag[i])
                            along = 0.0
                            for k in range(3):
                                torques[i, k] = motor * (spin * axes[i, k] - velocity[3 * (n + i) + k])
                                along += torques[i, k] * axes[i, k]
                            if spin > 0.0:
                                drag[i] = max(along / spin, 1e-3 * viscosity * radii[i] ** 3)
                elif stage == 1:
                    for i in range(n):
                        if caps[i] > 0.0:
                            for k in range(3):
                                row = response[3 * i + k]
                                row[:] = 0.0
                                row[3 * (n + i) + k] = 1.0
                                if m <= 60:
                                    cholesky.solve(matrix, row)
                                else:
                                    row[:] = np.linalg.solve(matrix, row)
                    for i in range(n):
                        if caps[i] > 0.0:
                            o = 3 * (n + i)
                            for a in range(3):
                                free[a] = velocity[o + a]
                                for k in range(3):
                                    block[a, k] = response[3 * i + k, o + a]
                                    for j in range(n):
                                        if j != i and caps[j] > 0.0:
                                            free[a] += response[3 * j + k, o + a] * torques[j, k]
                            magnetics.follow(turns[i], bodies[i, MOMENT], quadratures[i, 0], quadratures[i, 1],
                                             clock[1], rate, step, free, block, torques[i])  # fmt: skip
                    for i in range(n):
                        if caps[i] > 0.0:
                            for k in range(3):
                                for p in range(m):
                                    velocity[p] += torques[i, k] * response[3 * i + k, p]
                if rubs:
                    contact.stretch(touching, n, radii, friction, liquid[PAIR_FRICTION], velocity, step, springs,
                                    sliding, stage == 1)  # fmt: skip
                if stage == 0:
                    _move(positions, velocity, 0.5 * step, middle)
                    if not _gaps_hold(positions, middle, radii):
                        break
                else:
                    _move(positions, velocity, step, after)
                    accepted = _gaps_hold(positions, after, radii)
            if accepted:
                break
        if not accepted:
            return False
        positions[:] = after
        for i in range(n):
            o = 3 * (n + i)
            if not (resolved and caps[i] > 0.0):
                magnetics.turn(turns[i], velocity[o], velocity[o + 1], velocity[o + 2], step)
            for k in range(3):
                spins[i, k] = velocity[o + k]
                turned[3 * i + k] += step * velocity[o + k]
        clock[0] += step
        clock[1] = (clock[1] + rate * step) % (2.0 * math.pi)
        remaining -= step
    for i in range(n):
        for k in range(3):
            velocities[i, k] = (positions[i, k] - start[i, k]) / duration
            velocities[i, 3 + k] = turned[3 * i + k] / duration
    return True
