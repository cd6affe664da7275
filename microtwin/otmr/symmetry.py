"""Poses of the OTMR grid that no picture tells apart, because the robot is symmetric.

S turns a robot onto itself. Where R₂·S = R_z(θ)·R₁, pose 1 turned by θ about the optical axis looks as pose 2 does; the
in-plane angle is free, so the two names are one view. That is so when S maps the optical axis of pose 1, R₁ᵀz in the
body frame, onto that of pose 2. Even without symmetry all rolls of pitch 0 are one view: roll is in-plane there.
Symmetries come from the catalogue. They are rotations, never reflections: poses that mirror each other differ in their
pictures' handedness, until training flips pictures.
"""

import functools
import itertools
import math

import numpy as np

from microtwin.otmr.pose import POSES, Pose, rotation
from microtwin.robots.catalogue import robot, rotations

TOLERANCE_DEG = 0.5  # between optical axes; distinct views of the grid are 1.3° apart or more


def view_angle_deg(number: int, one: Pose, other: Pose) -> float:
    """Smallest angle between the optical axes of two poses of a robot, over its symmetries: 0 is the same view.

    Raises:
        InputError: no such robot.
    """
    if robot(number).isotropic:
        return 0.0
    moved = rotations(robot(number)) @ _axis(one)
    apart = np.linalg.norm(moved - _axis(other), axis=1).min()  # a chord: exact where a cosine is flat
    return math.degrees(2.0 * math.asin(min(0.5 * float(apart), 1.0)))


def in_plane_rad(number: int, one: Pose, other: Pose) -> float:
    """Counter-clockwise turn of pose ``one``'s picture that makes it the likest to ``other``'s, −π to π.

    Raises:
        InputError: no such robot, or one that looks the same in every pose.
    """
    group = rotations(robot(number))
    first, second = _rotation(one), _rotation(other)
    nearest = int(np.linalg.norm(group @ _axis(one) - _axis(other), axis=1).argmin())
    # R_z(θ) = R₂·S·R₁ᵀ up to what is left of the tilt: S maps axis 1 onto axis 2, hence R₁ᵀz onto R₂ᵀz
    between = second @ group[nearest] @ first.T
    return math.atan2(between[1, 0] - between[0, 1], between[0, 0] + between[1, 1])


def indistinguishable(number: int) -> list[tuple[Pose, Pose]]:
    """Every pair of poses on a robot's grid that show the same view, in the grid's order; none without a grid.

    Raises:
        InputError: no such robot.
    """
    pairs = itertools.combinations(POSES.get(number, ()), 2)
    return [pair for pair in pairs if view_angle_deg(number, *pair) <= TOLERANCE_DEG]


def pose_class(number: int, pose: Pose) -> Pose:
    """The first pose on a robot's grid that shows the same view; the pose itself when there is none.

    Raises:
        InputError: no such robot.
    """
    return _classes(number).get(pose, pose)


@functools.cache
def _classes(number: int) -> dict[Pose, Pose]:
    """Those poses that show an earlier one's view, and which."""
    first: dict[Pose, Pose] = {}
    for one, other in indistinguishable(number):
        first.setdefault(other, first.get(one, one))
    return first


def _axis(pose: Pose) -> np.ndarray:
    """(3,) optical axis in the body frame."""
    return _rotation(pose)[2]


def _rotation(pose: Pose) -> np.ndarray:
    return rotation(math.radians(pose.pitch_deg), math.radians(pose.roll_deg))
