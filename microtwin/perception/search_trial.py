"""One trial of a search: drawn, checked against the memory, trained, cut short when it lags, and put on record."""

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from microtwin.perception import progress, search_results
from microtwin.perception.fit import fit
from microtwin.perception.guards import TrainingFailed
from microtwin.perception.search_clock import Clock
from microtwin.perception.search_settings import Search
from microtwin.perception.search_space import Choice, need, suggest
from microtwin.perception.search_study import sampler
from microtwin.perception.source import Source
from microtwin.perception.task import Task

if TYPE_CHECKING:
    from optuna import Study, Trial

TRIAL, CHECKPOINT = "trial", "best.pt"


def run(
    settings: Search,
    task: Task,
    sources: tuple[Source, Source],
    folder: Path,
    study: "Study",
    clock: Clock,
    stop: Callable[[], bool],
) -> bool:
    """Do the next trial of a study, to train on the first source and choose by the second; False if it was stopped.

    The best network so far is the folder's ``best.pt``.

    Raises:
        InputError: what another choice would not mend, such as a full disk.
    """
    from optuna.trial import TrialState

    study.sampler = sampler(settings.seed, clock.done)
    trial = study.ask()
    choice = suggest(trial)
    needed = need(settings.kind, choice, task.n_outputs, settings.size)
    begun, place = time.monotonic(), folder / TRIAL
    if needed.memory_bytes > 1e9 * settings.memory_gb:
        ended = _Ended(None, f"needs {needed.memory_bytes / 1e9:.1f} GB, more than {settings.memory_gb:g}")
    else:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        ended = _trained(settings, choice, task, sources, place, trial, clock, stop)
    if ended is None:
        study.tell(trial, state=TrialState.FAIL)
        return False
    facts = {"params": needed.params, "macs": needed.macs, "memory_gb": round(needed.memory_bytes / 1e9, 3)}
    for name, fact in {**facts, "seconds": round(time.monotonic() - begun, 2), "reason": ended.reason}.items():
        trial.set_user_attr(name, fact)
    if ended.checkpoint:
        best = search_results.best(study)
        if best is None or _better(ended.value, best["value"], settings):
            ended.checkpoint.replace(folder / CHECKPOINT)  # first: if this is killed now, the trial comes again
        study.tell(trial, ended.value)
    else:
        study.tell(trial, state=TrialState.PRUNED)
    shutil.rmtree(place, ignore_errors=True)
    clock.ended()
    return True


@dataclass(frozen=True)
class _Ended:
    """A trial's checkpoint and value, or why it has none."""

    checkpoint: Path | None
    reason: str = ""
    value: float = math.nan


def _trained(
    settings: Search,
    choice: Choice,
    task: Task,
    sources: tuple[Source, Source],
    place: Path,
    trial: "Trial",
    clock: Clock,
    stop: Callable[[], bool],
) -> _Ended | None:
    """One trial's training in an empty folder; None if it was stopped."""
    values: list[float] = []
    cut = False

    def watch(now: progress.Report) -> None:
        nonlocal cut
        if now.new:
            values.append(value(now.scores))
            trial.report(values[-1], now.epoch)
            cut = now.epoch < settings.epochs and trial.should_prune()
        clock.tell(now)

    training = settings.training(batch=choice.batch_size, learning_rate=choice.learning_rate, options=choice.options)
    try:
        checkpoint = fit(training, task, *sources, place, report=watch, stop=lambda: cut or stop())
    except TrainingFailed as error:
        return _Ended(None, str(error).split(":")[0])
    if checkpoint and not math.isfinite(values[-1]):  # Optuna would call it failed, and it would be drawn for ever
        return _Ended(None, f"{values[-1]} on validation")
    if checkpoint:
        return _Ended(checkpoint, value=values[-1])
    if cut:
        return _Ended(None, f"worse than the median after {len(values)} of {settings.epochs} epochs")
    return None


def _better(new: float, than: float, settings: Search) -> bool:
    return new > than if settings.maximise else new < than


def value(scores: dict[str, float]) -> float:
    """What is searched for, from a report's scores."""
    if "depth_mse" in scores:
        return scores["depth_mse"]
    return 0.5 * (scores["pitch_accuracy"] + scores["roll_accuracy"])
