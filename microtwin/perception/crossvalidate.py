"""Cross-validation: a network for every fold, its scores on images that it has not seen, and their spread."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from microtwin import files
from microtwin.errors import InputError
from microtwin.perception import assess, folds, scores_picture, scores_table
from microtwin.perception.estimator import Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.fit import fit
from microtwin.perception.folds import By
from microtwin.perception.progress import Report
from microtwin.perception.scores import Scores
from microtwin.perception.source import Augmentation, Stored
from microtwin.perception.state import difference
from microtwin.perception.task import Task
from microtwin.perception.training import Training, device_of

SCORES, TABLE, PICTURE = "scores.json", "scores.csv", "scores.png"
SEED_STEP = 1000  # between the seeds of two folds


@dataclass(frozen=True)
class FoldReport:
    """Attributes:
    fold: which one, from 0; None where everything is trained on. number: of folds to do, from 0. count: how many.
    training: how its training goes. scores: of its test, when it has just ended.
    """

    fold: int | None
    number: int
    count: int
    training: Report | None = None
    scores: Scores | None = None


Watch = Callable[[FoldReport], None]
Stop = Callable[[], bool]


def crossvalidate(
    training: Training,
    examples: Examples,
    folder: Path,
    *,
    n: int = 5,
    split: By = "sequence",
    fold: int | None = None,
    report: Watch | None = None,
    stop: Stop | None = None,
) -> list[Scores] | None:
    """Train and test the folds in ``folder/fold_0`` and so on; finished ones are not done again.

    Writes for every fold checkpoint.pt, log.csv, tb/, predictions.csv and scores.json; and of all folds there are,
    scores.csv (with mean and standard deviation) and scores.png.

    Args:
        n: number of folds. split: as :func:`microtwin.perception.folds.folds` says.
        fold: only this one.
        report: told how it goes. stop: asked after every batch.

    Returns:
        the scores of the folds asked for, or None if it was stopped.

    Raises:
        InputError: what the folds, the training or the images cannot do; another training in the folder.
    """
    parts = folds.folds(examples, n, split, training.seed)
    if fold is not None and not 0 <= fold < n:
        raise InputError(f"fold is {fold}: give 0 to {n - 1}")
    chosen = range(n) if fold is None else [fold]
    plan = {"folds": n, "split": split, "images": len(examples)}
    for number, k in enumerate(chosen):
        place = files.open_folder(folder / f"fold_{k}")
        if _finished(place, training, plan) is None:
            watch = _watching(report, k, number, len(chosen))
            part = parts[k]
            found = _one(training, examples, part.train, part.validation, part.test, place, watch, stop, plan, k)
            if found is None:
                return None
            if report:
                report(FoldReport(k, number, len(chosen), scores=found))
    there = {k: found for k in range(n) if (found := _finished(folder / f"fold_{k}", training, plan)) is not None}
    scores_table.write(folder / TABLE, there)
    scores_picture.draw_folds(
        folder / PICTURE, [folder / f"fold_{k}" for k in there], examples.depth_unit, examples.depth_unit
    )
    return [there[k] for k in chosen]


def train_all(
    training: Training,
    examples: Examples,
    folder: Path,
    *,
    split: By = "sequence",
    report: Watch | None = None,
    stop: Stop | None = None,
) -> Scores | None:
    """Train on everything but an eighth, which calibrates and is scored (so scores are a little too good).

    Writes ``folder/checkpoint.pt`` and what a fold has; None if it was stopped.

    Raises:
        InputError: as :func:`crossvalidate`.
    """
    plan = {"folds": 0, "split": split, "images": len(examples)}
    if (found := _finished(folder, training, plan)) is not None:
        return found
    train, held = folds.hold_out(examples, by=split, seed=training.seed)
    found = _one(training, examples, train, held, held, folder, _watching(report, None, 0, 1), stop, plan, 0)
    if found is not None:
        scores_picture.draw_folds(folder / PICTURE, [folder], examples.depth_unit, examples.depth_unit)
        if report:
            report(FoldReport(None, 0, 1, scores=found))
    return found


def _one(
    training: Training,
    examples: Examples,
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    folder: Path,
    watch: Callable[[Report], None],
    stop: Stop | None,
    plan: dict[str, Any],
    k: int,
) -> Scores | None:
    """Train in a folder and score what comes out; None if it was stopped."""
    device = device_of(training.device)
    task = Task.of(examples.take(train), training.kind)
    augment = Augmentation() if training.augment else None
    source = Stored(examples, train, augment=augment, seed=training.seed + SEED_STEP * k, device=device)
    held = Stored(examples, validation, shuffle=False, device=device)
    made = fit(training, task, source, held, folder, report=watch, stop=stop)
    if made is None:
        return None
    estimator, tested = Estimator.load(made, device), examples.take(test)
    said = estimator.prepared(tested.images)
    scores = assess.assess(tested, said, task.depth_unit)
    assess.write_predictions(folder / assess.PREDICTIONS, tested, said)
    kept = {name: value if math.isfinite(value) else None for name, value in scores.items()}  # JSON has no NaN
    content = {"training": training.to_json(), **plan, "scores": kept}
    with files.whole(folder / SCORES) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return scores


def _watching(report: Watch | None, fold: int | None, number: int, count: int) -> Callable[[Report], None]:
    def watch(training: Report) -> None:
        if report:
            report(FoldReport(fold, number, count, training))

    return watch


def _finished(folder: Path, training: Training, plan: dict[str, Any]) -> Scores | None:
    """The scores of a fold that is done; None if it is not.

    Raises:
        InputError: it was done by another training, or its scores cannot be read.
    """
    file = folder / SCORES
    if not file.is_file():
        return None
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        odd = difference(kept["training"], training) or next((n for n in plan if kept[n] != plan[n]), None)
        scores = {name: math.nan if value is None else float(value) for name, value in kept["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read {file} ({error}): remove it to score again") from None
    if odd:
        raise InputError(f"{folder} holds a training with another {odd}: give another --out")
    return scores
