"""The camera–field angle: a robot is rolled along several headings, and seen to go others.

A drift of the liquid adds the same velocity to every leg. Legs come in opposite pairs, and velocity over heading is
fitted by v = A e^{iα} + B e^{−iα} + d: A turns with the heading, B against it (a mirrored picture), d is the drift. In
an elliptical field (unequal coils) a robot deviates towards the stronger axis between the axes; that adds to B and to
e^{±3iα}, and leaves A alone. A robot's own deviation from its heading, a degree or two, is part of the angle: right for
that robot; for the camera alone, take the mean over several.
"""

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import Rig, RigError
from microtwin_hardware.calibration.legs import Leg, Locate, View, go_home, roll

SLOWEST_UM_S = 1.0
CLEAR = 0.6  # of the larger of A and B: above it the picture is neither mirrored nor not


@dataclass(frozen=True)
class CameraAngle:
    """What the legs show.

    Attributes:
        rotation_rad: heading seen minus heading commanded, −π to π; sum of the two in a mirrored picture.
        error_rad: its standard error.
        mirrored: the picture turns clockwise when the heading turns counter-clockwise.
        speed_um_s: of rolling. drift_um_s: (2,) what is seen whatever the heading.
        legs: all that were measured.
    """

    rotation_rad: float
    error_rad: float
    mirrored: bool
    speed_um_s: float
    drift_um_s: np.ndarray
    legs: tuple[Leg, ...]

    @property
    def view(self) -> View:
        return View(self.rotation_rad, self.mirrored)

    @property
    def flip(self) -> str:
        """The flip that makes a mirrored picture right with the least rotation left; ``none`` for one that is."""
        if not self.mirrored:
            return "none"  # flipped upside down it is seen at −rotation, left to right at π − rotation
        return "vertical" if math.cos(self.rotation_rad) >= 0 else "horizontal"


def measure_angle(
    rig: Rig,
    locate: Locate,
    *,
    frequency_hz: float = 8.0,
    leg_s: float = 2.0,
    headings: int = 8,
    rounds: int = 2,
    on_progress: Callable[[float], None] | None = None,
) -> CameraAngle:
    """Roll along ``headings`` directions, each with its opposite, ``rounds`` times. The field is off at the end.

    Args:
        rig: entered, and without a rotation of its own. locate: where the robot is in a frame.
        frequency_hz: well below the step-out.

    Raises:
        InputError: too few headings, or the robot is too near the picture's edge.
        LostError: it is no longer seen. RigError: coils or camera stopped answering, or it does not roll.
    """
    if headings < 4 or headings % 2:
        raise InputError(f"headings is {headings}: give an even number, 4 or more")
    if not (leg_s > 0 and rounds >= 1):
        raise InputError(f"legs of {leg_s} s, {rounds} rounds: give a positive time and 1 round or more")
    axes = sorted(range(headings // 2), key=lambda k: (k % 2, k))  # two that differ much come first
    legs: list[Leg] = []
    done = 0
    try:
        for _ in range(rounds):
            for axis in axes:
                for turn in (0.0, math.pi):
                    leg = roll(rig, locate, 2 * math.pi * axis / headings + turn, frequency_hz, leg_s)
                    legs += [leg] if leg else []
                    done += 1
                    if on_progress:
                        on_progress(done / (rounds * headings))
                if len(legs) >= 4 and legs[-1].is_far_out and done < rounds * headings:
                    go_home(rig, locate, fit(legs).view, frequency_hz)
    finally:
        rig.command(RotatingField.off())
    if len(legs) < max(4, 0.6 * rounds * headings):
        raise InputError("robot too near the picture's edge: bring it to the middle, or give shorter legs")
    return fit(legs)


def fit(legs: Sequence[Leg]) -> CameraAngle:
    """The angle from at least four legs along different headings.

    Raises:
        RigError: the robot does not roll, or not as one and the same robot would along x and y.
    """
    turn = np.exp(1j * np.array([leg.heading_rad for leg in legs]))
    seen = np.array([leg.velocity_um_s for leg in legs])
    terms = [turn, turn.conj(), np.ones_like(turn)]
    if len({round(math.degrees(leg.heading_rad)) for leg in legs}) >= 8:
        terms += [turn**3, turn.conj() ** 3]
    terms = np.stack(terms, axis=1)
    found, *_ = np.linalg.lstsq(terms, seen, rcond=None)
    along, against, drift = found[:3]
    mirrored = bool(abs(against) > abs(along))
    strong, weak = (against, along) if mirrored else (along, against)
    if abs(strong) < SLOWEST_UM_S:
        raise RigError(
            f"the robot moves at {abs(strong):.2g} µm/s only: free it, turn the coils' supply on, or take another"
        )
    if abs(weak) > CLEAR * abs(strong):
        raise RigError("the robot does not roll alike along x and y: check both axes' coils with microtwin doctor")
    left = float(np.linalg.norm(seen - terms @ found))
    inverse = np.linalg.inv(terms.conj().T @ terms).real.diagonal()[int(mirrored)]
    variance = left**2 / max(len(legs) - terms.shape[1], 1) * inverse
    return CameraAngle(
        cmath.phase(strong),
        float(math.sqrt(variance / 2) / abs(strong)),
        mirrored,
        float(abs(strong)),
        np.array([drift.real, drift.imag]),
        tuple(legs),
    )
