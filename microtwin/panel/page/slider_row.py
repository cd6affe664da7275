"""A slider with its number beside it, which follows the engine without fighting the hand."""

import time
from collections.abc import Callable

from nicegui import ui

from microtwin.panel.page.controls import allow, named
from microtwin.panel.page.number_field import NumberField

SETTLES_S = 1.0  # after the last touch the engine's answer is on its way; older ones would pull the slider back


class SliderRow:
    """A labelled slider and a number field of the same value."""

    def __init__(
        self,
        name: str,
        label: str,
        limits: tuple[float, float],
        step: float,
        value: float,
        on_change: Callable[[], None],
        *,
        unit: str = "",
        most: str = "",
        clock: Callable[[], float] = time.monotonic,
    ):
        """``most``: what the slider's right end means, if not that number."""
        self._limits, self._most, self._on_change, self._clock = limits, most, on_change, clock
        self._touched_s = -float("inf")
        self._following = False
        self._value = value
        shown = f"{label} ({unit})" if unit else label
        with ui.element("div").classes("mt-slider-row"):
            ui.label(shown).classes("mt-slider-label")
            self.slider = ui.slider(min=limits[0], max=limits[1], step=step, value=value, on_change=self._slid)
            named(self.slider, f"{name}-slider", shown).props("dense")
            self.field = NumberField(value=value, step=step, placeholder=most or None, on_change=self._typed)
            self.field.on("blur", self._left)
            named(self.field, name, shown).props("dense outlined hide-bottom-space").classes("mt-slider-number")

    @property
    def value(self) -> float | None:
        """The number; None at the right end if that has a meaning of its own."""
        return None if self._most and self._value >= self._limits[1] else self._value

    def follow(self, value: float | None) -> None:
        """Show the engine's value, unless the hand was here just now."""
        if self._clock() - self._touched_s >= SETTLES_S:
            self._set(self._limits[1] if value is None else value)

    def allow(self, refusal: str) -> None:
        allow(self.slider, refusal)
        allow(self.field, refusal)

    def _slid(self) -> None:
        if not self._following and self.slider.value is not None:
            self._touch(self.slider.value)

    def _typed(self) -> None:
        if self._following:
            return
        value = self._limits[1] if self.field.value is None and self._most else self.field.value
        if value is not None:
            self._touch(value)

    def _left(self) -> None:
        """An empty field has the slider's number again."""
        if self.field.value is None:
            self._set(self._value)

    def _touch(self, value: float) -> None:
        self._touched_s = self._clock()
        self._set(value)
        self._on_change()

    def _set(self, value: float) -> None:
        self._value = value
        shown = None if self._most and value >= self._limits[1] else value
        self._following = True  # our own writing must not come back as a touch
        try:
            ends = min(max(value, self._limits[0]), self._limits[1])
            if self.slider.value != ends:
                self.slider.value = ends
            if self.field.value != shown:
                self.field.value = shown
        finally:
            self._following = False
