"""The camera chip: intensities in, grey values out, with the noise and the fixed patterns of a real one.

    e⁻ = I·N_e·(1 + PRNU)·illumination·dust + DSNU + noise,    noise ~ N(0, signal + σ_r²),    clipped at full well
    DN = clip(round(K e⁻ + black), 0, 255)

with N_e the electrons of a background pixel. Shot noise is Poisson; at thousands of electrons its Gaussian limit is
within 1/√N_e in every moment that matters here. The model and its names are EMVA 1288's (release 4.0, §2).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit

from microtwin.errors import InputError


@dataclass(frozen=True)
class Sensor:
    """One camera chip; its fixed patterns belong to it and do not move with the scene.

    Args:
        shape: rows and columns of the whole chip.
        background_dn: grey value of a background pixel, black level included.
        electrons: of a background pixel, N_e.
        black_dn: grey value without light.
        full_well_e: electrons at which a pixel saturates (the 8-bit scale may end before).
        read_noise_e: standard deviation σ_r.
        prnu: relative standard deviation of the pixels' sensitivity.
        dsnu_e: standard deviation of the pixels' dark offset.
        gradient: relative change of the illumination from the middle to the edge, along x (right) and y (down).
        dust: number of dark spots on the chip.
        dust_radius_px: largest radius of a spot.
        dust_depth: largest fraction of light a spot takes.
        jpeg_quality: 1 to 100 to pass frames through JPEG; None leaves them.
        seed: of the fixed patterns.

    Raises:
        InputError: a value no chip has.
    """

    shape: tuple[int, int] = (2048, 2448)
    background_dn: float = 80.0
    electrons: float = 6400.0
    black_dn: float = 0.0
    full_well_e: float = 25_000.0
    read_noise_e: float = 7.0
    prnu: float = 0.007
    dsnu_e: float = 3.0
    gradient: tuple[float, float] = (0.06, 0.03)
    dust: int = 60
    dust_radius_px: float = 4.0
    dust_depth: float = 0.3
    jpeg_quality: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise InputError(f"shape of the chip is {self.shape}: give (rows, columns)")
        for name in ("electrons", "full_well_e"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}: give a number above 0")
        for name in ("black_dn", "read_noise_e", "prnu", "dsnu_e", "dust", "dust_radius_px"):
            if not (math.isfinite(value := getattr(self, name)) and value >= 0):
                raise InputError(f"{name} is {value}: give 0 or more")
        if not self.black_dn < self.background_dn <= 255:
            raise InputError(f"background_dn is {self.background_dn}: give above black_dn {self.black_dn}, up to 255")
        if not sum(abs(slope) for slope in self.gradient) < 1:
            raise InputError(f"gradient is {self.gradient}: give slopes that leave light in the corners, as 0.06 0.03")
        if not 0 <= self.dust_depth <= 1:
            raise InputError(f"dust_depth is {self.dust_depth}: give a fraction from 0 to 1")
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise InputError(f"jpeg_quality is {self.jpeg_quality}: give 1 to 100, or None")

    @property
    def gain(self) -> float:
        """K in DN per electron."""
        return (self.background_dn - self.black_dn) / self.electrons

    def expose(self, intensity: np.ndarray, rng: np.random.Generator, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
        """Grey values (ny, nx) uint8 of an intensity (ny, nx), background 1, on the part of the chip at ``origin``.

        Raises:
            InputError: not a two-dimensional image, or one that reaches out of the chip.
        """
        light = np.ascontiguousarray(intensity, dtype=np.float32)
        if light.ndim != 2:
            raise InputError(f"intensity has shape {light.shape}: give one image (rows, columns)")
        (row, column), (ny, nx) = origin, light.shape
        if row < 0 or column < 0 or row + ny > self.shape[0] or column + nx > self.shape[1]:
            raise InputError(f"{ny} × {nx} pixels at {tuple(origin)} leave the chip of {self.shape}: move the origin")
        window = np.s_[row : row + ny, column : column + nx]
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        frame = np.empty(light.shape, dtype=np.uint8)
        settings = np.array([self.read_noise_e**2, self.full_well_e, self.gain, self.black_dn + 0.5], dtype=np.float32)
        _expose(light, noise, self._sensitivity[window], self._offset[window], settings, frame)
        return frame if self.jpeg_quality is None else _through_jpeg(frame, self.jpeg_quality)

    @cached_property
    def _offset(self) -> np.ndarray:
        """DSNU (rows, columns), electrons."""
        rng = np.random.default_rng([self.seed, 1])
        return np.float32(self.dsnu_e) * rng.standard_normal(self.shape, dtype=np.float32)

    @cached_property
    def _sensitivity(self) -> np.ndarray:
        """Electrons (rows, columns) of every pixel per unit of intensity."""
        rng = np.random.default_rng([self.seed, 2])
        pattern = 1 + np.float32(self.prnu) * rng.standard_normal(self.shape, dtype=np.float32)
        ny, nx = self.shape
        down, right = np.linspace(-1, 1, ny)[:, None], np.linspace(-1, 1, nx)
        pattern *= (1 + self.gradient[0] * right + self.gradient[1] * down).astype(np.float32)
        for _ in range(self.dust):
            radius = self.dust_radius_px * rng.uniform(0.3, 1.0)
            row, column, depth = rng.uniform(0, ny), rng.uniform(0, nx), self.dust_depth * rng.uniform(0.3, 1.0)
            low, left = max(int(row - 3 * radius), 0), max(int(column - 3 * radius), 0)
            spot = pattern[low : int(row + 3 * radius) + 1, left : int(column + 3 * radius) + 1]
            y, x = np.ogrid[low : low + spot.shape[0], left : left + spot.shape[1]]
            spot *= 1 - depth * np.exp(-(((np.hypot(y - row, x - column) / radius) ** 2) ** 2))
        return np.maximum(pattern * np.float32(self.electrons), 0)


@njit(cache=True, nogil=True)
def _expose(light, noise, sensitivity, offset, settings, frame):
    read_variance, full_well, gain, black = settings
    for i in range(frame.shape[0]):
        for j in range(frame.shape[1]):
            signal = max(light[i, j] * sensitivity[i, j], np.float32(0))
            electrons = signal + offset[i, j] + noise[i, j] * math.sqrt(signal + read_variance)
            value = gain * min(electrons, full_well) + black
            frame[i, j] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


def _through_jpeg(frame: np.ndarray, quality: int) -> np.ndarray:
    import cv2

    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
