"""The picture of a search: every trial's value with the best so far, and which hyperparameters mattered."""

import itertools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtwin import files

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna import Study

FEWEST = 4  # complete trials: of fewer, importances are noise
COLOURS = {"complete": "#4477aa", "pruned": "#bbbbbb"}


def draw(path: Path, study: "Study", rows: list[dict[str, Any]], label: str, title: str) -> None:
    """Write the picture of a study.

    Args:
        rows: one per trial, with ``trial``, ``state`` and ``value`` (nan where there is none).
        label: of the value's axis. title: over both parts.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    history, bars = figure.subplots(1, 2, width_ratios=(1.5, 1))
    _history(history, rows, label, maximise=study.direction.name == "MAXIMIZE")
    _importances(bars, study)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def importances(study: "Study") -> dict[str, float]:
    """Share of the value's variance that each hyperparameter explains, largest first; empty for fewer trials than four.

    Functional ANOVA (Hutter, Hoos and Leyton-Brown 2014) as Optuna has it, always with the same random forest.
    """
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) < 2:  # nothing to explain
        return {}
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    return {name: float(share) for name, share in found.items()}


def _history(ax: "Axes", rows: list[dict[str, Any]], label: str, maximise: bool) -> None:
    from matplotlib.ticker import MaxNLocator

    for state, colour in COLOURS.items():
        chosen = [row for row in rows if row["state"] == state and math.isfinite(row["value"])]
        ax.plot([row["trial"] for row in chosen], [row["value"] for row in chosen], "o", color=colour, label=state)
    complete = [row for row in rows if row["state"] == "complete"]
    best = list(itertools.accumulate((row["value"] for row in complete), max if maximise else min))
    ax.step([row["trial"] for row in complete], best, where="post", color="#cc6677", label="best so far")
    if not maximise and best and min(best) > 0:
        ax.set_yscale("log")
    ax.set(xlabel="trial", ylabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    ax.legend(loc="best")


def _importances(ax: "Axes", study: "Study") -> None:
    found = importances(study)
    names = [name.replace("_", " ") for name in found][::-1]
    ax.barh(names, list(found.values())[::-1], color=COLOURS["complete"])
    ax.set(xlabel="share of the variance explained", xlim=(0, 1))
    ax.set_title("importance of each hyperparameter", fontsize=10)
    if not found:
        ax.text(0.5, 0.5, f"needs {FEWEST} complete trials", ha="center", transform=ax.transAxes)
        ax.set_yticks([])
