"""The form that saves what is on show as the config of a data set."""

import shlex
from pathlib import Path

from nicegui import run, ui

from microtwin.errors import InputError
from microtwin.panel.otmr import config as otmr_config
from microtwin.panel.otmr.settings import Settings
from microtwin.panel.page.controls import Quantity, button, named, section

SPREADS = {"usual": "Usual spread about these values", "none": "Exactly these values"}


class DataSetForm:
    """``out``: the folder whose ``otmr/`` takes the files."""

    def __init__(self, out: Path, settings: Settings):
        self._out, self._settings = out, settings
        with section("As a data set"):
            self._name = ui.input("Name").props("dense outlined").classes("mt-field")
            named(self._name, "otmr-config-name", "Name of the file")
            self._spread = ui.select(SPREADS, value="usual", label="Optics in the set")
            named(self._spread.props("dense outlined options-dense"), "otmr-config-spread", "Optics in the set")
            with ui.element("div").classes("mt-fields"):
                self._images = Quantity(
                    "otmr-config-images", "Images per sequence", "", (1, 99_999), value=20, whole=True
                )
                self._sequences = Quantity("otmr-config-sequences", "Sequences", "", (1, 2499), value=2, whole=True)
            with ui.element("div").classes("mt-row"):
                button("Save as dataset config", "otmr-save-config", self._save, main=True)
            self._saved = named(ui.element("div").classes("otmr-done").props("role=status"), "otmr-saved")
        self.follow()

    def follow(self) -> None:
        """Name the file after the robot."""
        self._name.value = f"robot_{self._settings.robot}"

    async def _save(self) -> None:
        self._saved.clear()
        try:
            path = await run.io_bound(
                otmr_config.save,
                self._out / "otmr",
                self._name.value or "",
                self._settings.view(),
                spread=self._spread.value,
                images_per_sequence=int(self._images.number),
                sequences=int(self._sequences.number),
                seed=self._settings.seed,
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
