"""The thread that keeps a board's watchdog fed, while the program that commands the field is alive."""

import threading
from collections.abc import Callable


class Heartbeat:
    """Calls ``beat`` every ``period_s`` as long as ``alive()``; a period of 0 means no thread at all."""

    def __init__(self, period_s: float, beat: Callable[[], object], alive: Callable[[], bool]):
        self._period_s, self._beat, self._alive = period_s, beat, alive
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._period_s and self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="coils heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._ended.wait(self._period_s):
            if self._alive():
                self._beat()
