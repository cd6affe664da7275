"""An estimator that has seen this very robot at known depths: enough to hold it from pixels, without a training."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from microtwin.focusing.twin import FocusScene


class Matcher:
    """Depth of the most alike of some pictures, between them by a parabola. Turns neither, knows no other robot."""

    def __init__(self, rig, depths_um: np.ndarray, sd_um: float = 0.1):
        rng = np.random.default_rng(99)
        self.depths_um, self.sd_um = depths_um, sd_um
        self.seen = np.stack([self._small(rig.picture.expose(depth, rng)) for depth in depths_um])

    def __call__(self, images: np.ndarray) -> SimpleNamespace:
        found = np.array([self._one(image) for image in images])
        return SimpleNamespace(depth_um=found, depth_sd_um=np.full(len(found), self.sd_um))

    def _one(self, image: np.ndarray) -> float:
        miss = ((self.seen - self._small(image)) ** 2).sum(axis=(1, 2))
        k = int(np.clip(miss.argmin(), 1, len(miss) - 2))
        a, b, c = miss[k - 1 : k + 2]
        return self.depths_um[k] + (self.depths_um[1] - self.depths_um[0]) * 0.5 * (a - c) / (a - 2 * b + c)

    @staticmethod
    def _small(image: np.ndarray) -> np.ndarray:
        """Shifted onto its own weight, so that where the crop lies does not matter."""
        deviation = image.astype(np.float32) - np.median(image)
        weight = cv2.blur(np.abs(deviation), (9, 9)) ** 2
        y, x = np.indices(image.shape, dtype=np.float32)
        shift = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum() - (image.shape[0] - 1) / 2
        moved = cv2.warpAffine(deviation, np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]]), image.shape[::-1])
        return cv2.resize(moved, (48, 48), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def scene() -> FocusScene:
    """A robot that starts 1 µm off the middle of its sweep, drifting and shaking."""
    plain = FocusScene(robot=8)
    return FocusScene(robot=8, start_um=plain.middle_um + 1.0)


@pytest.fixture(scope="session")
def matcher(scene) -> Matcher:
    """Knows the robot of ``scene.open(0)`` from 2 µm under the middle to 2 µm over it."""
    return Matcher(scene.open(0), scene.middle_um + np.arange(-2.0, 2.01, 0.1))
