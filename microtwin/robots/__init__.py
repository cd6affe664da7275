"""Bodies of the twin: rolling Janus robots, beads, cells, and the population real robots are drawn from.

The 18 printed microrobots of the OTMR dataset are in :mod:`microtwin.robots.catalogue`, their recipes in
:mod:`microtwin.robots.designs`; :mod:`microtwin.robots.meshes` reads bodies of one's own.
"""

from microtwin.robots.bodies import Body, bead, cell, janus_robot
from microtwin.robots.population import Population, nominal

__all__ = ["Body", "Population", "bead", "cell", "janus_robot", "nominal"]
