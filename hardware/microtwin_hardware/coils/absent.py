"""The coils of a rig that has none: a microscope that only looks, and moves its focus."""

from typing import Self

from microtwin.errors import InputError
from microtwin.field import RotatingField


class AbsentCoils:
    """Takes commands that leave the field off."""

    def apply(self, field: RotatingField) -> RotatingField:
        """No field.

        Raises:
            InputError: any other one is asked for.
        """
        if field.amplitude:
            raise InputError('coils.profile is "none": name the firmware of the coils, this rig cannot move a robot')
        return field

    def off(self) -> None:
        """It is off."""

    def currents_a(self) -> None:
        """None: there are none."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        pass
