"""SIGTERM and a closed terminal as Ctrl-C: whoever asks a run to end gets what it has recorded so far."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def heard_by(handler: Callable[[int, Any], Any], numbers: Iterable[int]) -> Iterator[None]:
    """These signals go to ``handler`` inside the block, unless they are ignored (nohup).

    Nothing changes in a thread, where Python hears no signals.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handler) for number in heard}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def as_ctrl_c() -> contextlib.AbstractContextManager[None]:
    """The signals that ask for an end raise KeyboardInterrupt inside the block; as :func:`heard_by`."""
    return heard_by(_interrupt, ENDINGS)


def _interrupt(number, stack) -> None:
    raise KeyboardInterrupt
