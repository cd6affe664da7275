"""A field for a number that nothing is written into while somebody types in it (number_field.js)."""

from typing import Any

from nicegui import events, ui

EXACT = 2**53  # whole numbers up to here are exact


class NumberField(ui.number, component="number_field.js"):
    """As :class:`nicegui.ui.number`, whose answers to one key overwrite the next.

    The value is taken with Enter, an arrow key or when the focus goes elsewhere, and after a pause in typing. What the
    page sets meanwhile is shown after Enter, or once the focus is gone.
    """

    LOOPBACK = True  # each value is answered, also one typed while another was on its way to the browser

    def __init__(self, label: str | None = None, **options: Any) -> None:
        super().__init__(label, **options)
        assert self.component is not None
        self.tag = self.component.tag  # the base class says it is Quasar's own field
        self.props["answers"] = 0

    def _event_args_to_value(self, e: events.GenericEventArguments) -> float | None:
        """What was typed; an answer to it is counted, since its own may be the value that the browser has already."""
        self.props["answers"] += 1
        return super()._event_args_to_value(e)

    def _value_to_model_value(self, value: Any) -> Any:
        """As people write it: 12 and not 12.0."""
        if value is None:
            return None
        return str(int(value)) if abs(value) < EXACT and value == int(value) else str(value)
