"""Controllers: what turns an observation into a field. They cannot know whether the rig is real."""

from pathlib import Path

from microtwin.kernels import drop_stale

drop_stale(Path(__file__).parent)

from microtwin.control.blended import Blended  # noqa: E402
from microtwin.control.corridor import Corridor  # noqa: E402
from microtwin.control.joystick import Joystick  # noqa: E402
from microtwin.control.predictive import Predictive  # noqa: E402
from microtwin.control.steering import Steering  # noqa: E402

__all__ = ["Blended", "Corridor", "Joystick", "Predictive", "Steering"]
