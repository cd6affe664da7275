"""The figures of the run that ended last, and its folder."""

from collections.abc import Callable

from nicegui import ui

from microtwin.panel import words
from microtwin.panel.controls import button, named, section
from microtwin.panel.messages import Header


class LastRun:
    """Hidden until there is one."""

    def __init__(self, on_open: Callable[[], object]):
        with section("Last run", "results") as self._section:
            with ui.element("div").classes("mt-figures"):
                self._figures: dict[str, ui.label] = {}
                for name in words.results({}):
                    ui.label(name).classes("mt-hint")
                    self._figures[name] = named(ui.label(), f"result-{name.lower().replace(' ', '-')}")
            with ui.row().classes("mt-row no-wrap"):
                self._folder = named(ui.label(), "result-folder").classes("mt-path grow")
                button("Open", "result-open", on_open, icon="folder_open", hint="Show it among the runs")
        self._section.set_visibility(False)

    def show(self, header: Header) -> None:
        run = header["run"]
        there = run is not None and run["results"] is not None
        self._section.set_visibility(there)
        if run is None or run["results"] is None:
            return
        for name, value in words.results(run["results"]).items():
            self._figures[name].text = value
        self._folder.text = run["folder"]
