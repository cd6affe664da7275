"""The robot's CAD model in 3-D, turned as in the picture and seen along the microscope's axis."""

from collections.abc import Sequence

from nicegui.element import Element
from nicegui.elements.scene import scene  # noqa: F401  (it serves three.js, which model.js imports)

from microtwin.robots.catalogue import stl_name

ADDRESS = "/otmr-cad"  # where the STL files are served
ACROSS_UM = 256 * 0.055  # of the view: the crop's, so that both have one scale
_COLOURS = {"ground": "#10161c", "body": "#d9b26a", "focus": "#6fb6ea"}


class Model(Element, component="model.js"):
    """A view of one body at a time; x right, y up, and the viewer where z points to, as in the crop.

    It follows the picture and never delays it: the browser draws it when it has time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._props.update({"across": ACROSS_UM, "colours": _COLOURS})
        self.classes("otmr-scene")

    def show(self, number: int, turn: list[list[float]], centre_um: Sequence[float], focus_um: float) -> None:
        """Turn robot ``number``; its centre is the view's."""
        self.run_method("show", f"{ADDRESS}/{stl_name(number)}", turn, list(centre_um), focus_um)

    def reset(self) -> None:
        """Look along the microscope's axis."""
        self.run_method("reset")
