"""A microrobot's images over a sequence of depths, as the OTMR camera would have taken them.

The body is turned, voxelised and its light propagated once; every depth is a refocus of the same waves. They are
computed on a grid of 0.11 µm, just large enough for body and rings, drawn at the camera's 0.055 µm, faded into the
empty background at the grid's edge and laid on the full frame, of which a crop is a window. Against a grid of 320²
with 127 source points and slices of 0.1 µm, whole crops correlate by 0.997 or more (experiments/otmr_convergence.py).
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import scipy.fft
from scipy.spatial.transform import Rotation

from microtwin.errors import InputError
from microtwin.image_axes import to_image
from microtwin.optics import ExitField, Microscope, fill
from microtwin.optics.multislice import envelopes, plan
from microtwin.optics.sources import full_rings, source_points
from microtwin.otmr.depth import depth_of, focus_um
from microtwin.otmr.draw import GRID_UM, Draw
from microtwin.otmr.fabrication import Mesh, developed, printed
from microtwin.otmr.framing import CROP, PIXEL_UM, laid, laid_out, sensor_of
from microtwin.otmr.pose import Pose, about_z, rotation

UPSAMPLE = 2  # from the propagation's grid to the camera's
SLICE_UM = 0.2
BLUR_TAPS = (7, 7)  # of the camera's blur, draw.interpolation_px
SMALLEST_UM, LARGEST_UM = 0.3, 40.0  # of a body that the optics resolves and the largest grid holds

_MARGIN_UM = (1.0, 0.25)  # of the grid round the body: least, and more per µm between focus and the body's far side
_GRIDS = (120, 128, 144, 160, 180, 192, 216, 240, 256, 288, 320, 360, 400)  # fast to transform
_HALO_UM = 5.0
_RINGS = (1, 3)  # of source points, least and most


def orientation(pose: Pose, draw: Draw) -> np.ndarray:
    """(3, 3) rotation from the body's frame to the world: the pose, then the draw's lean, then its in-plane angle."""
    return about_z(math.radians(draw.in_plane_deg)) @ leaning(pose, draw.lean_x_deg, draw.lean_y_deg)


def leaning(pose: Pose, lean_x_deg: float, lean_y_deg: float) -> np.ndarray:
    """(3, 3) the pose, then a lean off it."""
    return lean_of(lean_x_deg, lean_y_deg) @ rotation(math.radians(pose.pitch_deg), math.radians(pose.roll_deg))


def lean_of(x_deg: float, y_deg: float) -> np.ndarray:
    """(3, 3) rotation by a rotation vector in the image's plane."""
    return Rotation.from_rotvec([x_deg, y_deg, 0.0], degrees=True).as_matrix()


def microscope(draw: Draw, across_um: float, most_rings: int = _RINGS[1]) -> Microscope:
    """The draw's microscope for a body that wide.

    It has as many source points as the rule N ≥ π(NA_c·D/λ)² asks, in full rings, at most 37 (what that costs:
    experiments/otmr_convergence.py). D is the pattern's diameter: the body's and its rings'.
    """
    wanted = math.pi * (draw.condenser_na * (across_um + _HALO_UM) / draw.wavelength_um) ** 2
    rings = next((m for m in range(_RINGS[0], most_rings) if full_rings(m) >= wanted), most_rings)
    waves = {
        (2, 2): draw.astigmatism_waves,
        (2, -2): draw.oblique_astigmatism_waves,
        (3, 1): draw.coma_x_waves,
        (3, -1): draw.coma_y_waves,
        (4, 0): draw.spherical_waves,
    }
    return Microscope.oil_100x(
        na=draw.na,
        condenser_na=draw.condenser_na,
        wavelength_um=draw.wavelength_um,
        pixel_um=PIXEL_UM,
        slice_um=SLICE_UM,
        source_points=full_rings(rings),
        aberrations=tuple((n, m, value) for (n, m), value in waves.items() if value),
    )


def intensities(
    mesh: Mesh, turn: np.ndarray, depths_um: Sequence[float] | np.ndarray, draw: Draw, rings: int = 0
) -> tuple[Iterator[np.ndarray], np.ndarray]:
    """Intensities (n, n) float32 over the background at each depth, and where their middle lies.

    Pixels are PIXEL_UM; with ``rings``, pictures to search with have pixels UPSAMPLE times as large and at most so many
    rings of source points. The second is x, y in µm from the body's origin. The same bytes on every machine that has
    the same libraries: always on numpy, on one thread.

    Raises:
        InputError: a mesh that is not closed or in other units than µm, depths that are not finite.
    """
    field, middle = propagated(mesh, turn, depths_um, draw, rings)
    heights = [focus_um(depth, 0.0, field.microscope) for depth in depths_um]
    return (field.image(height, 1 if rings else UPSAMPLE) for height in heights), middle


class Slices(NamedTuple):
    """A turned body as slices of refractive index, on a grid that holds its pictures.

    Attributes:
        delta_n: (nz, n, n) float32 index minus the liquid's; nz is even.
        low_um: height of the lowest slice's lower face.
        middle_um: x, y of the grid's middle from the body's origin.
        across_um: the body's width.
    """

    delta_n: np.ndarray
    low_um: float
    middle_um: np.ndarray
    across_um: float


def propagated(
    mesh: Mesh, turn: np.ndarray, depths_um: Sequence[float] | np.ndarray, draw: Draw, rings: int = 0
) -> tuple[ExitField, np.ndarray]:
    """The waves below a turned body, on a grid for pictures at these depths, and the grid's middle as above.

    Raises:
        InputError: as :func:`intensities`.
    """
    body = sliced(mesh, turn, depths_um, draw)
    scope = microscope(draw, body.across_um, rings or _RINGS[1])
    tilts = scope.k0 * source_points(scope.condenser_na, scope.source_points)[0]
    steps = plan(body.delta_n, tilts, scope.k0, scope.medium_index, GRID_UM, SLICE_UM)
    return ExitField(envelopes(steps), scope, body.low_um, GRID_UM), body.middle_um


def sliced(mesh: Mesh, turn: np.ndarray, depths_um: Sequence[float] | np.ndarray, draw: Draw) -> Slices:
    """A turned body, for pictures at these depths; its voxels are developed on the part of the grid that holds them.

    Raises:
        InputError: as :func:`intensities`.
    """
    vertices, faces = printed(mesh, draw)
    vertices = vertices @ turn.T
    check_size(vertices)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    depths = np.asarray(depths_um, dtype=float)
    if not np.isfinite(depths).all():
        raise InputError(f"depths are {depths}: give finite numbers in µm")
    middle = (low + high)[:2] / 2
    across = float((high - low)[:2].max())
    scope = microscope(draw, across)
    focus = [focus_um(depth, 0.0, scope) for depth in depths]
    farthest = max((max(high[2] - f, f - low[2]) for f in focus), default=0.0)
    field_um = across + 2 * (_MARGIN_UM[0] + _MARGIN_UM[1] * farthest)
    n = next((size for size in _GRIDS if size * GRID_UM >= field_um), _GRIDS[-1])

    vertices = vertices - [*middle, 0.0]
    pixel = GRID_UM
    pad = 2 * draw.spot_um * draw.spot_aspect + draw.residue_um + pixel
    nx, ny = (min(_even(2 * (reach + pad) / pixel), n) for reach in np.abs(vertices[:, :2]).max(axis=0))
    bottom, top = float(low[2]) - pad, float(high[2]) + pad
    nz = _even((top - bottom) / SLICE_UM)
    body = fill(vertices, faces, (nz, ny, nx), pixel, SLICE_UM, bottom)
    corner = middle[0] - (nx - 1) / 2 * pixel, middle[1] - (ny - 1) / 2 * pixel, bottom + SLICE_UM / 2
    body = developed(body, turn, corner, draw, pixel, SLICE_UM)
    delta_n = np.zeros((nz, n, n), dtype=np.float32)
    rows, columns = (n - ny) // 2, (n - nx) // 2
    delta_n[:, rows : rows + ny, columns : columns + nx] = body * np.float32(draw.polymer_index - scope.medium_index)
    return Slices(delta_n, bottom, middle, across)


def _even(least: float) -> int:
    """The smallest even number from there on that is fast to transform; even, so that grids lie pixel on pixel."""
    return 2 * int(scipy.fft.next_fast_len(math.ceil(least / 2), real=True))  # pyright: ignore[reportArgumentType]


def render_sequence(
    mesh: Mesh,
    pose: Pose,
    depths_um: Sequence[float] | np.ndarray,
    draw: Draw,
    rng: np.random.Generator,
    shape: tuple[int, int] = CROP,
    origin_um: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """(n, rows, columns) uint8 images of one pose at n depths; the same for the same arguments and generator.

    Args:
        mesh: (V, 3) vertices in µm, (F, 3) faces of a closed body.
        depths_um: stage travel, 0 with the body's origin in focus.
        draw: what the sequence looks like.
        rng: of each image's place and noise.
        shape: framing.CROP, a window that follows the robot over the frame, or framing.FRAME.
        origin_um: moves the body right and up in the picture.

    Raises:
        InputError: a mesh that is not closed or in other units than µm, a shape that is not on the frame.
    """
    windows, places = laid_out(len(depths_um), draw, rng, shape, origin_um)
    pictures, middle = intensities(mesh, orientation(pose, draw), depths_um, draw)
    sensor = sensor_of(draw)
    images = np.empty((len(depths_um), *shape), dtype=np.uint8)
    for image, picture, window, place in zip(images, pictures, windows, places, strict=True):
        light = laid(picture, to_image(place + middle, shape, PIXEL_UM), shape)
        image[:] = sensor.expose(light, rng, (int(window[0]), int(window[1])))
        if draw.interpolation_px > 0:
            image[:] = cv2.GaussianBlur(image, BLUR_TAPS, draw.interpolation_px)
    return images


def places_um(
    n: int, draw: Draw, rng: np.random.Generator, shape: tuple[int, int] = CROP, origin_um=(0.0, 0.0)
) -> np.ndarray:
    """(n, 2) x, y of the body's origin from the middle of each picture that :func:`render_sequence` makes.

    It is the first thing asked of ``rng``: give a generator in the state that the pictures were made from.
    """
    return laid_out(n, draw, rng, shape, origin_um)[1]


def middle_um(mesh: Mesh, turn: np.ndarray) -> tuple[float, float]:
    """x, y of the outline's middle from the body's origin; the negative, as ``origin_um``, centres it in a crop."""
    outline = (np.asarray(mesh[0], dtype=float) @ np.asarray(turn).T)[:, :2]
    x, y = (outline.min(axis=0) + outline.max(axis=0)) / 2
    return float(x), float(y)


def depth_limits_um(mesh: Mesh, turn: np.ndarray, draw: Draw, depth_range_um: float) -> tuple[float, float]:
    """Least and largest depth (µm, body's origin at 0) of a sweep about the middle of the turned body's height."""
    heights = np.asarray(mesh[0], dtype=float) @ np.asarray(turn)[2]
    middle = depth_of(float(heights.min() + heights.max()) / 2, 0.0, microscope(draw, 0.0))
    return middle - depth_range_um / 2, middle + depth_range_um / 2


def silhouette(mesh: Mesh, turn: np.ndarray, shape: tuple[int, int], pixel_um: float) -> np.ndarray:
    """(rows, columns) bool: pixels that the body covers, any of nine rays in each; its origin is the middle."""
    vertices = np.asarray(mesh[0], dtype=float) @ np.asarray(turn).T
    half = np.abs(vertices[:, :2]).max(axis=0)
    bounds = [
        max(size, 2 * math.ceil(reach / pixel_um + 1) + size % 2) for size, reach in zip(shape, half[::-1], strict=True)
    ]
    low, high = vertices[:, 2].min(), vertices[:, 2].max()
    solid = fill(vertices, mesh[1], (1, *bounds), pixel_um, float(high - low) * 1.001, float(low))[0] > 0
    rows, columns = ((have - want) // 2 for have, want in zip(bounds, shape, strict=True))
    return solid[rows : rows + shape[0], columns : columns + shape[1]]


def check_size(vertices_um: np.ndarray, name: str = "the body") -> None:
    """Raises InputError unless a body is a microrobot's size, as in a file of other units than µm."""
    size = float(np.ptp(vertices_um, axis=0).max())
    if not SMALLEST_UM <= size <= LARGEST_UM:
        raise InputError(f"{name} is {size:.3g} µm across: give a mesh in µm, of {SMALLEST_UM:g} to {LARGEST_UM:g} µm")
