"""Image and world: the one conversion between the rows and columns of a frame and micrometres.

A pixel position is (row, column), fractional, with whole numbers at pixel centres and rows counted downwards. The world
frame has its origin at the frame's centre, x to the right and y **up**.
"""

import math

import numpy as np

from microtwin.errors import InputError


def check_scale(um_per_px: float) -> None:
    """Raises InputError unless the scale is a positive finite number."""
    if not (isinstance(um_per_px, int | float | np.floating) and math.isfinite(um_per_px) and um_per_px > 0):
        raise InputError(f"scale is {um_per_px} µm per pixel: give a positive number, 0.1725 is the 20x camera's")


def to_world(rows_cols: np.ndarray, shape: tuple[int, ...], um_per_px: float) -> np.ndarray:
    """(..., 2) world positions (x, y), µm, of (..., 2) pixel positions (row, column) in a frame of ``shape``."""
    rows_cols = np.asarray(rows_cols, dtype=float)
    x = rows_cols[..., 1] - (shape[1] - 1) / 2
    y = (shape[0] - 1) / 2 - rows_cols[..., 0]
    return um_per_px * np.stack([x, y], axis=-1)


def to_image(xy_um: np.ndarray, shape: tuple[int, ...], um_per_px: float) -> np.ndarray:
    """(..., 2) pixel positions (row, column) of (..., 2) world positions (x, y), µm: the inverse of to_world."""
    xy_px = np.asarray(xy_um, dtype=float) / um_per_px
    return np.stack([(shape[0] - 1) / 2 - xy_px[..., 1], (shape[1] - 1) / 2 + xy_px[..., 0]], axis=-1)
