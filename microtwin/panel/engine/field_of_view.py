"""What the camera sees of the world, and where a place of one lies in the other."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from microtwin.errors import InputError
from microtwin.image_axes import check_scale, to_image, to_world
from microtwin.rig import Frame


@dataclass(frozen=True)
class FieldOfView:
    """A picture's place in the world.

    Places in the picture are (x, y) in pixels, x right and y **down**, the middle of the first pixel at 0.

    Attributes:
        shape: rows and columns. um_per_px: scale. centre_um: world position of the picture's middle.

    Raises:
        InputError: a shape without pixels, a scale that is not positive, a centre that is not finite.
    """

    shape: tuple[int, int]
    um_per_px: float
    centre_um: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        if len(self.shape) != 2 or min(self.shape) < 1:
            raise InputError(f"picture of shape {self.shape}: give rows and columns")
        check_scale(self.um_per_px)
        if len(self.centre_um) != 2 or not all(math.isfinite(c) for c in self.centre_um):
            raise InputError(f"middle of the picture is {self.centre_um}: give finite x and y in µm")

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The field that a frame shows.

        Raises:
            InputError: a frame without a picture, or without a scale.
        """
        if frame.image is None:
            raise InputError("the frame has no picture: this rig is watched without a camera")
        rows, columns = frame.image.shape[:2]
        x, y = frame.centre_um
        return cls((rows, columns), frame.um_per_px, (float(x), float(y)))

    @property
    def size_um(self) -> tuple[float, float]:
        """Width and height."""
        rows, columns = self.shape
        return columns * self.um_per_px, rows * self.um_per_px

    @property
    def extent_um(self) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) edges in the world, the outer edges of the outermost pixels."""
        (width, height), (x, y) = self.size_um, self.centre_um
        return x - width / 2, x + width / 2, y - height / 2, y + height / 2

    def to_px(self, points_um: ArrayLike) -> np.ndarray:
        """(..., 2) places in the picture, (x, y), of (..., 2) positions in the world, µm."""
        away = np.asarray(points_um, dtype=float) - np.asarray(self.centre_um)
        return to_image(away, self.shape, self.um_per_px)[..., ::-1]

    def to_world(self, points_px: ArrayLike) -> np.ndarray:
        """(..., 2) positions in the world, µm, of (..., 2) places (x, y) in the picture: the inverse of to_px."""
        rows_cols = np.asarray(points_px, dtype=float)[..., ::-1]
        return to_world(rows_cols, self.shape, self.um_per_px) + np.asarray(self.centre_um)

    def contains(self, points_um: ArrayLike, margin_um: float = 0.0) -> np.ndarray:
        """(...,) whether (..., 2) positions lie in the field and at least ``margin_um`` inside its edges."""
        points = np.asarray(points_um, dtype=float)
        left, right, bottom, top = self.extent_um
        x, y = points[..., 0], points[..., 1]
        return (x >= left + margin_um) & (x <= right - margin_um) & (y >= bottom + margin_um) & (y <= top - margin_um)

    def side(self, point_um: np.ndarray | tuple[float, float]) -> str:
        """Where a point is that is outside the field or near its edge: ``on the left``, ``at the top`` …"""
        left, right, bottom, top = self.extent_um
        x, y = point_um
        inside = {
            "on the left": x - left,
            "on the right": right - x,
            "at the bottom": y - bottom,
            "at the top": top - y,
        }
        return min(inside, key=lambda name: inside[name])
