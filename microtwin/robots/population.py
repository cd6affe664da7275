"""Robots differ: the median one, and draws from the measured spread.

Nine 10 µm rollers of one batch differ in speed per hertz, in step-out and in where they go when told a heading
(``experiments/roller_tracks.py``). Most of the heading error is the coils' (unequal axes, a dead band), which
:func:`~microtwin.robots.calibration.lab_coils` models; what is left is a small constant turn of camera against coils
and a drift that matters less the faster the robot rolls.
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
        lift_pn_um3_s2=fitted("nominal", "lift_pn_um3_s2"),
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """One robot and the drift (µm/s, x and y) of the liquid it runs in."""

    robot: Body
    drift_um_s: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Population:
    """Draws robots as the measured trials spread: log-normal in speed per hertz (through the range) and in step-out.

    The moment follows: step-out is moment over drag, and the drag falls as the gap grows with the range.

    Attributes:
        range_log_sd, step_out_log_sd: standard deviations of the logarithms.
        correlation: between the logarithms of speed per hertz and step-out.
        drag_per_range: d ln(rolling drag) / d ln(range) of the twin.
        heading_mean_rad, heading_sd_rad: constant heading offset, CCW.
        drift_sd_um_s: standard deviation of the drift on each axis.
    """

    range_log_sd: float
    step_out_log_sd: float
    correlation: float
    drag_per_range: float
    heading_mean_rad: float
    heading_sd_rad: float
    drift_sd_um_s: float

    @classmethod
    def measured(cls) -> "Population":
        """The spread of the calibration tracks."""
        return cls(
            range_log_sd=fitted("population", "range_log_sd"),
            step_out_log_sd=fitted("population", "step_out_log_sd"),
            correlation=fitted("population", "slope_step_out_correlation"),
            drag_per_range=fitted("population", "drag_per_range"),
            heading_mean_rad=math.radians(fitted("population", "heading_mean_deg")),
            heading_sd_rad=math.radians(fitted("population", "heading_sd_deg")),
            drift_sd_um_s=fitted("population", "drift_sd_um_s"),
        )

    def draw(self, rng: np.random.Generator | int) -> Draw:
        """One robot; the same seed gives the same robot."""
        slope, other, turn, *drift = np.random.default_rng(rng).standard_normal(5).tolist()
        log_range = -self.range_log_sd * slope  # a longer range, a wider gap, a slower robot
        log_step_out = self.step_out_log_sd * (self.correlation * slope + math.sqrt(1 - self.correlation**2) * other)
        robot = janus_robot(
            moment_pn_um_per_mt=fitted("nominal", "moment_pn_um_per_mt")
            * math.exp(log_step_out + self.drag_per_range * log_range),
            range_um=fitted("nominal", "range_um") * math.exp(log_range),
            lift_pn_um3_s2=fitted("nominal", "lift_pn_um3_s2"),
            heading_offset_rad=self.heading_mean_rad + self.heading_sd_rad * turn,
        )
        return Draw(robot, (self.drift_sd_um_s * drift[0], self.drift_sd_um_s * drift[1]))
