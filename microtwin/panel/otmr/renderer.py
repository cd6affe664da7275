"""The server's end of the OTMR pages' one worker: wishes out, answers back into the event loop."""

import asyncio
import contextlib
import multiprocessing
import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from microtwin.otmr.workers import deaf_children
from microtwin.panel.otmr.view import View
from microtwin.panel.otmr.worker import Answer, Wish, work

_ENDS_S = 2.0  # for the worker to end by itself
Listener = Callable[[Answer], None]


class Renderer:
    """Draws views in a process that is started with the first wish, and again with the first after it died.

    Methods are for the event loop's thread and never wait, but for :meth:`close`.

    Args:
        checkpoint: for the readings; None for the shipped ones.
    """

    def __init__(self, checkpoint: Path | None = None) -> None:
        self._checkpoint = None if checkpoint is None else str(checkpoint)
        self._outbox: queue.SimpleQueue[Wish | None] | None = None  # None: no worker
        self._listeners: dict[str, tuple[asyncio.AbstractEventLoop, Listener]] = {}
        self._numbers: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, page: str, view: View, listener: Listener) -> int:
        """Have a view drawn; ``listener`` hears the answers in this event loop. Returns the wish's number."""
        number = self._numbers[page] = self._numbers.get(page, 0) + 1
        with self._lock:
            self._listeners[page] = asyncio.get_running_loop(), listener
            if self._closed:
                return number
            if self._outbox is None:
                self._outbox = queue.SimpleQueue()
                self._thread = threading.Thread(
                    target=self._live, args=(self._outbox,), name="panel-otmr-out", daemon=True
                )
                self._thread.start()
            self._outbox.put(Wish(page, number, view))
        return number

    def leave(self, page: str) -> None:
        """The page is gone: nothing is drawn for it any more, and nothing kept."""
        with self._lock:
            self._listeners.pop(page, None)
            self._numbers.pop(page, None)
            if self._outbox is not None:
                self._outbox.put(Wish(page, 0, None))

    def close(self) -> None:
        """End the worker, for good; returns when it is gone."""
        with self._lock:
            self._closed = True
            outbox, thread = self._outbox, self._thread
        if outbox is not None:
            outbox.put(None)
        if thread is not None:
            thread.join()

    def _live(self, outbox: "queue.SimpleQueue[Wish | None]") -> None:
        """One worker's life: start it, pass wishes on, see it end."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=work, args=(theirs, self._checkpoint), name="panel-otmr", daemon=True)
        with deaf_children():
            process.start()
        theirs.close()
        hearing = threading.Thread(target=self._hear, args=(ours, outbox), name="panel-otmr-in", daemon=True)
        hearing.start()
        with contextlib.suppress(OSError):
            while (wish := outbox.get()) is not None:
                ours.send(wish)
        with contextlib.suppress(OSError):
            ours.send(None)
        process.join(_ENDS_S)
        if process.is_alive():
            process.kill()
            process.join()
        hearing.join()
        ours.close()
        process.close()

    def _hear(self, pipe: Connection, outbox: "queue.SimpleQueue[Wish | None]") -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                answer: Answer = pipe.recv()
                if self._numbers.get(answer.page) == answer.number:
                    self._tell(answer)
        with self._lock:
            if self._outbox is outbox:
                self._outbox = None
            pages, closed = list(self._numbers.items()), self._closed
        outbox.put(None)
        if not closed:
            words = "the process that draws has ended, perhaps for want of memory: move a slider to start it again"
            for page, number in pages:
                self._tell(Answer(page, number, "refused", {"words": words}))

    def _tell(self, answer: Answer) -> None:
        with self._lock:
            found = self._listeners.get(answer.page)
        if found is not None:
            loop, listener = found
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server ends
                loop.call_soon_threadsafe(listener, answer)
