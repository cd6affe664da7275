"""What the pushing paper measures of a run's positions and modes: mean absolute error, share of time spent spinning.

And what it only describes, measured from the field that was applied, whatever a controller calls it: chatter and
actuation variation. All are computed from what any rig records, so a twin and a microscope are measured alike.
Positions are arrays of shape (n, 2): x and y in µm in one frame.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

from microtwin.errors import InputError


def closest_points(nodes_um: ArrayLike, track_um: ArrayLike) -> NDArray[np.float64]:
    """The recorded object position closest to each node, shape (nodes, 2), in µm.

    ``nodes_um`` has shape (nodes, 2), ``track_um`` shape (frames, 2). This is T_a^new of section V of the pushing
    paper, and what its Fig. 6 draws. Raises InputError if a shape is wrong, or if an array is empty or not finite.
    """
    nodes, track = _positions(nodes_um, "nodes"), _positions(track_um, "track")
    _, index = KDTree(track).query(nodes)
    return track[index]


def mean_absolute_error(nodes_um: ArrayLike, track_um: ArrayLike) -> float:
    """Mean over the nodes of the distance to the closest recorded object position, in µm.

    ``nodes_um`` has shape (nodes, 2), ``track_um`` shape (frames, 2). Section V of the pushing paper:
    Σ |G_i - O_i^closest| / N_d. The measure ignores time and order, as the paper's does: a run that stops short is
    charged the distance from its last positions to the nodes it never reached. Raises InputError as `closest_points`
    does.
    """
    nodes, track = _positions(nodes_um, "nodes"), _positions(track_um, "track")
    distance, _ = KDTree(track).query(nodes)
    return float(np.mean(distance))


def spin_fraction(spinning: ArrayLike) -> float:
    """Fraction of the frames in which the robot was told to spin, 0 to 1.

    ``spinning`` holds one boolean per frame, shape (frames,): true where the field has γ = 0 or 180°, the spin
    conditions of section IV-C of the pushing paper; for a column of modes, write ``mode == "spin"``. Raises InputError
    if it is not boolean, not one-dimensional, or empty.
    """
    mask = np.asarray(spinning)
    if mask.dtype != np.bool_ or mask.ndim != 1 or mask.size == 0:
        raise InputError(f"spinning: {mask.dtype} of shape {mask.shape}: give one true or false per frame")
    return float(mask.mean())


SPINNING = 0.5
"""|cos γ| above which a field counts as a spin. The axis then leans by more than 30°, and the paper's own blend of the
two, γ = 45° or 135° (section VII), is a spin: a controller cannot hide its switches by leaning instead."""


def field_modes(gamma_rad: ArrayLike) -> NDArray[np.int8]:
    """1 where a field of attitude γ spins counter-clockwise, -1 where clockwise, 0 where it pushes; any shape."""
    upright = np.cos(np.asarray(gamma_rad, dtype=float))
    return np.where(np.abs(upright) > SPINNING, np.sign(upright), 0.0).astype(np.int8)


def switches_per_s(time_s: ArrayLike, gamma_rad: ArrayLike, frequency_hz: ArrayLike) -> float:
    """Chatter: changes of mode (push, spin clockwise, counter-clockwise: `field_modes`) per second.

    All have shape (frames,). A frame without a turning field (0 Hz) has no mode: those on either side of it are
    compared. Raises InputError if the shapes differ, if there are fewer than two frames, if anything is not finite or
    if the time does not rise.
    """
    time_s, gamma_rad, frequency_hz = _frames(time_s=time_s, gamma_rad=gamma_rad, frequency_hz=frequency_hz)
    modes = field_modes(gamma_rad)[frequency_hz > 0]
    return float(np.count_nonzero(np.diff(modes)) / (time_s[-1] - time_s[0]))


def actuation_variation(
    time_s: ArrayLike, alpha_rad: ArrayLike, gamma_rad: ArrayLike, frequency_hz: ArrayLike
) -> float:
    """Mean absolute change per second of the commanded rotation f n, in Hz/s: Σ |f n - f' n'| / T.

    n is the field's axis (`microtwin.field.RotatingField.axis`), so the field's turns per second change by this many
    each second; a heading that goes round at ω rad/s costs ω f, a switch from push to spin √2 f. As the actuation
    variation of MicroPush (arXiv 2602.23607) it measures the command, not what the robot makes of it. Shapes and
    errors as for `switches_per_s`.
    """
    time_s, alpha, gamma, frequency_hz = _frames(
        time_s=time_s, alpha_rad=alpha_rad, gamma_rad=gamma_rad, frequency_hz=frequency_hz
    )
    axes = np.stack([-np.sin(gamma) * np.sin(alpha), np.sin(gamma) * np.cos(alpha), np.cos(gamma)], axis=1)
    changes = np.linalg.norm(np.diff(frequency_hz[:, None] * axes, axis=0), axis=1)
    return float(changes.sum() / (time_s[-1] - time_s[0]))


def _frames(**columns: ArrayLike) -> list[NDArray[np.float64]]:
    found = {name: np.asarray(column, dtype=float) for name, column in columns.items()}
    frames = found["time_s"].shape
    for name, column in found.items():
        if column.ndim != 1 or column.shape != frames or len(column) < 2:
            raise InputError(f"{name} of shape {column.shape}: give one number per frame, of at least two frames")
        if not np.isfinite(column).all():
            raise InputError(
                f"{name}: frame {int(np.flatnonzero(~np.isfinite(column))[0])} is not finite: leave it out"
            )
    if not (np.diff(found["time_s"]) > 0).all():
        raise InputError("time_s does not rise from frame to frame: give the frames in order")
    return list(found.values())


def _positions(positions_um: ArrayLike, name: str) -> NDArray[np.float64]:
    positions = np.asarray(positions_um, dtype=float)
    if positions.ndim != 2 or positions.shape[1] != 2 or len(positions) == 0:
        raise InputError(f"{name} of shape {positions.shape}: give at least one position, as an array of shape (n, 2)")
    if not np.isfinite(positions).all():
        row = int(np.flatnonzero(~np.isfinite(positions).all(axis=1))[0])
        raise InputError(f"{name}: row {row} is {positions[row]} µm: leave out what was not measured")
    return positions
