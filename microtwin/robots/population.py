"""Robots differ: the median one, and draws from the measured spread.

Nine 10 µm rollers of one batch differ in speed per hertz, in step-out and in where they go when told a heading
(``experiments/roller_tracks.py``). Most of the heading error is the coils' (unequal axes, a dead band), which
:func:`~microtwin.robots.calibration.lab_coils` models; what is left is a small constant turn of camera against coils and
a drift that matters less the faster the robot rolls.
"""

import math
from dataclasses import dataclass

import numpy as np

from microtwin.robots.bodies import Body, janus_robot
from microtwin.robots.calibration import fitted


def nominal() -> Body:
    """The median robot of the measured trials: median speed per hertz, median step-out, no heading offset, no drift."""
    return janus_robot(
        moment_pn_um_per_mt=fitted("nominal", "moment_pn_um_per_mt"),
        range_um=fitted("nominal", "range_um"),
        lift_pn_s2=fitted("nominal", "lift_pn_s2"),
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """One robot and the drift (µm/s, x and y) of the liquid it runs in."""

    robot: Body
    drift_um_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Population:
    """Draws robots as the measured trials spread: log-normal in repulsion range (which sets speed per hertz) and moment.

    Attributes:
        range_log_sd, moment_log_sd: standard deviations of the logarithms.
        heading_mean_rad, heading_sd_rad: constant heading offset, CCW.
        drift_sd_um_s: standard deviation of the drift on each axis.
    """

    range_log_sd: float
    moment_log_sd: float
    heading_mean_rad: float
    heading_sd_rad: float
    drift_sd_um_s: float

    @classmethod
    def measured(cls) -> "Population":
        """The spread of the calibration tracks."""
        return cls(
            range_log_sd=fitted("population", "range_log_sd"),
            moment_log_sd=fitted("population", "moment_log_sd"),
            heading_mean_rad=math.radians(fitted("population", "heading_mean_deg")),
            heading_sd_rad=math.radians(fitted("population", "heading_sd_deg")),
            drift_sd_um_s=fitted("population", "drift_sd_um_s"),
        )

    def draw(self, rng: np.random.Generator | int) -> Draw:
        """One robot; the same seed gives the same robot."""
        z = np.random.default_rng(rng).standard_normal(5)
        robot = janus_robot(
            moment_pn_um_per_mt=fitted("nominal", "moment_pn_um_per_mt") * math.exp(self.moment_log_sd * z[1]),
            range_um=fitted("nominal", "range_um") * math.exp(self.range_log_sd * z[0]),
            lift_pn_s2=fitted("nominal", "lift_pn_s2"),
            heading_offset_rad=self.heading_mean_rad + self.heading_sd_rad * float(z[2]),
        )
        return Draw(robot, (self.drift_sd_um_s * float(z[3]), self.drift_sd_um_s * float(z[4])))
