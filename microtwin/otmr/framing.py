"""Where pictures lie on the camera's frame: the chip with its dust, the crop that follows the robot over it."""

import math

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.optics import Sensor
from microtwin.otmr.draw import Draw

PIXEL_UM = 0.055
CROP = (256, 256)
FRAME = (488, 678)  # rows, columns

_FADE_PX = 20
_TAPS = 4  # of the sub-pixel shift on either side


def laid_out(n: int, draw: Draw, rng: np.random.Generator, shape, origin_um) -> tuple[np.ndarray, np.ndarray]:
    """(n, 2) first row and column of every picture on the frame, and (n, 2) x, y (µm) of the body's origin in it.

    A crop follows the robot to whole pixels, ``draw.centring_um`` off; a picture as large as the frame stays.

    Raises:
        InputError: a shape that is not on the frame.
    """
    if len(shape) != 2 or not (16 <= shape[0] <= FRAME[0] and 16 <= shape[1] <= FRAME[1]):
        raise InputError(f"picture of {shape}: give rows and columns, from 16 × 16 to {FRAME[0]} × {FRAME[1]}")
    follow = np.round(rng.normal(0.0, draw.centring_um / PIXEL_UM, (n, 2)))
    drift = rng.normal(0.0, draw.drift_um, (n, 2))
    robot = np.round(np.array([-draw.place_y_um, draw.place_x_um]) / PIXEL_UM)  # rows down, columns right
    spare = np.subtract(FRAME, shape)
    windows = np.clip(spare // 2 + robot + follow, 0, spare).astype(int)
    away = robot + spare / 2 - windows
    return windows, np.asarray(origin_um) + drift + PIXEL_UM * away[:, ::-1] * [1.0, -1.0]


def sensor_of(draw: Draw) -> Sensor:
    """The frame's chip, with the draw's background and gradient where the robot is."""
    slopes = np.array([draw.gradient_x, draw.gradient_y]) * np.array(FRAME[::-1]) / CROP[::-1]
    spot = 2 * np.array([draw.place_x_um, -draw.place_y_um]) / PIXEL_UM / FRAME[::-1]
    return Sensor(
        shape=FRAME,
        background_dn=min(draw.background_dn / (1 + float(slopes @ spot)), 255.0),
        electrons=draw.electrons,
        full_well_e=4 * draw.electrons,  # 8 bits end before
        read_noise_e=draw.read_noise_e,
        prnu=draw.prnu,
        gradient=(float(slopes[0]), float(slopes[1])),
        dust=draw.dust,
        dust_radius_px=draw.dust_radius_px,
        dust_depth=draw.dust_depth,
        seed=draw.sensor_seed,
    )


def laid(picture: np.ndarray, at: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) float32 with the picture's middle at row, column ``at``, faded into 1 at its edges.

    Sub-pixel places by a windowed sinc: images are band-limited at half the Nyquist frequency of PIXEL_UM.
    """
    n = len(picture)
    first = np.round(at - (n - 1) / 2).astype(int)
    fraction = at - (n - 1) / 2 - first
    edge = np.clip((np.minimum(np.arange(n), np.arange(n)[::-1]) + 0.5) / _FADE_PX, 0.0, 1.0)
    fade = (0.5 - 0.5 * np.cos(math.pi * edge)).astype(np.float32)
    rest = (picture - 1) * (fade[:, None] * fade)
    if fraction.any():
        taps = np.arange(-_TAPS, _TAPS + 1) + fraction[:, None]
        weights = np.sinc(taps) * np.cos(0.5 * math.pi * taps / (_TAPS + 0.5)) ** 2
        weights /= weights.sum(axis=1, keepdims=True)
        rest = cv2.sepFilter2D(rest, -1, weights[1], weights[0])
    light = np.ones(shape, dtype=np.float32)
    top, left = np.maximum(first, 0)
    bottom, right = np.minimum(first + n, shape)
    if top < bottom and left < right:
        light[top:bottom, left:right] += rest[top - first[0] : bottom - first[0], left - first[1] : right - first[1]]
    return light
