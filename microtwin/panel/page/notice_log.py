"""What the engine has to say: each notice once as a message on the page, and all of them in a small log."""

import time
from collections import deque
from typing import Any

from nicegui import ui

from microtwin.panel.messages import Header, Notice
from microtwin.panel.page.controls import named, section

KEPT = 50
LOOKS: dict[str, tuple[Any, int]] = {
    "info": ("info", 4000),
    "warning": ("warning", 8000),
    "error": ("negative", 15_000),
}


class News:
    """Picks out the notices that were not seen before. An engine that began anew counts from the start again."""

    def __init__(self):
        self._seen: dict[int, str] = {}

    def of(self, notices: list[Notice]) -> list[Notice]:
        """Those that are new, in order."""
        new = [notice for notice in notices if self._seen.get(notice["id"]) != notice["text"]]
        self._seen |= {notice["id"]: notice["text"] for notice in new}
        for old in list(self._seen)[:-KEPT]:
            del self._seen[old]
        return new


class NoticeLog:
    """The log at the bottom of the tab; screen readers read what is added."""

    def __init__(self):
        self._news = News()
        self._lines: deque[ui.element] = deque()
        self._first = True
        with section("Notices"):
            self._log = named(ui.element("div"), "log").classes("mt-log")
            self._log.props("role=log aria-live=polite tabindex=0 aria-label=Notices")
            with self._log:
                self._empty = ui.label("Nothing so far.").classes("mt-hint")

    def show(self, header: Header) -> None:
        for notice in self._news.of(header["notices"]):
            self._add(notice)
            if self._first:
                continue  # what was said before this page was opened is in the log
            kind, timeout_ms = LOOKS[notice["level"]]
            close = False if notice["level"] == "info" else "Close"
            text = notice["text"]
            ui.notify(text, type=kind, position="top-left", timeout=timeout_ms, close_button=close)
        self._first = False

    def _add(self, notice: Notice) -> None:
        self._empty.set_visibility(False)
        with self._log, ui.element("div").classes(f"mt-line mt-line-{notice['level']}") as line:
            ui.label(time.strftime("%H:%M:%S")).classes("mt-time")
            ui.label(notice["text"])
        line.move(self._log, 0)  # newest first
        self._lines.append(line)
        if len(self._lines) > KEPT:
            self._lines.popleft().delete()
