"""The delay of the whole loop, seen in the pictures: from an exposure to the motion that its command makes.

A robot rolls along a heading and then back. Its path over time is two straight lines; where they meet is when the new
field had turned it round. The frame in hand when the command was given was taken earlier by exactly the delay that a
controller has to live with: camera, computer, link, coils and robot together.
"""

import math

import numpy as np

from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Rig, RigError
from microtwin_hardware.calibration.legs import Locate

LEG_S = 1.2
LONGEST_S = 0.6
CLEAR = 4.0  # times the noise: what the way out and the way back must differ by


def loop_delay_s(rig: Rig, locate: Locate, *, frequency_hz: float = 8.0, reversals: int = 4) -> np.ndarray:
    """(reversals,) delays, s. The field is off at the end.

    Raises:
        RigError: coils or camera stopped answering, or no motion that turns round. LostError: the robot is not seen.
    """
    headings = [math.pi * (k % 2) for k in range(reversals + 1)]
    delays, way = [], []
    try:
        for k, heading in enumerate(headings):
            commanded_s = way[-1][0] if way else math.nan  # of the frame in hand
            back = _roll(rig, locate, RotatingField(heading, PUSH_RAD, frequency_hz))
            if k:
                delays.append(_meeting_s(np.array(way), np.array(back), commanded_s))
            way = back
    finally:
        rig.command(RotatingField.off())
    return np.array(delays)


def _roll(rig: Rig, locate: Locate, field: RotatingField) -> list[tuple[float, float, float]]:
    rows: list[tuple[float, float, float]] = []
    while not rows or rows[-1][0] - rows[0][0] < LEG_S:
        rig.command(field)
        frame = rig.observe()
        x, y = locate(frame)
        rows.append((frame.time_s, float(x), float(y)))
    return rows


def _meeting_s(way: np.ndarray, back: np.ndarray, commanded_s: float) -> float:
    """Time from ``commanded_s`` to where the lines through the end of one leg and the end of the next meet."""
    rows = np.concatenate([way[len(way) // 3 :], back])
    rows = rows[np.isfinite(rows).all(axis=1)]
    times = rows[:, 0] - commanded_s
    out, home = times < 0, times > 0.5 * LEG_S
    if np.count_nonzero(out) < 3 or np.count_nonzero(home) < 3:
        raise RigError("the robot is not seen well enough to measure the loop's delay: focus on it")
    turn = np.polyfit(times[home], rows[home, 1:], 1)[0] - np.polyfit(times[out], rows[out, 1:], 1)[0]
    along = rows[:, 1:] @ (turn / max(float(np.hypot(*turn)), 1e-12))
    best, least, flat = math.nan, math.inf, math.inf
    for corner in np.arange(0.0, LONGEST_S, 0.002):
        terms = np.stack([np.ones_like(times), times, np.maximum(times - corner, 0.0)], axis=1)
        found, *_ = np.linalg.lstsq(terms, along, rcond=None)
        left = float(np.sum((along - terms @ found) ** 2))
        if left < least:
            best, least = float(corner), left
    straight = np.polyval(np.polyfit(times, along, 1), times)
    flat = float(np.sum((along - straight) ** 2))
    if not flat > CLEAR**2 * least:
        raise RigError("the robot does not turn round when the field does: free it, or check the coils")
    return best
