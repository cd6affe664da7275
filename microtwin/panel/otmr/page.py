"""The OTMR page: a robot of the data set as the microscope would see it, by sliders, with its model and its reading."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import app, ui

from microtwin.errors import InputError
from microtwin.panel.otmr.data_set import DataSetForm
from microtwin.panel.otmr.model import ADDRESS, Model
from microtwin.panel.otmr.picture import Picture
from microtwin.panel.otmr.renderer import Renderer
from microtwin.panel.otmr.settings import FIRST_ROBOT, Settings
from microtwin.panel.otmr.tables import Facts, Reading
from microtwin.panel.otmr.view import View
from microtwin.panel.otmr.worker import Answer
from microtwin.panel.page.controls import button, named, section
from microtwin.panel.page.stop_button import hear_space, stop_button
from microtwin.robots.catalogue import cad_folder

if TYPE_CHECKING:
    from microtwin.panel.server.desk import Desk

STYLES = (Path(__file__).parents[1] / "page" / "page.css", Path(__file__).with_name("page.css"))


def build(desk: "Desk") -> None:
    """Register the page ``/otmr``; its worker starts with the first visit and ends with the server."""
    renderer = Renderer(desk.checkpoint)
    app.add_static_files(ADDRESS, cad_folder())

    async def end() -> None:
        await asyncio.to_thread(renderer.close)

    app.on_shutdown(end)

    @ui.page("/otmr", title="microtwin OTMR", dark=None)
    def otmr() -> None:
        OtmrPage(desk, renderer)


class OtmrPage:
    """What one browser sees. Every change of a slider asks the worker for a picture; the newest answer is shown."""

    def __init__(self, desk: "Desk", renderer: Renderer) -> None:
        self._renderer = renderer
        self._client = ui.context.client
        self._asked = self._newest = View(FIRST_ROBOT)
        self._number = 0
        self._shown_depth_um = 0.0
        self._png = b""
        for style in STYLES:
            ui.add_css(style)
        hear_space()
        with ui.element("div").classes("mt-page otmr"):
            self._header()
            with ui.element("main").classes("otmr-main"):
                with ui.element("div").classes("otmr-controls").props("role=region aria-label=Settings"):
                    self._settings = Settings(self._ask, self._other_robot)
                    self._data_set = DataSetForm(Path(desk.out), self._settings)
                with ui.element("div").classes("otmr-middle"):
                    self._picture = Picture(on_ready=self._ask)
                    with ui.element("div").classes("mt-row"):
                        hint = "The crop as it is, 256 × 256 grey values"
                        button("Save PNG", "otmr-save", self._save_png, hint=hint)
                    self._reading = Reading()
                with ui.element("aside").classes("otmr-facts"):
                    self._cad_model()
                    self._facts = Facts()
                    self._facts.show(FIRST_ROBOT)
        self._client.on_delete(lambda: renderer.leave(self._client.id))

    def _header(self) -> None:
        with ui.element("header").classes("mt-header"):
            ui.label("microtwin · OTMR").classes("mt-title").props("role=heading aria-level=1")
            ui.label("Robots of the image set through the 100× oil objective").classes("mt-hint mt-figure")
            ui.space()
            named(ui.link("Panel", "/").classes("mt-link"), "otmr-back", "To the operator's page")
            stop_button("otmr-stop")

    def _cad_model(self) -> None:
        with section("CAD model"):
            self._model = named(Model(), "otmr-model", "CAD model in the picture's orientation").props("role=img")
            with ui.element("div").classes("mt-row"):
                ui.label("Drag to turn. The blue plane is in focus.").classes("mt-hint")
                ui.space()
                hint = "Look along the microscope's axis again"
                button("As seen", "otmr-model-reset", self._model.reset, hint=hint)

    def _other_robot(self) -> None:
        self._data_set.follow()
        self._facts.show(self._settings.robot)

    def _ask(self) -> None:
        try:
            self._asked = self._settings.view()
        except InputError as error:
            self._settings.complain(str(error))
            return
        self._number = self._renderer.ask(self._client.id, self._asked, self._heard)

    def _heard(self, answer: Answer) -> None:
        if answer.number != self._number:
            return
        content = answer.content
        if answer.kind == "picture":
            self._show(content)
        elif answer.kind == "refused":
            self._settings.complain(content["words"])
            self._picture.refuse()
        elif answer.kind == "reading":
            self._reading.show(self._newest, self._shown_depth_um, content)
        else:
            self._reading.excuse(content["words"])

    def _show(self, content: dict[str, Any]) -> None:
        """The picture first, the model after it; what NiceGUI must update only when there is time for it."""
        self._png, self._newest = content["png"], self._asked
        self._shown_depth_um = content["depth_um"]
        full = content["full"]
        low, high = (round(limit, 2) for limit in content["limits_um"])
        depth = round(content["depth_um"], 2)
        view = self._newest
        caption = f"robot {view.robot} · P{view.pitch_deg:g}_R{view.roll_deg:g}"
        caption += f" · depth {depth:+.2f} µm of {low:+.2f} to {high:+.2f}"
        caption += "" if full else " · sketch: 7 source points, thick slices"
        self._picture.show(self._png, caption, full=full, number=self._number)
        self._model.show(view.robot, content["turn"], content["centre_um"], content["focus_um"])
        if full:
            self._settings.complain("")
            self._settings.show_depth(depth, low, high)

    def _save_png(self) -> None:
        if not self._png:
            ui.notify("there is no picture yet: wait a moment", type="warning")
            return
        view = self._newest
        name = f"robot_{view.robot:02d}_P{view.pitch_deg:g}_R{view.roll_deg:g}_depth{self._shown_depth_um:+.2f}.png"
        ui.download.content(self._png, name, "image/png")
