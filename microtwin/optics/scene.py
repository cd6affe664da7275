"""The 20× scene: bodies above glass as a camera frame, from sprites that were propagated once.

A sprite is the intensity of one body alone over the background, on a fine grid: one for a bead or a cell, a series over
the cap's polar angle for a robot, whose image turns with the cap's azimuth. A frame is the background times every
sprite, moved to sub-pixel places, averaged over a camera pixel and the exposure; then the sensor.
"""

import contextlib
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter

from microtwin.errors import InputError
from microtwin.files import whole
from microtwin.image_axes import to_image
from microtwin.optics.appearance import Appearance
from microtwin.optics.microscope import Microscope
from microtwin.optics.propagation import propagate
from microtwin.optics.sensor import Sensor

POLAR_STEPS = 24  # of the cap's axis, over half a turn
MARGIN_UM = 11.0  # of a sprite round its body, for the rings
SLICE_UM = 0.5  # enough at 20×: experiments/optics_convergence.py


@dataclass(frozen=True)
class Camera:
    """Where the frame lies and how it is taken.

    Attributes:
        shape: rows and columns delivered.
        binning: sensor pixels to a delivered one, on each axis.
        centre_um: world position of the frame's middle.
        focus_um: height of focus above the glass.
        exposure_s: motion is blurred over it.
    """

    shape: tuple[int, int] = (512, 640)
    binning: int = 1
    centre_um: tuple[float, float] = (0.0, 0.0)
    focus_um: float = 5.0
    exposure_s: float = 0.005

    def __post_init__(self):
        if len(self.shape) != 2 or min(self.shape) < 16:
            raise InputError(f"frame shape is {self.shape}: give rows and columns, at least 16 each")
        if self.binning < 1:
            raise InputError(f"binning is {self.binning}: give 1 or more")
        for name in ("focus_um", "exposure_s"):
            if not math.isfinite(getattr(self, name)):
                raise InputError(f"camera {name} is {getattr(self, name)}: give a finite number")


def sprites(look: Appearance, microscope: Microscope, focus_um: float) -> np.ndarray:
    """(K, n, n) float32 intensities of one body alone, background 1, focused ``focus_um`` above its centre.

    K = 1, or POLAR_STEPS + 1 polar angles of a robot's cap with its azimuth along +x.
    """
    half = math.ceil((look.radius_um + MARGIN_UM) / microscope.pixel_um)
    shape = (2 * half, 2 * half)
    angles = np.linspace(0.0, math.pi, POLAR_STEPS + 1) if look.kind == "robot" else [0.0]
    found = []
    for angle in angles:
        axis = (math.sin(angle), 0.0, math.cos(angle))
        delta = look.delta_n(axis, microscope.medium_index, shape, microscope.pixel_um, SLICE_UM)
        low = -0.5 * len(delta) * SLICE_UM
        found.append(propagate(delta, microscope, microscope.pixel_um, SLICE_UM, low).image(focus_um))
    return np.stack(found)


class Scene:
    """Draws bodies into frames.

    Args:
        looks: one appearance per body, in the world's order.
        heights_um: their usual heights, which with the camera's focus choose the sprites.
        microscope, sensor, camera: how they are seen; the frame must lie on the chip.

    Raises:
        InputError: looks and heights of different number, a frame larger than the chip.
    """

    def __init__(
        self,
        looks: Sequence[Appearance],
        heights_um: Sequence[float],
        *,
        microscope: Microscope | None = None,
        sensor: Sensor | None = None,
        camera: Camera | None = None,
    ):
        if len(looks) != len(heights_um):
            raise InputError(f"{len(looks)} looks for {len(heights_um)} bodies: give one each")
        self.microscope = microscope or Microscope.objective_20x()
        self.camera = camera or Camera()
        rows, columns = self.camera.shape
        full = Sensor() if sensor is None else sensor
        binning = self.camera.binning
        chip = (full.shape[0] // binning, full.shape[1] // binning)
        if rows > chip[0] or columns > chip[1]:
            raise InputError(
                f"frame of {rows} × {columns} is larger than the chip of {chip[0]} × {chip[1]}: bin or crop"
            )
        self.sensor = replace(
            full, shape=chip, electrons=full.electrons * binning**2, full_well_e=full.full_well_e * binning**2
        )
        self._origin = ((chip[0] - rows) // 2, (chip[1] - columns) // 2)
        self.um_per_px = self.microscope.pixel_um * binning
        self._sprites = [
            _cached_sprites(look, self.microscope, round(self.camera.focus_um - z, 1), binning)
            for look, z in zip(looks, heights_um, strict=True)
        ]

    def intensity(self, positions_um: np.ndarray, turns: np.ndarray, velocities_um_s: np.ndarray) -> np.ndarray:
        """(rows, columns) float32 intensity over the background; arguments as the World's arrays of those names."""
        import cv2

        light = np.ones(self.camera.shape, dtype=np.float32)
        rows, columns = self.camera.shape
        for position, turn, velocity, stack in zip(positions_um, turns, velocities_um_s, self._sprites, strict=True):
            sprite, azimuth = _facing(stack, turn)
            row, column = to_image(position[:2] - self.camera.centre_um, self.camera.shape, self.um_per_px).tolist()
            half = math.ceil(0.5 * sprite.shape[0] / self.camera.binning) + 1
            top, left = max(int(row) - half, 0), max(int(column) - half, 0)
            bottom, right = min(int(row) + half + 2, rows), min(int(column) + half + 2, columns)
            if top >= bottom or left >= right:
                continue
            # frame pixel → sprite pixel: turn back by the azimuth (world, y up) and scale
            c, s = math.cos(azimuth) * self.camera.binning, math.sin(azimuth) * self.camera.binning
            m = np.array([[c, -s, 0.0], [s, c, 0.0]])
            middle = 0.5 * (sprite.shape[0] - 1) + (0.5 if self.camera.binning % 2 == 0 else 0.0)
            smear = velocity[:2] * self.camera.exposure_s / self.um_per_px  # px right and up
            shots = 1 + 2 * math.ceil(float(np.hypot(*smear)) - 0.3) if np.hypot(*smear) > 0.3 else 1
            patch = np.zeros((bottom - top, right - left), dtype=np.float32)
            for shot in (np.arange(shots) + 0.5) / shots - 0.5:
                m[:, 2] = middle + m[:, :2] @ (left - column - shot * smear[0], top - row + shot * smear[1])
                size, how = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
                patch += cv2.warpAffine(sprite, m, size, flags=how, borderValue=1.0)  # type: ignore[call-overload]
            light[top:bottom, left:right] *= patch / np.float32(shots)
        return light

    def expose(self, positions_um, turns, velocities_um_s, rng: np.random.Generator) -> np.ndarray:
        """(rows, columns) uint8 camera frame."""
        return self.sensor.expose(self.intensity(positions_um, turns, velocities_um_s), rng, self._origin)


def _facing(stack: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, float]:
    """The sprite for an orientation, between the two nearest polar angles, and the azimuth (rad, CCW) to turn it by."""
    if len(stack) == 1:
        return stack[0], 0.0
    w, x, y, z = (float(v) for v in turn)
    pole = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
    at = math.acos(min(max(pole[2], -1.0), 1.0)) / math.pi * (len(stack) - 1)
    low = min(int(at), len(stack) - 2)
    part = np.float32(at - low)
    return (1 - part) * stack[low] + part * stack[low + 1], math.atan2(pole[1], pole[0])


@lru_cache(maxsize=1)
def _optics_source() -> bytes:
    """The package's own source: a sprite made by other optics must not be taken for its own."""
    return b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


def _cached_sprites(look: Appearance, microscope: Microscope, focus_um: float, binning: int) -> np.ndarray:
    """Sprites averaged over a camera pixel, kept on disk: a robot's take seconds to propagate."""
    key = hashlib.sha256(repr((look, microscope, focus_um)).encode() + _optics_source()).hexdigest()
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "microtwin" / "sprites"
    path = folder / f"{key[:24]}.npy"
    try:
        stack = np.load(path)
    except (OSError, ValueError):
        stack = sprites(look, microscope, focus_um)
        with contextlib.suppress(OSError, InputError):
            folder.mkdir(parents=True, exist_ok=True)
            with whole(path) as temporary:
                np.save(temporary, stack)
    return uniform_filter(stack, binning, axes=(1, 2)) if binning > 1 else stack
