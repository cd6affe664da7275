"""How a run is made: the controller and its numbers, one set for all browsers at the desk."""

from dataclasses import dataclass
from typing import get_args

from nicegui import ui

from microtwin.control.policy_file import SHIPPED
from microtwin.errors import InputError
from microtwin.panel.messages import HAND, Header, Start
from microtwin.panel.page import words
from microtwin.panel.page.controls import Quantity, allow, named, section
from microtwin.panel.page.seat import Seat
from microtwin.pushing import DEFAULT_HZ, WIDTHS_UM, ControllerKind
from microtwin.robots.calibration import fitted

FILE = "file"
WORDS = {
    "corridor": "Corridor (the paper's)",
    "blended": "Blended corridor",
    "steering": "Steering loops",
    "predictive": "Predictive",
    SHIPPED: "Policy, as shipped",
    FILE: "Policy from a file",
    HAND: "By hand",
}
assert set(get_args(ControllerKind)) - {"joystick"} <= set(WORDS)  # the joystick is a simulated person
TURNS = "Turns of the field in a second"
LIMIT = "The run ends then; without one, longer paths have more time"
REACHED = "A node of the path is reached when the object is this near"
BEHIND = "How far behind the object the robot lines up before it pushes"
NUMBERS = ("frequency_hz", "width_um", "threshold_um", "approach_um", "time_limit_s")


@dataclass
class RunSettings:
    """What the next run takes; None as in :class:`~microtwin.panel.messages.Start`. It outlives whoever set it."""

    controller: str = "corridor"
    policy_file: str = ""
    frequency_hz: float | None = None
    width_um: float | None = None
    threshold_um: float | None = None
    approach_um: float | None = None
    time_limit_s: float | None = None


class RunSettingsForm:
    """The fields. Whoever holds control writes into the settings, and everyone else sees them follow."""

    def __init__(self, seat: Seat, settings: RunSettings):
        self._seat, self._settings = seat, settings
        with section("Controller"):
            self.controller = ui.select(WORDS, label="Controller", value=settings.controller, on_change=self._changed)
            named(self.controller, "controller").props("dense outlined options-dense").classes("w-full")
            self.policy_file = ui.input("Policy file (.zip)", value=settings.policy_file, on_change=self._changed)
            named(self.policy_file, "policy-file").props("dense outlined").classes("w-full")
            with ui.element("div").classes("mt-fields"):
                self.numbers = {
                    "frequency_hz": self._number("frequency", "Frequency", "Hz", 200, 0.5, TURNS),
                    "width_um": self._number("width", "Width", "µm", 100, 0.5, "Of the corridor in which it pushes"),
                    "threshold_um": self._number("threshold", "Threshold", "µm", 24, 0.5, REACHED, "8"),
                    "approach_um": self._number("approach", "Approach", "µm", 31, 0.5, BEHIND, self._fitted_approach()),
                    "time_limit_s": self._number("time-limit", "Time limit", "s", 86_400, 10, LIMIT, "by the path"),
                }
        self._step_out: float | None = None
        self._arrange()

    def _number(
        self, name: str, label: str, unit: str, high: float, step: float, explained: str, empty: str = "default"
    ) -> Quantity:
        return Quantity(
            name,
            label,
            unit,
            (0, high),
            above=True,
            step=step,
            empty=empty,
            explained=explained,
            on_change=self._changed,
        )

    @staticmethod
    def _fitted_approach() -> str:
        return f"{fitted('pushing', 'approach_um'):.3g}"

    def show(self, header: Header) -> None:
        """Follow the settings when someone else makes them, and the rig's step-out."""
        refusal = self._seat.refusal
        if refusal:
            for name, field in self._fields().items():
                field.value = getattr(self._settings, name)
        for field in self._fields().values():
            allow(field, refusal)
        self._step_out = header["step_out_hz"]
        self._arrange()

    def command(self) -> Start:
        """What Start sends.

        Raises:
            InputError: a number that cannot be used, a policy without a file.
        """
        used = {name: self.numbers[name].value for name in NUMBERS if self.numbers[name].field.visible}
        threshold = used.pop("threshold_um", None)
        controller = self._settings.controller
        if controller == FILE:
            controller = self._settings.policy_file.strip()
            if not controller.endswith(".zip"):
                raise InputError(f"policy file is '{controller}': give the policy.zip of microtwin learn push")
        if controller == HAND:
            used["frequency_hz"] = self._seat.drive_hz
        return Start(controller=controller, threshold_um=8.0 if threshold is None else threshold, **used)

    def _fields(self) -> dict[str, ui.select | ui.input | ui.number]:
        fields = {name: quantity.field for name, quantity in self.numbers.items()}
        return {"controller": self.controller, "policy_file": self.policy_file, **fields}

    def _changed(self) -> None:
        if self._seat.mine:
            for name, field in self._fields().items():
                setattr(self._settings, name, field.value)
            self._arrange()

    def _arrange(self) -> None:
        """Show what this controller has."""
        controller = self._settings.controller
        self.policy_file.set_visibility(controller == FILE)
        self.numbers["width_um"].field.set_visibility(controller in WIDTHS_UM)
        self.numbers["width_um"].say(f"{WIDTHS_UM.get(controller, 0):g}")
        self.numbers["frequency_hz"].field.set_visibility(controller != HAND)
        self.numbers["approach_um"].field.set_visibility(controller != HAND)
        frequency = self.numbers["frequency_hz"]
        empty = "all it was trained for" if controller in (SHIPPED, FILE) else f"{DEFAULT_HZ:g}"
        step_out = "" if self._step_out is None else f"step-out {self._step_out:.0f} Hz"
        frequency.say(empty, step_out, words.too_fast(frequency.field.value, self._step_out))
