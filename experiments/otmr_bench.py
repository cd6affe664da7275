"""What the perception experiments share: cells that are trained once and kept, and how they are told.

A cell is one network trained on one fold and tested on what it has not seen. Its result is ``out/cells/NAME.json``,
beside the settings it was made with; a cell that is there with the same settings is not done again, and a training that
was stopped goes on from its last epoch (``out/fits/NAME``, removed when the cell is done). Several cells can be done at
once, each by its own process: a small network leaves most of a GPU idle.
"""

import contextlib
import functools
import json
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from microtwin import files
from microtwin.errors import InputError
from microtwin.otmr.workers import in_processes

if TYPE_CHECKING:
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.examples import Examples
    from microtwin.perception.training import Training

Scale = Literal["smoke", "laptop", "paper"]
TableScale = Literal["smoke", "laptop", "gpu", "paper"]  # of Tables II and IV
Device = Literal["auto", "cpu", "cuda"]
Tick = Callable[[float], None]  # told the share of a cell that is done, 0 to 1
Found = dict[str, Any]
OURS = "twinnet"
UNSEEN = 100  # added to the data's seed: prints and optics that twinnet's own weights were not taught with
STOPPED = "stopped; the same command goes on from the last epoch"
FROM_SCRATCH = ("cnn", "nas_pose", "nas_depth")  # others start from ImageNet, ours from renderings of other seeds
LARGE = ("vgg16", "vit_b_16")  # a hundred million weights
# Images per second that are trained on, 64 pixels wide, on one core in bfloat16: only the time left comes from it
IMAGES_S = {
    "cnn": 570,
    "vgg16": 17,
    "resnet18": 260,
    "resnet50": 100,
    "efficientnet_b0": 110,
    "mobilenet_v2": 210,
    "vit_b_16": 30,
    "nas_pose": 105,
    "nas_depth": 72,
    OURS: 1100,
}


@dataclass(frozen=True)
class Effort:
    """What is spent on a network: ``images`` are the most it is trained on, 0 is all; ``folds`` of five are done."""

    size: int
    epochs: int
    folds: int
    images: int = 0
    batch: int = 64
    learning_rate: float = 1e-3
    pretrained: bool = False

    def training(self, kind: Literal["pose", "depth"], network: str, seed: int, device: Device) -> "Training":
        from microtwin.perception.training import Training

        return Training(
            kind=kind,
            network=network,
            size=self.size,
            epochs=self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            pretrained=self.pretrained and network not in FROM_SCRATCH,
            device=device,
            seed=seed,
        )


@dataclass(frozen=True)
class Cell:
    """One thing to do: a name for its file, all that its result depends on, and its share of the time."""

    name: str
    settings: dict[str, Any]
    weight: float = 1.0


def run(
    out: Path,
    cells: Sequence[Cell],
    ready: Callable[[Cell], object],
    work: Callable[[Cell, Tick], Found],
    workers: int = 1,
) -> list[Found]:
    """Every cell's result, with its settings, in order; those not kept from an earlier run are done now.

    Args:
        out: the experiment's folder.
        cells: with different names.
        ready: called with each cell to do before the first is begun: draws the images it needs.
        work: does one; with several workers a function that other processes can import.
        workers: cells that are done at once, each in a process of its own, the longest first.

    Raises:
        InputError: a folder that cannot be written, fewer than one worker, or what ``work`` raises.
    """
    pool = in_processes(workers)
    folder = files.open_folder(out / "cells")
    kept = {cell.name: _kept(folder, cell) for cell in cells}
    missing = [cell for cell in cells if kept[cell.name] is None]
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{len(missing)} cells to do, {len(cells) - len(missing)} already there")
    for cell in missing:
        ready(cell)
    if workers > 1:
        missing.sort(key=lambda cell: -cell.weight)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(True))
    begun, done, total = time.monotonic(), 0.0, sum(cell.weight for cell in missing)
    with contextlib.ExitStack() as stack:
        bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        progress = stack.enter_context(bars)
        bar = progress.add_task("", total=total)

        def alone() -> Generator[tuple[Cell, Found], None, None]:
            for number, cell in enumerate(missing, 1):
                progress.update(bar, description=f"{number} of {len(missing)}: {cell.name}")
                before, weight = done, cell.weight
                yield _done(work, cell, lambda share, b=before, w=weight: progress.update(bar, completed=b + w * share))

        finished = pool(functools.partial(_apart, work), missing) if workers > 1 else alone()
        stack.enter_context(contextlib.closing(finished))  # workers end at once when something fails
        for number, (cell, found) in enumerate(finished, 1):
            kept[cell.name] = found
            with files.whole(folder / f"{cell.name}.json") as temporary:
                temporary.write_text(json.dumps({"settings": cell.settings, "found": kept[cell.name]}, indent=1))
            shutil.rmtree(fit_folder(out, cell), ignore_errors=True)
            done += cell.weight
            progress.update(bar, completed=done)
            left = (time.monotonic() - begun) * (total - done) / done / 60
            console.print(
                f"  {cell.name:44} {found['seconds']:6.0f} s   {number} of {len(missing)}, {left:.1f} min left"
            )
    return [cell.settings | (kept[cell.name] or {}) for cell in cells]


def _done(work: Callable[[Cell, Tick], Found], cell: Cell, tick: Tick = lambda share: None) -> tuple[Cell, Found]:
    started = time.monotonic()
    found = work(cell, tick)
    return cell, found | {"seconds": round(time.monotonic() - started, 1)}


def _apart(work: Callable[[Cell, Tick], Found], cell: Cell) -> tuple[Cell, Found]:
    """What a worker does."""
    import cv2

    cv2.setNumThreads(1)  # there is a worker for every core
    return _done(work, cell)


def fit_folder(out: Path, cell: Cell) -> Path:
    return out / "fits" / cell.name


def _kept(folder: Path, cell: Cell) -> Found | None:
    try:
        there = json.loads((folder / f"{cell.name}.json").read_text())
        return there["found"] if there["settings"] == json.loads(json.dumps(cell.settings)) else None
    except (OSError, ValueError, KeyError):
        return None


@functools.lru_cache(maxsize=6)  # as many as Table IV has robots
def load(folder: Path, size: int, kind: Literal["pose", "depth"], robot: int) -> "Examples":
    """One robot's images of a data set, in memory."""
    from microtwin.perception.examples import load

    return load(folder, size, robots=(robot,), kind=kind)


def fewer(indices: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most so many of the indices, drawn at random, in their order; 0 is all."""
    if not most or len(indices) <= most:
        return indices
    return np.sort(np.random.default_rng(seed).choice(indices, most, replace=False))


def trained(training: "Training", train: "Examples", validation: "Examples", folder: Path, tick: Tick) -> "Estimator":
    """A network trained on some examples and calibrated on others; one that was begun in ``folder`` goes on.

    Raises:
        InputError: as :func:`microtwin.perception.fit.fit`.
        KeyboardInterrupt: Ctrl-C; the last finished epoch is kept.
    """
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.fit import fit
    from microtwin.perception.source import Augmentation, Stored
    from microtwin.perception.task import Task
    from microtwin.perception.training import device_of

    task = Task.of(train, training.kind)
    device = device_of(training.device)
    learn = Stored(train, augment=Augmentation() if training.augment else None, seed=training.seed, device=device)
    hold = Stored(validation, shuffle=False, device=device)
    checkpoint = fit(training, task, learn, hold, files.open_folder(folder), report=lambda now: tick(now.fraction))
    assert checkpoint  # nothing stops it but a Ctrl-C, which passes through
    return Estimator.load(checkpoint, device=training.device)


def joined(parts: Sequence["Examples"]) -> "Examples":
    """The examples of several data sets one after the other; sequences of different sets stay different."""
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {}
    for field in fields(parts[0]):
        if isinstance(getattr(parts[0], field.name), np.ndarray):
            arrays[field.name] = np.concatenate([getattr(part, field.name) for part in parts])
    starts = np.cumsum([0, *(int(part.sequence.max()) + 1 for part in parts[:-1])])
    arrays["sequence"] = np.concatenate([part.sequence + start for part, start in zip(parts, starts, strict=True)])
    return replace(parts[0], **arrays, paths=[path for part in parts for path in part.paths])


def asked(networks: Sequence[str], known: Sequence[str], scale: TableScale, seed: int) -> Sequence[str]:
    """The networks asked for; none means all of a table, at ``smoke`` all but the large ones.

    Raises:
        InputError: as :func:`check`.
    """
    check(networks, known, seed)
    return networks or [name for name in known if scale != "smoke" or name not in LARGE]


def check(networks: Sequence[str], known: Sequence[str], seed: int) -> None:
    """Raises InputError on a network that is not in a table, a negative seed, or where torch is not installed."""
    from microtwin.perception import extra

    extra.require()
    for network in networks:
        if network not in known:
            raise InputError(f"network {network!r} is not in the table: give some of {', '.join(known)}")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")


def weight(network: str, effort: Effort, images: int) -> float:
    """How long a training is going to take, roughly and in seconds of one core."""
    trained_on = min(images, effort.images or images)
    return trained_on * effort.epochs * (effort.size / 64) ** 2 / IMAGES_S[network]


def means(rows: Iterable[Found], names: Sequence[str]) -> dict[str, float]:
    """Mean of each value over rows, and its standard deviation as ``NAME_sd``, 0 of a single one."""
    rows = list(rows)
    found: dict[str, float] = {}
    for name in names:
        values = np.array([row[name] for row in rows], dtype=float)
        found[name] = float(values.mean())
        found[f"{name}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return found


Verdict = tuple[str, bool | None, str]


def tell(verdicts: Iterable[Verdict]) -> None:
    """Print what must show: name, passed (None: for information), figure."""
    for name, passed, figure in verdicts:
        print(f"  {'    ' if passed is None else 'pass' if passed else 'MISS'}  {name:52} {figure}")
