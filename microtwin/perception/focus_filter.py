"""Depth that the stage has not made, and how fast it changes, from noisy readings: a Kalman filter of two numbers.

State: d (µm), the robot's depth minus the stage's position, and its rate v (µm/s). The rate is a random walk,

    dd/dt = v,    dv/dt = white noise of density q,

the discretised white-noise acceleration model (Bar-Shalom, Li & Kirubarajan, Estimation with Applications to Tracking
and Navigation (2001), §6.2.2). Readings far off what is expected are left out; when they keep coming they are believed.
"""

import math

import numpy as np

# √q, µm/s per √s. A drift of 1 µm/s that turns round every 6 s asks for 0.8; more costs little, since a trained
# estimator's errors differ less from one frame to the next than its standard deviation, most of which is bias.
RATE_WALK = 1.5
SURPRISE = 6.0  # standard deviations of an innovation from which on a reading is left out
PATIENCE = 6  # surprising readings in a row after which the filter begins anew
FIRST_RATE_UM_S = 2.0  # standard deviation of a rate that nothing is known of


class DriftFilter:
    """Follows d and v from reading to reading.

    Attributes:
        depth_um, rate_um_s: d and v at ``time_s``; NaN before the first reading.
    """

    def __init__(self, rate_walk: float = RATE_WALK):
        self._q = rate_walk**2
        self.forget()

    def forget(self) -> None:
        """As if there had been no reading."""
        self.depth_um = self.rate_um_s = self.time_s = math.nan
        self._covariance = np.zeros((2, 2))
        self._surprises = 0

    @property
    def started(self) -> bool:
        """There was a reading."""
        return not math.isnan(self.time_s)

    @property
    def sd_um(self) -> float:
        """Standard deviation of ``depth_um``."""
        return math.sqrt(self._covariance[0, 0]) if self.started else math.inf

    def take(self, time_s: float, depth_um: float, sd_um: float) -> bool:
        """One reading of d; whether it was believed."""
        if not self.started:
            self._begin(time_s, depth_um, sd_um)
            return True
        self._advance(time_s)
        gain = self._covariance[:, 0] / (self._covariance[0, 0] + sd_um**2)
        surprise = depth_um - self.depth_um
        if abs(surprise) > SURPRISE * math.sqrt(self._covariance[0, 0] + sd_um**2):
            self._surprises += 1
            if self._surprises < PATIENCE:
                return False
            self._begin(time_s, depth_um, sd_um)
            return True
        self._surprises = 0
        self.depth_um += gain[0] * surprise
        self.rate_um_s += gain[1] * surprise
        self._covariance -= np.outer(gain, self._covariance[0])
        return True

    def ahead(self, time_s: float) -> float:
        """d as it will be at a later time."""
        return self.depth_um + self.rate_um_s * (time_s - self.time_s)

    def _begin(self, time_s: float, depth_um: float, sd_um: float) -> None:
        self.time_s, self.depth_um, self.rate_um_s = time_s, depth_um, 0.0
        self._covariance = np.diag([sd_um**2, FIRST_RATE_UM_S**2])
        self._surprises = 0

    def _advance(self, time_s: float) -> None:
        step = max(time_s - self.time_s, 0.0)
        self.time_s, self.depth_um = time_s, self.depth_um + self.rate_um_s * step
        move = np.array([[1.0, step], [0.0, 1.0]])
        walk = self._q * np.array([[step**3 / 3, step**2 / 2], [step**2 / 2, step]])
        self._covariance = move @ self._covariance @ move.T + walk
