"""The operator's page: the live picture, what a run needs, and a stop button that is always in sight."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicegui import ui

from microtwin.panel.messages import Draw, SelectObject, SelectRobot
from microtwin.panel.page import runs_tab
from microtwin.panel.page.header_bar import Banner, HeaderBar
from microtwin.panel.page.mask_tab import MaskTab
from microtwin.panel.page.microscope import LAYERS, MicroscopeView
from microtwin.panel.page.run_settings import RunSettings
from microtwin.panel.page.run_tab import RunTab
from microtwin.panel.page.seat import Seat
from microtwin.panel.page.shortcuts import Shortcuts
from microtwin.panel.page.strips import Strips
from microtwin.panel.page.transport import Transport
from microtwin.panel.page.twin_tab import TwinTab

if TYPE_CHECKING:
    from microtwin.panel.server.desk import Desk

LOOKED_S = 0.2  # between two looks at the engine's state; the picture and the charts have a stream of their own
STYLE = Path(__file__).with_name("page.css")


def build(desk: "Desk") -> None:
    """Register the page ``/``."""
    settings = RunSettings()

    @ui.page("/", title="microtwin", dark=None)
    def main() -> None:
        Page(desk, settings)


class Page:
    """What one browser sees. State flows one way: the engine's header is read and shown, commands go to the desk."""

    def __init__(self, desk: "Desk", settings: RunSettings):
        self._desk = desk
        self._seat = seat = Seat(desk, ui.context.client.id)
        ui.add_css(STYLE)
        letters = ", ".join(f"{key} {layer}" for layer, key in LAYERS.items())
        shortcuts = Shortcuts((("Letters", f"show or hide in the picture: {letters}"),))
        with ui.element("div").classes("mt-page"):
            self._header_bar = HeaderBar(seat, shortcuts.open)
            self._banner = Banner(seat)
            with ui.element("main").classes("mt-main"):
                with ui.element("div").classes("mt-left"):
                    with ui.element("div").classes("mt-view"):
                        self._view = MicroscopeView(
                            f"/stream?client={seat.client}", on_pick=self._picked, on_drawn=self._drawn
                        )
                    transport = Transport(seat, lambda: run_tab.start())
                    with ui.element("div").classes("mt-strips"):
                        Strips()
                with ui.element("aside").classes("mt-right"):
                    tabs = ui.tabs().props("dense no-caps narrow-indicator inline-label").classes("mt-tabs")
                    names = ["Run", "Masks", *(["Twin"] if desk.backend == "sim" else []), "Runs"]
                    with tabs:
                        for name in names:
                            ui.tab(name).mark(f"tab-{name.lower()}").props(f"data-testid=tab-{name.lower()}")
                    self._parts: list = [transport]
                    with ui.tab_panels(tabs, value="Run", animated=False).classes("mt-panels"):
                        with ui.tab_panel("Run"):
                            run_tab = RunTab(seat, settings, lambda: tabs.set_value("Runs"))
                            self._parts.append(run_tab)
                        with ui.tab_panel("Masks"):
                            self._parts.append(MaskTab(seat))
                        if "Twin" in names:
                            with ui.tab_panel("Twin"):
                                self._parts.append(TwinTab(seat))
                        with ui.tab_panel("Runs"):
                            runs_tab.build(desk, self._view)
        self._look()  # before anything can be clicked that cannot be
        ui.timer(LOOKED_S, self._look)

    def _look(self) -> None:
        """Show what is new."""
        header = self._desk.header
        self._seat.recording = self._view.replayed is not None
        self._header_bar.show(header)
        self._banner.show(header)
        if header is not None:
            for part in self._parts:
                part.show(header)
        self._aim()

    def _aim(self) -> None:
        """Tell the picture what the pointer and the keys are for."""
        seat, view = self._seat, self._view
        view.operator, view.tool = seat.mine, seat.tool
        view.drive, view.drive_hz = seat.drive, seat.drive_hz

    def _picked(self, x: float, y: float, add: bool) -> None:
        if self._seat.tool == "select-robot":
            self._seat.send(SelectRobot((x, y)))
        elif self._seat.tool == "select-object":
            self._seat.send(SelectObject((x, y), add))

    def _drawn(self, points: list[tuple[float, float]]) -> None:
        if self._seat.send(Draw(tuple(points), self._seat.target)):
            self._seat.tool = "none"  # the next stroke would draw over this one
