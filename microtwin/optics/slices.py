"""Closed meshes and spheres as stacks of slices: the fraction of every voxel that is inside.

Signed accumulation: a ray up through a sub-pixel crosses the surface at heights z_f, in or out. Each crossing adds
±clip((z_f − z_i)/dz, 0, 1) to every slice i (lower edge z_i), + where it leaves the body. The steps of that sum differ
from 0 in two slices only, so a crossing writes two numbers and one reverse cumulative sum does the rest. Two triangles
that share an edge compute its crossings from the same numbers: no ray falls between them or meets both.
"""

import math

import numpy as np
from numba import njit

from microtwin.errors import InputError
from microtwin.image_axes import to_image

SUBSAMPLES = 3  # rays per pixel and axis, for edges that are not staircases


def fill(vertices_um, faces, shape, pixel_um: float, slice_um: float, z_low_um: float) -> np.ndarray:
    """Filled fraction (nz, ny, nx), float32 from 0 to 1, of a closed mesh; slice 0 is the lowest.

    Args:
        vertices_um: (V, 3) in the world frame, y up.
        faces: (F, 3) indices, counter-clockwise seen from outside.
        shape: (nz, ny, nx); ``z_low_um`` is the lower face of slice 0.

    Raises:
        InputError: a mesh that is empty or not closed, or reaches out of the grid.
    """
    vertices = np.ascontiguousarray(vertices_um, dtype=float)
    triangles = np.ascontiguousarray(faces, dtype=np.int64)
    _check_mesh(vertices, triangles)
    row, column = to_image(vertices[:, :2], shape[1:], pixel_um).T
    grid = np.stack([column, row, (vertices[:, 2] - z_low_um) / slice_um], axis=1)
    _check_inside(grid.min(axis=0), grid.max(axis=0), shape)
    stack = np.zeros(shape, dtype=np.float32)
    _accumulate(grid, triangles, stack, SUBSAMPLES)
    return stack


def sphere_fill(centre_um, radius_um: float, shape, pixel_um: float, slice_um: float, z_low_um: float) -> np.ndarray:
    """Filled fraction (nz, ny, nx), float32 from 0 to 1, of a sphere: exact chords along z at every sub-pixel.

    Raises:
        InputError: a radius that is not positive, or a sphere that reaches out of the grid.
    """
    if not (math.isfinite(radius_um) and radius_um > 0):
        raise InputError(f"radius {radius_um} µm is not a positive number: give it in µm")
    x, y, z = (float(value) for value in centre_um)
    row, column = to_image(np.array([x, y]), shape[1:], pixel_um)
    centre = np.array([column, row, (z - z_low_um) / slice_um], dtype=float)
    extent = radius_um / np.array([pixel_um, pixel_um, slice_um])
    _check_inside(centre - extent, centre + extent, shape)
    stack = np.zeros(shape, dtype=np.float32)
    _accumulate_sphere(centre, radius_um / pixel_um, pixel_um / slice_um, stack, 2 * SUBSAMPLES)
    return stack


def _check_mesh(vertices, triangles):
    if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise InputError(
            f"mesh of shapes {vertices.shape} and {triangles.shape}: give (V, 3) vertices and (F, 3) faces"
        )
    if len(triangles) == 0:
        raise InputError("the mesh is empty: give one with faces")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise InputError(f"a face names vertex {triangles.max()} of {len(vertices)}: repair the mesh")
    if not np.isfinite(vertices).all():
        raise InputError("the mesh has a NaN or infinite vertex: repair it")
    ahead, behind = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    count = len(vertices)
    open_edges = np.count_nonzero(np.sort(ahead * count + behind) != np.sort(behind * count + ahead))
    if open_edges:
        raise InputError(
            f"the mesh is not closed ({open_edges} edges lack their partner): merge its vertices, fill holes"
        )
    corners = vertices[triangles] - vertices[triangles[0, 0]]
    if np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) <= 0:
        raise InputError("the mesh is inside out or flat: turn its faces counter-clockwise seen from outside")


def _check_inside(low, high, shape):
    nz, ny, nx = shape
    out = (low < (-0.5, -0.5, -1e-6)) | (high > (nx - 0.5, ny - 0.5, nz + 1e-6))
    if out.any():
        axis = int(np.flatnonzero(out)[0])
        name = ("columns", "rows", "slices")[axis]
        size = (nx, ny, nz)[axis]
        raise InputError(
            f"the object spans {name} {low[axis]:.1f} to {high[axis]:.1f} of a grid of {size}: enlarge the grid"
        )


@njit(cache=True, nogil=True)
def _crossing(vertices, a, b, y):
    """x where edge ab meets height y, and z there; from the lower end whichever triangle asks."""
    if vertices[a, 1] > vertices[b, 1]:
        a, b = b, a
    t = (y - vertices[a, 1]) / (vertices[b, 1] - vertices[a, 1])
    x = vertices[a, 0] + t * (vertices[b, 0] - vertices[a, 0])
    return x, vertices[a, 2] + t * (vertices[b, 2] - vertices[a, 2])


@njit(cache=True, nogil=True)
def _accumulate(vertices, triangles, stack, samples):
    """Every ray's crossings with every triangle into ``stack``, then its reverse cumulative sum, clipped."""
    nz, ny, nx = stack.shape
    weight = 1.0 / (samples * samples)
    for f in range(len(triangles)):
        lowest = min(vertices[triangles[f, 0], 1], vertices[triangles[f, 1], 1], vertices[triangles[f, 2], 1])
        highest = max(vertices[triangles[f, 0], 1], vertices[triangles[f, 1], 1], vertices[triangles[f, 2], 1])
        # sub-row s is at y = (s + ½)/samples − ½
        for s in range(math.ceil((lowest + 0.5) * samples - 0.5), math.floor((highest + 0.5) * samples - 0.5) + 1):
            y = (s + 0.5) / samples - 0.5
            x_up = x_down = z_up = z_down = 0.0
            found = 0
            for k in range(3):
                a, b = triangles[f, k], triangles[f, (k + 1) % 3]
                a_below, b_below = vertices[a, 1] <= y, vertices[b, 1] <= y
                if a_below and not b_below:
                    x_up, z_up = _crossing(vertices, a, b, y)
                    found += 1
                elif b_below and not a_below:
                    x_down, z_down = _crossing(vertices, a, b, y)
                    found += 1
            if found != 2 or x_up == x_down:
                continue
            # rows run down: an outward face on top of the body has its upward edge on the left
            sign = weight if x_up < x_down else -weight
            slope = (z_down - z_up) / (x_down - x_up)
            left, right = min(x_up, x_down), max(x_up, x_down)
            row = s // samples
            for c in range(math.ceil((left + 0.5) * samples - 0.5), math.ceil((right + 0.5) * samples - 0.5)):
                height = z_up + slope * ((c + 0.5) / samples - 0.5 - x_up)
                height = min(max(height, 0.0), float(nz))
                i = min(int(height), nz - 1)
                part = height - i
                column = c // samples
                stack[i, row, column] += sign * part
                if i > 0:
                    stack[i - 1, row, column] += sign * (1.0 - part)
    for i in range(nz - 2, -1, -1):
        for row in range(ny):
            for column in range(nx):
                stack[i, row, column] += stack[i + 1, row, column]
    for i in range(nz):
        for row in range(ny):
            for column in range(nx):
                value = stack[i, row, column]
                stack[i, row, column] = 0.0 if value < 1e-5 else min(value, np.float32(1.0))


@njit(cache=True, nogil=True)
def _accumulate_sphere(centre, radius, aspect, stack, samples):
    """The chord of every ray through a sphere; lengths in pixels, ``aspect`` slices per pixel of height."""
    nz, ny, nx = stack.shape
    weight = 1.0 / (samples * samples)
    for row in range(max(int(centre[1] - radius - 0.5), 0), min(int(centre[1] + radius + 1.5), ny)):
        for column in range(max(int(centre[0] - radius - 0.5), 0), min(int(centre[0] + radius + 1.5), nx)):
            for k in range(samples * samples):
                y = row + (k // samples + 0.5) / samples - 0.5 - centre[1]
                x = column + (k % samples + 0.5) / samples - 0.5 - centre[0]
                left = radius * radius - x * x - y * y
                if left <= 0.0:
                    continue
                half = math.sqrt(left) * aspect
                low, high = max(centre[2] - half, 0.0), min(centre[2] + half, float(nz))
                for i in range(int(low), min(int(high) + 1, nz)):
                    stack[i, row, column] += weight * max(min(high, i + 1.0) - max(low, float(i)), 0.0)
