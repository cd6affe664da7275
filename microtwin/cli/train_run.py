"""What ``microtwin train`` does once it knows what it is asked for."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from microtwin import files, recording
from microtwin.cli.train_progress import Watch, count, reading
from microtwin.errors import InputError
from microtwin.learn.stopping import first_ctrl_c
from microtwin.perception import crossvalidate, examples, scores_table
from microtwin.perception.progress import BOARD
from microtwin.perception.request import CONFIG
from microtwin.perception.training import device_of


def run(request, folder: Path, facts: dict[str, Any] | None) -> int:
    """Do, or go on with, the training that a :class:`microtwin.perception.request.Request` asks for.

    Args:
        facts: what ``config.json`` keeps of one that was begun; None for a new one.
    """
    if facts is None and (folder / CONFIG).exists():
        raise InputError(f"{folder} holds a training already: go on with --resume {folder}, or give another --out")
    device_of(request.training.device)
    console = Console(highlight=False, soft_wrap=True)
    training = request.training
    with reading(console) as progress:
        found = examples.load(
            request.data, training.size, robots=request.robots, kind=training.kind, unreadable=request.unreadable,
            report=progress,
        )  # fmt: skip
    size = {"images": len(found), "sequences": len(set(found.sequence.tolist()))}
    before = size if facts is None else facts.get("read", {})
    if odd := next((name for name in size if before.get(name) != size[name]), None):
        raise InputError(f"{request.data} has {size[odd]} {odd}, not {before.get(odd)} as before: restore it to go on")
    new = not folder.exists()
    files.open_folder(folder)
    if facts is None:
        request.save(folder, {"read": size, "versions": recording.versions() | versions()})
    try:
        with first_ctrl_c() as stopped, Watch(console) as watch:
            for line in _opening(request, found, size["sequences"]):
                console.print(line)
            how = {"split": request.split, "report": watch, "stop": stopped.is_set}
            if request.folds:
                scores = crossvalidate.crossvalidate(training, found, folder, n=request.folds, fold=request.fold, **how)
            else:
                scores = crossvalidate.train_all(training, found, folder, **how)
    except InputError:
        if facts is None:
            undo(folder, new)
        raise
    if scores is None:
        console.print(f"stopped and saved: go on with microtwin train {training.kind} --resume {folder}")
        return 130
    for line in scores_table.lines([scores] if isinstance(scores, dict) else scores):
        console.print(line)
    console.print(f"wrote {folder}")
    return 0


def _opening(request, found, sequences: int) -> Iterator[str]:
    """The first lines: what there is, and what is wrong with the way it is used."""
    folds = f"{request.folds} folds by {request.split}" if request.folds else "one network"
    yield f"{count(len(found), 'image')} in {count(sequences, 'sequence')}, {folds}"
    if found.skipped:
        yield f"left out {count(len(found.skipped), 'image')} that cannot be read, the first: {found.skipped[0]}"
    if request.split == "frame":
        yield (
            "a split by frame leaks: neighbours of the tested images are trained on, and the scores are better than "
            "those of a new sequence"
        )
    if not request.folds:
        yield "scored on the eighth that calibrates it: a little too good, and intervals that hold by construction"


def undo(folder: Path, new: bool) -> None:
    """Take away what a training left that computed nothing."""
    there = [path for path in folder.rglob("*") if path.is_file() and BOARD not in path.parts]
    if [path.name for path in there] != [CONFIG]:
        return
    there[0].unlink()
    for place in [path for path in folder.iterdir() if path.name == BOARD or path.name.startswith("fold_")]:
        shutil.rmtree(place)
    if new:
        with contextlib.suppress(OSError):
            folder.rmdir()


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "torchvision", "scikit-learn")}
