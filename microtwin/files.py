"""Output folders and files that are there whole or not at all."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from microtwin.errors import InputError, RigError


def open_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, made if need be and proven writable before any work is spent.

    Raises:
        InputError: it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write to {folder} ({reason}): give --out a folder you may write to") from None
    return folder


RESERVE_BYTES = 32 * 2**20  # what a run needs to save what it has


def check_room(folder: Path) -> None:
    """To be asked while a recording grows: a run that cannot be saved must not go on.

    Raises:
        RigError: less than 32 MiB are left.
    """
    if shutil.disk_usage(folder).free < RESERVE_BYTES:
        raise RigError(f"the disk of {folder} is full: free some space, or give --out another place")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends without an error.

    Raises:
        InputError: the file system refuses (full disk, permissions).
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"cannot write {path} ({error.strerror or error}): free space or choose another place"
        ) from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def uninterrupted(*others: signal.Signals) -> Iterator[None]:
    """Ctrl-C, and the other signals named, do nothing inside the block, so that what there is gets saved."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *others)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
