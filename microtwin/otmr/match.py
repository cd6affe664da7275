"""A rendering laid over a real crop: where it fits best, and how well.

A robot's focal stack is rendered once for an orientation out of the plane. In-plane angle, place and height of focus
are then found on the finished pictures: turning the picture is turning the robot, as the lamp is round. How well two
pictures agree is their zero-mean normalised correlation within the robot's outline grown by 1 µm: no change of
brightness or contrast raises it.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.optimize import minimize

from microtwin.errors import InputError
from microtwin.otmr.depth import depth_of
from microtwin.otmr.draw import GRID_UM, Draw
from microtwin.otmr.fabrication import Mesh
from microtwin.otmr.framing import CROP
from microtwin.otmr.render import UPSAMPLE, intensities, microscope, silhouette

GROWN_UM = 1.0
EDGE_PX = 3  # published crops carry a frame, up to 2 px wide
_BORDER = 40  # pixels of a crop's rim that show its background


@dataclass(frozen=True)
class Target:
    """A real crop, ready to be matched.

    Attributes:
        light: (256, 256) float32, grey values over the background fitted to the crop's rim; 1 where nothing is.
        coarse: (128, 128) the same at GRID_UM.
        background_dn: (256, 256) that background, a plane.
        ceiling: where 255 lies on the scale of ``light``.
    """

    light: np.ndarray
    coarse: np.ndarray
    background_dn: np.ndarray
    ceiling: float

    @classmethod
    def of(cls, image: np.ndarray) -> "Target":
        """From a (256, 256) uint8 crop.

        Raises:
            InputError: another shape, or a crop without a background.
        """
        if image.shape != CROP:
            raise InputError(f"crop of {image.shape}: give one of {CROP[0]} × {CROP[1]} pixels (microtwin.vision.roi)")
        grey = image.astype(np.float32)
        down, right = np.mgrid[-1 : 1 : CROP[0] * 1j, -1 : 1 : CROP[1] * 1j].astype(np.float32)
        rim = np.ones(CROP, dtype=bool)
        rim[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
        inside = np.zeros(CROP, dtype=bool)
        inside[EDGE_PX:-EDGE_PX, EDGE_PX:-EDGE_PX] = True
        flat = rim & inside & (np.abs(cv2.GaussianBlur(grey, (0, 0), 2) - np.median(grey)) < 6)
        if flat.sum() < 500:
            raise InputError("the crop shows no even background at its rim: give a crop with the robot in its middle")
        terms = np.stack([np.ones(CROP, np.float32), right, down])
        slopes = np.linalg.lstsq(terms[:, flat].T, grey[flat], rcond=None)[0]
        background = np.tensordot(slopes, terms, axes=1).astype(np.float32)
        light = grey / background
        light[~inside] = 1.0
        coarse = cv2.resize(light, None, fx=1 / UPSAMPLE, fy=1 / UPSAMPLE, interpolation=cv2.INTER_AREA)
        return cls(light, coarse, background, float(255.0 / slopes[0]))


@dataclass(frozen=True)
class Stack:
    """Renderings of one orientation at rising heights of focus, on a square grid of GRID_UM.

    Attributes:
        images: (k, n, n) intensities over the background.
        heights_um: (k,) evenly spaced heights of focus in the body's frame.
        outline: (n, n) float32, 1 where the body is.
        middle_um: x, y of the grid's middle from the body's origin.
    """

    images: np.ndarray
    heights_um: np.ndarray
    outline: np.ndarray
    middle_um: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, turn: np.ndarray, heights_um: np.ndarray, draw: Draw, rings: int = 1) -> "Stack":
        """Render a mesh turned by ``turn`` (3, 3), with so many rings of source points."""
        scope = microscope(draw, 0.0)
        depths = [depth_of(height, 0.0, scope) for height in heights_um]
        pictures, middle = intensities(mesh, turn, depths, draw, rings)
        images = np.stack(list(pictures))
        shifted = np.asarray(mesh[0]) - turn.T @ np.array([*middle, 0.0])
        outline = silhouette((shifted, mesh[1]), turn, images.shape[1:], GRID_UM)
        return cls(images, np.asarray(heights_um), outline.astype(np.float32), middle)

    def at(self, height_um: float) -> np.ndarray:
        """The picture at a height, between those rendered; the nearest one beyond them."""
        step = (height_um - self.heights_um[0]) / (self.heights_um[1] - self.heights_um[0])
        step = min(max(step, 0.0), len(self.heights_um) - 1.001)
        below, part = int(step), np.float32(step - int(step))
        return self.images[below] * (1 - part) + self.images[below + 1] * part


@dataclass(frozen=True)
class Placement:
    """How a stack lies on a crop: turned counter-clockwise, its middle x, y (µm) from the crop's, in focus so high."""

    score: float
    in_plane_rad: float
    x_um: float
    y_um: float
    height_um: float


def correlation(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> float:
    """Zero-mean normalised correlation of two pictures, −1 to 1, where ``weights`` (0 to 1) counts."""
    total = float(weights.sum())
    if total == 0:
        return -1.0
    a = (one - float((one * weights).sum()) / total) * weights
    b = (other - float((other * weights).sum()) / total) * weights
    scale = math.sqrt(float((a * a).sum()) * float((b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def grown(outline: np.ndarray, pixel_um: float) -> np.ndarray:
    """An outline (rows, columns) grown by GROWN_UM, float32."""
    reach = round(GROWN_UM / pixel_um)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.dilate((outline > 0.5).astype(np.uint8), disc).astype(np.float32)


def turned(picture: np.ndarray, in_plane_rad: float, x_um: float, y_um: float, size: int, outside=1.0) -> np.ndarray:
    """(size, size) of a square picture at GRID_UM, turned counter-clockwise about its middle, moved right and up."""
    c, s = math.cos(in_plane_rad), math.sin(in_plane_rad)
    back = np.array([[c, -s, 0.0], [s, c, 0.0]])  # from the result's pixels, y down, to the picture's
    middle = (size - 1) / 2
    back[:, 2] = (len(picture) - 1) / 2 - back[:, :2] @ [middle + x_um / GRID_UM, middle - y_um / GRID_UM]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, back, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)


def places(target: Target, stack: Stack, angles_rad: Iterable[float], most: int = 3) -> list[Placement]:
    """Where to start from: the best distinct in-plane angles and heights, all places tried at 0.22 µm."""
    size = len(target.coarse) // 2
    real = cv2.resize(np.minimum(target.coarse, target.ceiling), (size, size), interpolation=cv2.INTER_AREA) - 1
    spectrum = np.fft.rfft2(real / np.linalg.norm(real))
    seen = [np.minimum(image, target.ceiling) for image in stack.images]
    half = [cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for image in seen]
    found = []
    for angle in angles_rad:
        for height, picture in zip(stack.heights_um, half, strict=True):
            drawn = turned(picture, angle, 0.0, 0.0, size) - 1
            drawn /= np.linalg.norm(drawn) + 1e-9
            agreement = np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(drawn)), real.shape)
            row, column = np.unravel_index(agreement.argmax(), agreement.shape)
            down, right = ((int(k) + size // 2) % size - size // 2 for k in (row, column))
            if max(abs(down), abs(right)) < size // 4:
                x, y = 2 * GRID_UM * right, -2 * GRID_UM * down
                found.append(Placement(float(agreement[row, column]), angle, x, y, float(height)))
    found.sort(key=lambda placement: -placement.score)
    kept: list[Placement] = []
    for one in found:
        if all(abs(one.in_plane_rad - k.in_plane_rad) > 0.15 or abs(one.height_um - k.height_um) > 0.5 for k in kept):
            kept.append(one)
        if len(kept) == most:
            break
    return kept


def refined(target: Target, stack: Stack, start: Placement, most_evaluations: int = 120) -> Placement:
    """The best placement near ``start``, by Nelder and Mead's simplex."""
    size = len(target.coarse)

    def placement(u: np.ndarray, score: float = 0.0) -> Placement:
        height = min(max(start.height_um + 0.3 * u[3], stack.heights_um[0]), stack.heights_um[-1])
        angle = start.in_plane_rad + 0.1 * u[0]
        return Placement(score, angle, start.x_um + GRID_UM * u[1], start.y_um + GRID_UM * u[2], float(height))

    def loss(u: np.ndarray) -> float:
        at = placement(u)
        where = (at.in_plane_rad, at.x_um, at.y_um, size)
        drawn = np.minimum(turned(stack.at(at.height_um), *where), target.ceiling)
        return -correlation(drawn, target.coarse, grown(turned(stack.outline, *where, outside=0.0), GRID_UM))

    simplex = np.vstack([np.zeros(4), np.diag([0.5, 1.5, 1.5, 0.8])])
    options = {"maxfev": most_evaluations, "xatol": 0.02, "fatol": 2e-4, "initial_simplex": simplex}
    best = minimize(loss, np.zeros(4), method="Nelder-Mead", options=options)
    return placement(best.x, -float(best.fun))
