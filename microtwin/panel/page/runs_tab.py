"""The tab Runs: what was recorded, with the ways the objects went; replay, and the files."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from nicegui import app, run, ui

from microtwin.errors import InputError
from microtwin.panel.page import words
from microtwin.panel.page.controls import button, named
from microtwin.panel.page.microscope import MicroscopeView
from microtwin.panel.page.player import Player
from microtwin.panel.page.seat import complain
from microtwin.panel.server.past_runs import FILES, PICTURE, VIDEO, PastRun, Skipped, folder_of, look
from microtwin.panel.server.replay import check
from microtwin.panel.server.run_files import THUMBNAIL, add_run_files, address

if TYPE_CHECKING:
    from microtwin.panel.server.desk import Desk

LOOKED_S = 2.0  # between two looks at the folder
SHOWN = 20  # runs; more by a button
EMPTY = "No run yet. What you run is recorded here."


def build(desk: "Desk", view: MicroscopeView) -> "RunsTab":
    """Put the tab's contents here. ``view``: where recordings are played."""
    add_run_files(app, desk.out)
    return RunsTab(desk.out, view, ui.context.client.id)


class RunsTab:
    """One browser's list of the runs below ``out``; it follows the folder."""

    def __init__(self, out: Path, view: MicroscopeView, client: str):
        self._out, self._view, self._client = out, view, client
        self._cards: dict[str, tuple[PastRun, ui.element]] = {}
        self._shown, self._seen, self._played = SHOWN, None, 0
        self._player = Player(client, self._live)
        with ui.element("section").classes("mt-section"):
            with ui.row().classes("mt-row no-wrap"):
                heading = ui.label("Recorded runs").classes("mt-heading grow").props("role=heading aria-level=2")
                self._count = named(ui.label(), "runs-count").classes("mt-hint")
            named(ui.label(str(out)), "runs-folder").classes("mt-path")
            self._empty = named(ui.label(EMPTY), "runs-empty").classes("mt-hint")
            self._list = named(ui.element("ul"), "runs-list").classes("mt-past")
            self._list.props["aria-labelledby"] = heading.html_id
            self._more = button("Show more", "runs-more", self._show_more)
            self._skipped = named(ui.expansion("", value=False), "runs-skipped").classes("mt-hint mt-past-skipped")
        self._large = ui.dialog()
        ui.timer(LOOKED_S, self._look)

    async def _look(self) -> None:
        """Show what is new in the folder."""
        seen = await run.io_bound(look, self._out)
        if seen is not None and (*seen, self._shown) != self._seen:  # None: the server ends
            self._seen = (*seen, self._shown)
            self._show(*seen)

    def _show(self, runs: list[PastRun], skipped: list[Skipped]) -> None:
        shown = runs[: self._shown]
        wanted = {past.name: past for past in shown}
        for name, (past, card) in list(self._cards.items()):
            if wanted.get(name) != past:
                card.delete()
                del self._cards[name]
        for place, past in enumerate(shown):  # cards that stay keep the focus
            if past.name not in self._cards:
                with self._list:
                    card = self._card(past)
                card.move(self._list, target_index=place)
                self._cards[past.name] = past, card
        self._count.text = f"{len(runs)}" if len(shown) == len(runs) else f"{len(shown)} of {len(runs)}"
        self._empty.set_visibility(not runs)
        self._more.set_visibility(len(shown) < len(runs))
        self._skipped.set_visibility(bool(skipped))
        self._skipped.text = f"Not shown: {len(skipped)}"
        self._skipped.clear()
        with self._skipped:
            for folder in skipped:
                ui.label(f"{folder.name}: {folder.reason}").classes("mt-past-reason")

    def _show_more(self) -> None:
        self._shown += SHOWN
        if self._seen:
            runs, skipped, _ = self._seen
            self._seen = runs, skipped, self._shown
            self._show(runs, skipped)

    def _card(self, past: PastRun) -> ui.element:
        """One run: picture, figures, what can be done with it."""
        card = named(ui.element("li"), "run").classes("mt-past-run")
        card.props["data-run"] = past.name
        with card:
            with named(ui.element("button"), "run-picture", f"Trajectory of {past.name}, large") as picture:
                picture.classes("mt-past-picture").props("type=button").on("click", lambda: self._enlarge(past))
                if past.has_picture:
                    thumbnail = f"{address(past.name, THUMBNAIL)}?v={past.when:.0f}"
                    ui.element("img").props["src"] = thumbnail
                else:
                    picture.props("disabled")
            with ui.element("div").classes("mt-past-words"):
                ui.label(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(past.when))).classes("mt-past-when")
                ui.label(described(past)).classes("mt-hint")
                outcome = named(ui.label(outcome_of(past)), "run-outcome").classes("mt-past-outcome")
                outcome.props["data-success"] = "all" if past.success == 1 else "some" if past.success else "none"
                named(ui.label(figures(past)), "run-figures")
            with ui.row().classes("mt-row mt-past-actions"):
                hint = f"Play {past.name} in the view" + ("" if past.has_video else ", drawn from its telemetry")
                button("Replay", "run-replay", self._replayer(past), icon="play_arrow", hint=hint)
                self._links(past)
            ui.label(str(past.folder)).classes("mt-path mt-past-folder")
        return card

    def _links(self, past: PastRun) -> None:
        there = {VIDEO: past.has_video, PICTURE: past.has_picture}
        with ui.element("nav").classes("mt-past-links") as links:
            links.props["aria-label"] = f"Files of {past.name}"
            for file in FILES:
                if there.get(file, True) and (file in there or (past.folder / file).is_file()):
                    link = ui.link(file.split(".")[0], f"{address(past.name, file)}?download")
                    named(link, f"run-file-{file.replace('.', '-')}", f"Download {file}").classes("mt-link")
                    link.props["download"] = ""

    def _replayer(self, past: PastRun) -> Callable:
        async def play() -> None:
            try:
                await run.io_bound(check, folder_of(self._out, past.name))
            except InputError as error:
                complain(str(error))
                return
            self._played += 1  # the same run again is another address, and begins anew
            self._view.replay(f"/replay/{quote(past.name)}?client={self._client}&n={self._played}")
            self._player.open(past.name)

        return play

    def _live(self) -> None:
        self._view.live()
        self._player.close()

    def _enlarge(self, past: PastRun) -> None:
        self._large.clear()
        with self._large, ui.card().classes("mt-dialog mt-past-large"):
            with ui.row().classes("mt-row no-wrap"):
                ui.label(f"{past.name} · {described(past)}").classes("grow")
                button("Close", "run-picture-close", self._large.close, icon="close")
            picture = named(ui.element("img"), "run-picture-large", "")
            picture.props["src"] = f"{address(past.name, PICTURE)}?v={past.when:.0f}"
            picture.props["alt"] = "Ways of the object and of the robot, trial by trial"
        self._large.open()


def described(past: PastRun) -> str:
    """``corridor · circle · hardware``."""
    controller = Path(past.controller).name if past.controller.endswith(".zip") else past.controller
    path = Path(past.path).name
    return " · ".join(part for part in (controller, path, "" if past.backend == "sim" else past.backend) if part)


def outcome_of(past: PastRun) -> str:
    """Whether the goal was reached, in words."""
    if past.trials > 1:
        return f"{round(past.success * past.trials)} of {past.trials} trials reached the goal"
    return "reached the goal" if past.success else past.reason or "did not reach the goal"


def figures(past: PastRun) -> str:
    """``37.8 s · 1.50 µm · spinning 34 %``."""
    spinning = "" if past.spin_fraction is None else f"spinning {100 * past.spin_fraction:.0f} %"
    seen = (words.number(past.time_s, "s"), words.number(past.error_um, "µm", 2), spinning)
    return " · ".join(figure for figure in seen if figure and figure != words.number(None))
