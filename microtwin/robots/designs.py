"""The 18 parametric designs: which blueprint each robot has and its sizes, free to change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from microtwin.errors import InputError
from microtwin.robots import blueprints
from microtwin.robots.catalogue import records

if TYPE_CHECKING:
    import trimesh

_BLUEPRINTS: dict[int, Callable[..., trimesh.Trimesh]] = {
    1: partial(blueprints.star, 4),
    2: partial(blueprints.star, 6),
    3: blueprints.ellipsoid_bar,
    4: blueprints.holder_bar,
    5: blueprints.cylinder_bar,
    6: blueprints.cylinder_bar,
    7: blueprints.ball,
    8: partial(blueprints.star, 2),
    9: blueprints.hook,
    10: partial(blueprints.star, 8),
    11: blueprints.lattice,
    12: blueprints.ball_holder_bar,
    13: blueprints.headed_bar,
    14: blueprints.headed_bar,
    15: blueprints.square,
    16: blueprints.ball_chain,
    17: blueprints.spring_bar,
    18: blueprints.twin_bar,
}

_MAY_BE_ZERO = ("elevation_deg", "bend_deg", "sag_um")  # and may be negative


@dataclass(frozen=True)
class Design:
    """A robot as a recipe.

    Attributes:
        number: 1 to 18, as in the OTMR paper's Fig. 2.
        name: what it is.
        folder: its OTMR folder.
        sizes: default value of every size by name; ``_um`` and ``_deg`` are units, anything else is a count.
        build: makes the mesh from all sizes as keywords.
    """

    number: int
    name: str
    folder: str
    sizes: dict[str, float]
    build: Callable[..., trimesh.Trimesh]

    def mesh(self, **changes: float) -> trimesh.Trimesh:
        """The body with some sizes changed: watertight, one piece, outward normals, µm.

        The origin is the blueprint's: the vertex of a V, the hub of a star, the centre of a ball. Arms that rise put
        most of the body above it.

        Raises:
            InputError: an unknown size, or one that makes no body.
        """
        for name, value in changes.items():
            if name not in self.sizes:
                raise InputError(f"robot {self.number} has no size {name}: choose from {', '.join(self.sizes)}")
            if not math.isfinite(value) or (value <= 0 and name not in _MAY_BE_ZERO):
                raise InputError(f"{name} {value}: give a number above 0")
            if name.endswith("elevation_deg") or name == "bend_deg":
                if abs(value) > 90:
                    raise InputError(f"{name} {value}: give -90 to 90 degrees")
            if name == "arc_deg" and value >= 340:
                raise InputError(f"arc_deg {value}: give less than 340 degrees")
        return self.build(**(self.sizes | changes))


def design(number: int) -> Design:
    """The design of robot ``number``.

    Raises:
        InputError: there is none of that number.
    """
    if number not in DESIGNS:
        raise InputError(f"no robot {number}: choose 1 to {len(DESIGNS)}")
    return DESIGNS[number]


DESIGNS = {
    number: Design(number, record["name"], record["folder"], dict(record["sizes"]), _BLUEPRINTS[number])
    for number, record in records().items()
}
