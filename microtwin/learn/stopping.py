"""Ctrl-C during a training: the first asks it to stop at the next safe point, the second breaks it off."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def first_ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets. Outside the main thread, where signals do not come, it is never set."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return

    def hear(number, frame) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
