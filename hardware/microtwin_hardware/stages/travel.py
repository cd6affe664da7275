"""How far a stage may go, and its other numbers from ``[stage.options]``."""

import math
from dataclasses import dataclass
from typing import Any

from microtwin.errors import InputError


@dataclass(frozen=True)
class Travel:
    """Lowest and highest position, µm.

    Raises:
        InputError: the lowest is not below the highest.
    """

    min_um: float
    max_um: float

    def __post_init__(self):
        if not self.min_um < self.max_um:
            raise InputError(f"stage travel is {self.min_um:g} to {self.max_um:g} µm: give min_um below max_um")

    def check(self, z_um: float) -> float:
        """The position, if the stage may go there.

        Raises:
            InputError: outside the travel, or no number.
        """
        if not self.min_um <= z_um <= self.max_um:
            raise InputError(
                f"stage position is {z_um:g} µm: give {self.min_um:g} to {self.max_um:g} µm, the travel in "
                "stage.options"
            )
        return float(z_um)


def number(options: dict[str, Any], name: str, default: float | None, *, low: float = -math.inf) -> float:
    """An option as a number.

    Args:
        default: where it is left out; None if it must not be. low: least that it may be.

    Raises:
        InputError: missing, no finite number, below ``low``.
    """
    value = options.get(name, default)
    if value is None:
        raise InputError(f"stage.options.{name} is missing: give it, so that the stage is not driven into the glass")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < low:
        least = f" of at least {low:g}" if math.isfinite(low) else ""
        raise InputError(f"stage.options.{name} is {value!r}: give a number{least}")
    return float(value)


def check_known(options: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raises InputError if there is an option that the driver does not have."""
    for name in options:
        if name not in known:
            raise InputError(f"stage.options.{name} is unknown: this driver has {', '.join(known)}")
