"""The OTMR page: a robot of the data set as the microscope would see it, by sliders, with its model and its reading."""

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nicegui import app, run, ui

from microtwin.errors import InputError
from microtwin.panel.otmr import config as otmr_config
from microtwin.panel.otmr import facts as otmr_facts
from microtwin.panel.otmr.model import ADDRESS, Model
from microtwin.panel.otmr.picture import Picture
from microtwin.panel.otmr.renderer import Renderer
from microtwin.panel.otmr.view import LARGEST_SEED, SLIDERS, View, at_random, usual
from microtwin.panel.otmr.worker import Answer
from microtwin.panel.page.controls import Quantity, button, named, put, section
from microtwin.panel.page.slider_row import SliderRow
from microtwin.robots.catalogue import cad_folder, catalogue

if TYPE_CHECKING:
    from microtwin.panel.server.desk import Desk

STYLES = (Path(__file__).parents[1] / "page" / "page.css", Path(__file__).with_name("page.css"))
FIRST_ROBOT = 3
STOP = "() => fetch('/stop', {method: 'POST'})"  # this page has no live stream to say it over
SPREADS = {"usual": "Usual spread about these values", "none": "Exactly these values"}


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


class _Row(SliderRow):
    """A slider that also the page may set, and whose ends may move."""

    def put(self, value: float, limits: tuple[float, float] | None = None) -> None:
        if limits is not None and limits != self._limits:
            self._limits = limits
            put(self.slider, min=limits[0], max=limits[1])
        self._set(value)


class OtmrPage:
    """What one browser sees. Every change of a slider asks the worker for a picture; the newest answer is shown."""

    def __init__(self, desk: "Desk", renderer: Renderer) -> None:
        self._desk, self._renderer = desk, renderer
        self._client = ui.context.client
        self._asked = self._newest = View(FIRST_ROBOT)
        self._number = 0
        self._depth_um: float | None = None  # as wished: None for the middle of the sweep
        self._shown_depth_um = 0.0
        self._png = b""
        for style in STYLES:
            ui.add_css(style)
        with ui.element("div").classes("mt-page otmr"):
            self._header()
            with ui.element("main").classes("otmr-main"):
                with ui.element("div").classes("otmr-controls").props("role=region aria-label=Settings"):
                    self._pose()
                    self._optics()
                    self._data_set()
                with ui.element("div").classes("otmr-middle"):
                    self._picture_and_reading()
                with ui.element("aside").classes("otmr-facts"):
                    self._model_and_facts()
        self._client.on_delete(lambda: renderer.leave(self._client.id))

    def _header(self) -> None:
        with ui.element("header").classes("mt-header"):
            ui.label("microtwin · OTMR").classes("mt-title").props("role=heading aria-level=1")
            ui.label("Robots of the image set through the 100× oil objective").classes("mt-hint mt-figure")
            ui.space()
            named(ui.link("Panel", "/").classes("mt-link"), "otmr-back", "To the operator's page")
            stop = ui.button("STOP", color="negative").props("unelevated no-caps").classes("mt-stop")
            stop.props["title"] = "Field of the rig off at once"
            named(stop, "otmr-stop", "Stop: field off at once").on("click", js_handler=STOP)

    def _pose(self) -> None:
        with section("Robot and pose"):
            names = {number: f"{number} · {body.name}" for number, body in catalogue().items()}
            self._robot = ui.select(names, value=FIRST_ROBOT, label="Robot", on_change=self._other_robot)
            named(self._robot.props("dense outlined options-dense").classes("mt-field"), "otmr-robot", "Robot")
            self._pitch = _Row("otmr-pitch", "Pitch", (0, 90), 1, 0, self._ask, unit="°")
            self._roll = _Row("otmr-roll", "Roll", (0, 90), 1, 0, self._ask, unit="°")
            self._in_plane = _Row("otmr-in-plane", "In plane", (0, 360), 1, 0, self._ask, unit="°")
            self._depth = _Row("otmr-depth", "Depth", (-12, 12), 0.05, 0, self._depth_set, unit="µm")
            self._wrong = named(ui.label().classes("mt-wrong").props("role=alert"), "otmr-wrong")

    def _optics(self) -> None:
        values = usual()
        self._rows: dict[str, _Row] = {}
        with section("Optics, camera, print"):
            for group, sliders in SLIDERS.items():
                expansion = ui.expansion(group, value=group in ("Objective", "Condenser and lamp")).props("dense")
                with named(expansion, f"otmr-group-{group.split()[0].lower()}"):
                    for slider in sliders:
                        self._rows[slider.name] = _Row(
                            f"otmr-{slider.name.replace('_', '-')}",
                            slider.label,
                            (slider.least, slider.most),
                            slider.step,
                            round(values[slider.name], 6),
                            self._ask,
                            unit=slider.unit,
                        )
            self._seed = Quantity(
                "otmr-seed", "Seed of noise", "", (0, LARGEST_SEED), value=0, whole=True, on_change=self._ask
            )
            with ui.element("div").classes("mt-row"):
                button("Draw at random", "otmr-random", self._at_random, hint="As the data set draws it, by the seed")
                button("Usual optics", "otmr-usual", lambda: self._put(usual()), hint="The middles of all ranges")

    def _data_set(self) -> None:
        with section("As a data set"):
            self._name = ui.input("Name", value=f"robot_{FIRST_ROBOT}").props("dense outlined").classes("mt-field")
            named(self._name, "otmr-config-name", "Name of the file")
            self._spread = ui.select(SPREADS, value="usual", label="Optics in the set")
            named(self._spread.props("dense outlined options-dense"), "otmr-config-spread", "Optics in the set")
            with ui.element("div").classes("mt-fields"):
                self._images = Quantity(
                    "otmr-config-images", "Images per sequence", "", (1, 99_999), value=20, whole=True
                )
                self._sequences = Quantity("otmr-config-sequences", "Sequences", "", (1, 2499), value=2, whole=True)
            with ui.element("div").classes("mt-row"):
                button("Save as dataset config", "otmr-save-config", self._save_config, main=True)
            self._saved = named(ui.element("div").classes("otmr-done").props("role=status"), "otmr-saved")

    def _picture_and_reading(self) -> None:
        self._picture = Picture(on_ready=self._ask)
        with ui.element("div").classes("mt-row"):
            button("Save PNG", "otmr-save", self._save_png, hint="The crop as it is, 256 × 256 grey values")
        with section("Reading", "otmr-reading"):
            self._reading = ui.element("div").classes("otmr-table")
            self._reading_says = named(ui.label().classes("mt-hint").props("role=status"), "otmr-reading-says")

    def _model_and_facts(self) -> None:
        with section("CAD model"):
            self._model = named(Model(), "otmr-model", "CAD model in the picture's orientation").props("role=img")
            with ui.element("div").classes("mt-row"):
                ui.label("Drag to turn. The blue plane is in focus.").classes("mt-hint")
                ui.space()
                hint = "Look along the microscope's axis again"
                button("As seen", "otmr-model-reset", self._model.reset, hint=hint)
        with section("Robot", "otmr-facts"):
            self._facts = ui.element("div").classes("otmr-list")
        self._tell_facts()

    # asking

    def _view(self) -> View:
        """What the controls say; the worker checks it."""
        optics = {name: row.value for name, row in self._rows.items() if row.value is not None}
        pitch, roll, in_plane = (row.value or 0 for row in (self._pitch, self._roll, self._in_plane))
        return View(
            robot=self._robot.value or FIRST_ROBOT,
            pitch_deg=pitch,  # pyright: ignore[reportArgumentType] (the worker says if it is not whole)
            roll_deg=roll,  # pyright: ignore[reportArgumentType]
            in_plane_deg=in_plane,
            depth_um=self._depth_um,
            optics=optics,
            seed=int(self._seed.number),
        )

    def _ask(self) -> None:
        try:
            self._asked = self._view()
        except InputError as error:
            self._wrong.text = str(error)
            return
        self._number = self._renderer.ask(self._client.id, self._asked, self._heard)

    def _other_robot(self) -> None:
        self._depth_um = None  # the middle of its own sweep
        self._name.value = f"robot_{self._robot.value}"
        self._tell_facts()
        self._ask()

    def _depth_set(self) -> None:
        self._depth_um = self._depth.value
        self._ask()

    def _put(self, values: dict[str, float]) -> None:
        for name, row in self._rows.items():
            row.put(round(values[name], 6))
        self._ask()

    def _at_random(self) -> None:
        try:
            self._put(at_random(int(self._seed.number)))
        except InputError as error:
            self._wrong.text = str(error)

    # hearing

    def _heard(self, answer: Answer) -> None:
        if answer.number != self._number:
            return
        content = answer.content
        if answer.kind == "picture":
            self._show(content)
        elif answer.kind == "refused":
            self._wrong.text = content["words"]
            self._picture.refuse()
        elif answer.kind == "reading":
            self._read(content)
        else:
            self._reading.clear()
            self._reading_says.text = content["words"]

    def _show(self, content: dict[str, Any]) -> None:
        """The picture first, the model after it; what NiceGUI must update only when there is time for it."""
        self._png, self._newest = content["png"], self._asked
        self._shown_depth_um = content["depth_um"]
        full = content["full"]
        low, high = (round(limit, 2) for limit in content["limits_um"])
        depth = round(content["depth_um"], 2)
        caption = f"{self._newest_name()} · depth {depth:+.2f} µm of {low:+.2f} to {high:+.2f}"
        caption += "" if full else " · sketch: 7 source points, thick slices"
        self._picture.show(self._png, caption, full=full, number=self._number)
        self._model.show(self._newest.robot, content["turn"], content["centre_um"], content["focus_um"])
        if not full:
            return
        self._wrong.text = ""
        if self._depth_um is not None:
            self._depth_um = min(max(self._depth_um, low), high)
        self._depth.put(depth, (low, high))

    def _read(self, content: dict[str, Any]) -> None:
        self._reading.clear()
        with self._reading:
            for text in ("", "drawn", "read"):
                ui.label(text).classes("otmr-name")
            for name, true, read in otmr_facts.of_reading(self._newest, self._shown_depth_um, content):
                ui.label(name).classes("otmr-name")
                ui.label(true)
                named(ui.label(read), f"otmr-read-{name.split(',')[0].lower()}")
        self._reading_says.text = f"by {content['checkpoint']}"

    def _tell_facts(self) -> None:
        self._facts.clear()
        with self._facts:
            for name, value in otmr_facts.of_robot(catalogue()[self._robot.value]):
                ui.label(name).classes("otmr-name")
                ui.label(value)

    def _newest_name(self) -> str:
        view = self._newest
        return f"robot {view.robot} · P{view.pitch_deg:g}_R{view.roll_deg:g}"

    # saving

    def _save_png(self) -> None:
        if not self._png:
            ui.notify("there is no picture yet: wait a moment", type="warning")
            return
        view = self._newest
        name = f"robot_{view.robot:02d}_P{view.pitch_deg:g}_R{view.roll_deg:g}_depth{self._shown_depth_um:+.2f}.png"
        ui.download.content(self._png, name, "image/png")

    async def _save_config(self) -> None:
        self._saved.clear()
        try:
            path = await run.io_bound(
                otmr_config.save,
                Path(self._desk.out) / "otmr",
                self._name.value or "",
                self._view(),
                spread=self._spread.value,
                images_per_sequence=int(self._images.number),
                sequences=int(self._sequences.number),
                seed=int(self._seed.number),
            )
        except InputError as error:
            with self._saved:
                ui.label(str(error)).classes("mt-wrong")
            return
        if path is None:  # the server is ending
            return
        command = shlex.join(["microtwin", "dataset", "--config", str(path), "--out", str(path.with_suffix(""))])
        with self._saved:
            ui.label("Saved. The set has all poses and depths of the robot, at any in-plane angle. To make it:")
            named(ui.label(command).classes("mt-path"), "otmr-command")
