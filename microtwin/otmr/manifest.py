"""Checking a data set against its manifest, its labels against its images, and its table against both.

The manifest is what ``sha256sum`` writes, so ``sha256sum -c manifest.sha256`` checks the files without microtwin.
"""

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from microtwin.errors import InputError
from microtwin.otmr import layout
from microtwin.otmr.assemble import TABLE
from microtwin.otmr.store import EXPORTS, MANIFEST, PARTS, read_settings

_TEXT, _NUMBERS = ("path", "task"), ("pitch_deg", "roll_deg", "depth_um", "depth_scaled")  # columns compared
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


@dataclass
class Report:
    """What a check found.

    Attributes:
        files, images, size: what the manifest lists that is there; bytes.
        problems: one line each; none if the data set is as it was written.
    """

    files: int = 0
    images: int = 0
    size: int = 0
    problems: list[str] = field(default_factory=list)


def verify(folder: str | os.PathLike[str], report: Callable[[int, int], None] = lambda done, of: None) -> Report:
    """Check a complete data set.

    Args:
        folder: of the data set.
        report: called with the files checked and their number.

    Raises:
        InputError: no data set, one that is not complete, or a folder in it that cannot be read.
    """
    root = Path(folder)
    read_settings(root)
    sums = _read(root / MANIFEST)
    found = Report()
    present = set(_files(root))
    for number, (name, digest) in enumerate(sums.items(), 1):
        if name not in present:
            found.problems.append(f"{name} is missing")
        else:
            try:
                data = (root / name).read_bytes()
            except OSError as error:
                found.problems.append(f"{name} cannot be read ({error.strerror or error})")
                continue
            if hashlib.sha256(data).hexdigest() != digest:
                found.problems.append(f"{name} has changed")
            found.files += 1
            found.images += layout.is_image(name)
            found.size += len(data)
        report(number, len(sums))
    found.problems += [f"{name} is not the data set's" for name in sorted(present - sums.keys() - {MANIFEST})]
    found.problems += _check_labels(root, present)
    return found


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path.parent} is not complete: run the command that began it again to go on") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path} ({error}): restore it") from None
    found = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise InputError(f"{path}, line {number} is no checksum and name: restore the manifest")
        found[match[2]] = match[1]
    return found


def _files(root: Path, under: str = "") -> Iterator[str]:
    """Names of all files, from the folder, but for what the manifest leaves out."""
    try:
        entries = list(os.scandir(root / under))
    except OSError as error:
        raise InputError(
            f"cannot read {root / under} ({error.strerror or error}): give a folder you may read"
        ) from None
    for entry in entries:
        name = f"{under}{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            yield name
        elif name not in (PARTS, *EXPORTS):
            yield from _files(root, f"{name}/")


def _check_labels(root: Path, present: set[str]) -> Iterator[str]:
    """Problems of labels and table, whatever the checksums say."""
    import pandas as pd

    if TABLE not in present:
        return
    try:
        table = pd.read_parquet(root / TABLE)
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        yield f"{TABLE} cannot be read ({' '.join(str(error).split())[:80]})"
        return
    if lacks := _lacks(table):
        yield f"{TABLE} {lacks}"
        return
    table = table.set_index("path")
    images = {name for name in present if layout.is_image(PurePosixPath(name).name)}
    if odd := sorted(images ^ set(table.index)):
        yield f"{TABLE} has {len(table)} rows for {len(images)} images, {odd[0]} is on one side only"
    in_folder = Counter(name.rpartition("/")[0] for name in images)
    for folder, rows in table.groupby(table.index.map(lambda name: name.rpartition("/")[0]), sort=True):
        path = root / str(folder)
        pose = rows.task.iloc[0] == "pose"
        if pose and {f"P{p}_R{r}" for p, r in zip(rows.pitch_deg, rows.roll_deg, strict=True)} != {path.name}:
            yield f"{folder} and {TABLE} disagree on the pose"
        file = layout.scaled_depth_file(path) if pose else layout.depth_file(path)
        if not file.is_file():
            if not pose:
                yield f"{folder} has no label file"
            continue
        try:
            labels = layout.parse_scaled_depths(file) if pose else dict(layout.parse_depths(file))
        except InputError as error:
            yield str(error)
            continue
        if len(labels) != in_folder[str(folder)]:
            yield f"{folder}/{file.name} has {len(labels)} lines for {in_folder[str(folder)]} images"
        depths = zip(rows.index, rows["depth_scaled" if pose else "depth_um"], strict=True)
        names = [str(name).rpartition("/")[2] for name, depth in depths if not _is(labels, str(name), depth)]
        if names:
            yield f"{folder}/{file.name} and {TABLE} disagree on {names[0]}"


def _lacks(table: Any) -> str:
    """What keeps the table from being compared with labels and folders; nothing if nothing does."""
    from pandas.api.types import is_numeric_dtype, is_string_dtype

    for name in (*_TEXT, *_NUMBERS):
        if name not in table:
            return f"has no column {name}"
        if not (is_string_dtype if name in _TEXT else is_numeric_dtype)(table[name]):
            return f"has no {'text' if name in _TEXT else 'numbers'} in column {name}"
    return ""


def _is(labels: Mapping[Any, float], name: str, depth: float) -> bool:
    return abs(labels.get(name.rpartition("/")[2], math.inf) - depth) < 10**-layout.DECIMALS
