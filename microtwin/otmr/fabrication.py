"""What two-photon printing does to a drawn body: its size, its surface, its corners, what is left of the substrate.

Before the voxels the mesh is stretched and its surface roughened. In the voxels it is cut or stands on a residue where
it left the glass, then blurred by the writing spot and developed:

    f' = clip(½ + g·(f ∗ spot − ½), 0, 1)

Resin that got half a dose stays. Narrow gaps fill and corners round, while the edge keeps the sharpness of the grid.
"""

import math
from collections.abc import Sequence

import numpy as np
import scipy.fft

from microtwin.otmr.draw import Draw

Mesh = tuple[np.ndarray, np.ndarray]

_EDGE_UM = 0.4  # triangles are split until no edge is longer, for a surface that can be rough
_MODES = 64
_GAIN = 2.5  # slope of development: a spot of 0.1 µm then leaves an edge one 0.11 µm pixel wide
_RESIDUE_RIM_UM = 0.4


def printed(mesh: Mesh, draw: Draw) -> Mesh:
    """The mesh (V, 3) µm, (F, 3) with the draw's size error and roughness; closed if it was closed.

    Roughness is a smooth random field along the normals with a Gaussian correlation (random Fourier modes; Shinozuka &
    Deodatis, Appl. Mech. Rev. 44 (1991) 191), the same for one ``draw.print_seed``.
    """
    vertices, faces = np.asarray(mesh[0], dtype=float), np.asarray(mesh[1])
    if draw.roughness_nm > 0:
        vertices, faces = _refined(vertices, faces, _EDGE_UM)
        rng = np.random.default_rng(draw.print_seed)
        waves = rng.standard_normal((3, _MODES)) / draw.roughness_length_um
        phases = (vertices @ waves + rng.uniform(0, 2 * math.pi, _MODES)).astype(np.float32)
        field = np.cos(phases).sum(axis=1) * math.sqrt(2 / _MODES)
        vertices = vertices + 1e-3 * draw.roughness_nm * field[:, None] * _normals(vertices, faces)
    return vertices * (1 + np.array([draw.size_error_x, draw.size_error_y, draw.size_error_z])), faces


def developed(
    fill: np.ndarray, rotation: np.ndarray, low: Sequence[float], draw: Draw, pixel_um: float, slice_um: float
) -> np.ndarray:
    """Filled fraction (nz, ny, nx) after writing and development.

    Args:
        fill: of the sharp body, with a margin of empty voxels round it.
        rotation: (3, 3) from the body's frame, in which it was printed, to the world.
        low: x, y, z (µm) of the middle of the voxel at the lowest slice, the bottom row and the left column, in the
            frame of ``rotation``'s origin.
    """
    if draw.cut_um > 0 or draw.residue_um > 0:
        fill = _substrate(fill, rotation, low, draw, pixel_um, slice_um)
    if draw.spot_um == 0:
        return fill
    # rows run down: y is −row
    axes = rotation * np.array([[1.0], [-1.0], [1.0]])
    spread = axes @ np.diag(np.array([1.0, 1.0, draw.spot_aspect]) ** 2 * draw.spot_um**2) @ axes.T
    kx = 2 * math.pi * scipy.fft.rfftfreq(fill.shape[2], pixel_um).astype(np.float32)
    ky = 2 * math.pi * scipy.fft.fftfreq(fill.shape[1], pixel_um).astype(np.float32)[:, None]
    kz = 2 * math.pi * scipy.fft.fftfreq(fill.shape[0], slice_um).astype(np.float32)[:, None, None]
    s = spread.astype(np.float32)
    bend = s[0, 0] * kx**2 + s[1, 1] * ky**2 + s[2, 2] * kz**2
    bend = bend + 2 * (s[0, 1] * kx * ky + s[0, 2] * kx * kz + s[1, 2] * ky * kz)
    blurred = scipy.fft.irfftn(np.asarray(scipy.fft.rfftn(fill)) * np.exp(-0.5 * bend), fill.shape)
    solid = np.clip(0.5 + _GAIN * (np.asarray(blurred) - 0.5), 0.0, 1.0).astype(np.float32)
    solid[solid < 1e-3] = 0.0
    return solid


def _substrate(fill, rotation, low, draw: Draw, pixel_um, slice_um):
    """The body without its lowest ``cut_um``, or with a ragged film of ``residue_um`` under what touched the glass."""
    nz, ny, nx = fill.shape
    x = low[0] + pixel_um * np.arange(nx)
    y = (low[1] + pixel_um * np.arange(ny)[::-1])[:, None]
    z = (low[2] + slice_um * np.arange(nz))[:, None, None]
    across, along, up = (rotation[0, k] * x + rotation[1, k] * y + rotation[2, k] * z for k in range(3))
    inside = fill > 0.5
    if not inside.any():
        return fill
    bottom = float(up[inside].min())
    soft = pixel_um  # edges of one voxel
    if draw.cut_um > 0:
        fill = fill * np.clip((up - bottom - draw.cut_um) / soft + 0.5, 0.0, 1.0).astype(np.float32)
    if draw.residue_um > 0:
        touching = inside & (up < bottom + 0.5)
        middle = across[touching].mean(), along[touching].mean()
        rim = np.hypot(across[touching] - middle[0], along[touching] - middle[1]).max() + _RESIDUE_RIM_UM
        angle = np.arctan2(along - middle[1], across - middle[0])
        lobes = np.random.default_rng([draw.print_seed, 1]).uniform(0, 2 * math.pi, 3)
        ragged = rim * (1 + 0.06 * sum(np.sin((k + 2) * angle + phase) for k, phase in enumerate(lobes)))
        film = np.clip((ragged - np.hypot(across - middle[0], along - middle[1])) / soft + 0.5, 0, 1)
        film = film * np.clip((0.5 * draw.residue_um - np.abs(up - bottom)) / soft + 0.5, 0, 1)
        fill = np.maximum(fill, film.astype(np.float32))
    return fill


def _refined(vertices: np.ndarray, faces: np.ndarray, longest_um: float) -> Mesh:
    """The same surface with every edge longer than that halved until none is; triangles that share one agree on it."""
    while True:
        ahead = np.roll(faces, -1, axis=1)
        long = np.square(vertices[faces] - vertices[ahead]).sum(axis=2) > longest_um**2  # (F, 3): edges ab, bc, ca
        if not long.any():
            return vertices, faces
        lower, upper = np.minimum(faces, ahead)[long], np.maximum(faces, ahead)[long]
        edges, which = np.unique(lower * len(vertices) + upper, return_inverse=True)
        middle = np.full(faces.shape, -1)
        middle[long] = len(vertices) + which
        halves = (vertices[edges // len(vertices)] + vertices[edges % len(vertices)]) / 2
        vertices = np.concatenate([vertices, halves])
        faces = np.concatenate([_split(faces, middle, k) for k in range(4)])


def _split(faces: np.ndarray, middle: np.ndarray, halved: int) -> np.ndarray:
    """The triangles that come of those with ``halved`` halved edges."""
    chosen = (middle >= 0).sum(axis=1) == halved
    faces, middle = faces[chosen], middle[chosen]
    if halved == 0:
        return faces
    # turn each so that ab is halved and, of two, bc too
    first = np.argmax(middle >= 0, axis=1) if halved != 2 else (np.argmin(middle, axis=1) + 1) % 3
    turn = (first[:, None] + np.arange(3)) % 3
    (a, b, c), (ab, bc, ca) = np.take_along_axis(faces, turn, 1).T, np.take_along_axis(middle, turn, 1).T
    pieces = {
        1: [(a, ab, c), (ab, b, c)],
        2: [(ab, b, bc), (a, ab, bc), (a, bc, c)],
        3: [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)],
    }
    return np.concatenate([np.stack(piece, axis=1) for piece in pieces[halved]])


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals of the vertices, outward, weighed by the triangles' areas."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    flat = np.repeat(np.cross(b - a, c - a), 3, axis=0)
    normals = np.stack([np.bincount(faces.ravel(), flat[:, k], len(vertices)) for k in range(3)], axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
