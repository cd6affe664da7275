"""Coils that are not there: what would be sent, in words and in hexadecimal."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from microtwin.field import CoilScale, RotatingField
from microtwin_hardware.coils import lab_floats, messages, packets, serial_transfer
from microtwin_hardware.coils.duty import NO_CONE_RAD, axis_gains, coil_scale, turned_down
from microtwin_hardware.config import CoilsConfig


class DryCoils:
    """Opens nothing. Says each message when it differs from the one before, and clips as the board would.

    Raises:
        InputError: settings that the profile's firmware cannot follow.
    """

    def __init__(self, config: CoilsConfig, say: Callable[[str], object] = print):
        self._is_ours = config.profile == "microtwin"
        if not self._is_ours:
            lab_floats.check_settings(config)
        self.config = config
        self.latency_s = math.nan
        self.notes = ["dry run: nothing is sent"]
        self._say = say
        self._last = b""

    @property
    def scale(self) -> CoilScale:
        """The true field of a command, mT."""
        return coil_scale(self.config) if self._is_ours else lab_floats.lab_scale(self.config)

    def apply(self, field: RotatingField, *, cone_rad: float = NO_CONE_RAD) -> RotatingField:
        """Say what would be sent; what the board would apply.

        Raises:
            InputError: a field that the profile's firmware cannot make.
        """
        if self._is_ours:
            request = messages.Apply.of(field, cone_rad)
            clipped = turned_down(field, axis_gains(self.config), self.config.max_duty, cone_rad)
            steps = math.floor(32768 * clipped.amplitude + 1e-6) if clipped is not field else request.amplitude
            applied = replace(field, amplitude=steps / 32768, frequency_hz=request.frequency / 1e6)
            self._tell(_words(field, applied, cone_rad), request)
        else:
            applied = lab_floats.possible(field, self.config, cone_rad)
            values = lab_floats.floats(applied, self.config, cone_rad)
            self._tell_floats(_words(field, applied, cone_rad), values)
        return applied

    def off(self) -> None:
        """Say how the field would be turned off."""
        if self._is_ours:
            self._tell("field off", messages.Off())
        else:
            self._tell_floats("field off", lab_floats.in_order(self.config.profile))

    def currents_a(self) -> None:
        """None: there are none."""

    def __enter__(self) -> Self:
        config = self.config
        self._say(f"dry run: {config.port} at {config.baud} baud is not opened, profile {config.profile}")
        if self._is_ours:
            settings = messages.Configure.of(config)
            self._tell("hello", messages.Hello())
            self._tell(
                f"settings: gains {settings.gains}, duty up to {config.max_duty:g}, watchdog {config.watchdog_ms} ms, "
                f"soft start {config.soft_start_ms} ms, on for up to {config.max_on_s:g} s",
                settings,
            )
            self._tell("arm", messages.Arm())
        else:
            self.off()
        return self

    def __exit__(self, *exception) -> None:
        self.off()
        if self._is_ours:
            self._tell("disarm", messages.Disarm())

    def _tell(self, words: str, request: messages.Request) -> None:
        self._once(words, packets.packet(request.message(seq=0)))

    def _tell_floats(self, words: str, values: tuple[float, ...]) -> None:
        self._once(words, serial_transfer.floats(values))

    def _once(self, words: str, data: bytes) -> None:
        if data != self._last:
            self._last = data
            self._say(f"{words}: {data.hex(' ')}")


def _words(asked: RotatingField, applied: RotatingField, cone_rad: float) -> str:
    if not applied.amplitude:
        return "field off"
    words = (
        f"α {math.degrees(asked.alpha_rad):.1f}° γ {math.degrees(asked.gamma_rad):.1f}° {asked.frequency_hz:g} Hz "
        f"amplitude {asked.amplitude:.3f}"
    )
    if cone_rad < NO_CONE_RAD:
        words += f" cone {math.degrees(cone_rad):.1f}°"
    for name, unit, digits in (("frequency_hz", "Hz", 6), ("amplitude", "", 4)):
        got = getattr(applied, name)
        if abs(got - getattr(asked, name)) > 1e-4:
            words += f" ({name.partition('_')[0]} clipped to {got:.{digits}g}{' ' + unit if unit else ''})"
    return words
