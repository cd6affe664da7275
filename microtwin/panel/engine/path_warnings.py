"""What to say of a path before an object is pushed along it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from microtwin.control.approach import approach_point
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.robot_way import way_behind

FAR_UM = 10.0  # from the object to the path's beginning: the object's own width
CLOSE_UM = 3.0  # between surfaces: what thermal motion and a correction take up
ROBOT_RADIUS_UM = 5.0
SEEN_UM = 3.0  # of background round a body, for the tracker
ROUND_REMEDY = "drive it to the object's other side first, or begin the path another way"
Other = tuple[Sequence[float] | np.ndarray, float, str]


@dataclass(frozen=True)
class Around:
    """An object and what lies round it.

    Attributes:
        object_um: (2,) position. object_radius_um: its radius.
        others: (position, radius, name such as ``a resting cell``) of every body but the robot and the object.
        view: what the picture shows.
        robot_um: (2,) where the robot will be when it sets out; None if that is not known.
        approach_um: how far behind the object the robot begins to push.
    """

    object_um: np.ndarray
    object_radius_um: float
    others: Sequence[Other]
    view: FieldOfView
    robot_um: np.ndarray | None = None
    approach_um: float = 15.0


def warnings(nodes_um: np.ndarray, around: Around) -> list[str]:
    """A line for each thing to look out for on a path of (n, 2) nodes; none if all is well."""
    return [*_beginning(nodes_um, around.object_um), *obstacles(nodes_um, around)]


def obstacles(nodes_um: np.ndarray, around: Around) -> list[str]:
    """Of :func:`warnings` those that a path of another shape, turn or size might not have."""
    here, radius, others, view = around.object_um, around.object_radius_um, around.others, around.view
    way = np.concatenate([here[None], nodes_um])  # what the object goes along, from where it is
    ahead = nodes_um[int(np.argmax(np.hypot(*(nodes_um - here).T) > radius))]
    found = _others(way, radius, others)
    if no_room := _behind(approach_point(here, ahead, around.approach_um), others, view):
        found += no_room
    elif around.robot_um is not None:
        found += _robot(way_behind(around.robot_um, here, nodes_um, around.approach_um), others, view)
    return [*found, *_edges(nodes_um, radius, view)]


def clearance_um(way_um: np.ndarray, point_um: np.ndarray) -> tuple[float, float]:
    """(distance of a point from a line through ``way_um`` (n, 2), arc length of the line's nearest point), µm."""
    begin, step = way_um[:-1], np.diff(way_um, axis=0)
    length = np.hypot(*step.T)
    share = ((point_um - begin) * step).sum(axis=1) / np.maximum(length, 1e-12) ** 2
    share = np.clip(share, 0.0, 1.0)
    away = np.hypot(*(begin + share[:, None] * step - point_um).T)
    k = int(np.argmin(away))
    return float(away[k]), float(length[:k].sum() + share[k] * length[k])


def _beginning(nodes: np.ndarray, start: np.ndarray) -> list[str]:
    first, last = math.dist(nodes[0], start), math.dist(nodes[-1], start)
    if first <= FAR_UM:
        return []
    if last < first:
        return [f"the path begins {first:.0f} µm from the object and ends nearer to it: draw it the other way round"]
    return [f"the path begins {first:.0f} µm from the object, which is pushed there first: draw from the object"]


def _others(way: np.ndarray, radius_um: float, others: Sequence[Other]) -> list[str]:
    found = []
    for position, other_um, name in others:
        away, along = clearance_um(way, np.asarray(position, dtype=float))
        gap, where = away - radius_um - other_um, f"{along:.0f} µm on, {_at(position)}"
        if gap < 0:
            found.append((along, f"the path goes through {name} {where}: draw round it"))
        elif gap < CLOSE_UM:
            found.append((along, f"the path passes {name} by {gap:.1f} µm {where}: leave more room"))
    return [text for _, text in sorted(found)]


def _behind(behind: np.ndarray, others: Sequence[Other], view: FieldOfView) -> list[str]:
    if not view.contains(behind, ROBOT_RADIUS_UM + SEEN_UM):
        return [f"no room for the robot behind the object {view.side(behind)}: begin the path towards that edge"]
    for position, other_um, name in others:
        if math.dist(behind, position) < ROBOT_RADIUS_UM + other_um:
            return [f"{name} lies behind the object, where the robot must begin, {_at(position)}: begin another way"]
    return []


def _robot(way: np.ndarray, others: Sequence[Other], view: FieldOfView) -> list[str]:
    """Of the robot's own way round the object: what it leaves, and whom it meets first."""
    seen = view.contains(way, ROBOT_RADIUS_UM + SEEN_UM)
    gone = np.flatnonzero(~seen & np.logical_or.accumulate(seen))  # a robot at the edge now comes in from there
    if len(gone):
        point = way[gone[0]]
        return [
            f"the robot's own way behind the object leaves the picture {view.side(point)}, {_at(point)}: {ROUND_REMEDY}"
        ]
    met = []
    for position, other_um, name in others:
        away, along = clearance_um(way, np.asarray(position, dtype=float)) if len(way) > 1 else (math.inf, 0.0)
        if away < ROBOT_RADIUS_UM + other_um:
            met.append((along, f"the robot's own way behind the object goes through {name}, {_at(position)}"))
    return [f"{text}: {ROUND_REMEDY}" for _, text in sorted(met)[:1]]


def _edges(nodes: np.ndarray, radius_um: float, view: FieldOfView) -> list[str]:
    out = np.flatnonzero(~view.contains(nodes, radius_um + SEEN_UM))
    if not len(out):
        return []
    x, y = nodes[out[0]]
    return [f"the path comes too near to the picture's edge {view.side((x, y))}, {_at((x, y))}: the object may be lost"]


def _at(position: Sequence[float] | np.ndarray) -> str:
    return f"at x {position[0]:.0f} µm, y {position[1]:.0f} µm"
