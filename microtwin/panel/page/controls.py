"""The page's controls: each with a name that tests and screen readers find it by, numbers with units and limits."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

from nicegui import events, ui

from microtwin.errors import InputError
from microtwin.panel.page.number_field import NumberField

AnyElement = TypeVar("AnyElement", bound=ui.element)


def named(element: AnyElement, name: str, label: str = "") -> AnyElement:
    """Give an element its ``data-testid`` and marker, and a label for screen readers where it shows no text."""
    element.mark(name)
    element.props["data-testid"] = name
    if label:
        element.props["aria-label"] = label
    return element


def put(element: ui.element, **props: Any) -> None:
    """Set what differs; NiceGUI would send an unchanged property again."""
    for name, value in props.items():
        key = name.replace("_", "-")
        if element.props.get(key) != value:
            element.props[key] = value


def allow(element: Any, refusal: str = "") -> None:
    """Enable a control, or disable it and say why on hovering."""
    element.set_enabled(not refusal)
    put(element, title=refusal or element.props.get("data-hint", ""))


def button(
    text: str, name: str, on_click: Callable, *, icon: str = "", hint: str = "", main: bool = False
) -> ui.button:
    """A button: filled when it is what one most likely wants next."""
    made = ui.button(text, icon=icon or None, on_click=on_click, color="primary")
    made.props("unelevated no-caps dense" if main else "outline no-caps dense").classes("mt-button")
    if hint:
        made.props["data-hint"] = made.props["title"] = hint
    return named(made, name, "" if text and not hint else hint or text)


def section(title: str, name: str = "") -> ui.element:
    """A titled block of a tab."""
    block = ui.element("section").classes("mt-section")
    with block:
        heading = ui.label(title).classes("mt-heading").props("role=heading aria-level=2")
    block.props["aria-labelledby"] = heading.html_id
    return named(block, name) if name else block


class Quantity:
    """A field for a number, with its unit, its limits and, in grey, what it means when it is empty.

    Attributes:
        field: the NiceGUI element.
    """

    def __init__(
        self,
        name: str,
        label: str,
        unit: str,
        limits: tuple[float, float],
        *,
        value: float | None = None,
        empty: str = "",
        step: float = 1.0,
        above: bool = False,
        whole: bool = False,
        explained: str = "",
        more: str = "",
        on_change: Callable[[], None] | None = None,
    ):
        """
        Args:
            empty: what an empty field means, which otherwise is refused.
            above: the lower limit is excluded.
            explained: shown on hovering. more: said after the limits.
        """
        self.label, self.unit, self.limits, self.empty = label, unit, limits, empty
        self._above, self._whole, self._unreadable = above, whole, False
        heard = (lambda _: on_change()) if on_change else None
        shown = f"{label} ({unit})" if unit else label
        self.field = NumberField(shown, value=value, step=step, validation=self._wrong, on_change=heard)
        self.field.props("dense outlined hide-bottom-space").classes("mt-field")
        self.field.props["data-hint"] = self.field.props["title"] = explained
        # What is no number at all, like 1e999, stays on show while its value is that of an empty field.
        self.field.on("focusout", self._read, js_handler="(event) => emit(event.target.validity.badInput)")
        named(self.field, name)
        self._more = more
        self.say(empty)

    def say(self, empty: str, more: str = "", warning: str = "") -> None:
        """What an empty field means, and the line below the field; a warning takes that over."""
        self.empty = empty
        low, high = self.limits
        span = f"up to {high:.10g}" if self._above else f"{low:.10g} to {high:.10g}"
        put(self.field, placeholder=empty, stack_label=bool(empty))
        put(self.field, hint=warning or " · ".join(text for text in (span, more or self._more) if text))
        self.field.classes(add="mt-warned" if warning else "", remove="" if warning else "mt-warned")

    def _read(self, event: events.GenericEventArguments) -> None:
        self._unreadable = bool(event.args)
        self.field.validate()

    @property
    def value(self) -> float | None:
        """The number; None when empty.

        Raises:
            InputError: it cannot be used.
        """
        if wrong := self._wrong(self.field.value):
            raise InputError(wrong)
        return self.field.value

    @property
    def number(self) -> float:
        """The number of a field that may not be empty.

        Raises:
            InputError: as :attr:`value`.
        """
        value = self.value
        assert value is not None
        return value

    def _wrong(self, value: float | None) -> str | None:
        low, high = self.limits
        remedy = f"give {low:.12g} to {high:.12g}"
        if self._above:
            remedy = f"give more than {low:.12g}, at most {high:.12g}"
        if value is None and self._unreadable:
            return f"{self.label} is no number: {remedy}"
        if value is None:
            return None if self.empty else f"{self.label} is empty: {remedy}"
        if self._whole and value != int(value):
            return f"{self.label} is {value:g}: give a whole number"
        below = value <= low if self._above else value < low
        if below or value > high or not math.isfinite(value):
            return f"{self.label} is {value:g} {self.unit}".rstrip() + f": {remedy}"
        return None
