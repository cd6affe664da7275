"""``scores.png``: which classes are taken for which, and depths said against depths that were."""

import csv
from pathlib import Path

import numpy as np

from microtwin import files
from microtwin.perception.assess import PREDICTIONS

_WORDS = {"um": "µm", "scaled": "scaled", None: ""}


def draw_folds(path: Path, folders: list[Path], true_unit: str | None, said_unit: str | None) -> None:
    """The picture of what the folds' tests said, from their ``predictions.csv``.

    Args:
        true_unit, said_unit: of depths, ``um`` or ``scaled``; None without depths.
    """
    rows = []
    for folder in folders:
        with (folder / PREDICTIONS).open(newline="", encoding="utf-8") as file:
            rows += list(csv.DictReader(file))
    columns = {
        "pitch": ("true_pitch", "pitch_deg"),
        "roll": ("true_roll", "roll_deg"),
        "depth": (f"true_depth_{true_unit}", f"depth_{said_unit}"),
    }
    parts = {
        name: (np.array([float(row[true]) for row in rows]), np.array([float(row[said]) for row in rows]))
        for name, (true, said) in columns.items()
        if true in rows[0]
    }
    draw(path, parts, (_WORDS[true_unit], _WORDS[said_unit]))


def draw(path: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]], units: tuple[str, str] = ("µm", "µm")) -> None:
    """Draw what was true and what was said, (n,) each, of ``pitch`` and ``roll`` in degrees and of ``depth``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * len(parts), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    for ax, (name, (true, said)) in zip(figure.subplots(1, len(parts), squeeze=False).flat, parts.items(), strict=True):
        if name == "depth":
            _scatter(ax, true, said, *units)
        else:
            _confusion(ax, true, said, name)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _confusion(ax, true: np.ndarray, said: np.ndarray, name: str) -> None:
    """Share of each true class, row by row."""
    classes = np.unique(np.concatenate([true, said])).astype(int)
    counts = np.zeros((len(classes), len(classes)))
    np.add.at(counts, (np.searchsorted(classes, true), np.searchsorted(classes, said)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 12:
        for (row, column), share in np.ndenumerate(shares):
            if share >= 0.005:
                colour = "w" if share > 0.6 else "k"
                ax.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    ticks = np.arange(len(classes))
    ax.set_xticks(ticks, [str(c) for c in classes], fontsize=7, rotation=90)
    ax.set_yticks(ticks, [str(c) for c in classes], fontsize=7)
    ax.set_xlabel(f"predicted {name} (°)")
    ax.set_ylabel(f"true {name} (°)")
    ax.set_title(f"{name}: {100 * np.mean(true == said):.1f} % right (cells: % of the row)", fontsize=9)


def _scatter(ax, true: np.ndarray, said: np.ndarray, true_unit: str, said_unit: str) -> None:
    """With the line of no error, where both have one unit."""
    many = len(true) > 500
    ax.plot(true, said, ".", ms=2 if many else 5, alpha=0.3 if many else 0.7, color="#4477aa", rasterized=True)
    ax.set_xlabel(f"true depth ({true_unit})")
    ax.set_ylabel(f"predicted depth ({said_unit})")
    if true_unit == said_unit:
        ends = [min(true.min(), said.min()), max(true.max(), said.max())]
        ax.plot(ends, ends, color="0.6", lw=1, zorder=0)
        square = "µm²" if true_unit == "µm" else "(scaled)"
        ax.set_title(f"depth: mean squared error {np.mean((true - said) ** 2):.3g} {square}", fontsize=9)
    else:
        ax.set_title("depth, in different units", fontsize=9)
