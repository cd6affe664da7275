"""Mesh files as closed surfaces in µm: the catalogue's own, and bodies of one's own."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from microtwin.errors import InputError

UM_PER_UNIT = {"nm": 1e-3, "um": 1.0, "mm": 1e3, "m": 1e6}
LARGE_UM = 50.0  # a microrobot is about 10 µm: above this the file is probably in other units
EXTENT_LIMITS_UM = (0.05, 1000.0)


class Mesh(NamedTuple):
    """A closed surface, read-only: (V, 3) corners in µm; (F, 3) indices, counter-clockwise seen from outside."""

    vertices_um: np.ndarray
    faces: np.ndarray


def load_mesh(path: str | os.PathLike[str], unit: str = "um") -> Mesh:
    """A mesh file (STL, OBJ, PLY, OFF, GLB) as a closed surface in µm. Several bodies in one file are fine.

    Warns (UserWarning) above 50 µm, where the file is probably in other units.

    Raises:
        InputError: an unknown unit; a file that is missing, unreadable, empty, not watertight, inside out or flat; an
            extent below 0.05 µm or above 1000 µm.
    """
    import trimesh

    file = Path(path)
    if unit not in UM_PER_UNIT:
        raise InputError(f"unit {unit!r}: choose from {', '.join(UM_PER_UNIT)}")
    if not file.is_file():
        raise InputError(f"no mesh file {file}: check the path")
    try:
        mesh = trimesh.load_mesh(file)
    except Exception as error:  # each format's reader raises its own errors
        raise InputError(f"cannot read {file} as a mesh ({error}): give an STL, OBJ, PLY, OFF or GLB file") from None
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise InputError(f"{file} has no faces: give a surface mesh")
    if not np.isfinite(mesh.vertices).all():
        raise InputError(f"{file} has a NaN or infinite corner: repair it")
    if not mesh.is_watertight:
        raise InputError(f"{file} is not watertight: close its holes and merge its vertices")
    if not mesh.is_winding_consistent:
        raise InputError(f"{file} has faces turned both ways: turn all counter-clockwise seen from outside")
    vertices = np.array(mesh.vertices, dtype=float) * UM_PER_UNIT[unit]
    extent = float(np.ptp(vertices, axis=0).max())
    smallest, largest = EXTENT_LIMITS_UM
    if not smallest <= extent <= largest:
        raise InputError(f"{file} is {extent:.3g} µm large in {unit}: give its unit ({', '.join(UM_PER_UNIT)})")
    if mesh.volume < 0:
        raise InputError(f"{file} is inside out: turn its faces counter-clockwise seen from outside")
    if mesh.volume * UM_PER_UNIT[unit] ** 3 < 1e-9 * extent**3:
        raise InputError(f"{file} is flat: give a solid")
    if extent > LARGE_UM:
        warnings.warn(
            f"{file} is {extent:.3g} µm large in {unit}: check its unit ({', '.join(UM_PER_UNIT)})", stacklevel=2
        )
    faces = np.array(mesh.faces, dtype=np.int32)
    vertices.flags.writeable = faces.flags.writeable = False
    return Mesh(vertices, faces)
