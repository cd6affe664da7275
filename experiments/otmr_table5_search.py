"""Table V of the OTMR paper on rendered images: the networks that a search over Table I finds for pose and for depth.

    python experiments/otmr_table5_search.py [--scale smoke|laptop|paper] [--kinds pose depth]

Pose is searched for on robot 3, depth on robot 16, each as ``microtwin search`` does, on the first of five folds by
sequence. The paper says "150 epochs"; here that is 150 trials of 20 epochs, at ``paper``. ``laptop`` has a dozen
trials of a few epochs on small pictures, where few poolings are left to choose from, so its networks need not be the
paper's. What the paper found is trained with the same effort on the same images, and stands beside.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import otmr_bench as bench
import otmr_sets
import pandas as pd
import tyro
from otmr_bench import Device, Scale, Verdict
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code

if TYPE_CHECKING:
    from microtwin.perception.examples import Examples
    from microtwin.perception.search_settings import Search

Kind = Literal["pose", "depth"]
ROBOT: dict[Kind, int] = {"pose": 3, "depth": 16}
PUBLISHED = {"pose": (33.66, 3.11), "depth": (9.71, 5.85)}  # million parameters, GFLOPs (multiply-accumulates)
BEST, TABLE, PICTURE = "best.json", "table.csv", "table.png"


@dataclass(frozen=True)
class Effort:
    """Of one search: images are ``sequences`` (of each pose, or of the robot) times ``each``."""

    trials: int
    size: int
    epochs: int
    sequences: int
    each: int
    memory_gb: float = 4.0


EFFORTS: dict[Scale, dict[Kind, Effort]] = {
    "smoke": {"pose": Effort(2, 32, 1, 5, 1, 0.3), "depth": Effort(2, 32, 1, 20, 2, 0.3)},
    "laptop": {"pose": Effort(14, 64, 6, 12, 4), "depth": Effort(12, 48, 8, 120, 10)},
    "paper": {"pose": Effort(150, 224, 20, 20, 20, 60.0), "depth": Effort(150, 224, 20, 280, 20, 60.0)},
}


def images(kind: Kind, effort: Effort, scale: Scale, seed: int, sets: Path) -> Path:
    """The folder of a search's images, drawn if need be."""
    return otmr_sets.data_set(
        sets,
        task=kind,
        robots=[ROBOT[kind]],
        sequences=effort.sequences,
        images_per_sequence=effort.each,
        seed=seed,
        quick=scale == "smoke",
    )


def settings(kind: Kind, effort: Effort, data: Path, seed: int, device: Device) -> "Search":
    from microtwin.perception.search_settings import Search

    return Search(
        kind=kind,
        data=str(data),
        trials=effort.trials,
        size=effort.size,
        epochs=effort.epochs,
        robots=(ROBOT[kind],),
        device=device,
        seed=seed,
        memory_gb=effort.memory_gb,
    )


def searched(asked: "Search", examples: "Examples", folder: Path, console: Console) -> dict[str, Any]:
    """The search's ``best.json``; what is done already is not done again.

    Raises:
        InputError: the folder holds another search.
        KeyboardInterrupt: Ctrl-C; the same command goes on.
    """
    from microtwin.perception.search import search
    from microtwin.perception.search_settings import CONFIG

    resume = (folder / CONFIG).exists()

    def say(now) -> None:
        if (row := now.ended) is None:
            return
        what = f"{row['num_conv']} × {row['num_filters']}, fc {row['fc_dim']}, batch {row['batch_size']}"
        value = f"{row['value']:.4f}" if row["state"] == "complete" else row["reason"]
        left = f"{now.seconds_left / 60:.1f} min left"
        console.print(f"  {now.done:3} of {now.trials}  {what:36} {row['seconds']:5.0f} s  {left:14}  {value}")

    search(asked, examples, files.open_folder(folder), resume=resume, report=say)
    return json.loads((folder / BEST).read_text(encoding="utf-8"))


def papers(asked: "Search", examples: "Examples", folder: Path) -> dict[str, Any]:
    """The paper's choice, trained and tested as a trial is: its value, parameters and operations; kept in a file."""
    from microtwin.perception import checkpoint
    from microtwin.perception.fit import fit
    from microtwin.perception.folds import folds
    from microtwin.perception.search_space import PAPER, need
    from microtwin.perception.search_trial import value
    from microtwin.perception.source import Augmentation, Stored
    from microtwin.perception.task import Task
    from microtwin.perception.training import device_of

    kept, choice = folder / "paper.json", PAPER[asked.kind]
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    fold = folds(examples, 5, by=asked.split, seed=asked.seed)[0]
    task, device = Task.of(examples.take(fold.train), asked.kind), device_of(asked.device)
    training = asked.training(batch=choice.batch_size, learning_rate=choice.learning_rate, options=choice.options)
    learn = Stored(examples, fold.train, augment=Augmentation(), seed=asked.seed, device=device)
    hold = Stored(examples, fold.validation, shuffle=False, device=device)
    made = fit(training, task, learn, hold, files.open_folder(folder / "paper"))
    assert made  # nothing stops it but a Ctrl-C, which passes through
    needed = need(asked.kind, choice, task.n_outputs, asked.size)
    found = {"value": value(checkpoint.load(made).extra["scores"]), "params": needed.params, "macs": needed.macs}
    with files.whole(kept) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    return found


def rows(kind: Kind, best: dict[str, Any], paper: dict[str, Any], effort: Effort) -> list[dict[str, Any]]:
    """The published network, the same trained here, and the one found here."""
    from microtwin.perception.search_space import PAPER

    params, gmacs = PUBLISHED[kind]
    published = {"who": "published", "size": 224, "params_m": params, "gmacs": gmacs}
    here = {"size": effort.size}
    same = {"who": "the same, here", **here, "params_m": paper["params"] / 1e6, "gmacs": paper["macs"] / 1e9}
    found = {"who": "found here", **here, "params_m": best["params"] / 1e6, "gmacs": best["macs"] / 1e9}
    chosen = asdict(PAPER[kind])
    return [
        {"kind": kind, **published, **chosen},
        {"kind": kind, **same, **chosen, "value": paper["value"]},
        {"kind": kind, **found, **best["choice"], "value": best["value"]},
    ]


def checklist(found: pd.DataFrame) -> list[Verdict]:
    """The search against what the paper's choice does with the same effort; and which task needs more depth."""
    verdicts: list[Verdict] = []
    for kind, table in found.groupby("kind", sort=False):
        mine, theirs = (float(table.value[table.who == who].iloc[0]) for who in ("found here", "the same, here"))
        good = mine >= theirs if kind == "pose" else mine <= theirs
        verdicts.append((f"{kind}: as good as the paper's choice, or better", good, f"{mine:.4f}, {theirs:.4f}"))
    blocks = found[found.who == "found here"].set_index("kind").num_conv
    if set(blocks.index) == {"pose", "depth"}:
        figure = f"{blocks['depth']} and {blocks['pose']}; paper 5 and 3"
        verdicts.append(("blocks for depth and for pose", None, figure))
    return verdicts


def show(console: Console, found: pd.DataFrame) -> None:
    """Table V, a column for each network."""
    lines = {
        "num_conv": "num conv", "num_filters": "num filters", "fc_dim": "fc dim", "dropout_rate": "dropout rate",
        "use_bn": "use BN", "learning_rate": "learning rate", "batch_size": "batch size", "params_m": "params (M)",
        "gmacs": "GFLOPs (GMAC)", "size": "image size (px)", "value": "validation",
    }  # fmt: skip
    heads = [f"{kind}, {who}" for kind, who in zip(found.kind, found.who, strict=True)]
    shown = Table("hyperparameter", *heads, box=None, padding=(0, 2, 0, 0))
    for name, label in lines.items():
        shown.add_row(label, *("" if pd.isna(cell) else _cell(name, cell) for cell in found[name]))
    console.print("\nTable V; validation: mean of pitch and roll accuracy, or MSE of the depth (µm²)", shown, sep="\n")


def _cell(name: str, value: Any) -> str:
    digits = {"dropout_rate": ".2f", "learning_rate": ".1e", "params_m": ".2f", "gmacs": ".2f", "value": ".4f"}
    return format(value, digits[name]) if name in digits else str(value)


def draw(path: Path, tables: dict[Kind, pd.DataFrame], found: pd.DataFrame) -> None:
    """For each search its trials in turn, the best so far, and the paper's choice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.5 * len(tables), 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("Table V on rendered images: the search")
    for ax, (kind, table) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        complete = table[table.state == "complete"]
        cut = table[(table.state == "pruned") & table.value.notna()]
        best = complete.value.cummax() if kind == "pose" else complete.value.cummin()
        ax.plot(complete.trial, complete.value, "o", color="C0", label="trials")
        ax.plot(cut.trial, cut.value, "o", color="0.7", label="cut short")
        ax.step(complete.trial, best, where="post", color="C3", label="best so far")
        theirs = found[(found.kind == kind) & (found.who == "the same, here")].value.iloc[0]
        ax.axhline(theirs, color="C2", ls="--", label="the paper's choice, same effort")
        what = "mean of pitch and roll accuracy" if kind == "pose" else "MSE of the depth (µm²)"
        ax.set(title=f"{kind}, robot {ROBOT[kind]}", xlabel="trial", ylabel=what)
        if kind == "depth":
            ax.set_yscale("log")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        ax.legend(fontsize=9)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    scale: Scale = "laptop",
    kinds: tuple[Kind, ...] = ("pose", "depth"),
    seed: int = 0,
    device: Device = "auto",
    sets: Path = otmr_sets.SETS,
    out: Path = Path("runs/otmr_table5"),
) -> None:
    """Search, and print the paper's table beside what was found.

    Args:
        scale: smoke is seconds, laptop under an hour on two cores, paper what the paper did.
        kinds: of search.
        seed: of the data, the fold, the trainings and the search.
        device: auto, cpu or cuda.
        sets: folder of the rendered data sets.
        out: folder for the searches, table.csv and table.png.
    """
    bench.check(kinds, tuple(ROBOT), seed)
    from microtwin.perception.search_results import TABLE as TRIALS

    folder = files.open_folder(out)
    console = Console(highlight=False, soft_wrap=True)
    lines, tables = [], {}
    for kind in kinds:
        effort = EFFORTS[scale][kind]
        data = images(kind, effort, scale, seed, sets)
        examples = bench.load(data, effort.size, kind, ROBOT[kind])
        console.print(f"{kind}: {effort.trials} trials of {effort.epochs} epochs, {len(examples)} images")
        asked = settings(kind, effort, data, seed, device)
        place = folder / f"{kind}_{scale}"
        best = searched(asked, examples, place, console)
        lines += rows(kind, best, papers(asked, examples, place), effort)
        tables[kind] = pd.read_csv(place / TRIALS)
    found = pd.DataFrame(lines)
    show(Console(highlight=False, width=150), found)
    print("\nwhat must show")
    bench.tell(checklist(found))
    with files.whole(folder / TABLE) as temporary:
        found.to_csv(temporary, index=False, float_format="%.6g")
    draw(folder / PICTURE, tables, found)
    print(f"wrote {TABLE} and {PICTURE} to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_table5_search", lambda: tyro.cli(main), bench.STOPPED))
