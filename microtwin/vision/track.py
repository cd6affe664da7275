"""What the tracker knows of one body, and how it learns from frame to frame."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from microtwin.vision.background import Crop
from microtwin.vision.discs import Disc
from microtwin.vision.granular import granular_mask
from microtwin.vision.mask import MaskSettings, body_mask
from microtwin.vision.radial_symmetry import Centre

State = Literal["tracking", "searching", "lost"]

COAST_S = 0.2  # a body that is not seen goes on at its last velocity for this long, then waits
SIZE = 0.15  # relative spread of a body's radius in the mask
OVERLAP = 0.75  # of the sum of radii: two clicks nearer than this may be on one body, two centres are less sure
FORGET = 0.05  # share of the newest frame in what a body is remembered to look like


@dataclass
class Track:
    """What is known of one body; pixel positions are (row, column).

    Attributes:
        confidence: 0–1, of the last frame; 0 when the position is only a prediction.
        position_px: where it is, or is expected to be while it is not seen.
        seen_px, seen_s: where and when it was last found.
        crop: its box in the last frame. whole_mask: everything in it that passes the mask.
    """

    name: str
    settings: MaskSettings
    um_per_px: float
    radius_px: float
    position_px: np.ndarray
    seen_px: np.ndarray
    seen_s: float
    brightness: float
    velocity_px_s: np.ndarray = field(default_factory=lambda: np.zeros(2))
    confidence: float = 1.0
    state: State = "tracking"
    granular: bool = False  # its gradients do not point at its centre: a cell
    spread: float = 0.3  # of the brightness: wide until it is known, a robot's changes as it rolls
    whole_mask: np.ndarray | None = None
    crop: Crop | None = None

    @property
    def velocity_um_s(self) -> np.ndarray:
        """(2,) in the world frame."""
        return self.um_per_px * np.array([self.velocity_px_s[1], -self.velocity_px_s[0]])

    @property
    def radius_um(self) -> float:
        return self.um_per_px * self.radius_px

    def mask(self, normalised: np.ndarray, noise: float) -> np.ndarray:
        """(H, W) uint8, 255 inside: what of a part of the frame may be this body; ``noise`` is the background's."""
        if self.granular:
            return granular_mask(normalised, self.settings, self.um_per_px, noise)
        return body_mask(normalised, self.settings)

    def own_mask(self, other: "Track", shape: tuple[int, ...]) -> np.ndarray:
        """(H, W) uint8 of the last frame, 255 inside: this body without the other.

        Where they have merged, each keeps what is nearer to its own surface (section III, Fig. 3c).
        """
        mask = np.zeros(shape, np.uint8)
        if self.crop is None or self.whole_mask is None or not self.whole_mask.size:
            return mask
        rows = np.arange(self.crop.height)[:, None] + self.crop.row
        cols = np.arange(self.crop.width)[None, :] + self.crop.col
        own, others = (
            np.hypot(rows - one.position_px[0], cols - one.position_px[1]) - one.radius_px for one in (self, other)
        )
        inside = (own < others) & (own < 0.4 * self.radius_px)
        self.crop.of(mask)[:] = np.where(inside, self.whole_mask, 0)
        return mask

    def expected(self, now: float) -> np.ndarray:
        """(row, column) where it should be."""
        return self.seen_px + self.velocity_px_s * min(now - self.seen_s, COAST_S)

    def miss(self, now: float) -> None:
        """It was not found: from now on it is searched."""
        self.position_px = self.expected(now)
        self.confidence = 0.0
        self.state = "searching"

    def strangeness(self, disc: Disc, spread: float = SIZE) -> float:
        """How unlike the body a candidate is, in squared standard deviations of size and of brightness."""
        size = (disc.radius_px / self.radius_px - 1) / spread
        shade = (disc.brightness - self.brightness) / max(self.spread, 0.08)
        return min(size * size, 16.0) + min(shade * shade, 16.0)

    def learn(self, found: Centre, disc: Disc, now: float, overlap: bool, velocity_gain: float) -> None:
        """Take in where the body was found and what it looked like there."""
        here, since = found.position_px, now - self.seen_s
        if since > 0:
            straight = self.seen_px + self.velocity_px_s * since
            if overlap:  # centres are less sure: not good enough to predict from
                self.velocity_px_s = np.zeros(2)
            elif self.state == "tracking":
                self.velocity_px_s = self.velocity_px_s + velocity_gain * (here - straight) / since
            else:
                self.velocity_px_s = np.zeros(2)
        change = disc.brightness - self.brightness
        sure = math.exp(-self.strangeness(disc) / 16)
        self.brightness += FORGET * change
        self.spread += FORGET * (abs(change) * 1.25 - self.spread)
        if abs(disc.radius_px / self.radius_px - 1) < 0.2:
            self.radius_px += FORGET * (disc.radius_px - self.radius_px)
        self.seen_px = self.position_px = here
        self.seen_s = now
        self.state = "tracking"
        self.confidence = min(1.0, found.quality / 0.7) * sure
