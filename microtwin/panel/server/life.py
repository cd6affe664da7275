"""One engine process from its birth to its end."""

import contextlib
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from typing import Any

from microtwin.errors import InputError, RigError
from microtwin.panel.messages import EngineOptions
from microtwin.signals import ENDINGS

SILENT_S = 5.0  # of waiting for its end, before people are told


class Life:
    """A process that runs ``main(options, connection)``, and this end of its pipe.

    Attributes:
        over: it is gone, or as good as. threads: those that read and write here; they end with the pipe.
    """

    def __init__(self, options: EngineOptions, main: Callable, start_method: str):
        context: Any = multiprocessing.get_context(start_method)
        self.connection, theirs = context.Pipe()
        self.over = False
        self.threads: list[threading.Thread] = []
        self.process = context.Process(target=_run, args=(main, options, theirs), name="panel-engine")
        with _held_back():
            self.process.start()
        theirs.close()  # so that its end is the pipe's end

    def wait_ready(self, opening_s: float) -> None:
        """Until its first word.

        Raises:
            InputError: it refuses. RigError: it ended, or says nothing.
        """
        try:
            if not self.connection.poll(opening_s):
                raise RigError(f"the engine said nothing for {opening_s:g} s: look at the rig, and try again")
            word, text = self.connection.recv()
        except (EOFError, OSError):
            raise RigError(f"the engine ended while it started ({self.how_it_ended()})") from None
        if word != "ready":
            raise InputError(str(text))

    def how_it_ended(self) -> str:
        """In words, after its pipe has ended."""
        self.process.join(2.0)  # the pipe ends a moment before the process does
        code = self.process.exitcode
        if code is None:
            return "it closed its pipe"
        if code < 0:
            return f"signal {-code}"
        return f"exit code {code}"

    def end(self, grace_s: float) -> None:
        """Wait for its end, or make it end."""
        self.process.join(min(grace_s, SILENT_S))
        if self.process.is_alive() and grace_s > SILENT_S:
            print(f"microtwin panel: the engine is not at its end yet: {grace_s:g} s at most", file=sys.stderr)
            self.process.join(grace_s - SILENT_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        for thread in self.threads:  # the pipe has ended, and so do they
            thread.join()
        self.connection.close()
        self.process.close()


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Signals that ask for an end come after the block here, and not at all to a process started in it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # now: where it has to start, it lets the signals through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *ENDINGS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(main: Callable, options: EngineOptions, connection) -> None:
    """In the new process. Ctrl-C and a closed terminal reach it too, but the server alone decides about its end."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, *ENDINGS})  # held back until now
    with contextlib.suppress(BrokenPipeError):  # the server ended before its engine was ready
        main(options, connection)
    sys.stdout.flush()
