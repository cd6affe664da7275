"""Robots with other sizes than the catalogue's, as far as these are uncertain: what a network must not rely on."""

import functools
import tomllib

import numpy as np

from microtwin.errors import InputError
from microtwin.robots.catalogue import cad_folder, robot
from microtwin.robots.designs import design
from microtwin.robots.meshes import Mesh

UNFITTED = 0.02  # relative uncertainty of a size that no crop tells, as large as that of the sizes that crops tell
_MOST = 2.0  # standard deviations
_ATTEMPTS = 8


def varied(number: int, spread: float, rng: np.random.Generator) -> Mesh:
    """(V, 3) µm and (F, 3): the robot with every size drawn about the catalogue's.

    Args:
        spread: standard deviation in units of each size's uncertainty: how far it may be changed until its crops agree
            with their renderings by 0.01 less (``assets/cad/fit.toml``, from experiments/fit_cad.py). 0 is the
            catalogue's own mesh.

    Raises:
        InputError: no such robot.
    """
    if spread == 0:
        return robot(number).mesh
    recipe, known = design(number), _uncertainties(number)
    for _ in range(_ATTEMPTS):
        changes = {
            name: recipe.sizes[name] + spread * sd * float(np.clip(rng.standard_normal(), -_MOST, _MOST))
            for name, sd in known.items()
        }
        try:
            made = recipe.mesh(**changes)
        except InputError:  # sizes that make no body
            continue
        return Mesh(np.asarray(made.vertices), np.asarray(made.faces))
    return robot(number).mesh


@functools.cache
def _uncertainties(number: int) -> dict[str, float]:
    """Standard deviation of each size; counts are certain."""
    fits = tomllib.loads((cad_folder() / "fit.toml").read_text(encoding="utf-8"))["robot"]
    fitted, found = fits.get(str(number), {}), {}
    for name, value in design(number).sizes.items():
        if name in fitted:
            found[name] = float(fitted[name][1])
        elif name.endswith("_um"):
            found[name] = UNFITTED * abs(value)
    return found
