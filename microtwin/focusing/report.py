"""What holding a depth leaves behind: ``focus.csv`` (every frame), ``focus.json`` and ``focus.png``."""

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtwin import files

SETTLING_S = 1.0  # in which the depth is brought to the target; counted apart
GOAL_UM = 0.15


def measures(table: pd.DataFrame, target_um: float) -> dict[str, Any]:
    """Errors of the depth, µm; of the true one where the rig knows it, otherwise of the one that was read.

    ``rms_um`` and ``worst_um`` are over all frames, ``held_rms_um`` over those after SETTLING_S; ``read_*`` compare
    what was read with the truth, ``bias`` on average and ``noise`` as the standard deviation.
    """
    truth = table.true_um.to_numpy()
    known = bool(np.isfinite(truth).any())
    read = table.read_um.to_numpy()
    error = (truth if known else read) - target_um
    late = table.time_s.to_numpy() >= SETTLING_S
    wrong = read - truth
    return {
        "frames": len(table),
        "lost_frames": int(np.count_nonzero(~np.isfinite(read))),
        "missed_frames": int(np.diff(table.frame).sum() - len(table) + 1) if len(table) else 0,
        "rms_um": _rms(error),
        "held_rms_um": _rms(error[late]),
        "worst_um": _worst(error),
        "read_bias_um": _mean(wrong),
        "read_noise_um": _spread(wrong),
        "wait_ms": _or_none(table.wait_ms.median()),
        "late_wait_ms": _or_none(table.wait_ms.quantile(0.99)),
        "truth_known": known,
    }


def save(folder: Path, settings: dict[str, Any], table: pd.DataFrame, found: dict[str, Any], reason: str = "") -> None:
    """Write the three files into an existing folder: all of them or, when anything fails, none.

    Raises:
        InputError: the file system refuses.
    """
    from microtwin.recording import versions

    text = json.dumps(
        {"settings": settings, "versions": versions(), "ended": reason or "after its time", "found": found}, indent=2
    )
    with contextlib.ExitStack() as stack:
        rows, picture, summary = (
            stack.enter_context(files.whole(folder / name)) for name in ("focus.csv", "focus.png", "focus.json")
        )
        table.to_csv(rows, index=False, float_format="%.5f")
        draw(picture, {settings.get("title", "depth"): (table, settings["target_um"])})
        summary.write_text(text + "\n", encoding="utf-8")


def draw(path: Path, runs: dict[str, tuple[pd.DataFrame, float]]) -> None:
    """A column a run: the depth's error over time, and what the stage did for it.

    Args:
        runs: by title, the table and the target depth.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(11.0, 6.0 * len(runs)), 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    widest_um = 0.8
    axes = figure.subplots(2, len(runs), squeeze=False, sharex="col", sharey="row", height_ratios=[1.4, 1])
    for (title, (table, target_um)), (above, below) in zip(runs.items(), axes.T, strict=True):
        known = table.true_um.notna().any()
        read, truth = table.read_um - target_um, table.true_um - target_um
        above.axhspan(-GOAL_UM, GOAL_UM, color="#228833", alpha=0.12, lw=0, label=f"±{GOAL_UM:g} µm")
        above.plot(table.time_s, read, ".", ms=2.5, color="0.6", label="read")
        if known:
            above.plot(table.time_s, truth, lw=0.9, color="#cc3311", label="true")
        error = (truth if known else read).to_numpy()
        rms_um, widest_um = _rms(error), max(widest_um, 1.05 * (_worst(error) or 0.0))
        above.set_title(f"{title}: {'error' if known else 'reading'} {rms_um or math.nan:.3f} µm RMS", fontsize=11)
        below.plot(table.time_s, table.stage_um, lw=1.2, color="#4477aa", label="stage")
        if known:  # what was left of the depth if the stage had stood still
            below.plot(table.time_s, truth - table.stage_um + table.stage_um.iloc[0], lw=1, ls=":", color="k",
                       label="depth with the stage at rest")  # fmt: skip
        below.set_xlabel("time (s)")
        for ax in (above, below):
            ax.grid(alpha=0.2)
    axes[0, 0].set_ylim(-widest_um, widest_um)  # one axis for all
    axes[0, 0].set_ylabel("depth − target (µm)")
    axes[1, 0].set_ylabel("µm")
    handles: dict[str, Any] = {}
    for ax in axes[:, 0]:
        handles |= {label: line for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.savefig(path, dpi=120)


def _rms(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if len(values) else None


def _worst(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.abs(values).max()) if len(values) else None


def _spread(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.std()) if len(values) else None


def _mean(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else None


def _or_none(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None
