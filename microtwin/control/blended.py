"""The guiding corridor without a switch: the field's axis leans over as the cargo nears the corridor's edge.

Section VII of the pushing paper asks for "a more continuous transition between pushing and spinning". γ runs in
proportion to the cargo's distance from the corridor's middle, from π/2 there to a spin at the edge and beyond, so that
a robot rolls and spins at once; a cargo that comes back finds the field already on its way back, and nothing chatters.
A low-pass of a few frames keeps the tracker's noise out of γ. And, also asked for there, the frequency keeps the
distance: a robot that touches its cargo while it rolls fast climbs on it, and is turned down to ``TOUCH_HZ``.

The paper thinks of γ = 45° and 135°. That is not enough: coils whose z axis is the strongest (13 mT against 3 and 5)
turn the moment about an axis that lies much flatter than the commanded one, and the cargo is lost. Hence the full lean.
"""

import math

import numpy as np

from microtwin.control.corridor import Corridor, side_of
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Observation

WIDTH_UM = 8.0  # the most accurate on the circle, at any frequency (experiments/controllers.py)

TOUCH_UM, CLEAR_UM, TOUCH_HZ = 10.0, 11.0, 5.0  # centres as far apart as they touch at; as they are clear at


class Blended(Corridor):
    """The corridor algorithm with a continuous γ.

    Args:
        nodes_um, frequency_hz, threshold_um, approach_um, lost_um: as for the Corridor.
        width_um: corridor width w; at w/2 from the middle the lean is full.
        lean_rad: full lean of the axis; π/2 is a spin.
        smooth_s: time constant of γ; 0 for none.

    Raises:
        InputError: as the Corridor's; a lean outside 0 to π/2; a negative time constant.
    """

    def __init__(
        self,
        nodes_um: np.ndarray,
        *,
        frequency_hz: float,
        width_um: float = WIDTH_UM,
        lean_rad: float = math.pi / 2,
        smooth_s: float = 0.1,
        threshold_um: float = 8.0,
        approach_um: float = 15.0,
        lost_um: float = 40.0,
    ):
        super().__init__(
            nodes_um,
            frequency_hz=frequency_hz,
            width_um=width_um,
            threshold_um=threshold_um,
            approach_um=approach_um,
            lost_um=lost_um,
        )
        if not 0 < lean_rad <= math.pi / 2:
            raise InputError(f"lean is {lean_rad} rad: give more than 0, at most π/2")
        if not (math.isfinite(smooth_s) and smooth_s >= 0):
            raise InputError(f"time constant of γ is {smooth_s} s: give 0 or more")
        self.lean_rad, self.smooth_s = lean_rad, smooth_s
        self._gamma, self._last_s = PUSH_RAD, math.nan

    def act(self, observation: Observation) -> RotatingField:
        field = super().act(observation)
        if self.mode in ("approach", "done"):
            self._last_s = math.nan
            return field
        goal = self.nodes_um[self.goal_index]
        ahead = goal - observation.robot_um
        self._alpha = math.atan2(ahead[1], ahead[0])
        offset = side_of(observation.robot_um, goal, observation.object_um)
        part = min(1.0, max(-1.0, 2.0 * offset / self.width_um))
        if self.lean_rad < math.pi / 2:  # beyond the edge it leans, but does not spin on the spot
            self.mode = "push"
        wanted = PUSH_RAD + self.lean_rad * part
        passed_s = observation.time_s - self._last_s
        share = passed_s / self.smooth_s if passed_s < self.smooth_s else 1.0  # at once in the first frame
        self._gamma += share * (wanted - self._gamma)
        self._last_s = observation.time_s
        apart = math.dist(observation.robot_um, observation.object_um)
        room = min(1.0, max(0.0, (apart - TOUCH_UM) / (CLEAR_UM - TOUCH_UM)))
        slow = min(TOUCH_HZ, self.frequency_hz)
        return RotatingField(self._alpha, self._gamma, slow + room * (self.frequency_hz - slow))
