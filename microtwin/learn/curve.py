"""The learning curve: a row of ``eval.csv`` for every evaluation, and a picture of them."""

import csv
import math
from pathlib import Path

from microtwin import files
from microtwin.errors import InputError

TABLE, PICTURE = "eval.csv", "curve.png"
COLUMNS = ("steps", "minutes", "episodes", "success", "time_s", "error_um", "return")
PANELS = (
    ("success", "success"),
    ("time_s", "time (s)"),
    ("error_um", "error (µm)"),
    ("return", "return"),
)


class Curve:
    """The evaluations of a training.

    Args:
        folder: where the table and the picture are. last_step: rows after it are forgotten (a training that goes on
            from a checkpoint makes them again).

    Raises:
        InputError: the table there cannot be read.
    """

    def __init__(self, folder: Path, last_step: float = math.inf):
        self._folder = folder
        self.rows: list[dict[str, float]] = []
        file = folder / TABLE
        if file.is_file():
            try:
                with file.open(newline="", encoding="utf-8") as opened:
                    rows = [{name: float(row[name]) for name in COLUMNS} for row in csv.DictReader(opened)]
            except (OSError, KeyError, TypeError, ValueError) as error:
                raise InputError(f"cannot read {file} ({error}): restore or remove it") from None
            self.rows = [row for row in rows if row["steps"] <= last_step]

    def add(self, row: dict[str, float]) -> None:
        """Add an evaluation and write both files anew."""
        self.rows.append({name: row[name] for name in COLUMNS})
        with files.whole(self._folder / TABLE) as temporary:
            with temporary.open("w", newline="", encoding="utf-8") as opened:
                writer = csv.DictWriter(opened, list[str](COLUMNS), lineterminator="\n")
                writer.writeheader()
                writer.writerows(
                    {name: int(value) if name in ("steps", "episodes") else round(value, 6)
                     for name, value in one.items()} for one in self.rows
                )  # fmt: skip
        self._draw()

    def _draw(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9, 5.5), layout="constrained")
        FigureCanvasAgg(figure)
        steps = [row["steps"] / 1e6 for row in self.rows]
        for ax, (name, label) in zip(figure.subplots(2, 2, sharex=True).flat, PANELS, strict=True):
            ax.plot(steps, [row[name] for row in self.rows], "o-", ms=3, color="#4477aa")
            ax.set_ylabel(label)
            ax.grid(alpha=0.3)
            if name == "success":
                ax.set_ylim(-0.03, 1.03)
        figure.supxlabel("environment steps (10⁶)", fontsize=10)
        with files.whole(self._folder / PICTURE) as temporary:
            figure.savefig(temporary, dpi=110)
