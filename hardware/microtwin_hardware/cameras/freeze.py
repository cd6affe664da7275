"""Tells a camera that repeats one picture from one that looks at a scene where nothing moves."""

import numpy as np


class FreezeWatch:
    """Sees every frame. A sensor has noise, so frames of which every pixel is the same are one frame sent again.

    Args:
        limit_s: so long the same picture may come; 0 for ever.

    Attributes:
        frozen: it has come for longer.
    """

    def __init__(self, limit_s: float):
        self.frozen = False
        self._limit_s = limit_s
        self._image: np.ndarray | None = None
        self._since_s = 0.0

    def see(self, image: np.ndarray, time_s: float) -> None:
        """Take notice of a frame; ``time_s`` is when it arrived. The image must not be written into afterwards."""
        if not self._limit_s:
            return
        same = self._image is not None and _same(image, self._image)
        if not same:
            self._since_s = time_s
        self._image = image
        self.frozen = same and time_s - self._since_s >= self._limit_s

    def words(self) -> str:
        """What is wrong and what to do about it."""
        image = self._image if self._image is not None else np.zeros(1)
        if image.min() == image.max():
            cause = f"every pixel is {image.min()}, check lamp, shutter and exposure"
        else:
            cause = "restart the camera; if it has no noise at all, set camera.freeze_s = 0"
        return f"repeats the same picture for {self._limit_s:g} s: {cause}"


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether every pixel is; a few rows tell nearly always, at a fraction of the time."""
    return np.array_equal(one[::64], other[::64]) and np.array_equal(one, other)
