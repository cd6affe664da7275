"""Actions are refused, not mended, when they are out of bounds."""

import numpy as np

from microtwin.errors import InputError

ROUNDING = 1e-6


def checked(action, shape: tuple[int, ...]) -> np.ndarray:
    """The action as float64 of ``shape``.

    Raises:
        InputError: another shape, NaN, or further out of [−1, 1] than rounding goes.
    """
    try:
        numbers = np.asarray(action, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"action is {action!r}: give numbers of shape {shape}, each in [-1, 1]") from None
    if numbers.shape != shape:
        raise InputError(f"action has shape {numbers.shape}: give {shape}")
    if not np.abs(numbers).max() <= 1.0 + ROUNDING:
        at = tuple(np.argwhere(~(np.abs(numbers) <= 1.0 + ROUNDING))[0].tolist())
        where = at[0] if len(at) == 1 else f"{at[1]} of environment {at[0]}"
        raise InputError(f"action {where} is {numbers[at]}: give a number in [-1, 1]")
    return numbers
