"""Waiting for what must come, however slow the machine is, and however long it stands still meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE_S = 120.0  # then a test has failed; nothing is measured by it

Something = TypeVar("Something")


def until(true: Callable[[], Something], what: object = "") -> Something:
    """What ``true`` gives, as soon as that is something. ``what``: to be said if it never is; may be a function."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < deadline_s, f"it never came: {what() if callable(what) else what or true}"
        time.sleep(0.005)
    return found


async def soon(true: Callable[[], Something]) -> Something:
    """:func:`until` within an event loop."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := true()):
        assert time.monotonic() < deadline_s, f"it never came: {true}"
        await asyncio.sleep(0.005)
    return found
