"""The path of an object: a shape or a saved one by name, saving what was drawn, and CSV files both ways."""

import re
import tempfile
from pathlib import Path

from nicegui import events, run, ui

from microtwin import files, paths
from microtwin.errors import InputError
from microtwin.panel.engine import path_plan
from microtwin.panel.messages import Header, LoadPath, SavePath
from microtwin.panel.page.controls import Quantity, allow, button, named, section
from microtwin.panel.page.seat import Seat, complain

LARGEST_BYTES = 2_000_000  # of an uploaded file; 20 000 nodes and more


class ChoosePath:
    """The fields; the engine alone says whether a path fits."""

    def __init__(self, seat: Seat):
        self._seat = seat
        self._folder = Path(seat.desk.out) / "paths"
        self._saved: list[str] = []
        with section("Path"):
            with ui.element("div").classes("mt-fields"):
                self._target = ui.select({0: "object 1"}, value=0, label="For", on_change=self._aimed)
                named(self._target, "path-target").props("dense outlined options-dense hide-bottom-space")
                self._target.classes("mt-field")
                self._name = ui.select(self._names(), value="circle", label="Shape or saved")
                named(self._name, "path-name").props("dense outlined options-dense hide-bottom-space")
                self._name.classes("mt-field").on_value_change(lambda _: self._named())
                self._length = Quantity(
                    "path-length", "Length", "µm", (0, 5000), above=True, step=10, empty="longest that fits"
                )
            self._from_object = named(ui.switch("Begin at the object", value=True).props("dense"), "path-from-object")
            with ui.row().classes("mt-row"):
                self._load = button("Load", "path-load", self._loaded, icon="route", main=True)
                self._download = button("", "path-download", self._downloaded, icon="download", hint="Download as CSV")
                self._upload = button("", "path-upload", lambda: None, icon="upload", hint="Upload a CSV file")
            with ui.row().classes("mt-row no-wrap"):
                self._save_name = ui.input("Save as", placeholder="letters, digits, - and _")
                named(self._save_name, "path-save-name").props("dense outlined").classes("mt-field grow")
                self._save_name.on("keydown.enter", self._save_it)
                self._save = button("Save", "path-save", self._save_it, icon="save")
            self._uploader = ui.upload(
                on_upload=self._uploaded,
                on_rejected=lambda: complain(f"file is too large: give a CSV file of at most {LARGEST_BYTES} bytes"),
                max_file_size=LARGEST_BYTES,
                auto_upload=True,
            )
            # hidden, not invisible to NiceGUI, which would refuse its files
            named(self._uploader, "path-uploader").props("accept=.csv").classes("mt-uploader")
            self._upload.on("click", js_handler=f"() => runMethod({self._uploader.id}, 'pickFiles', [])")

    def show(self, header: Header) -> None:
        """Follow the saved paths and the objects."""
        refusal = self._seat.refusal
        names = self._names()
        if self._name.options != names and not self._name.is_showing_popup:
            self._name.set_options(names, value=self._name.value if self._name.value in names else "circle")
        targets = {k: f"object {k + 1}" for k in range(max(1, len(header["objects"])))}
        if self._target.options != targets:
            self._seat.target = min(self._seat.target, len(targets) - 1)
            self._target.set_options(targets, value=self._seat.target)
        self._target.set_visibility(len(targets) > 1)
        no_object = "" if header["objects"] else "select an object first"
        mine = header["paths"][self._seat.target] if self._seat.target < len(header["paths"]) else None
        allow(self._load, refusal or no_object)
        allow(self._upload, refusal or no_object)
        allow(self._save, refusal or ("" if mine else "draw or load a path first"))
        allow(self._download, "" if self._name.value in self._saved else "choose a saved path: Save it first")
        for field in (self._target, self._name, self._length.field, self._from_object, self._save_name):
            allow(field, refusal if field is not self._name else "")

    def _names(self) -> dict[str, str]:
        self._saved = path_plan.saved(self._folder)
        return {name: name for name in paths.SHAPES} | {name: f"{name} (saved)" for name in self._saved}

    def _aimed(self) -> None:
        self._seat.target = self._target.value or 0

    def _named(self) -> None:
        shape = self._name.value in paths.SHAPES
        self._length.field.set_visibility(shape)
        self._from_object.value = shape  # a saved path lies as it was saved, unless asked otherwise

    def _loaded(self) -> None:
        try:
            length = self._length.value if self._length.field.visible else None
        except InputError as error:
            return complain(str(error))
        command = LoadPath(self._name.value or "", self._seat.target, length, bool(self._from_object.value))
        self._seat.send(command)

    def _save_it(self) -> None:
        name = (self._save_name.value or "").strip()
        if not name:
            return complain("path has no name yet: give one of letters, digits, - and _")
        self._seat.send(SavePath(name, self._seat.target))

    def _downloaded(self) -> None:
        ui.download.file(self._folder / f"{self._name.value}.csv")

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        """Keep the file among the saved paths, if it is one, and load it."""
        content = await event.file.read()
        self._uploader.reset()
        if self._seat.refusal:
            return complain(self._seat.refusal)
        try:
            name = await run.io_bound(keep, self._folder, event.file.name, content)
        except InputError as error:
            return complain(str(error))
        if name is None:  # the server ends
            return
        self._name.set_options(self._names(), value=name)
        self._seat.send(LoadPath(name, self._seat.target, None, bool(self._from_object.value)))


def keep(folder: Path, given: str, content: bytes) -> str:
    """Save an uploaded CSV file as ``folder/NAME.csv``; its name, a new one where that is taken.

    Raises:
        InputError: it is no path, or the folder cannot be written.
    """
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(given).stem).strip("-") or "path"
    with tempfile.TemporaryDirectory() as scratch:
        looked_at = Path(scratch) / "path.csv"
        looked_at.write_bytes(content)
        try:
            paths.read_csv(looked_at)
        except InputError as error:
            raise InputError(str(error).replace(str(looked_at), given)) from None
    taken = {*paths.SHAPES, *path_plan.saved(folder)}
    name = next(name for k in range(1, 10_000) if (name := stem if k == 1 else f"{stem}-{k}") not in taken)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with files.whole(folder / f"{name}.csv") as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror}): free the disk or choose another --out"
        ) from None
    return name
