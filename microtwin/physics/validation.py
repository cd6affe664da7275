"""Checks shared by everything that takes spheres: one line that names the value and the remedy."""

import numpy as np

from microtwin.errors import InputError


def checked_spheres(positions_um, radii_um, viscosity_pa_s, min_gap_um: float = 0.0):
    """Validated ``(positions (N, 3), radii (N,), viscosity in pN·s/µm²)``.

    Raises:
        InputError: wrong shapes, NaN, radius or viscosity ≤ 0, a gap below ``min_gap_um``.
    """
    positions = np.array(positions_um, dtype=float, ndmin=2, order="C")
    if positions.ndim != 2 or positions.shape[1] != 3 or len(positions) == 0:
        raise InputError(f"positions have shape {np.shape(positions_um)}: give (N, 3) centres in µm")
    radii = np.asarray(radii_um, dtype=float)
    if radii.ndim == 0:
        radii = np.full(len(positions), float(radii))
    if radii.shape != (len(positions),):
        raise InputError(f"radii have shape {radii.shape} for {len(positions)} bodies: give one radius per body")
    if not np.isfinite(positions).all():
        raise InputError(f"body {int(np.argwhere(~np.isfinite(positions))[0, 0])} has a NaN or infinite position")
    if not (np.isfinite(radii).all() and (radii > 0).all()):
        raise InputError(f"radius {radii[~(radii > 0)][:1]} µm is not a positive number: give radii in µm")
    if not (np.isfinite(viscosity_pa_s) and viscosity_pa_s > 0):
        raise InputError(f"viscosity {viscosity_pa_s} Pa·s is not a positive number: water is 1e-3")
    gaps = positions[:, 2] - radii
    if (gaps < min_gap_um).any():
        i = int(np.argmin(gaps))
        raise InputError(
            f"body {i} is below the glass (gap {gaps[i]:.4g} µm): raise z above {radii[i] + min_gap_um:.4g}"
        )
    for i in range(1, len(positions)):
        distance = np.linalg.norm(positions[:i] - positions[i], axis=1) - radii[:i] - radii[i]
        if (distance < min_gap_um).any():
            j = int(np.argmin(distance))
            raise InputError(f"bodies {j} and {i} overlap (gap {distance[j]:.4g} µm): move them apart")
    return positions, radii, float(viscosity_pa_s)  # 1 Pa·s = 1 pN·s/µm²
