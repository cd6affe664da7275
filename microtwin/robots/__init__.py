"""Bodies of the twin: rolling Janus robots, beads, cells, and the population real robots are drawn from."""

from microtwin.robots.bodies import Body, bead, cell, janus_robot
from microtwin.robots.population import Population, nominal

__all__ = ["Body", "Population", "bead", "cell", "janus_robot", "nominal"]
