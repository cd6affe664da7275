"""``scores.csv``: the scores of every fold, with their mean and spread."""

import csv
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from microtwin import files
from microtwin.perception.scores import Scores


def summary(scores: Sequence[Scores]) -> dict[str, tuple[float, float]]:
    """{score: (mean, standard deviation over folds)}; the deviation of one fold is NaN."""
    return {
        name: (
            statistics.fmean(values := [one[name] for one in scores]),
            statistics.stdev(values) if len(values) > 1 else math.nan,
        )
        for name in scores[0]
    }


def write(path: Path, scores: Mapping[int, Scores]) -> None:
    """A row a fold, then ``mean`` and ``sd``."""
    names = list(next(iter(scores.values())))
    found = summary(list(scores.values()))
    rows = [[k, *(one[name] for name in names)] for k, one in scores.items()]
    rows += [[word, *(found[name][i] for name in names)] for i, word in enumerate(("mean", "sd"))]
    with files.whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fold", *names])
        writer.writerows([row[0], *(f"{value:.6g}" for value in row[1:])] for row in rows)


_COLUMNS = (("accuracy", ""), ("precision", ""), ("recall", ""), ("f1", ""), ("median_deg", "°"), ("mean_deg", "°"))
_HEADS = ("accuracy", "precision", "recall", "F1", "median error", "mean error")
_WIDTH = 16


def lines(scores: Sequence[Scores]) -> list[str]:
    """What a terminal shows of the scores of some folds: means, ± their standard deviation over the folds."""
    found = summary(scores)

    def cell(name: str, unit: str = "", digits: int = 3) -> str:
        mean, sd = found[name]
        spread = "" if math.isnan(sd) else f" ± {sd:.{digits}f}"
        return f"{mean:.{digits}f}{spread}{unit}"

    text = []
    if "pitch_accuracy" in found:
        text.append(f"{'':14}" + "".join(f"{head:>{_WIDTH}}" for head in _HEADS))
        for suffix, word in (("", ""), ("_view", ", views")):
            for angle in ("pitch", "roll"):
                cells = (cell(f"{angle}_{name}{suffix}", unit, 1 if unit else 3) for name, unit in _COLUMNS)
                text.append(f"{angle + word:14}" + "".join(f"{one:>{_WIDTH}}" for one in cells))
        text.append(
            f"pitch and roll right {cell('pose_accuracy')}, with symmetric poses as one view "
            f"{cell('pose_accuracy_view')}; optical axes apart {cell('axis_median_deg', '°', 1)} (median), "
            f"{cell('axis_mean_deg', '°', 1)} (mean)"
        )
    names = {"mse_um2": "MSE (µm²)", "mae_um": "MAE (µm)", "mse_scaled": "MSE (scaled)", "mae_scaled": "MAE (scaled)",
             "r2": "R²", "correlation": "correlation", "correlation_within": "within sequences",
             "coverage_90": "90 % intervals hold"}  # fmt: skip
    if depth := [
        f"{word} {cell(name, '', 4)}"
        for name, word in names.items()
        if math.isfinite(found.get(name, (math.nan, 0.0))[0])
    ]:
        text.append("depth: " + ", ".join(depth))
    return text
