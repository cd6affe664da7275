"""What a run leaves behind: ``run.json``, ``telemetry.parquet``, ``path.csv`` and ``trajectory.png``."""

import contextlib
import importlib.metadata
import json
import math
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import microtwin
from microtwin import files, metrics, paths
from microtwin.run import Recording

FILES = ("run.json", "telemetry.parquet", "path.csv", "trajectory.png")
MOST_DRAWN = 12  # trials to a picture; telemetry holds them all


@dataclass(frozen=True)
class Trial:
    """One trial's recording and what the paper measures of it.

    Time, spinning, switches (1/s) and actuation variation (Hz/s) count from the end of the approach, the error over
    every recorded position (section V of the pushing paper). A trial that never ended its approach is measured over
    all it did; ``completion_time_s`` is NaN unless it succeeded, switches and variation of fewer than two frames.
    """

    number: int
    success: bool
    interrupted: bool
    completion_time_s: float
    mae_um: float
    spin_fraction: float
    switches_per_s: float
    actuation_variation_hz_per_s: float
    table: pd.DataFrame
    reason: str = ""
    broken: bool = False

    @classmethod
    def measure(cls, number: int, recording: Recording, nodes_um: np.ndarray) -> "Trial":
        table = recording.table()
        pushed = pushing(table)
        switches, variation = chatter(pushed)
        return cls(
            number,
            recording.success,
            recording.interrupted,
            float(pushed.time_s.iloc[-1] - pushed.time_s.iloc[0]) if recording.success else math.nan,
            metrics.mean_absolute_error(nodes_um, table[["object_x_um", "object_y_um"]].to_numpy()),
            metrics.spin_fraction(pushed["mode"].str.startswith("spin").to_numpy()),
            switches,
            variation,
            table,
            recording.reason,
            recording.broken,
        )

    def summary(self) -> dict[str, Any]:
        return {
            "trial": self.number,
            "success": self.success,
            "interrupted": self.interrupted,
            "broken": self.broken,
            "reason": self.reason,
            "completion_time_s": _number(self.completion_time_s),
            "mae_um": _number(self.mae_um),
            "spin_fraction": _number(self.spin_fraction),
            "switches_per_s": _number(self.switches_per_s),
            "actuation_variation_hz_per_s": _number(self.actuation_variation_hz_per_s),
        }


def pushing(table: pd.DataFrame) -> pd.DataFrame:
    """The rows from the first frame after the approach on; all rows if it never ended."""
    begun = np.flatnonzero((table["mode"] != "approach").to_numpy())
    return table.iloc[begun[0] :] if len(begun) else table


def chatter(table: pd.DataFrame) -> tuple[float, float]:
    """(mode switches per second, actuation variation in Hz/s) of the frames with a field; NaN of fewer than two."""
    on = table["amplitude"].to_numpy() > 0
    if np.count_nonzero(on) < 2:
        return math.nan, math.nan
    columns = ("time_s", "alpha_rad", "gamma_rad", "frequency_hz")
    time_s, alpha, gamma, frequency = (table[column].to_numpy()[on] for column in columns)
    return (
        metrics.switches_per_s(time_s, gamma, frequency),
        metrics.actuation_variation(time_s, alpha, gamma, frequency),
    )


def means(trials: list[Trial]) -> dict[str, float | None]:
    """Mean of each measure over the trials that were let run; of the time, over those that succeeded."""
    trials = [t for t in trials if not (t.interrupted or t.broken)]

    def mean(values) -> float | None:
        values = [value for value in values if math.isfinite(value)]
        return _number(sum(values) / len(values)) if values else None

    with_time = [t.completion_time_s for t in trials if t.success]
    return {
        "success": mean(t.success for t in trials),
        "completion_time_s": mean(with_time),
        "mae_um": mean(t.mae_um for t in trials),
        "spin_fraction": mean(t.spin_fraction for t in trials),
        "switches_per_s": mean(t.switches_per_s for t in trials),
        "actuation_variation_hz_per_s": mean(t.actuation_variation_hz_per_s for t in trials),
    }


def save(folder: Path, config: dict[str, Any], nodes_um: np.ndarray, trials: list[Trial], wall_time_s: float) -> None:
    """Write :data:`FILES` into an existing folder: all of them or, when anything fails, none; ``run.json`` comes last.

    Raises:
        InputError: the file system refuses.
    """
    report = {
        "config": config,
        "versions": versions(),
        "trials": [t.summary() for t in trials],
        "mean": means(trials),
        "wall_time_s": round(wall_time_s, 3),
    }
    telemetry = pd.concat([t.table.assign(trial=t.number) for t in trials], ignore_index=True)
    telemetry.insert(0, "trial", telemetry.pop("trial"))
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    with contextlib.ExitStack() as stack:
        summary, table, path, picture = (stack.enter_context(files.whole(folder / name)) for name in FILES)
        telemetry.to_parquet(table, index=False)
        paths.write_csv(path, nodes_um)
        draw_trajectories(picture, nodes_um, trials)
        summary.write_text(text, encoding="utf-8")


def versions() -> dict[str, str]:
    """What a run depends on."""
    packages = ("numpy", "scipy", "numba", "pandas", "pyarrow")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"microtwin": microtwin.__version__, "python": platform.python_version(), **found}


def draw_track(ax, nodes_um: np.ndarray, track_um: np.ndarray, colour: str, body: str) -> None:
    """One panel of Fig. 6: all recorded positions, the desired nodes, the positions closest to them, the distances."""
    closest = metrics.closest_points(nodes_um, track_um)
    gaps = np.stack([nodes_um, closest, np.full_like(closest, np.nan)], axis=1).reshape(-1, 2)
    ax.plot(*track_um.T, color="0.75", lw=1.5, label="recorded")
    ax.plot(*gaps.T, color="k", lw=1, ls=":", label="distance")
    ax.plot(*nodes_um.T, "o", color="#cc3311", ms=3, label="desired")
    ax.plot(*track_um[0], "s", mec="k", mfc="w", ms=6, zorder=3, label="start")
    ax.plot(*closest.T, "o", color=colour, ms=3, label=f"{body}, closest to the nodes")
    ax.set_aspect("equal")


BODIES = (("object", "#228833"), ("robot", "#4477aa"))


def draw_trajectories(path: Path, nodes_um: np.ndarray, trials: list[Trial]) -> None:
    """Fig. 6 of the pushing paper, a row a trial: object left, robot right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = trials[:MOST_DRAWN]
    figure = Figure(figsize=(9, 4.2 * len(shown) + 0.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey=True)
    for row, trial in zip(axes, shown, strict=True):
        for ax, (body, colour) in zip(row, BODIES, strict=True):
            draw_track(ax, nodes_um, trial.table[[f"{body}_x_um", f"{body}_y_um"]].to_numpy(), colour, body)
        row[0].set_ylabel("y (µm)")
        time = f"{trial.completion_time_s:.1f} s" if trial.success else "not finished"
        row[0].set_title(f"trial {trial.number}: {time}, error {trial.mae_um:.2f} µm", fontsize=10)
        row[1].set_title(f"spinning {100 * trial.spin_fraction:.0f} % of the time", fontsize=10)
    handles: dict[str, Any] = {}
    for ax in axes[-1]:
        ax.set_xlabel("x (µm)")
        handles |= {label: line for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    value = float(value)
    return value if math.isfinite(value) else None
