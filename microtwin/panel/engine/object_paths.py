"""The commands about paths: drawn, loaded, saved and forgotten, one for each object."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from microtwin.control.approach import approach_point
from microtwin.errors import InputError
from microtwin.panel import messages as m
from microtwin.panel.engine import path_plan, path_warnings
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.place import Place, apart_um

KINDS = {"cargo": "a bead", "robot": "another robot", "other": "a cell"}
ELSEWHERE_UM = 10.0  # a robot this far from where it was looks at another way


class ObjectPaths:
    """What the loop does with them. Every method raises InputError for a command that cannot be carried out."""

    def __init__(self, live: Live):
        self._live = live
        self._looked: tuple[np.ndarray, np.ndarray] | None = None  # the first path, and where the robot was then

    def draw(self, command: m.Draw) -> None:
        place = self._object(command.target)
        self._live.selection.refresh(self._live.picture)
        self._take(place, path_plan.from_drawing(command.points_px, self._view), "drawn")

    def load(self, command: m.LoadPath) -> None:
        place = self._object(command.target)
        self._live.selection.refresh(self._live.picture)
        around = self._around(place)
        nodes = path_plan.load(
            command.name,
            self._view,
            start_um=place.at_um if command.from_object else None,
            length_um=command.length_um,
            folder=self._folder,
            blocked=lambda nodes: bool(path_warnings.obstacles(nodes, around)),
        )
        self._take(place, nodes, command.name)

    def save(self, command: m.SavePath) -> None:
        place = self._object(command.target)
        if place.nodes_um is None:
            raise InputError(f"object {command.target + 1} has no path: draw one first")
        saved = path_plan.save(self._folder, command.name, place.nodes_um)
        self._live.notices.say(f"path saved as {saved.name}")

    def clear(self, command: m.ClearPath) -> None:
        place = self._object(command.target)
        place.nodes_um, place.path = None, ""

    @property
    def _view(self) -> FieldOfView:
        return FieldOfView.of(self._live.picture)

    @property
    def _folder(self) -> Path:
        return self._live.out / "paths"

    def _object(self, target: int) -> Place:
        objects = self._live.selection.objects
        if not objects:
            raise InputError("no object is selected: click on one first")
        if not (isinstance(target, int) and 0 <= target < len(objects)):
            raise InputError(f"there is no object {target + 1}: give 1 to {len(objects)}")
        return objects[target]

    @property
    def _first(self) -> Place | None:
        return next((one for one in self._live.selection.objects if one.nodes_um is not None), None)

    def look_again(self) -> None:
        """Before a run: the robot may have been driven elsewhere since its way to the first object was looked at."""
        first = self._first
        robot = self._live.selection.robot
        if first is None or first.nodes_um is None or robot is None:
            return
        nodes, at_um = self._looked or (None, robot.at_um)
        if nodes is not first.nodes_um or math.dist(robot.at_um, at_um) > ELSEWHERE_UM:
            self._looked = first.nodes_um, robot.at_um
            around = self._around(first)
            said = path_warnings.obstacles(first.nodes_um, replace(around, robot_um=None))
            self._say([line for line in path_warnings.obstacles(first.nodes_um, around) if line not in said])

    def _take(self, place: Place, nodes_um: np.ndarray, name: str) -> None:
        """The path of an object, and what to look out for on it."""
        selection = self._live.selection
        place.nodes_um, place.path = nodes_um, name
        if place is self._first:  # where the robot sets out for the others does not depend on where it is
            self._looked = (nodes_um, selection.robot.at_um) if selection.robot else None
        self._say(path_warnings.warnings(nodes_um, self._around(place)))

    def _say(self, lines: list[str]) -> None:
        for words in lines:
            self._live.notices.say(words, "warning")

    def _around(self, place: Place) -> path_warnings.Around:
        """An object and what lies round it now."""
        selection = self._live.selection
        others = [(one.at_um, one.radius_um, "another object") for one in selection.objects if one is not place]
        known = [place, *(one for one in selection.objects if one is not place)]
        known += [selection.robot] if selection.robot else []
        for body in selection.bodies:
            if all(apart_um(body, one) > body.radius_um for one in known):
                others.append((body.at_um, body.radius_um, KINDS.get(body.kind, "another body")))
        return path_warnings.Around(place.at_um, place.radius_um, others, self._view, self._robot_at(place))

    def _robot_at(self, place: Place) -> np.ndarray | None:
        """Where the robot sets out for an object: where it is, or where it has left the object before that one."""
        selection = self._live.selection
        at_um = selection.robot.at_um if selection.robot else None
        for one in selection.objects:
            if one is place:
                break
            if one.nodes_um is not None:
                last, near = one.nodes_um[-1], one.nodes_um[-2]
                at_um = approach_point(last, 2 * last - near, one.radius_um + path_warnings.ROBOT_RADIUS_UM)
        return at_um
