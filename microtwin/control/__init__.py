"""Controllers: what turns an observation into a field. They cannot know whether the rig is real."""

from microtwin.control.corridor import Corridor
from microtwin.control.joystick import Joystick

__all__ = ["Corridor", "Joystick"]
