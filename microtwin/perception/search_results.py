"""What a search writes: ``trials.csv``, ``best.json``, and ``search.png``."""

import csv
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtwin import files
from microtwin.perception import search_picture
from microtwin.perception.search_space import NAMES, PAPER, Choice

if TYPE_CHECKING:
    from optuna import Study

TABLE, BEST, PICTURE = "trials.csv", "best.json", "search.png"
COLUMNS = ("trial", "state", "value", *NAMES, "params", "macs", "memory_gb", "epochs", "seconds", "reason")
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def rows(study: "Study") -> list[dict[str, Any]]:
    """One row per trial that was begun, in their order; what is not known is NaN, or empty where it is text.

    ``value`` is that after the last epoch; of a trial that was cut short, after the last that it had. ``macs`` are
    counted as the paper's GFLOPs are.
    """
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name not in _STATES:
            continue
        known = trial.intermediate_values
        value = trial.value if trial.value is not None else known[max(known)] if known else math.nan
        row = {name: math.nan for name in COLUMNS} | {"reason": ""} | trial.user_attrs | trial.params
        row |= {"trial": trial.number, "state": _STATES[trial.state.name], "value": value, "epochs": len(known)}
        found.append({name: row[name] for name in COLUMNS})
    return found


def write(folder: Path, study: "Study", label: str, title: str) -> None:
    """Write the table and the picture anew."""
    table = rows(study)
    with files.whole(folder / TABLE) as temporary, temporary.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list[str](COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {n: "" if isinstance(v, float) and math.isnan(v) else v for n, v in row.items()} for row in table
        )
    search_picture.draw(folder / PICTURE, study, table, label, title)


def best(study: "Study") -> dict[str, Any] | None:
    """The row of the best complete trial; None if there is none."""
    complete = [row for row in rows(study) if row["state"] == "complete"]
    sign = 1 if study.direction.name == "MAXIMIZE" else -1
    return max(complete, key=lambda row: sign * row["value"], default=None)


def choice(row: dict[str, Any]) -> Choice:
    """The hyperparameters of a row."""
    return Choice(**{name: row[name] for name in NAMES})


def write_best(folder: Path, kind: str, row: dict[str, Any], label: str, test: dict[str, float]) -> None:
    """Write ``best.json``: the best trial, its scores on images that chose nothing, and the paper's choice."""
    content = {
        "kind": kind,
        "trial": row["trial"],
        "objective": label,
        "value": row["value"],
        "choice": asdict(choice(row)),
        "params": row["params"],
        "macs": row["macs"],
        "test": {name: None if math.isnan(value) else value for name, value in test.items()},
        "paper": asdict(PAPER[kind]),
    }
    with files.whole(folder / BEST) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
