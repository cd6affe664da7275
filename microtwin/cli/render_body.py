"""What ``microtwin render`` draws through the 100× objective: a robot of the catalogue, or a mesh file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from microtwin.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_MESH_RANGE_UM = 16.0  # of depth, for a body that is not in the catalogue; more for a larger one


class Body(NamedTuple):
    """What to draw: closed mesh in µm of the scale bar, length of its depth sweep in µm, what to call it, a warning."""

    mesh: tuple[np.ndarray, np.ndarray]
    depth_range_um: float
    name: str
    warning: str = ""


def robot_body(number: int) -> Body:
    """A robot of the catalogue.

    Raises:
        InputError: there is none of that number.
    """
    from microtwin.robots.catalogue import robot

    known = robot(number)
    return Body(known.mesh, known.depth_range_um, f"robot {number}")


def own_body(path: Path, unit: str) -> Body:
    """A mesh file, from true lengths to those of the scale bar (docs/decisions/0010), its box's middle the origin.

    Raises:
        InputError: a file that is no closed surface of a microrobot's size.
    """
    import warnings

    import numpy as np

    from microtwin.otmr.depth import STAGE_PER_BAR
    from microtwin.otmr.framing import FRAME, PIXEL_UM
    from microtwin.otmr.render import SMALLEST_UM
    from microtwin.robots.meshes import UM_PER_UNIT, load_mesh

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        vertices, faces = load_mesh(path, unit)
    extent = float(np.ptp(vertices, axis=0).max())
    least, most = SMALLEST_UM * STAGE_PER_BAR, max(FRAME) * PIXEL_UM * STAGE_PER_BAR
    if not least <= extent <= most:
        remedy = f"rescale it to {least:.2g} to {most:.0f} µm, or give its --unit ({', '.join(UM_PER_UNIT)})"
        raise InputError(f"{path} is {extent:.3g} µm large in {unit}: {remedy}")
    vertices = (vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2) / STAGE_PER_BAR
    warning = "; ".join(str(each.message) for each in caught if each.category is UserWarning)
    return Body((vertices, faces), max(_MESH_RANGE_UM, 1.2 * extent), str(path), warning)
