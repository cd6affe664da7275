"""The strip below the header: what is wrong, and what can be done about it."""

from nicegui import ui

from microtwin.panel import words
from microtwin.panel.controls import allow, button, named, put
from microtwin.panel.messages import Header, Reopen
from microtwin.panel.seat import Seat


class Banner:
    """Shown only while something is wrong."""

    def __init__(self, seat: Seat):
        self._seat = seat
        with named(ui.element("div"), "banner").classes("mt-banner").props("role=alert") as self._strip:
            ui.icon("warning").props("aria-hidden=true")
            self._text = ui.label().classes("grow")
            self._reopen = button("Open again", "reopen", lambda: seat.send(Reopen()), icon="restart_alt")
        self._strip.set_visibility(False)

    def show(self, header: Header | None) -> None:
        text = words.trouble(header, self._seat.desk.silent_s)
        broken = header is not None and header["state"] == "broken"
        self._text.text = text
        self._strip.set_visibility(bool(text))
        self._reopen.set_visibility(broken)
        allow(self._reopen, self._seat.refusal)
        put(self._strip, **{"data-kind": "broken" if broken else "waiting"})
