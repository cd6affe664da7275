"""Pitch, roll and the in-plane angle of an OTMR robot, and the 176 poses its folders name.

The body frame is the robot as its CAD picture shows it: x right, y up in the picture, z towards the viewer, away from
the glass. A pose tips the body by ``pitch`` about y, then by ``roll`` about x, then turns it in the plane about z:

    R(pitch, roll, θ) = R_z(θ)·R_x(−roll)·R_y(−pitch)       (columns: the body's axes in the world)

How this was recovered from labelled crops, and which orders were tried, stands in docs/decisions/0009.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError

_NAME = re.compile(r"P(\d+)_R(\d+)")


@dataclass(frozen=True, order=True)
class Pose:
    """One class of the pose task: whole degrees from 0 to 90, as folder names write them.

    Raises:
        InputError: an angle outside 0 to 90 degrees, or not whole.
    """

    pitch_deg: int = 0
    roll_deg: int = 0

    def __post_init__(self) -> None:
        for name in ("pitch", "roll"):
            value = getattr(self, f"{name}_deg")
            if value != int(value) or not 0 <= value <= 90:
                raise InputError(f"{name} is {value}°: give whole degrees from 0 to 90, as the grid's poses")

    @property
    def name(self) -> str:
        """The folder's name, ``P30_R5``."""
        return f"P{self.pitch_deg}_R{self.roll_deg}"

    @classmethod
    def named(cls, name: str) -> "Pose":
        """The pose a folder's name gives.

        Raises:
            InputError: not a name such as P30_R5.
        """
        match = _NAME.fullmatch(name)
        if not match:
            raise InputError(f"pose {name!r}: give P and R with whole degrees, as P30_R5")
        return cls(int(match[1]), int(match[2]))


def rotation(pitch_rad: float, roll_rad: float, in_plane_rad: float = 0.0) -> np.ndarray:
    """R(pitch, roll, θ), (3, 3), from the body's to the world frame."""
    return about_z(in_plane_rad) @ _about_x(-roll_rad) @ _about_y(-pitch_rad)


def about_z(angle_rad: float) -> np.ndarray:
    """(3, 3) rotation about the optical axis, counter-clockwise in the image."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def _about_x(angle_rad: float) -> np.ndarray:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _about_y(angle_rad: float) -> np.ndarray:
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _grid(pitches, rolls) -> tuple[Pose, ...]:
    return tuple(Pose(pitch, roll) for pitch in pitches for roll in rolls)


# Robot 3's forty and the triangle of thirty-six are what public users of the set list (docs/decisions/0009); which
# robot has the triangle, and the poses of robots 2, 4, 5 and 6, are not public: 25 each completes the published 176.
_STEPS = (0, 15, 30, 45, 60)
_ROLLED = (*_grid([15], [5, 15, 30, 45]), *_grid([30, 45, 60], [5, 10, 15, 30, 45, 60]))
POSES: dict[int, tuple[Pose, ...]] = {
    1: tuple(Pose(pitch, roll) for pitch in range(0, 80, 10) for roll in range(pitch, 80, 10)),
    2: _grid(_STEPS, _STEPS),
    3: tuple(sorted((*_grid((p for p in range(0, 95, 5) if p != 20), [0]), *_ROLLED))),
    4: _grid(_STEPS, _STEPS),
    5: _grid(_STEPS, _STEPS),
    6: _grid(_STEPS, _STEPS),
}
