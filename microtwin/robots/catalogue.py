"""The 18 microrobots of the OTMR dataset as they are on disk: what each is, its mesh, its symmetries.

``assets/cad`` holds catalogue.toml and an STL file per robot, in µm; experiments/build_cad.py writes both.
"""

from __future__ import annotations

import functools
import importlib.resources
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from microtwin.errors import InputError
from microtwin.robots.meshes import Mesh, load_mesh


class Symmetry(NamedTuple):
    """Turns by 360°/``order`` about ``axis`` (unit vector in the body frame) leave the robot as it was."""

    axis: tuple[float, float, float]
    order: int


@dataclass(frozen=True)
class Robot:
    """One of the 18.

    Attributes:
        number: 1 to 18, as in Fig. 2 of the OTMR paper.
        name: what it is.
        folder: its OTMR folder; ``folder_published`` tells names that OTMR has from names made in the same manner.
        mesh_path: its STL file, in µm, body frame.
        size_um: extent along the body's x, y and z.
        volume_um3: volume.
        sizes: every size of the design (microtwin.robots.designs) that the mesh was built with.
        provenance: where the sizes come from.
        symmetries: proper rotations about its centroid that map it onto itself, the highest order for each axis.
        isotropic: every rotation does (a sphere); ``symmetries`` is then empty.
        depth_range_um: length of its depth sweep, from the published MSE and R² where there are any.
    """

    number: int
    name: str
    folder: str
    folder_published: bool
    mesh_path: Path
    size_um: tuple[float, float, float]
    volume_um3: float
    sizes: dict[str, float]
    provenance: str
    symmetries: tuple[Symmetry, ...]
    isotropic: bool
    depth_range_um: float

    @property
    def mesh(self) -> Mesh:
        """Its surface, read once.

        Raises:
            InputError: the file is gone or damaged.
        """
        return _mesh_of(self.mesh_path)


@functools.cache
def catalogue() -> dict[int, Robot]:
    """All robots by number."""
    return {number: _robot(number, record) for number, record in records().items()}


def robot(number: int) -> Robot:
    """Robot ``number``.

    Raises:
        InputError: there is none of that number.
    """
    robots = catalogue()
    if number not in robots:
        raise InputError(f"no robot {number}: choose {min(robots)} to {max(robots)}")
    return robots[number]


def cad_folder() -> Path:
    """Where catalogue.toml and the STL files are: inside an installed package, or in the source tree's assets."""
    packaged = Path(str(importlib.resources.files("microtwin"))) / "assets" / "cad"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "assets" / "cad"


def records(file: Path | None = None) -> dict[int, dict[str, Any]]:
    """Every robot's table of catalogue.toml by number.

    Raises:
        InputError: there is no such file.
    """
    path = file or cad_folder() / "catalogue.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["robot"]
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): install microtwin again") from None
    return {int(number): table for number, table in tables.items()}


def stl_name(number: int) -> str:
    """Name of a robot's STL file in ``cad_folder()``."""
    return f"robot_{number:02d}.stl"


@functools.cache
def _mesh_of(path: Path) -> Mesh:
    return load_mesh(path)


def _robot(number, record):
    isotropic = record["symmetries"] == "all"
    symmetries = [] if isotropic else record["symmetries"]
    x, y, z = record["size_um"]
    return Robot(
        number=number,
        name=record["name"],
        folder=record["folder"],
        folder_published=record["folder_published"],
        mesh_path=cad_folder() / stl_name(number),
        size_um=(x, y, z),
        volume_um3=record["volume_um3"],
        sizes=record["sizes"],
        provenance=record["provenance"],
        symmetries=tuple(Symmetry(tuple(symmetry["axis"]), symmetry["order"]) for symmetry in symmetries),
        isotropic=isotropic,
        depth_range_um=record["depth_range_um"],
    )


def rotations(of: Robot) -> np.ndarray:
    """(n, 3, 3) all proper rotations that map a robot onto itself, the identity first.

    Raises:
        InputError: the robot is isotropic: they are without number.
    """
    if of.isotropic:
        raise InputError(f"robot {of.number} looks the same in every pose: choose another for a list of rotations")
    group = [np.eye(3)]
    generators = [_turn(np.array(axis), 2.0 * math.pi / order) for axis, order in of.symmetries]
    for element in group:  # grows while it is walked, until every product is in it
        for generator in generators:
            product = generator @ element
            if not any(np.allclose(product, known, atol=1e-6) for known in group):
                group.append(product)
    return np.stack(group)


def _turn(axis, angle):
    x, y, z = axis
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(angle) * skew + (1.0 - math.cos(angle)) * skew @ skew
