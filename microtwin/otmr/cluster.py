"""Sequences drawn by the workers of a dask.distributed cluster, which write to a folder that all machines share.

The command at hand keeps the records; what a lost worker was drawing is drawn again by another. Start workers with one
thread each (``dask worker ADDRESS --nworkers auto --nthreads 1``) and the same microtwin as here. Processors of
different kinds may round the last bit differently: only among equal ones are the bytes promised to be the same.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Any

from microtwin.errors import InputError
from microtwin.otmr.generate import Run

_BACKLOG = 4  # jobs per thread: the scheduler gives them to whoever is free
_ANSWER_S = 10.0
_PATIENCE_S = 60.0  # without a worker


@contextlib.contextmanager
def on_cluster(address: str, patience_s: float = _PATIENCE_S) -> Iterator[Run]:
    """A function that runs jobs on the cluster whose scheduler is at ``address`` and gives the results as they come.

    Raises:
        InputError: dask.distributed is not installed; no scheduler answers within 10 s; when the function runs, there
            is no worker for ``patience_s``, a job took several workers with it, or the scheduler is gone.
    """
    try:
        import distributed
    except ImportError:
        raise InputError("--cluster needs dask.distributed: install it with pip install 'microtwin[cluster]'") from None
    try:
        client = distributed.Client(address, timeout=_ANSWER_S)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no cluster answers at {address} ({error}): start one with dask scheduler, and give its tcp://HOST:PORT"
        ) from None

    def run(work: Callable[[Any], Any], jobs: Iterable[Any]) -> Generator[Any, None, None]:
        left = iter(jobs)
        waiting: set[Any] = set()
        seen = time.monotonic()
        while True:
            threads = _threads(client, address)
            seen = time.monotonic() if threads else seen
            for job in islice(left, max(_BACKLOG * max(threads, 1) - len(waiting), 0)):
                waiting.add(client.submit(work, job, pure=False))
            if not waiting:
                return
            try:
                ended: Any = distributed.wait(waiting, timeout=1.0, return_when="FIRST_COMPLETED")
            except TimeoutError:
                if time.monotonic() - seen > patience_s:
                    raise InputError(
                        f"the cluster at {address} has no workers: start some, then run this again"
                    ) from None
                continue
            waiting = ended.not_done
            for future in ended.done:
                yield _result(future, address)

    with contextlib.closing(client):
        yield run


def _threads(client: Any, address: str) -> int:
    try:
        return sum(client.nthreads().values())
    except (OSError, ValueError, RuntimeError):
        raise _gone(address) from None


def _result(future: Any, address: str) -> Any:
    import distributed
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    try:
        return future.result()
    except distributed.KilledWorker:
        raise InputError(
            "several workers of the cluster died on the same images, perhaps for want of memory: give each more of it, "
            "then run the same command again to go on"
        ) from None
    except (FutureCancelledError, CommClosedError):
        raise _gone(address) from None


def _gone(address: str) -> InputError:
    return InputError(f"the cluster at {address} is gone: start it, then run the same command again to go on")
