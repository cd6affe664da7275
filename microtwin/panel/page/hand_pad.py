"""Driving by hand: the switch for keys and gamepad, their frequency, and buttons for fingers."""

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.messages import HAND, Header
from microtwin.panel.page.controls import Quantity, allow, named, section
from microtwin.panel.page.seat import Seat
from microtwin.panel.page.words import RUNS, too_fast

# Keys held while a button is: as microscope.js names them. None leaves a gap in the grid.
PAD = {
    "north-west": ("north_west", ("up", "left")),
    "north": ("north", ("up",)),
    "north-east": ("north_east", ("up", "right")),
    "west": ("west", ("left",)),
    "middle": None,
    "east": ("east", ("right",)),
    "south-west": ("south_west", ("down", "left")),
    "south": ("south", ("down",)),
    "south-east": ("south_east", ("down", "right")),
}
SPINS = {"spin-ccw": ("rotate_left", ("ccw",)), "spin-cw": ("rotate_right", ("cw",))}


class HandPad:
    """Where the hand drives. What it says goes from the browser straight over the live stream."""

    def __init__(self, seat: Seat):
        self._seat = seat
        with section("Drive by hand"):
            with ui.row().classes("mt-row no-wrap"):
                self._switch = named(
                    ui.switch("Keys, gamepad and pad drive", on_change=self._switched).props("dense"), "drive"
                )
            self._hz = Quantity(
                "drive-frequency", "Frequency", "Hz", (0, 200), above=True, value=seat.drive_hz, on_change=self._set_hz
            )
            with ui.row().classes("mt-row no-wrap items-center"):
                with ui.element("div").classes("mt-pad").props('role=group aria-label="Direction pad"'):
                    self._buttons = [self._button(name, *PAD[name]) if PAD[name] else ui.element() for name in PAD]
                with ui.element("div").classes("mt-pad-spins"):
                    self._buttons += [self._button(name, *SPINS[name]) for name in SPINS]
                ui.html(
                    "<kbd>←</kbd> <kbd>↑</kbd> <kbd>→</kbd> <kbd>↓</kbd> or <kbd>W A S D</kbd> roll, "
                    "<kbd>Q</kbd> <kbd>E</kbd> spin, two keys for a diagonal. Let go, and the field is off."
                ).classes("mt-hint")

    def show(self, header: Header) -> None:
        """A run by hand needs the hand: the switch follows it."""
        refusal = self._seat.refusal
        if refusal and self._seat.drive:
            self._seat.let_go()
        run = header["run"]
        by_hand = run is not None and run["controller"] == HAND and header["state"] in RUNS
        if not refusal and by_hand and not self._by_hand:
            self._seat.drive = True
        self._by_hand = by_hand
        busy = "the controller drives" if header["state"] in RUNS and not by_hand else ""
        if self._switch.value != self._seat.drive:
            self._switch.value = self._seat.drive
        allow(self._switch, refusal)
        allow(self._hz.field, refusal)
        self._hz.say("", warning=too_fast(self._hz.field.value, header["step_out_hz"]))
        for button in self._buttons:
            if isinstance(button, ui.button):
                allow(button, refusal or busy or ("" if self._seat.drive else "switch driving on first"))

    _by_hand = False

    def _switched(self) -> None:
        if self._seat.mine:
            self._seat.drive = bool(self._switch.value)

    def _set_hz(self) -> None:
        try:
            self._seat.drive_hz = self._hz.value or self._seat.drive_hz
        except InputError:
            pass  # the field says so; the last good one stands

    def _button(self, name: str, icon: str, keys: tuple[str, ...]) -> ui.button:
        """Not in the tab order: the keys themselves are the keyboard's way."""
        made = ui.button(icon=icon, color="primary").props("outline dense tabindex=-1").classes("mt-pad-button")
        press = " ".join(f"window.microtwin?.press({key!r});" for key in keys)
        made.on("pointerdown", js_handler=f"(e) => {{ e.currentTarget.setPointerCapture?.(e.pointerId); {press} }}")
        let_go = " ".join(f"window.microtwin?.release({key!r});" for key in keys)
        for event in ("pointerup", "pointercancel", "lostpointercapture"):
            made.on(event, js_handler=f"() => {{ {let_go} }}")
        return named(made, f"pad-{name}", name.replace("-", " "))
