"""How each of the 18 bodies is put together from named sizes. x right, y up, z towards the lamp, µm.

The origin is the middle of the body: the vertex of a V, the hub of a star, the centre of a ball. Arms leave the hub at
``elevation_deg`` above the xy-plane (positive: towards the lamp) and bow by ``bend_deg`` (shapes.arc).
"""

from __future__ import annotations

import math
from math import radians
from typing import TYPE_CHECKING

import numpy as np

from microtwin.errors import InputError
from microtwin.robots.shapes import arc, cut, ellipsoid, helix, rod, sphere, tube, union

if TYPE_CHECKING:
    import trimesh


def star(
    arms: int, arm_um, elevation_deg, bend_deg, arm_diameter_um, hub_diameter_um, ball_diameter_um
) -> trimesh.Trimesh:
    """Equal arms at equal angles around a hub, the first along +x, each with a ball at its end."""
    azimuths = [2.0 * math.pi * k / arms for k in range(arms)]
    joined = _arms(azimuths, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um)
    return union([sphere(0.5 * hub_diameter_um), *joined])


def ellipsoid_bar(
    ellipsoid_length_um, ellipsoid_diameter_um, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um
) -> trimesh.Trimesh:
    """Two arms along ±x through an ellipsoid that is long along y."""
    axes = _ellipsoid_axes(ellipsoid_length_um, ellipsoid_diameter_um)
    return union([ellipsoid(axes), *_two_arms(0.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um)])


def cylinder_bar(
    cylinder_length_um, cylinder_diameter_um, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um
) -> trimesh.Trimesh:
    """Two arms along ±x through a round cylinder along y."""
    half = 0.5 * cylinder_length_um
    body = rod((0, -half, 0), (0, half, 0), 0.5 * cylinder_diameter_um)
    return union([body, *_two_arms(0.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um)])


def holder_bar(
    body_length_um,
    holder_length_um,
    holder_outer_diameter_um,
    holder_inner_diameter_um,
    waist_diameter_um,
    arm_um,
    elevation_deg,
    bend_deg,
    arm_diameter_um,
    ball_diameter_um,
) -> trimesh.Trimesh:
    """Two arms along ±y; along x a waist with a holder at each end that widens outwards (a trapezoid from above)."""
    half, start = 0.5 * body_length_um, 0.5 * body_length_um - holder_length_um
    _inside("holder_length_um", holder_length_um, half)
    outer, inner, waist = 0.5 * holder_outer_diameter_um, 0.5 * holder_inner_diameter_um, 0.5 * waist_diameter_um
    parts = [
        rod((-half, 0, 0), (half, 0, 0), waist),
        rod((start, 0, 0), (half, 0, 0), inner, outer),
        rod((-start, 0, 0), (-half, 0, 0), inner, outer),
        *_two_arms(90.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um),
    ]
    return union(parts)


def ball(ball_diameter_um) -> trimesh.Trimesh:
    """One ball."""
    return sphere(0.5 * ball_diameter_um)


def hook(arc_radius_um, arc_deg, arm_diameter_um, ball_diameter_um) -> trimesh.Trimesh:
    """An arc in the xy-plane, open towards +y, cut flat at its left end, with a ball at its right end."""
    path = _bow(arc_radius_um, arc_deg, 3.0)
    return union([tube(path, 0.5 * arm_diameter_um), sphere(0.5 * ball_diameter_um, path[-1])])


def lattice(spacing_um, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um) -> trimesh.Trimesh:
    """Two bars along x and two along y, ``spacing_um`` apart, crossing in a # without a body; eight balls."""
    parts = []
    for direction in (0.0, 90.0):
        aside = 0.5 * spacing_um * np.array([-math.sin(radians(direction)), math.cos(radians(direction)), 0.0])
        for offset in (aside, -aside):
            for part in _two_arms(direction, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um):
                parts.append(part.apply_translation(offset))
    return union(parts)


def ball_holder_bar(
    ellipsoid_length_um,
    ellipsoid_diameter_um,
    holder_diameter_um,
    holder_spacing_um,
    arm_um,
    elevation_deg,
    bend_deg,
    arm_diameter_um,
    ball_diameter_um,
) -> trimesh.Trimesh:
    """An ellipsoid bar with half a ball at each tip of the ellipsoid, flat face outwards, flat faces so far apart."""
    face, radius = 0.5 * holder_spacing_um, 0.5 * holder_diameter_um
    axes = _ellipsoid_axes(ellipsoid_length_um, ellipsoid_diameter_um)
    parts = [
        ellipsoid(axes),
        cut(sphere(radius, (0, face, 0)), (0, -1, 0), -face),
        cut(sphere(radius, (0, -face, 0)), (0, 1, 0), -face),
        *_two_arms(0.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um),
    ]
    return union(parts)


def headed_bar(
    cylinder_length_um,
    cylinder_diameter_um,
    head_length_um,
    head_outer_diameter_um,
    head_inner_diameter_um,
    arm_um,
    elevation_deg,
    bend_deg,
    arm_diameter_um,
    ball_diameter_um,
) -> trimesh.Trimesh:
    """Two arms along ±x across a cylinder along y that ends in heads; a head may widen outwards."""
    half, start = 0.5 * cylinder_length_um, 0.5 * cylinder_length_um - head_length_um
    _inside("head_length_um", head_length_um, half)
    inner, outer = 0.5 * head_inner_diameter_um, 0.5 * head_outer_diameter_um
    parts = [
        rod((0, -half, 0), (0, half, 0), 0.5 * cylinder_diameter_um),
        rod((0, start, 0), (0, half, 0), inner, outer),
        rod((0, -start, 0), (0, -half, 0), inner, outer),
        *_two_arms(0.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um),
    ]
    return union(parts)


def square(side_um, sag_um, rod_diameter_um, ball_diameter_um) -> trimesh.Trimesh:
    """Four balls at the corners of a square; the rods between them bow down by ``sag_um`` (0: straight).

    The origin is level with the lowest points of the rods' axes.
    """
    half = 0.5 * side_um
    corners = [np.array([half * sx, half * sy, sag_um]) for sx, sy in ((1, 1), (-1, 1), (-1, -1), (1, -1))]
    parts = [sphere(0.5 * ball_diameter_um, corner) for corner in corners]
    for start, end in zip(corners, corners[1:] + corners[:1], strict=True):
        parts.append(tube(_sagging(start, end, sag_um), 0.5 * rod_diameter_um))
    return union(parts)


def ball_chain(balls, arc_radius_um, arc_deg, ball_diameter_um, flat_um) -> trimesh.Trimesh:
    """Overlapping balls along an arc in the xy-plane, open towards +y, flattened ``flat_um`` below its lowest centre.

    The origin is the lowest point of the arc.
    """
    count = round(balls)
    if count < 2:
        raise InputError(f"balls {balls:g}: give 2 or more for a chain")
    angles = radians(arc_deg) * np.linspace(-0.5, 0.5, count)
    parts = [
        sphere(0.5 * ball_diameter_um, (arc_radius_um * math.sin(a), arc_radius_um * (1.0 - math.cos(a)), 0.0))
        for a in angles
    ]
    return cut(union(parts), (0, 1, 0), -flat_um)


def spring_bar(
    body_length_um,
    holder_length_um,
    holder_outer_diameter_um,
    holder_inner_diameter_um,
    core_length_um,
    core_diameter_um,
    coil_diameter_um,
    wire_diameter_um,
    spine_diameter_um,
    coils,
    arm_um,
    elevation_deg,
    bend_deg,
    arm_diameter_um,
    ball_diameter_um,
) -> trimesh.Trimesh:
    """Two arms along ±x through a core; along ±y a spring of ``coils`` turns each, and a holder that widens outwards.

    The springs are left-handed, as in the CAD picture; ``coil_diameter_um`` is their outer diameter. A spine runs
    through them: the crops show what printing fused inside the coils.
    """
    half, start, core = 0.5 * body_length_um, 0.5 * body_length_um - holder_length_um, 0.5 * core_length_um
    _inside("holder_length_um + core_length_um / 2", holder_length_um + core, half)
    _inside("wire_diameter_um", wire_diameter_um, 0.6 * coil_diameter_um)
    wire = 0.5 * wire_diameter_um
    path = helix(0.5 * coil_diameter_um - wire, core - wire, start + wire, -coils)
    spring = tube(path, wire)
    outer, inner = 0.5 * holder_outer_diameter_um, 0.5 * holder_inner_diameter_um
    turned = spring.copy()
    turned.vertices = turned.vertices * (-1.0, -1.0, 1.0)  # half a turn about z: as the arms
    parts = [
        rod((0, -core, 0), (0, core, 0), 0.5 * core_diameter_um),
        rod((0, -half, 0), (0, half, 0), 0.5 * spine_diameter_um),
        spring,
        turned,
        rod((0, start, 0), (0, half, 0), inner, outer),
        rod((0, -start, 0), (0, -half, 0), inner, outer),
        *_two_arms(0.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um),
    ]
    return union(parts)


def twin_bar(
    spacing_um,
    ellipsoid_length_um,
    ellipsoid_diameter_um,
    arm_um,
    elevation_deg,
    bend_deg,
    arm_diameter_um,
    ball_diameter_um,
) -> trimesh.Trimesh:
    """Two ellipsoid bars side by side: ellipsoids end to end along x, arms along ±y."""
    axes = _ellipsoid_axes(ellipsoid_length_um, ellipsoid_diameter_um)
    parts = []
    for x in (-0.5 * spacing_um, 0.5 * spacing_um):
        parts.append(ellipsoid((axes[1], axes[0], axes[2]), (x, 0, 0)))
        for part in _two_arms(90.0, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um):
            parts.append(part.apply_translation((x, 0, 0)))
    return union(parts)


def _arms(azimuths, arm_um, elevation_deg, bend_deg, arm_diameter_um, ball_diameter_um):
    """Arms with balls from the origin, and a ball as thick as an arm that rounds their joint."""
    parts = [sphere(0.5 * arm_diameter_um)]
    for azimuth in azimuths:
        path = arc(arm_um, radians(elevation_deg), radians(bend_deg), azimuth)
        parts += [tube(path, 0.5 * arm_diameter_um), sphere(0.5 * ball_diameter_um, path[-1])]
    return parts


def _two_arms(azimuth_deg, *sizes):
    return _arms([radians(azimuth_deg), radians(azimuth_deg) + math.pi], *sizes)


def _ellipsoid_axes(length_um, diameter_um):
    return 0.5 * diameter_um, 0.5 * length_um, 0.5 * diameter_um


def _bow(radius_um, arc_deg, step_deg):
    """Arc in the xy-plane, open towards +y, its lowest point at the origin."""
    angles = radians(arc_deg) * np.linspace(-0.5, 0.5, math.ceil(arc_deg / step_deg) + 1)
    return radius_um * np.stack([np.sin(angles), 1.0 - np.cos(angles), np.zeros_like(angles)], axis=1)


def _sagging(start, end, sag_um):
    """Circular arc from start to end (level) whose middle lies ``sag_um`` below."""
    if abs(sag_um) < 1e-6:
        return np.stack([start, end])
    half = 0.5 * np.linalg.norm(end - start)
    _inside("sag_um", abs(sag_um), half)
    opening = 2.0 * math.atan(sag_um / half)  # half the angle that the arc subtends
    angles = opening * np.linspace(-1.0, 1.0, 2 * math.ceil(abs(opening) / radians(5.0)) + 1)
    radius = half / math.sin(opening)
    along = (end - start) / (2.0 * half)
    drop = radius * (np.cos(angles) - math.cos(opening))
    return 0.5 * (start + end) + np.outer(radius * np.sin(angles), along) - np.outer(drop, (0.0, 0.0, 1.0))


def _inside(name, value, limit):
    if not value < limit:
        raise InputError(f"{name} {value:g} does not fit: give less than {limit:g} µm, or enlarge the body")
