"""Sequences drawn by worker processes, which never outlive the command that started them.

Workers are spawned, not forked (a fork copies locks that other threads hold), and each has one thread. They ignore
Ctrl-C, which a terminal sends to all of them: the command hears it, and they end when their end of a pipe closes, as
it also does when the command is killed.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from microtwin.errors import InputError
from microtwin.otmr.generate import Run

_BACKLOG = 2  # jobs per worker: the next is there before the last is done
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")}


def in_processes(workers: int) -> Run:
    """A function that runs jobs on so many processes and gives the results as they come.

    Raises:
        InputError: fewer than one worker; when it runs, a worker that died.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}: give 1 or more")

    def run(work: Callable[[Any], Any], jobs: Iterable[Any]) -> Generator[Any, None, None]:
        context = multiprocessing.get_context("spawn")
        theirs, ours = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(theirs,))
        left = iter(jobs)
        waiting: set[Future[Any]] = set()
        try:
            with _environment(ONE_THREAD):
                while True:
                    for job in islice(left, _BACKLOG * workers - len(waiting)):
                        with deaf_children():
                            waiting.add(pool.submit(work, job))
                    if not waiting:
                        break
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            pool.shutdown()
        except BrokenProcessPool:
            raise InputError(
                "a worker process died, perhaps for want of memory: run the same command again to go on, "
                "with fewer --workers if it happens twice"
            ) from None
        finally:
            ours.close()  # workers that are still drawing end at once
            theirs.close()
            pool.shutdown(cancel_futures=True)

    return run


@contextlib.contextmanager
def deaf_children() -> Iterator[None]:
    """Processes started inside the block do not hear Ctrl-C, from their first line on; this one does.

    They inherit this thread's mask. Ignoring the signal instead would lose a Ctrl-C that comes just then.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it would unmask the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(pipe: Connection) -> None:
    """The first thing a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()


def _end_with(pipe: Connection) -> None:
    with contextlib.suppress(OSError):
        pipe.poll(None)  # nothing is ever sent: it returns when the other end is gone
    os._exit(1)


@contextlib.contextmanager
def _environment(settings: dict[str, str]) -> Iterator[None]:
    """Set for the processes started inside the block: libraries read them when they are loaded."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
