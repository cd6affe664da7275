"""What an engine that was killed leaves behind: the video of its run, half written under its temporary name.

The writer holds a lock on the file (flock(2)), which the system takes away with the process, however that ends. A file
without a lock has no writer. Where there are no such locks nothing is swept.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

PATTERN = "*/.video-*.mp4"  # as microtwin.files.whole names it
FOLDER = re.compile(r"\d{8}-\d{6}(-\d+)?")  # as the panel names a run's: other programs' videos have no lock
_REFUSED = (OSError, AttributeError)  # held by somebody, gone meanwhile, no locks on this disk or system


@contextlib.contextmanager
def held(file: Path) -> Iterator[None]:
    """``file`` has a writer for the length of the block."""
    handle = os.open(file, os.O_RDONLY)
    try:
        with contextlib.suppress(*_REFUSED):
            fcntl.flock(handle, fcntl.LOCK_SH)  # type: ignore[union-attr]
        yield
    finally:
        os.close(handle)


def sweep(out: Path) -> list[Path]:
    """Remove the unfinished videos below ``out`` whose writers are gone, and their folders where these are empty then.

    Returns:
        what was removed of them. Nothing that cannot be removed is an error.
    """
    swept = []
    for file in sorted(out.glob(PATTERN)):
        with contextlib.suppress(*_REFUSED):
            if FOLDER.fullmatch(file.parent.name) and _has_no_writer(file):
                file.unlink()
                swept.append(file)
                file.parent.rmdir()  # only if nothing else is in it
    return swept


def _has_no_writer(file: Path) -> bool:
    """Whether nobody holds it; OSError if somebody does."""
    handle = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[union-attr]
        return True
    finally:
        os.close(handle)
