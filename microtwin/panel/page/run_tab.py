"""The tab Run: bodies, path, controller, driving by hand, the last run's figures, notices."""

from collections.abc import Callable

from nicegui import ui

from microtwin.panel.messages import Header, Start
from microtwin.panel.page import words
from microtwin.panel.page.choose_bodies import ChooseBodies
from microtwin.panel.page.choose_path import ChoosePath
from microtwin.panel.page.controls import button, named, section
from microtwin.panel.page.hand_pad import HandPad
from microtwin.panel.page.notice_log import NoticeLog
from microtwin.panel.page.run_settings import RunSettings, RunSettingsForm
from microtwin.panel.page.seat import Seat


class RunTab:
    """``settings``: shared by all browsers. ``on_open_run``: shows the list of runs."""

    def __init__(self, seat: Seat, settings: RunSettings, on_open_run: Callable[[], object]):
        last = LastRun(on_open_run)
        bodies, path = ChooseBodies(seat), ChoosePath(seat)
        self._form = RunSettingsForm(seat, settings)
        self._parts = (bodies, path, self._form, HandPad(seat), last, NoticeLog())

    def show(self, header: Header) -> None:
        for part in self._parts:
            part.show(header)

    def start(self) -> Start:
        """What Start sends.

        Raises:
            InputError: a field that cannot be used.
        """
        return self._form.command()


class LastRun:
    """The figures of the run that ended last, and its folder. Hidden until there is one."""

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
