"""The runs that lie in a folder, newest first: what ``run.json`` says of each, and why some are not shown."""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from microtwin import recording
from microtwin.errors import InputError

REPORT, TELEMETRY, PATH, PICTURE = recording.FILES
VIDEO = "video.mp4"
FILES = (*recording.FILES, VIDEO)
DEPTH = 2  # runs/panel/20260131-120000 is found from runs too
LARGEST_REPORT_BYTES = 16 * 2**20
STAMP = "%Y%m%d-%H%M%S"  # how the panel names a run's folder


@dataclass(frozen=True)
class PastRun:
    """One recorded run.

    Attributes:
        name: of its folder, from where the list begins, with ``/``. when: Unix time, s.
        controller, path, backend: as they were given; empty where the file does not say.
        success: share of the trials that finished, 0 to 1. trials: how many there are.
        time_s, error_um, spin_fraction: means as in run.json; None where nothing was measured.
        reason: why the last trial that did not succeed did not.
    """

    name: str
    folder: Path
    when: float
    controller: str
    path: str
    backend: str
    trials: int
    success: float
    time_s: float | None
    error_um: float | None
    spin_fraction: float | None
    reason: str
    has_video: bool
    has_picture: bool


@dataclass(frozen=True)
class Skipped:
    """A folder with a run's files that cannot be shown, and why."""

    name: str
    reason: str


def list_runs(out: Path) -> list[PastRun]:
    """The runs below ``out``, newest first."""
    return look(out)[0]


def look(out: Path) -> tuple[list[PastRun], list[Skipped]]:
    """:func:`list_runs`, and what was skipped. Folders without a file of a run are neither."""
    runs, skipped = [], []
    for folder, names in _folders(Path(out), DEPTH):
        if not names & set(FILES):
            continue
        name = folder.relative_to(out).as_posix()
        try:
            runs.append(_run(name, folder, names))
        except InputError as error:
            skipped.append(Skipped(name, str(error)))
    return sorted(runs, key=lambda run: (run.when, run.name), reverse=True), skipped


def folder_of(out: Path, name: str) -> Path:
    """The folder of the run ``name`` as a list names it, which may come from a browser.

    Raises:
        InputError: there is no such run inside ``out``.
    """
    root = os.path.realpath(out)
    try:
        folder = os.path.realpath(os.path.join(root, name))
        inside = Path(root) in Path(folder).parents and os.path.isfile(os.path.join(folder, REPORT))
    except (ValueError, OSError):  # a null character, a name too long
        inside, folder = False, ""
    if not inside:
        raise InputError(f"run {name[:80]!r} is not in {out}: choose one of the list")
    return Path(folder)


def report_of(folder: Path) -> dict[str, Any]:
    """``run.json`` with a config and at least one trial.

    Raises:
        InputError: it is not there, not JSON, or not of a run.
    """
    file = Path(folder) / REPORT
    try:
        state = file.stat()
    except OSError as error:
        raise InputError(f"no {REPORT} ({error.strerror}): it is being recorded, or was cut off") from None
    return _report(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _report(file: Path, mtime_ns: int, size: int) -> dict[str, Any]:
    if size > LARGEST_REPORT_BYTES:
        raise InputError(f"{REPORT} has {size / 2**20:.0f} MiB: it is not of a run")
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{REPORT} cannot be read ({first_line(error)})") from None
    trials = report.get("trials") if isinstance(report, dict) else None
    good = isinstance(trials, list) and trials and all(isinstance(trial, dict) for trial in trials)
    if not good or not isinstance(report.get("config"), dict):
        raise InputError(f"{REPORT} is not of a pushing run: it has no config and trials")
    return report


def _run(name: str, folder: Path, names: set[str]) -> PastRun:
    report = report_of(folder)
    if TELEMETRY not in names:
        raise InputError(f"no {TELEMETRY}: half of a run")
    config, trials = report["config"], report["trials"]
    mean: Any = report.get("mean") if isinstance(report.get("mean"), dict) else {}

    def measured(key: str) -> float | None:
        """The mean; of a run of one trial also where that was cut short."""
        value = mean.get(key)
        return number(trials[0].get(key) if value is None and len(trials) == 1 else value)

    reasons = [str(trial["reason"]) for trial in trials if trial.get("reason") and not trial.get("success")]
    return PastRun(
        name,
        folder,
        _when(folder),
        *(str(config.get(key) or "") for key in ("controller", "path", "backend")),
        trials=len(trials),
        success=sum(trial.get("success") is True for trial in trials) / len(trials),
        time_s=measured("completion_time_s"),
        error_um=measured("mae_um"),
        spin_fraction=measured("spin_fraction"),
        reason=reasons[-1] if reasons else "",
        has_video=VIDEO in names,
        has_picture=PICTURE in names,
    )


def number(value: Any) -> float | None:
    """What a file gives as a number, if it is a finite one."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _folders(top: Path, depth: int) -> Iterator[tuple[Path, set[str]]]:
    """(folder, names of its files) of what lies below ``top``; no links, no hidden ones."""
    for entry in _entries(top):
        if entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        folder = Path(entry.path)
        yield folder, {file.name for file in _entries(folder) if file.is_file(follow_symlinks=False)}
        if depth > 1:
            yield from _folders(folder, depth - 1)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # gone meanwhile, or not ours to read
        return []


def _when(folder: Path) -> float:
    """By the folder's name, which copying leaves as it is; else by the file's date."""
    try:
        return time.mktime(time.strptime(folder.name[:15], STAMP))
    except (ValueError, OverflowError):
        return (folder / REPORT).stat().st_mtime


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
