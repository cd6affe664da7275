"""The header of a packet: the state of everything at one frame, as a browser draws it."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from microtwin.field import RotatingField
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.path_warnings import clearance_um
from microtwin.panel.engine.place import Place
from microtwin.panel.engine.selection import Selection
from microtwin.panel.messages import Header, Point
from microtwin.rig import CoilReading, Frame, Observation
from microtwin.vision.mask import MaskSettings

BLANK_SIZE = (640, 512)  # of a picture before the first frame


def pixels(view: FieldOfView, points_um: np.ndarray) -> list[Point]:
    """(n, 2) world positions as (x, y) pixels, to a tenth of one."""
    return [(x, y) for x, y in np.round(view.to_px(np.atleast_2d(points_um)), 1).tolist()]


def seen_from(view: FieldOfView | None, frame: Frame | None, selection: Selection) -> dict[str, Any]:
    """What of a header lies in the picture, apart from a run."""
    if frame is None or view is None or frame.image is None:
        rest: dict[str, Any] = {"frame": -1, "time_s": 0.0, "size": BLANK_SIZE, "um_per_px": 1.0, "robot": None}
        return rest | {"objects": [], "active": 0, "bodies": [], "paths": []}

    def circle(at_um: np.ndarray, radius_um: float) -> tuple[float, float, float]:
        ((x, y),) = pixels(view, at_um)
        return x, y, round(radius_um / view.um_per_px, 1)

    def body(kind: str, *place: float) -> dict[str, Any]:
        return dict(zip(("x", "y", "r"), place, strict=True)) | {"kind": kind}

    robot = selection.robot
    return {
        "frame": frame.index,
        "time_s": round(frame.time_s, 4),
        "size": (frame.image.shape[1], frame.image.shape[0]),
        "um_per_px": frame.um_per_px,
        "robot": None if robot is None else circle(robot.at_um, robot.radius_um),
        "objects": [circle(one.at_um, one.radius_um) for one in selection.objects],
        "active": selection.active,
        "bodies": [body(one.kind, *circle(one.at_um, one.radius_um)) for one in selection.bodies],
        "paths": [None if one.nodes_um is None else pixels(view, one.nodes_um) for one in selection.objects],
    }


def pushed(view: FieldOfView, place: Place, seen: Observation, controller: Any) -> dict[str, Any]:
    """What of a header tells how a run goes: its goal, the corridor from the robot to it, the object's distances."""
    nodes = place.nodes_um
    assert nodes is not None
    index = min(controller.goal_index, len(nodes) - 1)
    goal, corridor = nodes[index], None
    if controller.width_um is not None and controller.mode not in ("approach", "done"):
        along = goal - seen.robot_um
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * controller.width_um / 2
        corridor = pixels(
            view, np.array([seen.robot_um + across, goal + across, goal - across, seen.robot_um - across])
        )
    return {
        "mode": controller.mode,
        "goal": pixels(view, goal)[0],
        "goal_index": index,
        "nodes": len(nodes),
        "corridor": corridor,
        "error_um": round(clearance_um(nodes, seen.object_um)[0], 3),
        "goal_um": round(float(np.hypot(*(goal - seen.object_um))), 3),
    }


NOT_PUSHED: dict[str, Any] = {
    "mode": "",
    "goal": None,
    "goal_index": 0,
    "nodes": 0,
    "corridor": None,
    "error_um": None,
    "goal_um": None,
}


def in_degrees(field: RotatingField) -> dict[str, float]:
    """A field as headers have it."""
    alpha = math.degrees(math.remainder(field.alpha_rad, 2 * math.pi))
    return {
        "alpha_deg": round(alpha, 2),
        "gamma_deg": round(math.degrees(field.gamma_rad), 2),
        "frequency_hz": round(field.frequency_hz, 3),
        "amplitude": round(field.amplitude, 4),
    }


def in_words(reading: CoilReading | None) -> dict[str, Any]:
    """A reading of the coils as headers have it; without names where nothing is known."""
    if reading is None:
        return {"names": [], "unit": "", "values": []}
    values = [round(value, 4) if math.isfinite(value) else None for value in reading.values]
    return {"names": list(reading.names), "unit": reading.unit, "values": values}


def as_json(settings: MaskSettings) -> dict[str, Any]:
    """Mask settings as JSON has them: no upper limit is None."""
    return {name: None if value == math.inf else value for name, value in asdict(settings).items()}


def make(seq: int, **parts: Any) -> Header:
    """All parts together."""
    return {"seq": seq, **parts}  # type: ignore[typeddict-item, return-value]
