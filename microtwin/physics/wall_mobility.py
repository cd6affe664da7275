"""Wall-corrected Rotne–Prager–Yamakawa mobility of spheres of any radii above a no-slip plane.

Free-space part: Rotne–Prager–Yamakawa for unequal, non-overlapping radii (Zuk, Wajnryb, Mizerski & Szymczak,
J. Fluid Mech. 741 (2014) R5). Wall part: Blake's image (Proc. Camb. Phil. Soc. 70 (1971) 303) with the Faxén operators
(1 + a²∇²/6) applied at field and source and ½∇× for rotation, as in Swan & Brady, Phys. Fluids 19 (2007) 113306.

With φ = 1/R, R = (x − x', y − y', z + h) the vector from the image, h the source height, s = (1, 1, −1) and subscripts
on φ derivatives by R, Blake's image times 8πη reads

    G_ij = −δ_ij φ + R_j φ_i + 2 h s_j (z φ_ij + δ_j3 φ_i − δ_i3 φ_j),

from which, φ being harmonic,

    ∇ₓ² G_ij     = 2 φ_ij + 4 h s_j φ_ij3
    ∇ᵧ² G_ij     = 2 φ_ij + 4 s_j (z φ_ij3 + δ_j3 φ_i3 − δ_i3 φ_j3)
    ∇ₓ² ∇ᵧ² G_ij = 8 s_j φ_ij33
    (∇ₓ × G)_ij  = 2 ε_ijk φ_k + 4 h s_j ε_i3l φ_lj,    (∇ₓ × ∇ᵧ² G)_ij = 8 s_j ε_i3l φ_lj3.
"""

import math

import numpy as np
from numba import njit

from microtwin.physics.validation import checked_spheres


@njit(cache=True, fastmath={"contract", "arcp", "nsz"})
def self_mobility(height, radius, viscosity):
    """(tt_par, tt_perp, tr, rr_par, rr_perp) of one sphere above the wall; Ω_y = tr·F_x and U_x = tr·T_y."""
    a_h = radius / height
    a_h3 = a_h * a_h * a_h
    a_h5 = a_h3 * a_h * a_h
    translation = 1.0 / (6.0 * math.pi * viscosity * radius)
    rotation = 1.0 / (8.0 * math.pi * viscosity * radius**3)
    return (
        translation * (1.0 - 9.0 / 16.0 * a_h + a_h3 / 8.0 - a_h5 / 16.0),
        translation * (1.0 - 9.0 / 8.0 * a_h + a_h3 / 2.0 - a_h5 / 8.0),
        rotation * radius * a_h3 * a_h / 8.0,
        rotation * (1.0 - 5.0 / 16.0 * a_h3),
        rotation * (1.0 - a_h3 / 8.0),
    )


@njit(cache=True, fastmath={"contract", "arcp", "nsz"})
def _coupling(field, source, b, viscosity, rt):
    """rt (3, 3) ← angular velocity at ``field`` per force on the sphere of radius b at ``source``."""
    x = field[0] - source[0]
    y = field[1] - source[1]
    d = field[2] - source[2]
    h = source[2]
    zz = field[2] + h
    inv_r2 = 1.0 / (x * x + y * y + d * d)
    inv_r3 = inv_r2 * math.sqrt(inv_r2)
    w = 1.0 / (x * x + y * y + zz * zz)
    p3 = math.sqrt(w) * w
    p5 = p3 * w
    p7 = p5 * w
    # free space, Ω = F × r/r³, and the image's ε_ijk φ_k, φ_k = −R_k/R³
    rt[0, 0] = rt[1, 1] = rt[2, 2] = 0.0
    rt[0, 1] = d * inv_r3 - zz * p3
    rt[1, 0] = -rt[0, 1]
    rt[0, 2] = y * (p3 - inv_r3)
    rt[2, 0] = -rt[0, 2]
    rt[1, 2] = x * (inv_r3 - p3)
    rt[2, 1] = -rt[1, 2]
    big = (x, y, zz)
    for j in range(3):
        s = -1.0 if j == 2 else 1.0
        for i in range(2):  # ε_i3l picks l = x for Ω_y (sign +) and l = y for Ω_x (sign −)
            e = 1.0 if i == j else 0.0
            e3 = big[i] if j == 2 else 0.0
            f2 = 3.0 * big[i] * big[j] * p5 - e * p3
            f3 = -15.0 * big[i] * big[j] * zz * p7 + 3.0 * (e * zz + e3) * p5
            curl = s * (2.0 * h * f2 + 2.0 / 3.0 * b * b * f3)
            if i == 0:
                rt[1, j] += curl
            else:
                rt[0, j] -= curl
    c = 1.0 / (8.0 * math.pi * viscosity)
    for i in range(3):
        for j in range(3):
            rt[i, j] *= c


@njit(cache=True, fastmath={"contract", "arcp", "nsz"})
def _pair_blocks(field, a, source, b, viscosity, tt, rr):
    """Fill the 3×3 blocks U_i(F_j), Ω_i(T_j) of field sphere i (radius a) and source sphere j (radius b)."""
    c = 1.0 / (8.0 * math.pi * viscosity)
    x = field[0] - source[0]
    y = field[1] - source[1]
    d = field[2] - source[2]
    z = field[2]
    h = source[2]
    a2 = a * a
    b2 = b * b

    # free space
    inv_r2 = 1.0 / (x * x + y * y + d * d)
    inv_r = math.sqrt(inv_r2)
    inv_r3 = inv_r * inv_r2
    iso = inv_r * (1.0 + (a2 + b2) / 3.0 * inv_r2)
    dyad = inv_r3 * (1.0 - (a2 + b2) * inv_r2)
    r = (x, y, d)
    for i in range(3):
        for j in range(3):
            tt[i, j] = dyad * r[i] * r[j]
            rr[i, j] = 1.5 * inv_r3 * inv_r2 * r[i] * r[j]
        tt[i, i] += iso
        rr[i, i] -= 0.5 * inv_r3
    # image
    zz = z + h
    w = 1.0 / (x * x + y * y + zz * zz)
    p1 = math.sqrt(w)
    p3 = p1 * w
    p5 = p3 * w
    p7 = p5 * w
    p9 = p7 * w
    big = (x, y, zz)
    lap = (a2 + b2) / 3.0
    for j in range(3):
        s = -1.0 if j == 2 else 1.0
        for i in range(3):
            ij = big[i] * big[j]
            e = 1.0 if i == j else 0.0
            e3 = (big[j] if i == 2 else 0.0) + (big[i] if j == 2 else 0.0)
            e33 = 2.0 if (i == 2 and j == 2) else 0.0
            f2 = 3.0 * ij * p5 - e * p3
            f3 = -15.0 * ij * zz * p7 + 3.0 * (e * zz + e3) * p5
            f4 = 105.0 * ij * zz * zz * p9 - 15.0 * (ij + 2.0 * zz * e3 + e * zz * zz) * p7 + 3.0 * (e + e33) * p5
            g = -e * p1 - ij * p3 + 2.0 * h * s * z * f2
            g += lap * f2 + 2.0 / 3.0 * s * (a2 * h + b2 * z) * f3 + 2.0 / 9.0 * a2 * b2 * s * f4
            if (i == 2) != (j == 2):  # the δ_j3 and δ_i3 terms, which cancel at i = j = 3
                k = j if i == 2 else i
                g += 2.0 * big[k] * (h * p3 - b2 * zz * p5)
            tt[i, j] += g
    # rotation–rotation: −½ ε_jmn ε_ink s_m φ_km + ε_j3n ε_i3l φ_ln, written out
    xx = 3.0 * x * x * p5 - p3
    yy = 3.0 * y * y * p5 - p3
    z2 = 3.0 * zz * zz * p5 - p3
    xy = 3.0 * x * y * p5
    xz = 3.0 * x * zz * p5
    yz = 3.0 * y * zz * p5
    rr[0, 0] += 0.5 * (yy - z2) + yy
    rr[1, 1] += 0.5 * (xx - z2) + xx
    rr[2, 2] += 0.5 * (xx + yy)
    rr[0, 1] += -1.5 * xy
    rr[1, 0] += -1.5 * xy
    rr[0, 2] -= 0.5 * xz
    rr[1, 2] -= 0.5 * yz
    rr[2, 0] += 0.5 * xz
    rr[2, 1] += 0.5 * yz
    for i in range(3):
        for j in range(3):
            tt[i, j] *= c
            rr[i, j] *= c


@njit(cache=True)
def fill_mobility(positions, radii, viscosity, mobility):
    """Write the (6N, 6N) wall-RPY mobility; viscosity in pN·s/µm², order [U₁…U_N, Ω₁…Ω_N]."""
    n = radii.size
    m = 3 * n
    tt = np.empty((3, 3))
    rt = np.empty((3, 3))
    tr = np.empty((3, 3))
    rr = np.empty((3, 3))
    for i in range(n):
        par, perp, couple, rot_par, rot_perp = self_mobility(positions[i, 2], radii[i], viscosity)
        u = 3 * i
        o = m + u
        for k in range(3):
            for j in range(3):
                mobility[u + k, u + j] = 0.0
                mobility[o + k, o + j] = 0.0
                mobility[u + k, o + j] = 0.0
                mobility[o + k, u + j] = 0.0
        mobility[u, u] = mobility[u + 1, u + 1] = par
        mobility[u + 2, u + 2] = perp
        mobility[o, o] = mobility[o + 1, o + 1] = rot_par
        mobility[o + 2, o + 2] = rot_perp
        mobility[o + 1, u] = mobility[u, o + 1] = couple
        mobility[o, u + 1] = mobility[u + 1, o] = -couple
        for j in range(i):
            v = 3 * j
            q = m + v
            _pair_blocks(positions[i], radii[i], positions[j], radii[j], viscosity, tt, rr)
            _coupling(positions[i], positions[j], radii[j], viscosity, rt)
            _coupling(positions[j], positions[i], radii[i], viscosity, tr)
            for k in range(3):
                for p in range(3):
                    mobility[u + k, v + p] = mobility[v + p, u + k] = tt[k, p]
                    mobility[o + k, q + p] = mobility[q + p, o + k] = rr[k, p]
                    mobility[o + k, v + p] = mobility[v + p, o + k] = rt[k, p]
                    mobility[q + k, u + p] = mobility[u + p, q + k] = tr[k, p]


def wall_mobility(positions_um, radii_um, viscosity_pa_s: float = 1e-3) -> np.ndarray:
    """Wall-corrected RPY mobility of N spheres, without lubrication.

    Args:
        positions_um: (N, 3) centres, glass at z = 0.
        radii_um: (N,) radii, or one number for all.
        viscosity_pa_s: viscosity of the liquid, Pa·s.

    Returns:
        (6N, 6N) symmetric matrix M with [U₁…U_N, Ω₁…Ω_N] = M [F₁…F_N, T₁…T_N] in µm/s, rad/s, pN, pN·µm.

    Raises:
        InputError: wrong shapes, NaN, a body below or touching through the glass, overlapping bodies.
    """
    positions, radii, viscosity = checked_spheres(positions_um, radii_um, viscosity_pa_s)
    mobility = np.empty((6 * radii.size, 6 * radii.size))
    fill_mobility(positions, radii, viscosity, mobility)
    return mobility
