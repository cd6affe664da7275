"""Bayesian search over Table I of the OTMR paper with Optuna, from its first trial or from where it was stopped.

Trials are drawn by the tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) and cut short when, after some
epoch, they are worse than the median of the earlier ones. Each draw has a seed of its own, from the search's and the
number of trials that ended before: a trial that was killed is counted as failed and drawn again, the same one, and a
search that was stopped ends as one that was not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from microtwin.errors import InputError
from microtwin.perception import search_results
from microtwin.perception.assess import assess
from microtwin.perception.estimator import Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.folds import folds
from microtwin.perception.search_clock import Clock, Report
from microtwin.perception.search_settings import CONFIG, Search
from microtwin.perception.search_study import opened
from microtwin.perception.search_trial import CHECKPOINT, run
from microtwin.perception.source import Augmentation, Stored
from microtwin.perception.task import Task
from microtwin.perception.training import device_of

if TYPE_CHECKING:
    from optuna import Study


def search(
    settings: Search,
    examples: Examples,
    folder: Path,
    *,
    resume: bool = False,
    report: Callable[[Report], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Search in an existing folder; True when all trials are done and ``best.json`` is written.

    The value of a trial is the mean of pitch and roll accuracy, or the mean squared error of the depth, on the
    validation images of the first of five folds. Its test images choose nothing: the best network is scored with them.

    Args:
        examples: of ``settings.data``, at ``settings.size``.
        resume: go on with the folder's search.
        stop: asked after every batch; True ends the search there, and the trial that was begun is done again later.

    Raises:
        InputError: a search in the folder, and ``resume`` is False; other settings or images than it began with;
            images that cannot be split; no trial that could be completed.
    """
    if not resume and (folder / CONFIG).exists():
        raise InputError(f"{folder} holds a search already: go on with --resume {folder}, or give another --out")
    if resume and (odd := settings.difference(Search.of(folder))):
        raise InputError(f"{folder} holds a search with another {odd}: go on with the same, or give another --out")
    fold = folds(examples, 5, by=settings.split, seed=settings.seed)[0]
    task = Task.of(examples.take(fold.train), settings.kind)
    device, augment = device_of(settings.device), Augmentation() if settings.augment else None
    sources = (
        Stored(examples, fold.train, augment=augment, seed=settings.seed, device=device),
        Stored(examples, fold.validation, shuffle=False, device=device),
    )
    settings.save(folder)
    label = _label(settings, task)
    with opened(settings, folder, len(examples)) as study:
        clock = Clock(study, settings.trials, report)
        while clock.done < settings.trials:
            if stop() or not run(settings, task, sources, folder, study, clock, stop):
                return False
            found = len(study.get_trials(deepcopy=False))
            search_results.write(folder, study, label, f"Search for {settings.kind}: {found} trials")
        row = search_results.best(study)
        if row is None:
            raise InputError(f"none of {clock.done} trials was completed: {_reasons(study)}")
        test = _test(examples.take(fold.test), folder / CHECKPOINT, settings)
        search_results.write_best(folder, settings.kind, row, label, test)
    return True


def _label(settings: Search, task: Task) -> str:
    if settings.kind == "pose":
        return "mean of pitch and roll accuracy"
    return "mean squared error of the depth" + (" (µm²)" if task.depth_unit == "um" else " (of scaled depths)")


def _test(examples: Examples, checkpoint: Path, settings: Search) -> dict[str, float]:
    """Scores of the best network."""
    estimator = Estimator.load(checkpoint, device=settings.device)
    return assess(examples, estimator.prepared(examples.images), estimator.task.depth_unit)


def _reasons(study: "Study") -> str:
    last = next((row["reason"] for row in reversed(search_results.rows(study)) if row["reason"]), "all were stopped")
    return f"the last one {last}; give more --trials, a smaller --size or more --memory-gb"
