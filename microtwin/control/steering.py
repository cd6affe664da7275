"""Pushing without ever letting go: the robot stays behind the object and turns round it as the path turns.

Two loops, one inside the other, both in distances rather than times, so that one set holds from 15 to 50 Hz:
the object's wanted direction is the path's, leaned back towards it over the distance ``return_um`` (line-of-sight
guidance, Fossen, Breivik & Skjetne, IFAC Proc. 36 (2003) 211); the robot turns the bearing robot → object into the
wanted direction while it goes ``turn_um``. An object goes where it is pushed from, so a bearing that shall turn by κ
per µm of way needs the robot to head κ·L past it, L the distance between the two. The path's own curvature is added
before it shows as an error. Heading bias, speed per hertz and what the latency hides come from
:mod:`microtwin.control.identify`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from microtwin.control import identify
from microtwin.control.path_frame import project, smooth_tangent, wrapped
from microtwin.control.pusher import Pusher
from microtwin.errors import InputError

CHORD_UM = 7.0  # tangents and curvature are taken over about a node and a half
MOST_INTEGRAL_UM = 3.0  # more would overshoot when the flow that holds it there stops
LARGEST_TURN_RAD = 1.2  # past this the robot would leave the object beside it


@dataclass(frozen=True)
class Law:
    """The law's parameters.

    Attributes:
        cruise_hz: frequency on a straight path.
        turn_um: way on which an error of the bearing falls to 1/e.
        return_um: way on which a cross-track distance does.
        preview_s: how far ahead in time the path's direction is taken.
        feed_forward: share of the path's curvature that the robot turns by without an error.
        integral_per_s: rate at which a standing cross-track distance is made up for.
        touch_um: distance between the centres at which the two touch. A robot that rolls against its object climbs it
            and loses it, so over the last µm the frequency falls to ``touching_hz``, at which the object keeps ahead.
        smooth_s, adapt_s: time constants of the velocities and of the robot's bias and speed.
        delay_frames: frames from a command to the first frame that shows it: latency and one.
        lifted_hz: cruising as fast as this, a robot rolls clear of its object, and slowing down would bring it nearer.

    Raises:
        InputError: a value out of its range; a delay that cannot be made up for.
    """

    cruise_hz: float = 15.0
    turn_um: float = 5.0
    return_um: float = 8.0
    preview_s: float = 0.0
    feed_forward: float = 0.8
    integral_per_s: float = 0.5
    touch_um: float = 10.0
    touching_hz: float = 5.0
    smooth_s: float = 0.05
    adapt_s: float = 0.1
    delay_frames: int = 2
    lifted_hz: float = 30.0

    def __post_init__(self):
        for name in ("cruise_hz", "turn_um", "return_um", "touching_hz", "smooth_s", "adapt_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"steering {name} is {value}: give a positive number")
        for name in ("preview_s", "feed_forward", "integral_per_s", "touch_um", "lifted_hz"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"steering {name} is {value}: give 0 or more")
        if not 1 <= self.delay_frames <= identify.DELAYS:
            raise InputError(f"steering delay is {self.delay_frames} frames: give 1 to {identify.DELAYS}")

    def numbers(self) -> np.ndarray:
        """(12,) for the compiled law."""
        return np.array([getattr(self, name) for name in self.__dataclass_fields__], dtype=float)


@njit(cache=True)
def steer(row, nodes, arc, law, frame_s):
    """(heading, frequency, bearing error, object's s, cross-track distance) for the next command.

    ``row`` is the memory after :func:`~microtwin.control.identify.watch`; its progress and integral are updated.
    ``nodes`` (n, 2) and ``arc`` (n,) in µm, ``law`` (12,) of :meth:`Law.numbers`, ``frame_s`` in s; angles in rad.
    """
    cruise, turn_um, return_um, preview_s = law[0], law[1], law[2], law[3]
    forward, integral, touch, touching = law[4], law[5], law[6], law[7]
    rx, ry, ox, oy = identify.expect(row, frame_s, int(law[10]))
    s, across = project(nodes, arc, row[identify.S], ox, oy)
    row[identify.S] = s
    row[identify.INTEGRAL] = min(
        MOST_INTEGRAL_UM, max(-MOST_INTEGRAL_UM, row[identify.INTEGRAL] + integral * across * frame_s)
    )
    v = max(row[identify.SPEED_PER_HZ] * cruise, 1.0)
    apart = math.hypot(ox - rx, oy - ry)
    ahead = s + v * preview_s
    direction = smooth_tangent(nodes, arc, ahead, CHORD_UM)
    later = smooth_tangent(nodes, arc, ahead + 0.5 * CHORD_UM, CHORD_UM)
    before = smooth_tangent(nodes, arc, ahead - 0.5 * CHORD_UM, CHORD_UM)
    curvature = wrapped(later - before) / CHORD_UM
    wanted = direction - math.atan((across + row[identify.INTEGRAL]) / return_um)
    bearing = math.atan2(oy - ry, ox - rx)
    error = wrapped(bearing - wanted)
    turn = apart * error / turn_um - math.atan(forward * apart * curvature)
    turn = min(LARGEST_TURN_RAD, max(-LARGEST_TURN_RAD, turn))
    slow = cruise if cruise >= law[11] else min(touching, cruise)
    frequency = slow + (cruise - slow) * min(1.0, max(0.0, apart - touch))
    return bearing + turn - row[identify.BIAS], frequency, error, s, across


class Steering(Pusher):
    """Pushes one object along a list of nodes by :func:`steer`.

    Args:
        law: its parameters. The others: as for the :class:`~microtwin.control.pusher.Pusher`.
    """

    def __init__(self, nodes_um: np.ndarray, law: Law | None = None, **distances: float):
        self.law = law or Law()
        super().__init__(nodes_um, self.law.cruise_hz, **distances)
        self._numbers = self.law.numbers()

    def _steer(self, robot_um: np.ndarray, cargo_um: np.ndarray) -> tuple[float, float, float, float]:
        law, row = self.law, self._memory
        identify.watch(
            row, robot_um[0], robot_um[1], cargo_um[0], cargo_um[1], self._frame_s, law.delay_frames, law.smooth_s,
            law.adapt_s,
        )  # fmt: skip
        heading, frequency, error, s, _ = steer(row, self.nodes_um, self._arc, self._numbers, self._frame_s)
        return heading, frequency, s, error

    def _start_over(self) -> None:
        self._memory[identify.INTEGRAL] = 0.0
