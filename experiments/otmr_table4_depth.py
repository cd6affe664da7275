"""Table IV of the OTMR paper on rendered images: depths of six robots, nine networks, five folds.

    python experiments/otmr_table4_depth.py [--scale smoke|laptop|gpu|paper] [--networks twinnet cnn ...] [--split both]

Folds as in otmr_table2_pose.py: ``sequence`` tests prints and optics never seen, ``frame`` is the paper's split, whose
test images have neighbours in training. Many short sequences teach more than few long ones: each has its own print and
optics. ``twinnet, all six`` is one network for all six robots, trained on fold k of each; it is our network's second
line. ``laptop`` gives the larger networks small pictures, few images and one fold, and the table says how much. Our
networks begin from the shipped one that reads all robots' depths (other prints and optics: seed 7), as the paper's from
ImageNet; at ``gpu`` the others begin from random weights.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import otmr_bench as bench
import otmr_sets
import pandas as pd
import tyro
from otmr_bench import OURS, Cell, Device, Effort, Found, TableScale, Tick, Verdict
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code

ROBOTS = (8, 10, 12, 14, 16, 18)
ALL_SIX = f"{OURS}, all six"
MSE, R2 = "mse_um2", "r2"
TARGET_UM2 = {8: 0.017, 10: 0.017, 12: 0.017, 14: 0.1, 16: 0.017, 18: 0.017}
# The paper's: MSE (µm²) and R² of each of ROBOTS
PAPER: dict[str, tuple[tuple[float, float], ...]] = {
    "cnn": ((0.052, 0.996), (0.479, 0.965), (0.104, 0.992), (0.520, 0.978), (0.219, 0.983), (0.852, 0.940)),
    "vgg16": ((0.113, 0.994), (0.504, 0.963), (0.191, 0.985), (0.371, 0.984), (0.364, 0.972), (0.311, 0.978)),
    "resnet18": ((0.053, 0.996), (0.082, 0.994), (0.081, 0.993), (0.299, 0.987), (0.063, 0.995), (0.059, 0.995)),
    "resnet50": ((0.043, 0.998), (0.075, 0.994), (0.074, 0.994), (0.307, 0.987), (0.034, 0.997), (0.054, 0.996)),
    "efficientnet_b0": ((0.048, 0.996), (0.068, 0.995), (0.101, 0.992), (0.238, 0.990), (0.084, 0.993), (0.078, 0.994)),
    "mobilenet_v2": ((0.055, 0.996), (0.093, 0.993), (0.098, 0.992), (0.253, 0.989), (0.064, 0.995), (0.186, 0.986)),
    "vit_b_16": ((0.054, 0.996), (0.076, 0.994), (0.096, 0.992), (0.232, 0.990), (0.048, 0.996), (0.011, 0.999)),
    "nas_depth": ((0.046, 0.997), (0.118, 0.992), (0.087, 0.993), (0.258, 0.989), (0.017, 0.998), (0.051, 0.996)),
}
NETWORKS = (*PAPER, OURS, ALL_SIX)
Split = Literal["sequence", "frame"]
Pairs = dict[int, tuple[float, float]]  # MSE (µm²) and R² by robot
_SHOWN = 3  # of what is not met


def images(scale: TableScale) -> tuple[int, int]:
    """Sequences of each robot, images of each; ``paper``: 5,600 images, as its robot 8 has (section IV.F)."""
    return {"smoke": (10, 2), "paper": (280, 20)}.get(scale, (160, 12))


def effort(scale: TableScale, network: str) -> Effort:
    if scale == "paper":
        return Effort(224, 20, 5, pretrained=True, learning_rate=1e-4 if network == "vit_b_16" else 1e-3)
    if scale == "smoke":
        return Effort(32, 1, 1, batch=32)
    if scale == "gpu":
        if network in (OURS, ALL_SIX):
            return Effort(128, 100 if network == OURS else 40, 5, pretrained=True)
        return Effort(224, 20, 5, learning_rate=1e-4 if network in bench.LARGE else 1e-3)
    if network == ALL_SIX:
        return Effort(96, 8, 5, pretrained=True)
    if network == OURS:
        return Effort(96, 60, 1, pretrained=True)
    return Effort(64, 4, 1, images=300) if network in bench.LARGE else Effort(64, 5, 1, images=600)


def plan(scale: TableScale, networks: Sequence[str], split: str, seed: int, folds: int = 5) -> list[Cell]:
    """Every cell; one of ``ALL_SIX`` is tested on all robots, one of another network on one."""
    cells = []
    sequences, each = images(scale)
    for network in sorted(networks, key=lambda name: name != ALL_SIX):
        spent = effort(scale, network)
        ways: list[Split] = [way for way in ("sequence", "frame") if split in (way, "both")]
        # the paper's split for those that are quick to train
        for way in ways if scale == "paper" or network == OURS else ways[:1]:
            for robots in [ROBOTS] if network == ALL_SIX else [(robot,) for robot in ROBOTS]:
                for fold in range(min(spent.folds if way == ways[0] else 1, folds)):
                    settings = {
                        "robots": robots,
                        "network": network,
                        "split": way,
                        "fold": fold,
                        "seed": seed,
                        "quick": scale == "smoke",
                        "of_each_robot": (sequences, each),
                        "effort": vars(spent),
                    }
                    who = "all" if network == ALL_SIX else f"r{robots[0]}"
                    total = int(0.7 * sequences * each * len(robots))
                    weight = bench.weight(network.split(",")[0], spent, total)
                    cells.append(Cell(f"{who}_{network.split(',')[0]}_{way}_fold{fold}", settings, weight))
    return cells


def images_of(cell: Cell, robot: int, sets: Path, workers: int = 2) -> Path:
    """The folder with one robot's images, drawn if need be."""
    s = cell.settings
    sequences, each = s["of_each_robot"]
    return otmr_sets.data_set(
        sets,
        task="depth",
        robots=[robot],
        sequences=sequences,
        images_per_sequence=each,
        seed=s["seed"],
        workers=max(workers, 2),
        quick=s["quick"],
    )


def work(cell: Cell, tick: Tick, out: Path, sets: Path, device: Device) -> Found:
    """Train one network on one fold, of one robot or of all, and test it on each robot's."""
    from microtwin.perception.assess import assess
    from microtwin.perception.folds import folds

    s = cell.settings
    spent = Effort(**s["effort"])
    parts = []
    for robot in s["robots"]:
        examples = bench.load(images_of(cell, robot, sets), spent.size, "depth", robot)
        fold = folds(examples, 5, s["split"], s["seed"])[s["fold"]]
        train = bench.fewer(fold.train, spent.images, s["seed"])
        parts.append([examples.take(indices) for indices in (train, fold.validation, fold.test)])
    train, validation, _ = (bench.joined(column) for column in zip(*parts, strict=True))
    training = spent.training("depth", s["network"].split(",")[0], s["seed"] + s["fold"], device)
    estimator = bench.trained(training, train, validation, bench.fit_folder(out, cell), tick)
    found = {}
    for robot, (_, _, test) in zip(s["robots"], parts, strict=True):
        found[str(robot)] = assess(test, estimator.prepared(test.images), "um")
    return {"robot": found, "trained_on": len(train)}


def summary(rows: Sequence[Found]) -> pd.DataFrame:
    """One row for each split, network and robot: means over folds, and the paper's as ``paper_…``."""
    single: list[dict[str, Any]] = []
    for row in rows:
        common = {name: row[name] for name in ("split", "network", "fold", "trained_on")}
        common |= {"size": row["effort"]["size"], "epochs": row["effort"]["epochs"]}
        single += [common | {"robot": int(robot)} | scores for robot, scores in row["robot"].items()]
    lines = []
    for (split, network, robot), group in pd.DataFrame(single).groupby(["split", "network", "robot"], sort=False):  # type: ignore[misc]
        line = {"split": split, "network": network, "robot": robot, "size": group["size"].iloc[0]}
        line |= {"images": int(group.trained_on.mean()), "epochs": group.epochs.iloc[0], "folds": len(group)}
        line |= bench.means(group.to_dict("records"), (MSE, R2, "mae_um", "correlation", "coverage_90"))
        published = PAPER[network][ROBOTS.index(int(robot))] if network in PAPER else (np.nan, np.nan)
        lines.append(line | {f"paper_{MSE}": published[0], f"paper_{R2}": published[1]})
    return pd.DataFrame(lines)


def checklist(found: pd.DataFrame) -> list[Verdict]:
    """Our networks against the targets and the best of each column, the paper's and the twin's."""
    verdicts: list[Verdict] = []
    for (split, network), table in found.groupby(["split", "network"], sort=False):  # type: ignore[misc]
        if network not in (OURS, ALL_SIX):
            continue
        where = f"{network}, by {split}"
        ours = pairs(table)
        odd = [f"robot {r} {mse:.4f} of {TARGET_UM2[r]:g}" for r, (mse, _) in ours.items() if mse > TARGET_UM2[r]]
        figure = "; ".join(odd) or f"all {len(ours)} robots"
        verdicts.append((f"{where}: MSE within the target (µm²)", not odd, figure))
        best = {robot: best_of([row[k] for row in PAPER.values()]) for k, robot in enumerate(ROBOTS)}
        verdicts.append(_better(f"{where}: every column at the paper's best", ours, best))
        others = pd.DataFrame(found[(found.split == split) & ~found.network.isin([OURS, ALL_SIX])])
        if len(others):
            single = [pairs(pd.DataFrame(rows)) for _, rows in others.groupby("network")]
            best = {robot: best_of([one[robot] for one in single]) for robot in ours}
            verdicts.append(_better(f"{where}: every column at the others' best", ours, best))
        inside = ", ".join(f"{share:.2f}" for share in table.coverage_90)
        verdicts.append((f"{where}: 90 % intervals hold", None, inside))
    return verdicts


def pairs(table: pd.DataFrame) -> Pairs:
    """MSE and R² of one network, by robot."""
    return {int(row["robot"]): (float(row[MSE]), float(row[R2])) for row in table.to_dict("records")}


def best_of(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The least MSE and the greatest R², not necessarily of one network."""
    return min(mse for mse, _ in found), max(r2 for _, r2 in found)


def _better(name: str, ours: Pairs, best: Pairs) -> Verdict:
    worse = [f"{r} MSE {ours[r][0]:.4f} of {best[r][0]:.4f}" for r in ours if ours[r][0] > best[r][0]]
    worse += [f"{r} R² {ours[r][1]:.4f} of {best[r][1]:.4f}" for r in ours if ours[r][1] < best[r][1]]
    count = 2 * len(ours)
    shown = "".join(f"; robot {one}" for one in worse[:_SHOWN]) + "; …" * (len(worse) > _SHOWN)
    return name, not worse, f"{count - len(worse)} of {count}{shown}"


def show(console: Console, found: pd.DataFrame) -> None:
    """A table for each split; of each network the paper's line, then the twin's."""
    from microtwin.perception.networks import PAPER_NAMES

    for split, table in found.groupby("split", sort=False):
        heads = [f"{robot} {what}" for robot in ROBOTS for what in ("MSE", "R²")]
        shown = Table("network", "", "size", "images", "epochs", "folds", *heads, padding=(0, 1, 0, 0), box=None)
        for network in NETWORKS:
            rows = table[table.network == network].set_index("robot")
            if rows.empty:
                continue
            name = PAPER_NAMES.get(network, network)
            if network in PAPER:
                values = [f"{value:.3f}" for pair in PAPER[network] for value in pair]
                shown.add_row(name, "paper", "224", "", "20", "5", *values)
            spent = [str(rows[column].iloc[0]) for column in ("size", "images", "epochs", "folds")]
            values = [f"{rows[what][robot]:.{digits}f}" for robot in ROBOTS for what, digits in ((MSE, 4), (R2, 4))]
            shown.add_row(name, "twin", *spent, *values)
        console.print(f"\ndepth, folds by {split}: MSE (µm²) and R² of robots {ROBOTS}", shown, sep="\n")


def draw(path: Path, found: pd.DataFrame) -> None:
    """A panel for each robot: networks down, MSE across."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import NullFormatter

    from microtwin.perception.networks import PAPER_NAMES

    networks = [name for name in NETWORKS if (found.network == name).any()]
    figure = Figure(figsize=(15, 3.0 + 0.4 * len(networks)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Table IV on rendered images: mean squared error of depth")
    for ax, robot in zip(figure.subplots(1, len(ROBOTS), sharey=True), ROBOTS, strict=True):
        for place, network in enumerate(networks):
            if network in PAPER:
                ax.plot(PAPER[network][ROBOTS.index(robot)][0], place, "o", mfc="none", color="0.4")
            for _, row in found[(found.robot == robot) & (found.network == network)].iterrows():
                style = {"marker": "o"} if row.split == "sequence" else {"marker": "+", "ms": 9, "mew": 1.8}
                ax.plot(row[MSE], place, color="C3" if network in (OURS, ALL_SIX) else "C0", **style)
        ax.axvline(TARGET_UM2[robot], color="C2", ls="--", lw=1)
        ax.set(title=f"robot {robot}", xscale="log", xlabel="MSE (µm²)", ylim=(len(networks) - 0.5, -0.5))
        ax.xaxis.set_minor_formatter(NullFormatter())  # labels between the decades would overlap
        ax.set_yticks(range(len(networks)), [PAPER_NAMES.get(name, name) for name in networks])
        ax.grid(alpha=0.3)
    marks = {"paper": {"marker": "o", "mfc": "none", "color": "0.4"}, "twin, by sequence": {"marker": "o"}}
    marks |= {"twin, by frame": {"marker": "+", "ms": 9, "mew": 1.8}}
    handles = [Line2D([], [], ls="", **{"color": "C0", **style}) for style in marks.values()]
    handles.append(Line2D([], [], color="C2", ls="--", lw=1))
    figure.legend(handles, [*marks, "target"], loc="outside lower center", ncols=4, frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    scale: TableScale = "laptop",
    networks: Annotated[tuple[str, ...], tyro.conf.arg(help_behavior_hint="(default: all)")] = (),
    split: Literal["sequence", "frame", "both"] = "both",
    folds: int = 5,
    seed: int = 0,
    device: Device = "auto",
    workers: int = 1,
    sets: Path = otmr_sets.SETS,
    out: Path = Path("runs/otmr_table4"),
) -> None:
    """Train, test, and print the paper's table beside the twin's.

    Args:
        scale: smoke is seconds, laptop under an hour on two cores, gpu the laptop's images at the paper's size, paper
            what the paper did.
        networks: of the table; by default all, at smoke all but the two large ones.
        split: what folds keep together.
        folds: most that are done of each network.
        seed: of the data, the folds and the trainings.
        device: auto, cpu or cuda.
        workers: cells that are done at once.
        sets: folder of the rendered data sets.
        out: folder for cells, table.csv and table.png.
    """
    networks = tuple(bench.asked(networks, NETWORKS, scale, seed))
    folder = files.open_folder(out)
    rows = bench.run(
        folder,
        plan(scale, networks, split, seed, folds),
        lambda cell: [images_of(cell, robot, sets, workers) for robot in cell.settings["robots"]],
        functools.partial(work, out=folder, sets=sets, device=device),
        workers,
    )
    found = summary(rows)
    show(Console(highlight=False, width=150), found)
    print("\nwhat must show")
    bench.tell(checklist(found))
    with files.whole(folder / "table.csv") as temporary:
        found.to_csv(temporary, index=False, float_format="%.5f")
    draw(folder / "table.png", found)
    print(f"wrote table.csv and table.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_table4_depth", lambda: tyro.cli(main), bench.STOPPED))
