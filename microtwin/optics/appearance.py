"""What the 20× scene's bodies are to light: silica spheres, the nickel cap, cells with grains, debris.

Index differences against the liquid, on slices through the body. Silica 1.46 (Malitson, J. Opt. Soc. Am. 55 (1965)
1205); nickel 1.77 + 3.27i at 0.55 µm (Johnson & Christy, Phys. Rev. B 9 (1974) 5056), 100 nm thick and opaque,
evaporated along the cap's axis so that its thickness falls as the cosine towards the equator; cells 1.37 with granules
of ± 0.015 (Curl et al., Cytometry A 65A (2005) 88; Liu et al., J. Biophotonics 9 (2016) 1155).
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from microtwin.errors import InputError
from microtwin.optics.slices import sphere_fill

SILICA = 1.46
NICKEL = 1.77 + 3.27j
CELL = 1.37
GRAIN = 0.015
GRAIN_UM = 0.6

Kind = Literal["robot", "bead", "cell", "debris"]


@dataclass(frozen=True, slots=True)
class Appearance:
    """One body as light meets it.

    Attributes:
        kind: ``robot``, ``bead``, ``cell`` or ``debris``.
        radius_um: its radius.
        film_um: thickness of the robot's nickel at the cap's pole.
        seed: which grains a cell has.
    """

    kind: Kind
    radius_um: float
    film_um: float = 0.1
    seed: int = 0

    def __post_init__(self):
        if self.kind not in ("robot", "bead", "cell", "debris"):
            raise InputError(f"appearance is {self.kind!r}: choose robot, bead, cell or debris")
        if not (math.isfinite(self.radius_um) and self.radius_um > 0):
            raise InputError(f"{self.kind} radius is {self.radius_um} µm: give a positive number")

    def delta_n(self, axis, medium: float, shape: tuple[int, int], pixel_um: float, slice_um: float) -> np.ndarray:
        """(nz, ny, nx) complex64 index difference of the body in the middle of the grid, lowest slice at its bottom.

        ``axis``: the cap's pole in the world frame (x right, y up, z away from the glass); rows run down.
        """
        count = math.ceil(2 * (self.radius_um + self.film_um) / slice_um)
        layers = (count, *shape)
        low = -0.5 * count * slice_um
        fill = sphere_fill((0.0, 0.0, 0.0), self.radius_um, layers, pixel_um, slice_um, low)
        if self.kind == "cell":
            rng = np.random.default_rng(self.seed)
            grains = gaussian_filter(
                rng.standard_normal(layers, dtype=np.float32), [GRAIN_UM / slice_um, *2 * [GRAIN_UM / pixel_um]]
            )
            return (fill * (CELL - medium + GRAIN / grains.std() * grains)).astype(np.complex64)
        delta = (fill * (SILICA - medium)).astype(np.complex64)
        if self.kind == "robot":
            self._coat(delta, np.asarray(axis, dtype=float), medium, pixel_um, slice_um, low)
        return delta

    def _coat(self, delta: np.ndarray, axis: np.ndarray, medium: float, pixel_um: float, slice_um: float, low: float):
        """Add the film: its path along z at each crossing of the sphere goes into the slice that holds it."""
        _, rows, columns = delta.shape
        y = (0.5 * (rows - 1) - np.arange(rows))[:, None] * pixel_um
        x = (np.arange(columns) - 0.5 * (columns - 1))[None, :] * pixel_um
        a = self.radius_um
        rho2 = x * x + y * y
        inside = rho2 < a * a
        half = np.sqrt(np.where(inside, a * a - rho2, 0.0))
        row, column = np.nonzero(inside)
        for side in (1.0, -1.0):
            cosine = (x * axis[0] + y * axis[1] + side * half * axis[2]) / a
            film = self.film_um * np.maximum(cosine, 0.0)
            path = np.sqrt((a + film) ** 2 - rho2, where=inside, out=np.zeros_like(half)) - half
            layer = np.clip(((side * half - low) / slice_um).astype(int), 0, len(delta) - 1)
            np.add.at(
                delta,
                (layer[inside], row, column),
                ((NICKEL - medium) * path[inside] / slice_um).astype(np.complex64),
            )
