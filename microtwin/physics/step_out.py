"""The frequency above which a robot no longer follows the field, as the twin's own physics has it."""

import math
from dataclasses import replace

import numpy as np

from microtwin.field import PUSH_RAD, CoilScale, RotatingField, lock_strength_mt
from microtwin.physics.world import Liquid, World
from microtwin.robots.bodies import Body

LOWEST_HZ, HIGHEST_HZ = 1.0, 300.0
RESOLUTION = 0.01
SETTLE_S = 1.0  # a rolling robot's lift has found its height by then
FOLLOWS = 0.98  # of the field's turns: it slips by far more as soon as it slips at all
HEADINGS_RAD = np.linspace(0.0, math.pi, 24, endpoint=False)


def step_out_hz(
    robot: Body, coils: CoilScale, liquid: Liquid | None = None, *, gamma_rad: float = PUSH_RAD
) -> float | None:
    """Highest frequency, Hz, at which the robot starts to turn in step with the field whatever its heading.

    The worst heading is the one whose elliptical field holds a moment least (:func:`~microtwin.field.lock_strength_mt`:
    the mean-field form of Adler, Proc. IRE 34 (1946) 351); there the robot is turned from rest in still liquid, alone
    and without thermal motion.

    Args:
        gamma_rad: of the field: π/2 rolls, 0 and π spin upright, where the strong z axis does not help. A spinning
            robot of the lab slips past 45 to 47 Hz, a rolling one past 57 to 63 Hz. Between the two the limit is least
            15 to 30° from upright, up to 6 % below the spinning one's.

    None for a body without a moment, and for one that follows at ``HIGHEST_HZ``; 0 if it does not at ``LOWEST_HZ``.
    """
    if robot.moment_pn_um_per_mt == 0:
        return None
    fields = [RotatingField(heading, gamma_rad, 1.0) for heading in HEADINGS_RAD]
    strengths = [lock_strength_mt(coils.quadratures_mt(field)) for field in fields]
    worst = float(HEADINGS_RAD[int(np.argmin(strengths))])
    still = replace(liquid or Liquid(), kt_pn_um=0.0)

    def follows(frequency_hz: float) -> bool:
        world = World([robot], rng=0, liquid=still, coils=coils)
        world.step(RotatingField(worst, gamma_rad, frequency_hz), SETTLE_S)
        return bool(np.linalg.norm(world.spins_rad_s[0]) > FOLLOWS * 2 * math.pi * frequency_hz)

    if follows(HIGHEST_HZ):
        return None
    if not follows(LOWEST_HZ):
        return 0.0
    low, high = LOWEST_HZ, HIGHEST_HZ
    while high > (1 + RESOLUTION) * low:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if follows(middle) else (low, middle)
    return low
