"""Table II of the OTMR paper on rendered images: pitch and roll of robots 1 and 3, nine networks, five folds.

    python experiments/otmr_table2_pose.py [--scale smoke|laptop|gpu|paper] [--networks twinnet cnn ...] [--split both]

Folds keep a sequence on one side (``sequence``); the paper's put frames of one sequence on both (``frame``), so that a
network may know the very print and optics that it is tested on. ``both`` runs our network on both, the others on
sequences (``paper``: all on both).

The table's bodies stand as their label says (lean 0), so the picture shows the label. By default the data set lets
them lean by 4° while robot 3's classes are 5° apart: our network is run on these too, beside the best that anyone
could read (otmr_lean_limit.py). ``laptop`` gives the larger networks small pictures, few images and one fold, none
pretrained: the table says how much; ``paper`` has the paper's 224 × 224, 20 epochs and weights of ImageNet; ``smoke``
goes through it all on sketches and means nothing.
"""

import functools
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import otmr_bench as bench
import otmr_lean_limit
import otmr_sets
import pandas as pd
import tyro
from otmr_bench import OURS, Cell, Device, Effort, Found, TableScale, Tick, Verdict
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code
from microtwin.otmr.pose import POSES
from microtwin.otmr.randomisation import Randomisation

ROBOTS = (1, 3)
USUAL_DEG = Randomisation().lean_deg
METRICS = ("accuracy", "precision", "recall", "f1")
COLUMNS = tuple(f"{part}_{metric}" for metric in METRICS for part in ("pitch", "roll"))
EXTRA = ("pose_accuracy", "pitch_median_deg", "roll_median_deg", "axis_median_deg")
# The paper's, in the order of COLUMNS
PAPER: dict[int, dict[str, tuple[float, ...]]] = {
    1: {
        "cnn": (0.979, 0.981, 0.979, 0.975, 0.972, 0.969, 0.975, 0.971),
        "vgg16": (0.996, 0.989, 0.997, 0.991, 0.997, 0.992, 0.997, 0.991),
        "resnet18": (0.876, 0.836, 0.967, 0.876, 0.865, 0.828, 0.860, 0.815),
        "resnet50": (0.989, 0.991, 0.989, 0.991, 0.989, 0.989, 0.988, 0.990),
        "efficientnet_b0": (0.988, 0.986, 0.986, 0.989, 0.988, 0.987, 0.986, 0.988),
        "mobilenet_v2": (0.985, 0.991, 0.987, 0.992, 0.984, 0.991, 0.985, 0.991),
        "vit_b_16": (0.999, 0.998, 0.999, 0.998, 0.999, 0.998, 0.999, 0.998),
        "nas_pose": (0.981, 0.993, 0.981, 0.993, 0.978, 0.994, 0.979, 0.993),
    },
    3: {
        "cnn": (0.845, 0.941, 0.781, 0.915, 0.776, 0.915, 0.761, 0.913),
        "vgg16": (0.955, 0.970, 0.922, 0.961, 0.933, 0.958, 0.922, 0.958),
        "resnet18": (0.904, 0.932, 0.913, 0.918, 0.892, 0.907, 0.885, 0.903),
        "resnet50": (0.819, 0.863, 0.807, 0.867, 0.742, 0.830, 0.725, 0.825),
        "efficientnet_b0": (0.930, 0.966, 0.893, 0.950, 0.894, 0.954, 0.881, 0.951),
        "mobilenet_v2": (0.944, 0.961, 0.920, 0.948, 0.928, 0.946, 0.918, 0.943),
        "vit_b_16": (0.965, 0.971, 0.943, 0.960, 0.950, 0.959, 0.944, 0.959),
        "nas_pose": (0.922, 0.959, 0.907, 0.943, 0.879, 0.940, 0.888, 0.941),
    },
}
NETWORKS = (*PAPER[1], OURS)
Split = Literal["sequence", "frame"]
Key = tuple[int, Split, float]  # a table: robot, split, lean


def images(scale: TableScale) -> tuple[int, int]:
    """Sequences of each pose, images of each; ``paper``: about OTMR's 940 images of each pose."""
    return {"smoke": (2, 2), "paper": (47, 20)}.get(scale, (20, 12))


def effort(scale: TableScale, network: str) -> Effort:
    if scale == "paper":
        return Effort(224, 20, 5, pretrained=True, learning_rate=1e-4 if network == "vit_b_16" else 1e-3)
    if scale == "smoke":
        return Effort(32, 1, 1, images=0 if network == OURS else 64, batch=32)
    if network == OURS:
        return Effort(96, 24 if scale == "laptop" else 60, 5, pretrained=True)
    if scale == "gpu":
        return Effort(224, 20, 5, learning_rate=1e-4 if network in bench.LARGE else 1e-3)
    return Effort(64, 4, 1, images=1000) if network in bench.LARGE else Effort(64, 6, 1, images=2400)


def plan(
    scale: TableScale, networks: Sequence[str], split: str, seed: int, leaning: bool = True, most: int = 5
) -> list[Cell]:
    """Every cell: our network first, it has all splits and the usual lean too."""
    cells = []
    for robot in ROBOTS:
        for network in sorted(networks, key=lambda name: name != OURS):
            for way, lean_deg in conditions(scale, network, split, leaning):
                spent = effort(scale, network)
                for fold in range(min(folds_of(scale, spent, way, lean_deg), most)):
                    name = f"r{robot}_{network}_{way}_lean{lean_deg:g}_fold{fold}"
                    settings = {
                        "robot": robot,
                        "network": network,
                        "split": way,
                        "lean_deg": lean_deg,
                        "fold": fold,
                        "seed": seed,
                        "quick": scale == "smoke",
                        "of_each_pose": images(scale),
                        "effort": vars(spent),
                    }
                    total = math.prod(images(scale)) * len(POSES[robot])
                    cells.append(Cell(name, settings, bench.weight(network, spent, int(0.7 * total))))
    return cells


def folds_of(scale: TableScale, spent: Effort, way: Split, lean_deg: float) -> int:
    """All five of the table itself; at ``laptop`` and ``gpu`` fewer of what stands beside it."""
    beside = 1 if lean_deg else 3 if way == "frame" else 5
    return spent.folds if scale == "paper" else min(spent.folds, beside)


def conditions(scale: TableScale, network: str, split: str, leaning: bool) -> list[tuple[Split, float]]:
    ways: list[Split] = [way for way in ("sequence", "frame") if split in (way, "both")]
    if network == OURS:
        return [*((way, 0.0) for way in ways), *([(ways[0], USUAL_DEG)] if leaning else [])]
    return [(way, 0.0) for way in (ways if scale == "paper" else ways[:1])]


def images_of(cell: Cell, sets: Path, workers: int = 2) -> Path:
    """The folder with a cell's images, drawn if need be."""
    s = cell.settings
    sequences, each = s["of_each_pose"]
    return otmr_sets.data_set(
        sets,
        task="pose",
        robots=[s["robot"]],
        sequences=sequences,
        images_per_sequence=each,
        seed=s["seed"] + bench.UNSEEN,
        randomise=Randomisation(lean_deg=s["lean_deg"]),
        workers=max(workers, 2),
        quick=s["quick"],
    )


def work(cell: Cell, tick: Tick, out: Path, sets: Path, device: Device) -> Found:
    """Train and test one network on one fold."""
    from microtwin.perception.assess import assess
    from microtwin.perception.folds import folds

    s = cell.settings
    spent = Effort(**s["effort"])
    folder = images_of(cell, sets)
    examples = bench.load(folder, spent.size, "pose", s["robot"])
    fold = folds(examples, 5, s["split"], s["seed"])[s["fold"]]
    train = examples.take(bench.fewer(fold.train, spent.images, s["seed"]))
    training = spent.training("pose", s["network"], s["seed"] + s["fold"], device)
    estimator = bench.trained(training, train, examples.take(fold.validation), bench.fit_folder(out, cell), tick)
    test = examples.take(fold.test)
    found = assess(test, estimator.prepared(test.images), None)
    return found | {"trained_on": len(train), "tested_on": len(test)}


def summary(rows: Sequence[Found]) -> pd.DataFrame:
    """One row for each network, robot, split and lean: means over folds, and the paper's as ``paper_…``."""
    lines = []
    groups = pd.DataFrame(rows).groupby(["robot", "split", "lean_deg", "network"], sort=False)
    for (robot, split, lean_deg, network), group in groups:  # type: ignore[misc]
        spent = group.effort.iloc[0]
        line = {"robot": robot, "split": split, "lean_deg": lean_deg, "network": network}
        line |= {"size": spent["size"], "images": int(group.trained_on.mean()), "epochs": spent["epochs"]}
        line |= {"folds": len(group), "pretrained": spent["pretrained"] and network not in bench.FROM_SCRATCH}
        line |= bench.means(group.to_dict("records"), (*COLUMNS, *EXTRA))
        published = PAPER[robot].get(network, (np.nan,) * len(COLUMNS))
        lines.append(line | dict(zip((f"paper_{name}" for name in COLUMNS), published, strict=True)))
    return pd.DataFrame(lines)


def limit(robot: int, lean_deg: float, draws: int = 300) -> dict[str, float]:
    """The columns of whoever sees the orientation without error."""
    from microtwin.perception.scores import pose_scores

    true, guess = otmr_lean_limit.decided(robot, lean_deg, draws)
    return pose_scores(true[:, 0], true[:, 1], guess[:, 0], guess[:, 1], robot=np.full(len(true), robot))


def checklist(found: pd.DataFrame, limits: dict[int, dict[str, float]]) -> list[Verdict]:
    """Our network against the best of each column: the paper's and, of as many sequences, the twin's."""
    verdicts: list[Verdict] = []
    for (robot, split, lean_deg), table in found.groupby(["robot", "split", "lean_deg"], sort=False):  # type: ignore[misc]
        ours = table[table.network == OURS]
        if ours.empty:
            continue
        values, where = ours.iloc[0], f"robot {robot}, by {split}"
        if lean_deg:
            reach = ", ".join(f"{name} {values[name]:.3f} of {limits[robot][name]:.3f}" for name in COLUMNS[:2])
            verdicts.append((f"{where}, leaning {lean_deg:g}°: of what can be read", None, reach))
            continue
        published = np.array([PAPER[robot][network] for network in PAPER[robot]]).max(axis=0)
        verdicts.append(_above(f"{where}: every column at the paper's best", values, published))
        others = table[table.network != OURS]
        if len(others):
            verdicts.append(_above(f"{where}: every column at the others' best", values, others[[*COLUMNS]].max()))
    return verdicts


def _above(name: str, values: Any, best: Any) -> Verdict:
    more = values[[*COLUMNS]].to_numpy(float) - np.asarray(best, float)
    least = int(more.argmin())
    figure = (
        f"{(more >= 0).sum()} of {len(more)}; least {COLUMNS[least]}: {values[COLUMNS[least]]:.4f}, {more[least]:+.4f}"
    )
    return name, bool((more >= 0).all()), figure


def show(console: Console, found: pd.DataFrame, limits: dict[int, dict[str, float]]) -> None:
    """A table for each robot, split and lean; of each network the paper's line, then the twin's."""
    from microtwin.perception.networks import PAPER_NAMES

    for (robot, split, lean_deg), table in found.groupby(["robot", "split", "lean_deg"], sort=False):  # type: ignore[misc]
        names = [f"{name[0].upper()} {metric}" for metric in METRICS for name in ("pitch", "roll")]
        shown = Table("network", "", "size", "images", "epochs", "folds", *names, padding=(0, 1, 0, 0), box=None)
        for _, row in table.iterrows():
            network = str(row.network)
            spent = [str(row[name]) for name in ("size", "images", "epochs", "folds")]
            if network in PAPER[robot] and not lean_deg:
                shown.add_row(
                    PAPER_NAMES[network], "paper", "224", "", "20", "5", *(f"{v:.3f}" for v in PAPER[robot][network])
                )
            shown.add_row(PAPER_NAMES.get(network, network), "twin", *spent, *(f"{row[name]:.3f}" for name in COLUMNS))
        if lean_deg:
            shown.add_row("best possible", "", "", "", "", "", *(f"{limits[robot][name]:.3f}" for name in COLUMNS))
        console.print(f"\nrobot {robot}, folds by {split}, leaning {lean_deg:g}° off the label", shown, sep="\n")


def draw(path: Path, found: pd.DataFrame) -> None:
    """A panel for each robot and metric: networks down, values across."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from microtwin.perception.networks import PAPER_NAMES

    level = found[found.lean_deg == 0]
    networks = [name for name in NETWORKS if (level.network == name).any()]
    figure = Figure(figsize=(15, 2.2 + 0.75 * len(networks)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Table II on rendered images: hollow the paper, filled the twin by sequence, + by frame")
    for axes, robot in zip(np.atleast_2d(figure.subplots(len(ROBOTS), len(METRICS), sharey=True)), ROBOTS, strict=True):
        for ax, metric in zip(axes, METRICS, strict=True):
            for part, colour, aside in (("pitch", "C0", -0.15), ("roll", "C1", 0.15)):
                column = f"{part}_{metric}"
                for place, network in enumerate(networks):
                    if network in PAPER[robot]:
                        published = PAPER[robot][network][COLUMNS.index(column)]
                        ax.plot(published, place + aside, "o", mfc="none", color=colour)
                    rows = pd.DataFrame(level[(level.robot == robot) & (level.network == network)])
                    for _, row in rows.iterrows():
                        style = {"marker": "o"} if row.split == "sequence" else {"marker": "+", "ms": 9, "mew": 1.8}
                        ax.plot(row[column], place + aside, color=colour, **style)
            ax.set_title(f"robot {robot}: {metric}", loc="left", fontsize=10)
            ax.set_yticks(range(len(networks)), [PAPER_NAMES.get(name, name) for name in networks])
            ax.set_ylim(len(networks) - 0.5, -0.5)
            ax.grid(alpha=0.3)
    handles = [Line2D([], [], ls="", marker="o", color=colour) for colour in ("C0", "C1")]
    figure.legend(handles, ["pitch", "roll"], loc="outside lower center", ncols=2, frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    scale: TableScale = "laptop",
    networks: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="(default: all)")] = (),
    split: Literal["sequence", "frame", "both"] = "both",
    leaning: bool = True,
    folds: int = 5,
    seed: int = 0,
    device: Device = "auto",
    workers: int = 1,
    sets: Path = otmr_sets.SETS,
    out: Path = Path("runs/otmr_table2"),
) -> None:
    """Train, test, and print the paper's table beside the twin's.

    Args:
        scale: smoke is seconds, laptop under an hour on two cores, gpu the laptop's images at the paper's size, paper
            what the paper did.
        networks: of the table; by default all, at smoke all but the two large ones.
        split: what folds keep together.
        folds: most that are done of each network.
        leaning: our network also on bodies that lean off their label.
        seed: of the data, the folds and the trainings.
        device: auto, cpu or cuda.
        workers: cells that are done at once.
        sets: folder of the rendered data sets.
        out: folder for cells, table.csv and table.png.
    """
    networks = tuple(bench.asked(networks, NETWORKS, scale, seed))
    folder = files.open_folder(out)
    cells = plan(scale, networks, split, seed, leaning, folds)
    rows = bench.run(
        folder,
        cells,
        lambda cell: images_of(cell, sets, workers),
        functools.partial(work, out=folder, sets=sets, device=device),
        workers,
    )
    found = summary(rows)
    limits = {robot: limit(robot, USUAL_DEG, 30 if scale == "smoke" else 300) for robot in ROBOTS}
    show(Console(highlight=False, width=120), found, limits)
    print("\nwhat must show")
    bench.tell(checklist(found, limits))
    with files.whole(folder / "table.csv") as temporary:
        found.to_csv(temporary, index=False, float_format="%.5f")
    draw(folder / "table.png", found)
    print(f"wrote table.csv and table.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_table2_pose", lambda: tyro.cli(main), bench.STOPPED))
