"""The camera over rendered light: where the robot lies in a crop, and what lamp, lens and chip make of it.

Ranges are those measured on published crops (:mod:`microtwin.otmr.randomisation`), at two camera pixels to the pixel:
the mean of 2 × 2 pixels whose noise agrees by 0.46 has 0.73 of their noise.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from microtwin.otmr.draw import GRID_UM
from microtwin.otmr.framing import CROP, PIXEL_UM

Range = tuple[float, float]
_CROP = round(CROP[0] * PIXEL_UM / GRID_UM)  # pixels of the light in a crop
_SPECK = np.outer([0.5, 1.0, 0.5], [0.5, 1.0, 0.5]).astype(np.float32)  # 4.8 camera pixels wide


@dataclass(frozen=True)
class Camera:
    """Drawn anew for every image.

    Args:
        in_plane: any in-plane angle; without it the light's is kept.
        centring_um: standard deviation of the robot's place about the crop's middle, along each axis.
        scale: standard deviation of the relative scale.
        blur_px: standard deviation of the blur, camera pixels; fits to the crops of robot 3 ask for 1.1–1.5.
        contrast: largest relative change of what stands out from the background.
        gradient: largest relative change of the lamp from the middle to the edge of a crop.
        background_dn: grey value of the background. noise_dn: standard deviation of the noise there.
        dust: most specks in a crop. dust_depth: largest fraction of the light a speck takes.
    """

    in_plane: bool = True
    centring_um: float = 0.2
    scale: float = 0.02
    blur_px: Range = (0.3, 1.7)
    contrast: float = 0.15
    gradient: float = 0.06
    background_dn: Range = (72.0, 134.0)
    noise_dn: Range = (0.4, 1.0)
    dust: int = 10
    dust_depth: float = 0.4

    def expose(self, light: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """(n, size, size) uint8 of (n, L, L) intensities over the background, pixels of GRID_UM."""
        seen = np.empty((len(light), size, size), dtype=np.uint8)
        noise = rng.standard_normal((len(light), _CROP, _CROP), dtype=np.float32)
        for one, grain, image in zip(light, noise, seen, strict=True):
            grey = self._optics(one.astype(np.float32) - 1.0, rng)
            grey += 1.0
            grey *= self._lamp(rng)
            grain *= np.sqrt(np.maximum(grey, 0.0)) * np.float32(rng.uniform(*self.noise_dn))
            grey *= np.float32(rng.uniform(*self.background_dn))
            grey += grain
            if size != _CROP:
                grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA if size < _CROP else cv2.INTER_CUBIC)
            np.clip(np.rint(grey, out=grey), 0, 255, out=image, casting="unsafe")
        return seen

    def _optics(self, rest: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(crop, crop) of what stands out from the background: turned, moved, blurred; 0 comes in from outside."""
        angle = rng.uniform(0.0, 2 * math.pi) if self.in_plane else 0.0
        scale = 1.0 + self.scale * float(np.clip(rng.standard_normal(), -2.5, 2.5))
        c, s = math.cos(angle) / scale, math.sin(angle) / scale
        back = np.array([[c, -s, 0.0], [s, c, 0.0]])  # from the crop's pixels, y down, to the light's
        moved = (_CROP - 1) / 2 + self.centring_um / GRID_UM * rng.standard_normal(2)
        back[:, 2] = (len(rest) - 1) / 2 - back[:, :2] @ moved
        placed = cv2.warpAffine(rest, back, (_CROP, _CROP), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
        sigma = rng.uniform(*self.blur_px) * PIXEL_UM / GRID_UM
        if sigma > 0:  # OpenCV takes 0 for a width of its own choice
            placed = cv2.GaussianBlur(placed, (5, 5), sigma)
        return placed * np.float32(1.0 + self.contrast * rng.uniform(-1.0, 1.0))

    def _lamp(self, rng: np.random.Generator) -> np.ndarray:
        """(crop, crop) relative brightness: a slope, and specks of dust."""
        slope, towards = self.gradient * rng.uniform(), rng.uniform(0.0, 2 * math.pi)
        at = np.linspace(-1.0, 1.0, _CROP, dtype=np.float32)
        lamp = np.float32(slope * math.cos(towards)) * at + np.float32(slope * math.sin(towards)) * at[:, None]
        lamp += 1.0
        for row, column in rng.integers(0, _CROP - 2, (int(rng.integers(self.dust + 1)), 2)):
            lamp[row : row + 3, column : column + 3] *= 1.0 - np.float32(self.dust_depth * rng.uniform()) * _SPECK
        return lamp
