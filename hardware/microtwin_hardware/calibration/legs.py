"""A robot rolled straight for a while: what the camera's angle and the step-out are measured from."""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Frame, Rig
from microtwin_hardware.calibration.follow import room_um

SETTLE_S = 0.25  # after a command: latency of camera and coils, and the moment's turn into the new plane
EDGE_UM = 12.0  # a leg ends when it comes nearer to the picture's edge
HOME_UM = 8.0  # near enough to the picture's middle
FEWEST_FRAMES = 6

Locate = Callable[[Frame], np.ndarray]  # (2,) µm, NaN while the robot is not seen


@dataclass(frozen=True)
class Leg:
    """One straight leg.

    Attributes:
        heading_rad: as commanded. frequency_hz: of the field.
        velocity_um_s: x + iy as seen in the picture, drift included.
        place_um: (2,) where the robot was at its end, from the picture's middle.
        room_um: (2,) half the picture's width and height.
    """

    heading_rad: float
    frequency_hz: float
    velocity_um_s: complex
    place_um: np.ndarray
    room_um: np.ndarray

    @property
    def is_far_out(self) -> bool:
        return bool(np.any(np.abs(self.place_um) > 0.5 * self.room_um))


@dataclass(frozen=True)
class View:
    """How the picture lies: a heading α is seen as ``rotation_rad`` + α, or as ``rotation_rad`` − α when mirrored."""

    rotation_rad: float = 0.0
    mirrored: bool = False

    def command_rad(self, seen_rad: float) -> float:
        """The heading to command for one that is wanted in the picture."""
        return self.rotation_rad - seen_rad if self.mirrored else seen_rad - self.rotation_rad


def roll(rig: Rig, locate: Locate, heading_rad: float, frequency_hz: float, duration_s: float) -> Leg | None:
    """Roll for ``duration_s`` after the settling time; None if the picture's edge ended it too soon to measure.

    The field stays on, and is commanded again with every frame, so that no watchdog ends it.

    Raises:
        LostError: the robot is no longer seen. RigError: coils or camera stopped answering.
    """
    field = RotatingField(heading_rad, PUSH_RAD, frequency_hz)
    times, places, start = [], [], None
    begun_s, room, place = math.nan, np.full(2, math.inf), np.zeros(2)
    while True:
        rig.command(field)
        frame = rig.observe()
        seen = locate(frame)
        begun_s = frame.time_s if math.isnan(begun_s) else begun_s
        if np.isfinite(seen).all():
            room, place = room_um(frame), seen - frame.centre_um
            start = place if start is None else start
            if frame.time_s - begun_s >= SETTLE_S:
                times.append(frame.time_s)
                places.append(complex(*seen))
            outwards = np.sign(place) * (place - start) > 1.0
            if np.any((np.abs(place) > room - EDGE_UM) & outwards):
                break
        if frame.time_s - begun_s >= SETTLE_S + duration_s:
            break
    if len(times) < FEWEST_FRAMES or times[-1] - times[0] < 0.4 * duration_s:
        return None
    moments = np.array(times) - np.mean(times)
    velocity = complex(moments @ np.array(places) / (moments @ moments))
    return Leg(heading_rad, frequency_hz, velocity, place, room)


def go_home(rig: Rig, locate: Locate, view: View, frequency_hz: float, time_limit_s: float = 30.0) -> None:
    """Roll to the picture's middle.

    Raises:
        InputError: not there in time. LostError, RigError: as :func:`roll`.
    """
    begun_s, heading_rad = math.nan, 0.0
    rig.command(RotatingField.off())
    while True:
        frame = rig.observe()
        seen = locate(frame)
        begun_s = frame.time_s if math.isnan(begun_s) else begun_s
        if np.isfinite(seen).all():
            place = complex(*(seen - frame.centre_um))
            if abs(place) < HOME_UM:
                return
            heading_rad = view.command_rad(cmath.phase(-place))
        if frame.time_s - begun_s > time_limit_s:
            raise InputError(
                f"robot not in the picture's middle after {time_limit_s:g} s: free it, and measure --roll first"
            )
        rig.command(RotatingField(heading_rad, PUSH_RAD, frequency_hz))
