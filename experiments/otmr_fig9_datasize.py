"""Fig. 9 of the OTMR paper on rendered images: depth of robot 8 from 20 to 100 % of 5,600 images.

    python experiments/otmr_fig9_datasize.py [--scale smoke|laptop|paper] [--split sequence|frame]

A share of the images is split 8:1:1 into training, validation and test, as in the paper, and a network is trained on it
for 10 epochs; shares are nested, and every repeat deals the images out anew. By ``sequence`` a share has so many whole
sequences, and prints and optics of the test are new; by ``frame``, the paper's way, it has images of all of them. The
paper's text gives no numbers: MSE falls and R² rises with data; in Table IV ResNet50 with all of it, after 20 epochs,
has 0.043 µm² and 0.998.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import otmr_bench as bench
import otmr_sets
import pandas as pd
import tyro
from otmr_bench import OURS, Cell, Device, Effort, Found, Scale, Tick, Verdict
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code

if TYPE_CHECKING:
    from microtwin.perception.examples import Examples

ROBOT = 8
PERCENT = (20, 40, 60, 80, 100)
MSE, R2 = "mse_um2", "r2"
PAPER = ("resnet50", 0.043, 0.998)  # Table IV: all images, 20 epochs, five folds
Split = Literal["sequence", "frame"]
_SLACK = 1.1  # of an error that should not grow from one share to the next


def images(scale: Scale) -> tuple[int, int]:
    """Sequences and images of each: the paper's 5,600."""
    return {"smoke": (50, 2), "laptop": (280, 20), "paper": (280, 20)}[scale]


def chosen(scale: Scale) -> dict[str, tuple[Effort, int]]:
    """Networks at a scale: what is spent on each, and how many repeats."""
    if scale == "paper":
        return {"resnet50": (Effort(224, 10, 5, pretrained=True), 5), OURS: (Effort(224, 10, 5), 5)}
    if scale == "smoke":
        return {OURS: (Effort(32, 2, 1, batch=32), 1)}
    return {OURS: (Effort(96, 10, 5), 5), "resnet18": (Effort(64, 10, 2), 2)}


def plan(scale: Scale, split: Split, seed: int) -> list[Cell]:
    """A cell for each network, share and repeat."""
    cells = []
    for network, (spent, repeats) in chosen(scale).items():
        for repeat in range(repeats):
            for percent in PERCENT:
                settings = {
                    "network": network,
                    "percent": percent,
                    "repeat": repeat,
                    "split": split,
                    "seed": seed,
                    "quick": scale == "smoke",
                    "counts": images(scale),
                    "effort": vars(spent),
                }
                total = int(0.8 * np.prod(images(scale)) * percent / 100)
                name = f"{network}_{split}_{percent:03d}_repeat{repeat}"
                cells.append(Cell(name, settings, bench.weight(network, spent, total)))
    return cells


def images_of(cell: Cell, sets: Path) -> Path:
    """The folder with the images, drawn if need be."""
    sequences, each = cell.settings["counts"]
    return otmr_sets.data_set(
        sets,
        task="depth",
        robots=[ROBOT],
        sequences=sequences,
        images_per_sequence=each,
        seed=cell.settings["seed"],
        quick=cell.settings["quick"],
    )


def dealt(examples: "Examples", percent: int, split: Split, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Indices to train on, to validate with and to test on, 8:1:1, of the first so many per cent of a random order."""
    groups = examples.sequence if split == "sequence" else np.arange(len(examples))
    order = rng.permutation(np.unique(groups))
    order = order[: max(round(len(order) * percent / 100), 10)]
    tenth = max(len(order) // 10, 1)
    # tests and validations are dealt along the order, so that a larger share keeps the smaller one's
    place = np.arange(len(order)) % 10
    held, tested = order[place == 8][:tenth], order[place == 9][:tenth]
    learnt = order[place < 8]
    return tuple(np.flatnonzero(np.isin(groups, part)) for part in (learnt, held, tested))


def work(cell: Cell, tick: Tick, out: Path, sets: Path, device: Device) -> Found:
    """Train and test one network on one share."""
    from microtwin.perception.assess import assess

    s = cell.settings
    spent = Effort(**s["effort"])
    examples = bench.load(images_of(cell, sets), spent.size, "depth", ROBOT)
    rng = np.random.default_rng([s["seed"], s["repeat"]])
    train, validation, test = (examples.take(part) for part in dealt(examples, s["percent"], s["split"], rng))
    training = spent.training("depth", s["network"], s["seed"] + s["repeat"], device)
    estimator = bench.trained(training, train, validation, bench.fit_folder(out, cell), tick)
    scores = assess(test, estimator.prepared(test.images), "um")
    return scores | {"trained_on": len(train), "tested_on": len(test)}


def summary(rows: Sequence[Found]) -> pd.DataFrame:
    """One row for each network and share: means over repeats."""
    lines = []
    for (network, percent), group in pd.DataFrame(rows).groupby(["network", "percent"], sort=False):  # type: ignore[misc]
        spent = group.effort.iloc[0]
        line = {"network": network, "percent": percent, "split": group["split"].iloc[0], "size": spent["size"]}
        line |= {"epochs": spent["epochs"], "repeats": len(group)}
        line |= {"trained_on": int(group.trained_on.mean()), "tested_on": int(group.tested_on.mean())}
        lines.append(line | bench.means(group.to_dict("records"), (MSE, R2, "mae_um")))
    return pd.DataFrame(lines)


def checklist(found: pd.DataFrame) -> list[Verdict]:
    """The paper's trend: the error falls with data."""
    verdicts: list[Verdict] = []
    for network, rows in found.groupby("network", sort=False):
        errors = rows.sort_values("percent")[MSE].to_numpy()
        figure = " ".join(f"{error:.4f}" for error in errors)
        falls = bool((errors[1:] <= _SLACK * errors[:-1]).all() and errors[-1] < errors[0])
        verdicts.append((f"{network}: error falls with data (µm²)", falls, figure))
        if network == OURS:
            verdicts.append((f"{network}: below the paper's ResNet50", errors[-1] <= PAPER[1], f"{errors[-1]:.4f}"))
    return verdicts


def draw(path: Path, found: pd.DataFrame) -> None:
    """MSE and R² over the share of the data."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from microtwin.perception.networks import PAPER_NAMES

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Fig. 9 on rendered images: robot {ROBOT}, split by {found['split'].iloc[0]}")
    for ax, what, name in zip(figure.subplots(1, 2), (MSE, R2), ("MSE (µm²)", "R²"), strict=True):
        for network, rows in found.groupby("network", sort=False):
            label = f"twin, {PAPER_NAMES[str(network)]}, {rows['size'].iloc[0]} px"
            spread = rows[f"{what}_sd"] if rows.repeats.max() > 1 else None
            ax.errorbar(rows.percent, rows[what], yerr=spread, marker="o", capsize=3, label=label)
        published = PAPER[1] if what == MSE else PAPER[2]
        ax.axhline(published, color="0.5", ls="--", lw=1, label="paper's ResNet50, Table IV")
        ax.set(xlabel="share of the images (%)", ylabel=name, yscale="log" if what == MSE else "linear")
        ax.set_xticks(PERCENT)
        ax.grid(alpha=0.3)
        ax.legend(frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    scale: Scale = "laptop",
    split: Split = "sequence",
    seed: int = 0,
    device: Device = "auto",
    sets: Path = otmr_sets.SETS,
    out: Path = Path("runs/otmr_fig9"),
) -> None:
    """Train on growing shares of robot 8's images, and print how the error falls.

    Args:
        scale: smoke is seconds, laptop under an hour on two cores, paper what the paper did.
        split: what stays together.
        seed: of the data, the shares and the trainings.
        device: auto, cpu or cuda.
        sets: folder of the rendered data sets.
        out: folder for cells, datasize.csv and datasize.png.
    """
    bench.check([OURS], [OURS], seed)
    folder = files.open_folder(out)
    rows = bench.run(
        folder,
        plan(scale, split, seed),
        lambda cell: images_of(cell, sets),
        lambda cell, tick: work(cell, tick, folder, sets, device),
    )
    found = summary(rows)
    shown = Table("network", "size", "epochs", "repeats", "share", "trained on", "MSE (µm²)", "R²", box=None)
    for _, row in found.iterrows():
        spent = [str(row[name]) for name in ("network", "size", "epochs", "repeats")]
        errors = [f"{row[what]:.4f} ± {row[f'{what}_sd']:.4f}" for what in (MSE, R2)]
        shown.add_row(*spent, f"{row.percent} %", str(row.trained_on), *errors)
    shown.add_row("paper's ResNet50", "224", "20", "5 folds", "100 %", "", *(f"{value:.3f}" for value in PAPER[1:]))
    console = Console(highlight=False, width=120)
    console.print(f"\nrobot {ROBOT}, 8:1:1 by {split}; ± is the spread of repeats", shown, sep="\n")
    print("\nwhat must show")
    bench.tell(checklist(found))
    with files.whole(folder / "datasize.csv") as temporary:
        found.to_csv(temporary, index=False, float_format="%.5f")
    draw(folder / "datasize.png", found)
    print(f"wrote datasize.csv and datasize.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_fig9_datasize", lambda: tyro.cli(main), bench.STOPPED))
