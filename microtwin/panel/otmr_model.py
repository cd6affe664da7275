"""The robot's CAD model in 3-D, turned as in the picture and seen along the microscope's axis."""

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from microtwin.panel.controls import button, named
from microtwin.robots.catalogue import stl_name

ADDRESS = "/otmr-cad"  # where the STL files are served
ACROSS_UM = 256 * 0.055  # of the view: the crop's, so that both have one scale
_DISTANCE_UM = 50.0
_GROUND, _BODY, _FOCUS = "#10161c", "#d9b26a", "#6fb6ea"


class Model:
    """A view of one body at a time; x right, y up, and the viewer where z points to, as in the crop."""

    def __init__(self) -> None:
        camera = ui.scene.orthographic_camera(size=ACROSS_UM)
        camera.x, camera.y, camera.z = 0.0, 0.0, _DISTANCE_UM
        camera.up_x, camera.up_y, camera.up_z = 0.0, 1.0, 0.0
        # It draws all the time: ten times a second is enough to turn it by hand.
        self._scene = ui.scene(
            width=256, height=256, grid=False, camera=camera, background_color=_GROUND, click_events=[], fps=10
        ).classes("otmr-scene")
        named(self._scene, "otmr-model", "CAD model in the picture's orientation").props("role=img")
        self._number = 0
        self._body: Any = None
        with self._scene:
            self._plane = self._scene.box(ACROSS_UM, ACROSS_UM, 0.02).material(_FOCUS, 0.12)
        with ui.element("div").classes("mt-row"):
            ui.label("Drag to turn. The blue plane is in focus.").classes("mt-hint")
            ui.space()
            button("As seen", "otmr-model-reset", self.reset, hint="Look along the microscope's axis again")

    def show(self, number: int, turn: list[list[float]], centre_um: Sequence[float], focus_um: float) -> None:
        """Turn robot ``number``; its centre is the view's."""
        if number != self._number:
            if self._body is not None:
                self._body.delete()
            with self._scene:
                self._body = self._scene.stl(f"{ADDRESS}/{stl_name(number)}").material(_BODY)
            self._number = number
        self._body.rotate_R(turn)
        self._body.move(*(-part for part in centre_um))  # the file's origin is the body's
        self._plane.move(0.0, 0.0, focus_um - centre_um[2])

    def reset(self) -> None:
        """Look along the microscope's axis."""
        camera = self._scene.camera
        self._scene.move_camera(camera.x, camera.y, camera.z, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, duration=0.0)
