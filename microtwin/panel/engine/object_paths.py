"""The commands about paths: drawn, loaded, saved and forgotten, one for each object."""

from pathlib import Path

import numpy as np

from microtwin.errors import InputError
from microtwin.panel import messages as m
from microtwin.panel.engine import path_plan, path_warnings
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.selection import Place

KINDS = {"cargo": "a bead", "robot": "another robot", "other": "a cell"}


class ObjectPaths:
    """What the loop does with them. Every method raises InputError for a command that cannot be carried out."""

    def __init__(self, live: Live):
        self._live = live

    def draw(self, command: m.Draw) -> None:
        place = self._object(command.target)
        self._take(place, path_plan.from_drawing(command.points_px, self._view), "drawn")

    def load(self, command: m.LoadPath) -> None:
        place = self._object(command.target)
        nodes = path_plan.load(
            command.name,
            self._view,
            start_um=place.at_um if command.from_object else None,
            length_um=command.length_um,
            folder=self._folder,
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

    def _take(self, place: Place, nodes_um: np.ndarray, name: str) -> None:
        """The path of an object, and what to look out for on it."""
        selection = self._live.selection
        place.nodes_um, place.path = nodes_um, name
        selection.refresh(self._live.picture)
        others = [(one.at_um, one.radius_um, "another object") for one in selection.objects if one is not place]
        known = [place, *(one for one in selection.objects if one is not place)]
        known += [selection.robot] if selection.robot else []
        for body in selection.bodies:
            if all(float(np.hypot(*(body.at_um - one.at_um))) > body.radius_um for one in known):
                others.append((body.at_um, body.radius_um, KINDS.get(body.kind, "another body")))
        for words in path_warnings.warnings(
            nodes_um, object_um=place.at_um, object_radius_um=place.radius_um, others=others, view=self._view
        ):
            self._live.notices.say(words, "warning")
