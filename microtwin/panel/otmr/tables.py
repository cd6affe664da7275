"""The OTMR page's tables: what a network reads from the crop, and what is known of the robot."""

from typing import Any

from nicegui import ui

from microtwin.panel.otmr import facts as otmr_facts
from microtwin.panel.otmr.view import View
from microtwin.panel.page.controls import named, section
from microtwin.robots.catalogue import catalogue


class Reading:
    """Pose and depth as drawn, and as the estimator reads them."""

    def __init__(self) -> None:
        with section("Reading", "otmr-reading"):
            self._table = ui.element("div").classes("otmr-table")
            self._says = named(ui.label().classes("mt-hint").props("role=status"), "otmr-reading-says")

    def show(self, view: View, depth_um: float, content: dict[str, Any]) -> None:
        """``content``: of the worker's answer."""
        self._table.clear()
        with self._table:
            for text in ("", "drawn", "read"):
                ui.label(text).classes("otmr-name")
            for name, true, read in otmr_facts.of_reading(view, depth_um, content):
                ui.label(name).classes("otmr-name")
                ui.label(true)
                named(ui.label(read), f"otmr-read-{name.split(',')[0].lower()}")
        self._says.text = f"by {content['checkpoint']}"

    def excuse(self, words: str) -> None:
        """There is no reading, and why."""
        self._table.clear()
        self._says.text = words


class Facts:
    """The catalogue's entry."""

    def __init__(self) -> None:
        with section("Robot", "otmr-facts"):
            self._list = ui.element("div").classes("otmr-list")

    def show(self, robot: int) -> None:
        self._list.clear()
        with self._list:
            for name, value in otmr_facts.of_robot(catalogue()[robot]):
                ui.label(name).classes("otmr-name")
                ui.label(value)
