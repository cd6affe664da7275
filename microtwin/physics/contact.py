"""Close surfaces: normal forces with their stiffness, and friction with a cap.

A contact is one row (i, j, dx, dy, dz, force, stiffness): bodies i and j (j = N for the glass), d the unit vector from
i to j, the normal force (pN, positive apart) and −dF/dgap (pN/µm). Friction is a tangential spring that yields at μ
times the normal force (Cundall & Strack, Géotechnique 29 (1979) 47); both springs enter the step implicitly.
"""

import math

import numpy as np
from numba import njit

from microtwin.physics.surface_forces import STERIC_RANGE_UM, repulsion

FIRST, SECOND, DX, DY, DZ, FORCE, STIFFNESS = range(7)
REACH = 25.0  # decay lengths beyond which surfaces do not feel each other
TANGENT_STIFFNESS_PN_PER_UM = 2e3


@njit(cache=True)
def close_surfaces(positions, radii, ranges, hamaker):
    """(contacts, 7) rows of all surfaces that feel each other; a pair's decay length is the mean of its bodies'."""
    n = radii.size
    count = 0
    capacity = 4 * n + 8
    rows = np.empty((capacity, 7))
    for i in range(n):
        for j in range(i + 1, n + 1):
            if j == n:
                x = y = 0.0
                r = -1.0
                z = -1.0
                gap = positions[i, 2] - radii[i]
                range_ = ranges[i]
                radius = radii[i]
            else:
                x = positions[j, 0] - positions[i, 0]
                y = positions[j, 1] - positions[i, 1]
                z = positions[j, 2] - positions[i, 2]
                r = math.sqrt(x * x + y * y + z * z)
                gap = r - radii[i] - radii[j]
                range_ = 0.5 * (ranges[i] + ranges[j])
                radius = radii[i] * radii[j] / (radii[i] + radii[j])
            if gap > REACH * range_ + STERIC_RANGE_UM:
                continue
            if count == capacity:
                capacity *= 2
                grown = np.empty((capacity, 7))
                grown[:count] = rows
                rows = grown
            force, stiffness = repulsion(gap, radius, range_, hamaker)
            rows[count, FIRST] = i
            rows[count, SECOND] = j
            if j == n:
                rows[count, DX] = rows[count, DY] = 0.0
                rows[count, DZ] = -1.0
            else:
                rows[count, DX], rows[count, DY], rows[count, DZ] = x / r, y / r, z / r
            rows[count, FORCE] = force
            rows[count, STIFFNESS] = stiffness
            count += 1
    return rows[:count]


@njit(cache=True)
def push_apart(contacts, n, force):
    """Add the normal forces to ``force`` (6N,)."""
    for row in contacts:
        i, j = int(row[FIRST]), int(row[SECOND])
        for k in range(3):
            f = row[FORCE] * row[DX + k]
            force[3 * i + k] -= f
            if j < n:
                force[3 * j + k] += f


@njit(cache=True)
def stiffen(contacts, n, half_step, matrix):
    """matrix ← matrix + half_step · K, K the stiffness of the normal springs: the linearised implicit midpoint."""
    for row in contacts:
        i, j = 3 * int(row[FIRST]), 3 * int(row[SECOND])
        for a in range(3):
            for b in range(3):
                k = half_step * row[STIFFNESS] * row[DX + a] * row[DX + b]
                matrix[i + a, i + b] += k
                if j < 3 * n:
                    matrix[j + a, j + b] += k
                    matrix[i + a, j + b] -= k
                    matrix[j + a, i + b] -= k


@njit(cache=True)
def _slide(row, n, radii, jacobian, index):
    """Rows of the relative tangential velocity of i against j: v = jacobian[:, :size] · V[index[:size]]."""
    i, j = int(row[FIRST]), int(row[SECOND])
    size = 6 if j == n else 12
    d = row[DX : DX + 3]
    jacobian[:] = 0.0
    for k in range(3):
        index[k] = 3 * i + k
        index[3 + k] = 3 * (n + i) + k
        index[6 + k] = 3 * j + k
        index[9 + k] = 3 * (n + j) + k
    for a in range(3):
        b, c = (a + 1) % 3, (a + 2) % 3
        for k in range(3):
            p = (1.0 if a == k else 0.0) - d[a] * d[k]
            jacobian[a, k] = p
            jacobian[a, 6 + k] = -p
        # (Ω × d)_a = Ω_b d_c − Ω_c d_b, already tangential
        jacobian[a, 3 + b] = radii[i] * d[c]
        jacobian[a, 3 + c] = -radii[i] * d[b]
        if j < n:
            jacobian[a, 9 + b] = radii[j] * d[c]
            jacobian[a, 9 + c] = -radii[j] * d[b]
    return size


@njit(cache=True)
def friction_cap(row, n, friction, pair_friction):
    """μ times the normal force, pN; zero where the surfaces pull."""
    mu = friction[int(row[FIRST])] if int(row[SECOND]) == n else pair_friction
    return mu * max(row[FORCE], 0.0)


@njit(cache=True)
def drag_back(contacts, n, radii, friction, pair_friction, springs, sliding, half_step, matrix, force):
    """Add friction: an implicit spring where surfaces stick, the constant cap where they slide."""
    jacobian = np.empty((3, 12))
    index = np.empty(12, np.int64)
    for row in contacts:
        cap = friction_cap(row, n, friction, pair_friction)
        if cap <= 0.0:
            continue
        i, j = int(row[FIRST]), int(row[SECOND])
        size = _slide(row, n, radii, jacobian, index)
        for p in range(size):
            for a in range(3):
                force[index[p]] -= TANGENT_STIFFNESS_PN_PER_UM * jacobian[a, p] * springs[i, j, a]
                if not sliding[i, j]:
                    for q in range(size):
                        matrix[index[p], index[q]] += (
                            half_step * TANGENT_STIFFNESS_PN_PER_UM * jacobian[a, p] * jacobian[a, q]
                        )


@njit(cache=True)
def stretch(contacts, n, radii, friction, pair_friction, velocity, step, springs, sliding, commit):
    """Decide where surfaces stick or slide under ``velocity``; with ``commit`` also carry the springs forward.

    Returns the number of contacts whose state changed.
    """
    jacobian = np.empty((3, 12))
    index = np.empty(12, np.int64)
    changed = 0
    trial = np.empty(3)
    for row in contacts:
        i, j = int(row[FIRST]), int(row[SECOND])
        cap = friction_cap(row, n, friction, pair_friction) / TANGENT_STIFFNESS_PN_PER_UM
        size = _slide(row, n, radii, jacobian, index)
        normal = 0.0
        onward = 0.0
        for a in range(3):
            trial[a] = springs[i, j, a]
            for p in range(size):
                slip = jacobian[a, p] * velocity[index[p]]
                trial[a] += step * slip
                onward += slip * springs[i, j, a]
            normal += trial[a] * row[DX + a]
        length = 0.0
        for a in range(3):  # the contact plane has turned
            trial[a] -= normal * row[DX + a]
            length += trial[a] ** 2
        length = math.sqrt(length)
        caught = sliding[i, j] and onward < 0.0  # the full cap would push the surfaces back: they stick
        slides = length > cap and not caught
        if slides != sliding[i, j]:
            changed += 1
            sliding[i, j] = slides
        if slides:
            for a in range(3):
                springs[i, j, a] = trial[a] * (cap / length)
        elif commit and not caught:
            for a in range(3):
                springs[i, j, a] = trial[a]
    return changed
