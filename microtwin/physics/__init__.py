"""Near-wall hydrodynamics of driven spheres: mobilities, forces and the :class:`World` they move.

The model is Sprinkle, van der Wee, Luo, Driscoll & Donev, "Driven dynamics in dense suspensions of microrollers",
Soft Matter 16 (2020) 7982. Units throughout: µm, s, pN, mT; viscosity enters in Pa·s.
"""

from pathlib import Path

from microtwin.kernels import drop_stale

drop_stale(Path(__file__).parent)

from microtwin.physics.fleet import Fleet  # noqa: E402
from microtwin.physics.flow import Flow  # noqa: E402
from microtwin.physics.resistance import resistance  # noqa: E402
from microtwin.physics.wall_mobility import wall_mobility  # noqa: E402
from microtwin.physics.world import Liquid, World  # noqa: E402

__all__ = ["Fleet", "Flow", "Liquid", "World", "resistance", "wall_mobility"]
