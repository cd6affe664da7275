"""Numba's disk cache watches the file of a cached function, not those it calls."""

import contextlib
from pathlib import Path


def drop_stale(folder: Path, *grounds: Path) -> None:
    """Drop a folder's cached kernels that are older than any source in it or in ``grounds``, whose functions they call.

    To be called before the compiled functions are imported.
    """
    newest = max(source.stat().st_mtime for where in (folder, *grounds) for source in where.glob("*.py"))
    for kernel in (folder / "__pycache__").glob("*.nb[ic]"):
        with contextlib.suppress(OSError):  # a read-only or shared folder: numba then keeps its own rules
            if kernel.stat().st_mtime < newest:
                kernel.unlink(missing_ok=True)
