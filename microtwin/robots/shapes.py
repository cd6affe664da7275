"""Solid shapes in µm, their unions and their cuts: watertight trimesh bodies with outward normals.

Curved surfaces are polyhedra whose corners lie on the true surface; no facet departs from it by more than CHORD_UM.
Booleans are exact to rounding (manifold3d); features below WELD_UM are melted away afterwards, because a file with
32-bit corners would otherwise merge them and tear the surface.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from microtwin.errors import InputError

if TYPE_CHECKING:
    import trimesh

CHORD_UM = 0.008  # a 37th of light of 0.30 µm (docs/decisions/0010): no picture can tell
WELD_UM = 0.0005

Point = Sequence[float] | np.ndarray


def sphere(radius_um: float, centre: Point = (0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    """A ball."""
    return ellipsoid((radius_um, radius_um, radius_um), centre)


def ellipsoid(semi_axes_um: Point, centre: Point = (0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    """A solid ellipsoid with its semi-axes along x, y and z."""
    import trimesh

    axes = np.array([_positive("semi-axis", value) for value in semi_axes_um])
    # an icosahedron split s times has facets of circumradius up to 0.77/2^s on the unit sphere; sag: half its square
    splits = 2
    while 0.5 * (0.77 / 2**splits) ** 2 * axes.max() > CHORD_UM:
        splits += 1
    ball = trimesh.creation.icosphere(subdivisions=splits, radius=1.0)
    return trimesh.Trimesh(ball.vertices * axes + _point(centre), ball.faces, process=False)


def rod(start: Point, end: Point, radius_um: float, end_radius_um: float | None = None) -> trimesh.Trimesh:
    """A round rod between two points with flat ends; a cone if its end has another radius."""
    end_radius = radius_um if end_radius_um is None else end_radius_um
    return _sweep(np.stack([_point(start), _point(end)]), np.array([radius_um, end_radius]))


def tube(path_um: np.ndarray, radius_um: float) -> trimesh.Trimesh:
    """A round wire along a path (n, 3) of straight pieces, mitred at its corners, with flat ends."""
    path = np.asarray(path_um, dtype=float)
    if path.ndim != 2 or path.shape[1] != 3 or len(path) < 2 or not np.isfinite(path).all():
        raise InputError(f"path of shape {path.shape}: give (n, 3) finite points, 2 or more")
    return _sweep(path, np.full(len(path), radius_um))


def arc(chord_um: float, elevation_rad: float, bend_rad: float, azimuth_rad: float = 0.0) -> np.ndarray:
    """(n, 3) circular arc from the origin, in the vertical plane at ``azimuth_rad``.

    Its chord is ``chord_um`` long and rises at ``elevation_rad``; it starts ``bend_rad`` below the chord's slope and
    ends as much above: 0 is straight, ``elevation_rad`` starts level, so that two opposite arcs make one smooth bow.
    """
    length = _positive("arc", chord_um)
    steps = max(1, math.ceil(2.0 * abs(bend_rad) / math.radians(5.0)))
    turn = bend_rad * np.linspace(-1.0, 1.0, steps + 1)
    if abs(bend_rad) < 1e-9:
        along, across = np.array([0.0, length]), np.zeros(2)
    else:
        radius = 0.5 * length / math.sin(bend_rad)
        along, across = radius * (np.sin(turn) + math.sin(bend_rad)), radius * (math.cos(bend_rad) - np.cos(turn))
    out = along * math.cos(elevation_rad) - across * math.sin(elevation_rad)
    up = along * math.sin(elevation_rad) + across * math.cos(elevation_rad)
    return np.stack([out * math.cos(azimuth_rad), out * math.sin(azimuth_rad), up], axis=1)


def helix(radius_um: float, start_um: float, end_um: float, turns: float) -> np.ndarray:
    """(n, 3) helix about y, right-handed, from y = ``start_um`` to ``end_um``, starting at +x."""
    steps = max(8, math.ceil(24 * abs(turns)))
    t = np.linspace(0.0, 1.0, steps + 1)
    angle = 2.0 * np.pi * turns * t
    return np.stack([radius_um * np.cos(angle), start_um + (end_um - start_um) * t, -radius_um * np.sin(angle)], axis=1)


def union(parts: Sequence[trimesh.Trimesh]) -> trimesh.Trimesh:
    """One body out of parts that touch or overlap.

    Raises:
        InputError: the parts do not hang together.
    """
    from manifold3d import Manifold, OpType

    solid = Manifold.batch_boolean([_manifold(part) for part in parts], OpType.Add).simplify(WELD_UM)
    pieces = _pieces(solid)
    if pieces != 1:
        raise InputError(f"the body falls into {pieces} pieces: change its sizes so that its parts touch")
    return _mesh(solid)


def cut(body: trimesh.Trimesh, normal: Point, offset_um: float) -> trimesh.Trimesh:
    """The part of a body on the side r·normal ≥ ``offset_um`` of a plane (unit normal), closed by a flat face.

    Raises:
        InputError: nothing, or more than one piece, is left.
    """
    direction = _point(normal) / np.linalg.norm(normal)
    solid = _manifold(body).trim_by_plane(tuple(direction), float(offset_um)).simplify(WELD_UM)
    pieces = _pieces(solid)
    if pieces != 1:
        raise InputError(f"a cut at {offset_um:g} µm leaves {pieces} pieces: move it")
    return _mesh(solid)


def overlap_um3(first: trimesh.Trimesh, second: trimesh.Trimesh) -> float:
    """Volume that two bodies share."""
    return (_manifold(first) ^ _manifold(second)).volume()


def _pieces(solid):
    """Parts that do not hang together; a hollow that arms close off is a surface of its own but no part."""
    return sum(piece.volume() > 0 for piece in solid.decompose())


def _sweep(path, radii):
    """Rings of corners along a path, joined; each ring lies in the plane that halves the corner's angle."""
    import trimesh

    for radius in radii:
        _positive("radius", radius)
    pieces = np.diff(path, axis=0)
    lengths = np.linalg.norm(pieces, axis=1)
    if lengths.min() < 1e-9:
        raise InputError("a rod or wire has two equal points: give it a length")
    pieces /= lengths[:, None]
    tangents = np.concatenate([pieces[:1], pieces[:-1] + pieces[1:], pieces[-1:]])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    sides = _sides(radii.max())
    angles = 2.0 * np.pi * np.arange(sides) / sides
    across = np.eye(3)[np.argmin(np.abs(tangents[0]))]
    rings = []
    for k, tangent in enumerate(tangents):
        # carried along with the least turning, or the facets would twist
        across = across - tangent * (across @ tangent)
        across /= np.linalg.norm(across)
        beside = np.cross(tangent, across)
        ring = np.cos(angles)[:, None] * across + np.sin(angles)[:, None] * beside
        if 0 < k < len(path) - 1:  # the mitre is an ellipse: wider along the direction of the turn
            turn = pieces[k] - pieces[k - 1]
            size = np.linalg.norm(turn)
            if size > 1e-12:
                turn = turn / size
                ring = ring + np.outer(ring @ turn, turn) * (1.0 / (tangent @ pieces[k]) - 1.0)
        rings.append(path[k] + radii[k] * ring)
    corners = np.concatenate([*rings, path[:1], path[-1:]])
    near = np.arange(sides)
    after = (near + 1) % sides
    faces = []
    for k in range(len(path) - 1):
        a, b = k * sides + near, k * sides + after
        faces += [np.stack([a, b, a + sides], axis=1), np.stack([b, b + sides, a + sides], axis=1)]
    last, start, end = (len(path) - 1) * sides, len(path) * sides, len(path) * sides + 1
    faces.append(np.stack([after, near, np.full(sides, start)], axis=1))
    faces.append(np.stack([last + near, last + after, np.full(sides, end)], axis=1))
    return trimesh.Trimesh(corners, np.concatenate(faces), process=False)


def _sides(radius_um):
    """Sides of a polygon with that radius whose sag is below CHORD_UM, a multiple of 4."""
    return max(16, 4 * math.ceil(0.25 * math.pi / math.acos(max(1.0 - CHORD_UM / radius_um, 0.0))))


def _manifold(mesh):
    from manifold3d import Manifold, Mesh64

    corners = np.array(mesh.vertices, dtype=np.float64, order="C")  # a plain, writable copy, or manifold3d refuses it
    solid = Manifold(Mesh64(corners, np.array(mesh.faces, dtype=np.uint64, order="C")))
    if solid.status().name != "NoError":
        raise InputError(f"a part is no closed solid ({solid.status().name}): change its sizes")
    return solid


def _mesh(solid):
    import trimesh

    mesh = solid.to_mesh64()
    vertices, faces = np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)
    return trimesh.Trimesh(vertices, faces, process=False)


def _point(value: Point) -> np.ndarray:
    point = np.asarray(value, dtype=float)
    if point.shape != (3,) or not np.isfinite(point).all():
        raise InputError(f"{value} is no point: give x, y and z in µm")
    return point


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} {value:g} µm: give a number above 0")
    return float(value)
