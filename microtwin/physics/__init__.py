"""Near-wall hydrodynamics of driven spheres: mobilities, forces and the :class:`World` they move.

The model is Sprinkle, van der Wee, Luo, Driscoll & Donev, "Driven dynamics in dense suspensions of microrollers",
Soft Matter 16 (2020) 7982. Units throughout: µm, s, pN, mT; viscosity enters in Pa·s.
"""

from pathlib import Path


def _drop_stale_kernels(folder: Path) -> None:
    """Numba's disk cache watches the file of a cached function, not those it calls: drop all when any changed."""
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for kernel in (folder / "__pycache__").glob("*.nb[ic]"):
        try:
            if kernel.stat().st_mtime < newest:
                kernel.unlink(missing_ok=True)
        except OSError:  # a read-only or shared folder: numba then keeps its own rules
            return


_drop_stale_kernels(Path(__file__).parent)

from microtwin.physics.flow import Flow  # noqa: E402
from microtwin.physics.resistance import resistance  # noqa: E402
from microtwin.physics.wall_mobility import wall_mobility  # noqa: E402
from microtwin.physics.world import Liquid, World  # noqa: E402

__all__ = ["Flow", "Liquid", "World", "resistance", "wall_mobility"]
