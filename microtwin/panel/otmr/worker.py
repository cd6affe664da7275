"""The OTMR page's worker: one process that draws what the pages ask for, newest wish of each page first.

Each page has one wish. A newer one takes its place; the worker looks for newer ones every few tens of milliseconds. It
ends when its end of the pipe closes, so also when the server is killed.
"""

import contextlib
import os
import signal
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from microtwin.errors import InputError
from microtwin.panel.otmr.view import View

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_NICE = 5  # the rig's loop comes first


class Wish(NamedTuple):
    """What a page wants to see; ``view`` None: the page is gone. Numbers of a page rise."""

    page: str
    number: int
    view: View | None


class Answer(NamedTuple):
    """Something about a wish.

    Attributes:
        kind: ``picture``, as :func:`microtwin.panel.otmr.pictures.pictures` has it, with bytes ``png`` for its image;
            ``reading``, as of :meth:`microtwin.panel.otmr.reading.Reader.read`; ``no reading`` or ``refused``: why, in
            ``words``.
    """

    page: str
    number: int
    kind: str
    content: dict[str, Any]


def work(pipe: Connection, checkpoint: str | None) -> None:
    """What the process does: wishes in, answers out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the server ends this one
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # before numpy and PyTorch are loaded
    if hasattr(os, "nice"):
        os.nice(_NICE)
    with contextlib.suppress(EOFError, OSError):
        _serve(pipe, checkpoint)
    os._exit(0)  # whatever a thread is loading


def _serve(pipe: Connection, checkpoint: str | None) -> None:
    import cv2

    from microtwin.panel.otmr.pictures import Kept
    from microtwin.panel.otmr.reading import Reader

    cv2.setNumThreads(1)
    reader = Reader(checkpoint)
    kept: dict[str, Kept] = {}
    jobs: dict[str, Generator[Answer | None, None, None]] = {}
    blank: set[str] = set()  # pages that have no picture of their wish yet: they come first
    while True:
        for wish in _arrived(pipe, wait=not jobs):
            jobs.pop(wish.page, None)
            if wish.view is None:
                kept.pop(wish.page, None)
            else:
                jobs[wish.page] = _answers(wish, wish.view, kept.setdefault(wish.page, Kept()), reader)
                blank.add(wish.page)
        blank &= jobs.keys()
        for page in blank or list(jobs):
            try:
                answer = next(jobs[page])
            except StopIteration:
                del jobs[page]
                continue
            if answer is not None:
                pipe.send(answer)
                blank = blank - {page}


def _arrived(pipe: Connection, wait: bool) -> Iterator[Wish]:
    """The wishes in the pipe, in their order; with ``wait`` at least one.

    Raises:
        EOFError: the server wants no more, or is gone.
    """
    while wait or pipe.poll():
        wish = pipe.recv()
        if wish is None:
            raise EOFError
        yield wish
        wait = False


def _answers(wish: Wish, view: View, kept, reader) -> Generator[Answer | None, None, None]:
    """Everything there is to say about one wish, None where a newer one may step in."""
    import cv2

    from microtwin.panel.otmr.pictures import pictures

    def answer(kind: str, **content: Any) -> Answer:
        return Answer(wish.page, wish.number, kind, content)

    image = None
    try:
        for found in pictures(view.checked(), kept):
            if found is None:
                yield None
                continue
            image = found.pop("image")
            png = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
            yield answer("picture", png=png, **found)
    except InputError as error:
        yield answer("refused", words=str(error))
        return
    except Exception as error:  # the page must hear of it, and the worker must live for the others
        yield answer("refused", words=f"it cannot be drawn ({type(error).__name__}: {error}): choose other values")
        return
    if image is None:
        return
    try:
        loading = reader.begin(view.robot)
        if not loading.done():
            yield answer("no reading", words="loading the network …")
        while not loading.done():
            with contextlib.suppress(TimeoutError):
                loading.exception(timeout=0.02)
            yield None
        yield answer("reading", **reader.read(image, view.robot))
    except InputError as error:
        yield answer("no reading", words=str(error))
    except Exception as error:  # PyTorch has many
        yield answer("no reading", words=f"the network failed ({type(error).__name__}: {error})")
