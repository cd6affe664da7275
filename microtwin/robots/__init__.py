"""Bodies of the twin: rolling Janus robots, beads, cells, and the population real robots are drawn from."""

from microtwin.robots.bodies import Body, bead, cell, janus_robot

__all__ = ["Body", "bead", "cell", "janus_robot"]
