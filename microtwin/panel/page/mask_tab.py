"""The tab Masks: how the robot and the object are told from the background, with the mask shown live."""

import math
from typing import Any, get_args

from nicegui import ui

from microtwin.errors import InputError
from microtwin.panel.messages import Body, Header, SetMask, ShowMask
from microtwin.panel.page.controls import allow, button, named, section
from microtwin.panel.page.seat import Seat
from microtwin.panel.page.slider_row import SliderRow
from microtwin.vision.mask import MaskSettings, Of

SENT_S = 0.1  # between two settings on the way to the engine
START = MaskSettings()
EXPLAINED = "Pixels between Lower and Upper are inside."
ACTS_ON: dict[Of, str] = {"contrast": "contrast, |I / background − 1|", "brightness": "brightness, I / background"}
assert set(ACTS_ON) == set(get_args(Of))
HIGHEST = 2.0  # of a band; a slider at its right end leaves it open above


class BodyMask:
    """The mask of one body."""

    def __init__(self, seat: Seat, body: Body):
        self._seat = seat
        self._body: Body = body
        self._following = False
        with section(f"Mask of the {body}"):
            with ui.row().classes("mt-row items-center"):
                self._show = ui.switch("Show in the picture", on_change=self._shown).props("dense")
                named(self._show, f"mask-show-{body}")
                ui.space()
                self._suggest = button("Suggest", f"mask-suggest-{body}", self._suggested, icon="auto_fix_high")
            ui.label(EXPLAINED).classes("mt-hint")
            self._lower = self._row("lower", "Lower", (0.0, 1.0), 0.005, START.lower)
            self._upper = self._row("upper", "Upper", (0.0, HIGHEST), 0.01, HIGHEST, most="open")
            self._blur = self._row("blur", "Blur", (0.0, 20.0), 0.1, START.blur_px, unit="px")
            self._dilation = self._row("dilation", "Dilation", (0, 20), 1, START.dilation_px, unit="px")
            self._of = ui.select(ACTS_ON, value=START.of, label="Acts on", on_change=self._chosen)
            named(self._of, f"mask-of-{body}").props("dense outlined options-dense").classes("w-full")
            self._wrong = named(ui.label(), f"mask-wrong-{body}").classes("mt-wrong").props("role=alert")
        # The hand may move faster than the engine should hear of it: the newest settings go, in this rhythm.
        self._timer = ui.timer(SENT_S, self._send, active=False)

    def show(self, header: Header) -> None:
        refusal = self._seat.refusal
        in_use: dict[str, Any] | None = header["masks"].get(self._body)
        why = refusal or ("" if in_use else f"select the {self._body} first")
        for control in (self._show, self._suggest, self._of):
            allow(control, why)
        for row in (self._lower, self._upper, self._blur, self._dilation):
            row.allow(why)
        self._following = True
        try:
            self._show.value = header["shown"] == self._body
            if in_use and not self._timer.active:
                self._follow(in_use)
        finally:
            self._following = False

    def _follow(self, in_use: dict[str, Any]) -> None:
        upper = in_use.get("upper")
        self._lower.follow(in_use["lower"])
        self._upper.follow(None if upper is None or upper >= HIGHEST else upper)
        self._blur.follow(in_use["blur_px"])
        self._dilation.follow(in_use["dilation_px"])
        if self._of.value != in_use["of"] and not self._of.is_showing_popup:
            self._of.value = in_use["of"]

    def _row(self, name: str, label: str, limits: tuple[float, float], step: float, value: float, **more) -> SliderRow:
        return SliderRow(f"mask-{name}-{self._body}", label, limits, step, value, self._touched, **more)

    def _touched(self) -> None:
        if self._seat.mine:
            self._timer.activate()

    def _chosen(self) -> None:
        if not self._following:
            self._touched()

    def _send(self) -> None:
        self._timer.deactivate()
        try:
            settings = self._settings()
        except InputError as error:
            self._wrong.text = str(error)
            return
        self._wrong.text = ""
        self._seat.send(SetMask(self._body, settings))

    def _settings(self) -> MaskSettings:
        upper = self._upper.value
        return MaskSettings(
            lower=self._lower.value or 0.0,
            upper=math.inf if upper is None else upper,
            blur_px=self._blur.value or 0.0,
            dilation_px=int(self._dilation.value or 0),
            of=self._of.value,
        )

    def _shown(self) -> None:
        if not self._following:
            self._seat.send(ShowMask(self._body if self._show.value else None))

    def _suggested(self) -> None:
        self._wrong.text = ""
        self._seat.send(SetMask(self._body, None))


class MaskTab:
    """Both bodies' masks."""

    def __init__(self, seat: Seat):
        bodies: tuple[Body, ...] = get_args(Body)
        self._masks = [BodyMask(seat, body) for body in bodies]

    def show(self, header: Header) -> None:
        for mask in self._masks:
            mask.show(header)
