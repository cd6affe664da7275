"""A shaded picture of a mesh, to look at; no optics. Needs the extra ``preview`` (pyrender) and OpenGL.

Without a screen OpenGL comes through EGL: on Debian the packages libegl1 and libgl1-mesa-dri, no graphics card.
"""

import os
import sys
import warnings
from typing import Any

import numpy as np

from microtwin.errors import InputError


def preview(vertices_um: np.ndarray, faces: np.ndarray, shape: tuple[int, int], um_per_px: float) -> np.ndarray:
    """(rows, columns, 3) uint8 orthographic picture of a mesh from above, lit over the left shoulder, on white.

    Args:
        vertices_um: (V, 3) in the world frame: x to the right, y up in the picture, z towards the eye; its origin is
            the middle of the picture.
        faces: (F, 3) indices, counter-clockwise seen from outside.
        shape: rows and columns.

    Raises:
        InputError: no mesh, no picture, or pyrender or OpenGL is not there.
    """
    vertices, triangles = np.asarray(vertices_um, dtype=float), np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise InputError(
            f"mesh of shapes {vertices.shape} and {triangles.shape}: give (V, 3) vertices and (F, 3) faces"
        )
    if not len(triangles):
        raise InputError("the mesh is empty: give one with faces")
    if triangles.min() < 0 or triangles.max() >= len(vertices) or not np.isfinite(vertices).all():
        raise InputError("a face names a vertex that is not there or not finite: repair the mesh")
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"picture of {shape}: give rows and columns, 1 or more")
    if not (np.isfinite(um_per_px) and um_per_px > 0):
        raise InputError(f"scale is {um_per_px} µm per pixel: give a positive number")
    pyrender = _pyrender()
    rows, columns = shape
    top, depth = float(vertices[:, 2].max()), float(np.ptp(vertices[:, 2]))
    corners = vertices[triangles].reshape(-1, 3)  # every triangle its own corners: flat shading, no smeared edges
    sides = np.cross(corners[1::3] - corners[0::3], corners[2::3] - corners[0::3])
    lengths = np.linalg.norm(sides, axis=1, keepdims=True)
    normals = np.repeat(np.divide(sides, lengths, out=np.zeros_like(sides), where=lengths > 0), 3, axis=0)
    material = pyrender.MetallicRoughnessMaterial(
        baseColorFactor=(0.55, 0.68, 0.82, 1.0), metallicFactor=0.1, roughnessFactor=0.7
    )
    scene = pyrender.Scene(bg_color=(1.0, 1.0, 1.0, 1.0), ambient_light=(0.25, 0.25, 0.25))
    primitive = pyrender.Primitive(positions=corners, normals=normals, material=material, mode=4)
    scene.add(pyrender.Mesh([primitive]))
    eye = np.eye(4)
    eye[2, 3] = top + 1.0
    half = 0.5 * um_per_px * np.array([columns, rows])
    scene.add(pyrender.OrthographicCamera(*half, znear=0.5, zfar=depth + 2.0), pose=eye)
    scene.add(pyrender.DirectionalLight(intensity=4.0), pose=_looking_down_from((-1.0, 1.0, 1.5)))
    try:
        renderer = pyrender.OffscreenRenderer(columns, rows)
        try:
            picture, _ = renderer.render(scene)
        finally:
            renderer.delete()
    except Exception as error:  # PyOpenGL raises whatever the driver made it stumble over
        raise InputError(f"{_NO_OPENGL} ({type(error).__name__}: {error}): {_REMEDY}") from None
    return np.ascontiguousarray(picture)


_NO_OPENGL = "OpenGL gives no picture"
_REMEDY = "install libegl1 and libgl1-mesa-dri, or set PYOPENGL_PLATFORM to what this machine has"


def _pyrender() -> Any:
    """The module, imported when it is first needed.

    Raises:
        InputError: it is not installed, or finds no OpenGL.
    """
    if sys.platform == "linux":
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # read when OpenGL is first imported
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pyrender  # type: ignore
    except ModuleNotFoundError as error:
        raise InputError(
            f"a preview needs {error.name or 'pyrender'}, which is not installed: pip install 'microtwin[preview]'"
        ) from None
    except Exception as error:  # no libEGL: ImportError, AttributeError, OSError, as the versions go
        raise InputError(f"{_NO_OPENGL} ({type(error).__name__}: {error}): {_REMEDY}") from None
    return pyrender


def _looking_down_from(place: tuple[float, float, float]) -> np.ndarray:
    """(4, 4) pose whose −z axis points from ``place`` to the origin."""
    back = np.asarray(place) / np.linalg.norm(place)
    right = np.cross((0.0, 1.0, 0.0), back)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    return pose
