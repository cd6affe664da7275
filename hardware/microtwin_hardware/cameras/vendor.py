"""A vendor's library, which only a rig with that vendor's camera or stage needs, and settings that it may refuse."""

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from microtwin.errors import InputError


def library(name: str, install: str) -> ModuleType:
    """A module of a vendor's library.

    Args:
        name: of the module. install: what to do where it is missing.

    Raises:
        InputError: it is missing, or does not load.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pypylon crashes the process where one of its own is made an error
            return importlib.import_module(name)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError)
        raise InputError(f"{name} {'is not installed' if missing else f'does not load ({error})'}: {install}") from None


def unread(pixel_format: str) -> InputError:
    """The error for pixels that are neither grey nor ready colour, such as a Bayer mosaic, which would pass as grey."""
    return InputError(f"pixel format {pixel_format} is not read: set camera.options.pixel_format to Mono8")


def attempt(notes: list[str], what: str, action: Callable[[], Any]) -> bool:
    """Do it; if the device does not have this, or refuses, note so in one line and go on.

    Every vendor raises errors of its own, so any will do. ``action`` may also return False to say no.
    """
    try:
        if action() is not False:
            return True
        notes.append(f"{what}: refused")
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        notes.append(f"{what}: refused ({reason})")
    return False
