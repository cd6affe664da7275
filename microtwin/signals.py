"""SIGTERM and a closed terminal as Ctrl-C: whoever asks a run to end gets what it has recorded so far."""

import contextlib
import signal
import threading
from collections.abc import Iterator

ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextlib.contextmanager
def as_ctrl_c() -> Iterator[None]:
    """These signals raise KeyboardInterrupt inside the block, unless they are ignored (nohup).

    Nothing changes in a thread, where Python hears no signals.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        heard = [number for number in ENDINGS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, _interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number, stack) -> None:
    raise KeyboardInterrupt
