"""The bar at the top: state, who holds control, the stop button; below it, what is wrong."""

from collections.abc import Callable

from nicegui import ui

from microtwin.panel.messages import Header, Reopen
from microtwin.panel.page import words
from microtwin.panel.page.controls import allow, button, named, put
from microtwin.panel.page.seat import Seat, complain
from microtwin.panel.page.stop_button import stop_button

BACKENDS = {"sim": "Twin", "hardware": "Rig"}


class HeaderBar:
    """``on_help`` shows the shortcuts."""

    def __init__(self, seat: Seat, on_help: Callable[[], None]):
        self._seat = seat
        with ui.element("header").classes("mt-header"):
            ui.label("microtwin").classes("mt-title").props("role=heading aria-level=1")
            named(ui.label(BACKENDS.get(seat.desk.backend, seat.desk.backend)), "backend").classes("mt-chip")
            self._state = named(ui.label("Starting"), "state").classes("mt-chip mt-state").props("role=status")
            self._figures = named(ui.label(), "figures").classes("mt-hint mt-figure")
            ui.space()
            self._held = named(ui.label(), "control").classes("mt-hint mt-held").props("role=status")
            self._take = button("Take control", "take-control", self._take_or_release)
            link = ui.link("OTMR", "/otmr", new_tab=True).classes("mt-link")
            named(link, "otmr-link", "OTMR page, in a new tab").props["title"] = "Robots of the OTMR set, in a new tab"
            named(button("?", "help", on_help, hint="Keys and shortcuts"), "help", "Keys and shortcuts")
            stop_button("stop")

    def show(self, header: Header | None) -> None:
        mine, held = self._seat.mine, self._seat.desk.held()
        self._held.text = "You hold control" if mine else f"{'Someone else' if held else 'Nobody'} holds control"
        self._take.text = "Release" if mine else "Take control"
        put(self._take, outline=mine or held, unelevated=not (mine or held))
        put(self._take, **{"data-testid": "release" if mine else "take-control"})
        someone = "someone else holds control; it is free when they release it or are gone for 2 s"
        allow(self._take, "" if mine or not held else someone)
        if header is None:
            return
        self._state.text = words.state(header)
        put(self._state, **{"data-state": header["state"]})
        self._figures.text = f"{header['ticks_per_s']:.0f} ticks/s"

    def _take_or_release(self) -> None:
        desk, client = self._seat.desk, self._seat.client
        if self._seat.mine:
            self._seat.let_go()
            desk.release(client)
        elif not desk.take(client):
            complain("someone else holds control: ask them to release it")


class Banner:
    """The strip below the bar: what is wrong, and what can be done about it. Shown only while something is."""

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
