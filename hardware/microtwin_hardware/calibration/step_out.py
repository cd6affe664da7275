"""The step-out: the highest frequency of the field that a robot still follows, found by a sweep.

Below it the robot turns once with every turn of the field and its speed grows with the frequency; above it it slips,
and its speed falls. Frequencies rise geometrically until two in a row are slipped at, then the step is halved.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import Rig, RigError
from microtwin_hardware.calibration.legs import Locate, View, go_home, roll

FOLLOWS = 0.8  # of the distance per turn at lower frequencies
RESOLUTION = 0.04  # of the frequency
LEG_UM = 60.0
HOME_HZ = 8.0
SLOWEST_UM = 0.2  # per turn


@dataclass(frozen=True)
class StepOut:
    """A sweep.

    Attributes:
        frequency_hz: the highest that was followed. slipped_hz: the lowest that was not; infinite if all were followed.
        frequencies_hz, speeds_um_s: (n,) all that was measured, frequencies rising.
        um_per_turn: distance per turn of the field while it follows, the median.
    """

    frequency_hz: float
    slipped_hz: float
    frequencies_hz: np.ndarray
    speeds_um_s: np.ndarray
    um_per_turn: float


def sweep(
    rig: Rig,
    locate: Locate,
    *,
    lowest_hz: float = 4.0,
    highest_hz: float = 150.0,
    view: View | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> StepOut:
    """The speed at rising frequencies, there and back each, so that a drift cancels. The field is off at the end.

    Args:
        rig: entered. view: how the picture lies, if the rig does not take it into account itself.

    Raises:
        InputError: frequencies that are no range, a robot that does not come back to the middle.
        LostError: it is no longer seen. RigError: coils or camera stopped answering, or it does not roll.
    """
    if not 0.5 <= lowest_hz < highest_hz <= 200.0:
        raise InputError(f"sweep from {lowest_hz:g} to {highest_hz:g} Hz: give a range within 0.5 to 200 Hz")
    view = view or View()
    found: dict[float, float] = {}
    per_turn = [2.0]

    def measure(frequency_hz: float) -> bool:
        speed = _speed(rig, locate, view, frequency_hz, float(np.median(per_turn[-3:])))
        found[frequency_hz] = speed
        if len(found) == 1:
            if speed < SLOWEST_UM * frequency_hz:
                raise RigError(
                    f"the robot moves at {speed:.2g} µm/s at {frequency_hz:g} Hz: free it, or check the coils"
                )
            per_turn[:] = [speed / frequency_hz]
        follows = speed >= FOLLOWS * float(np.median(per_turn[-3:])) * frequency_hz
        if follows and len(found) > 1:
            per_turn.append(speed / frequency_hz)
        return follows

    try:
        coarse = lowest_hz * (highest_hz / lowest_hz) ** np.linspace(
            0, 1, 2 + round(3 * math.log2(highest_hz / lowest_hz))
        )
        followed, slipped = lowest_hz, math.inf
        for k, frequency in enumerate(coarse.round(1).tolist()):
            if measure(frequency):
                followed, slipped = frequency, math.inf  # whatever stopped it before was chance
            elif math.isfinite(slipped):
                break
            else:
                slipped = frequency
            if on_progress:
                on_progress(0.7 * (k + 1) / len(coarse))
        while math.isfinite(slipped) and slipped - followed > RESOLUTION * followed:
            middle = round(0.5 * (followed + slipped), 2)
            followed, slipped = (middle, slipped) if measure(middle) else (followed, middle)
            if on_progress:
                on_progress(0.9)
    finally:
        rig.command(RotatingField.off())
    frequencies = np.array(sorted(found))
    speeds = np.array([found[f] for f in frequencies])
    below = frequencies <= followed
    typical = float(np.median(speeds[below] / frequencies[below]))
    return StepOut(followed, slipped, frequencies, speeds, typical)


def _speed(rig: Rig, locate: Locate, view: View, frequency_hz: float, um_per_turn: float) -> float:
    """Speed of rolling there and back along the picture's width, µm/s."""
    duration_s = min(max(LEG_UM / (um_per_turn * frequency_hz), 0.5), 4.0)
    for _ in range(3):
        legs = [roll(rig, locate, view.command_rad(seen_rad), frequency_hz, duration_s) for seen_rad in (0.0, math.pi)]
        there, back = legs
        if there and back:
            if back.is_far_out:
                go_home(rig, locate, view, HOME_HZ)
            return 0.5 * abs(there.velocity_um_s - back.velocity_um_s)
        go_home(rig, locate, view, HOME_HZ)
    raise InputError(
        f"no room to roll at {frequency_hz:g} Hz: give the camera a larger field of view, or a lower highest frequency"
    )
