"""Table III of the OTMR paper: parameters, operations and throughput of every network, and of ours beside them.

    python experiments/otmr_table3_cost.py [--scale smoke|laptop|paper] [--networks twinnet vit_b_16 ...] [--out DIR]

Parameters and operations are counted at 224 × 224 with the 16 outputs that the paper's parameters come out with; ours
at its own 128 × 128. "GMAC" is what a network multiplies and adds; "as counted there" leaves out the products inside
attention and takes four operations for each normalised element (microtwin.perception.cost.Cost.published_macs).

Throughput is measured twice: one image at a time on two cores, as a control loop has them, and in batches on the
device. ``smoke`` measures briefly, at 64 × 64; ``laptop`` at full size in batches of 16; ``paper`` as the paper says,
batches of 128 in 32 bits, on the GPU if there is one. The paper's A100 rounds 32-bit matrix products to TF32 in its
PyTorch 1.10 (its ViT at 1,385 images/s is 47 TFLOP/s, which that GPU does not reach without), so they are here.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code

Scale = Literal["smoke", "laptop", "paper"]
Device = Literal["auto", "cpu", "cuda"]
# Table III, and Table V for the network of the depth task: millions of parameters, "GFLOPs", images/s on an A100
PAPER = {
    "cnn": (25.79, 0.53, 15509.49),
    "vgg16": (134.33, 15.47, 2130.84),
    "resnet18": (11.18, 1.82, 10725.36),
    "resnet50": (23.54, 4.13, 3082.20),
    "efficientnet_b0": (4.03, 0.41, 4971.11),
    "mobilenet_v2": (2.24, 0.33, 6987.17),
    "vit_b_16": (86.25, 16.86, 1385.27),
    "nas_pose": (33.66, 3.11, 3007.85),
    "nas_depth": (9.71, 5.85, np.nan),
}
OURS, LARGEST, UNCLEAR = "twinnet", "vit_b_16", "nas_depth"
NETWORKS = (*PAPER, OURS)
OUTPUTS, SIZE, OUR_SIZE = 16, 224, 128
CORES = 2
REAL_TIME = 100.0  # images/s, one at a time
SHARE = 0.1  # of the largest network's operations
BUSY = 1.25  # processes that want to run for each core: more than this measurement alone
TOLERANCE = 0.01  # of the paper's counts


def settings(scale: Scale) -> tuple[int, int, float]:
    """Side of the images that throughput is measured with, images in a batch, seconds for each measurement."""
    return {"smoke": (64, 8, 0.2), "laptop": (SIZE, 16, 8.0), "paper": (SIZE, 128, 8.0)}[scale]


def measure(name: str, scale: Scale, device: str, batch: int) -> dict[str, float | str]:
    """One row: what the network costs, and how fast it is.

    Raises:
        InputError: the device has no room for the batch.
    """
    import torch

    from microtwin.perception.cost import cost, throughput
    from microtwin.perception.estimator import channels_last
    from microtwin.perception.networks import PAPER_NAMES, build

    outputs = 1 if name == UNCLEAR else OUTPUTS
    size = OUR_SIZE if name == OURS else SIZE
    with torch.device("meta"):
        found = cost(build(name, outputs, size=size), size)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else np.nan
    params, gmacs, speed = PAPER.get(name, (np.nan, np.nan, np.nan))
    side, _, seconds = settings(scale)
    side = OUR_SIZE if name == OURS else side
    with torch.device("meta"):
        timed = found if side == size else cost(build(name, outputs, size=side), side)
    torch.manual_seed(0)
    model = build(name, outputs, size=side).eval().requires_grad_(False)
    model = channels_last(model)  # as it is used: spares every convolution a reordering
    with cores(CORES):
        single = throughput(model, side, 1, seconds)
        try:
            batched = throughput(model.to(device), side, batch, seconds)
        except torch.OutOfMemoryError:
            least = f"give --batch {batch // 2}" if batch > 1 else "give --device cpu"
            raise InputError(f"batch {batch} of {name} does not fit the memory of {device}: {least}") from None
    return {
        "network": name,
        "title": f"{PAPER_NAMES[name]} (depth)" if name == UNCLEAR else PAPER_NAMES[name],
        "size": size,
        "params_m": found.params / 1e6,
        "gmac": found.macs / 1e9,
        "published_gmac": found.published_macs / 1e9,
        "paper_params_m": params,
        "paper_gmac": gmacs,
        "paper_images_per_s": speed,
        "timed_size": side,
        "timed_gmac": timed.macs / 1e9,
        "single_images_per_s": single,
        "batch": batch,
        "batch_images_per_s": batched,
        "device": device,
        "load": load,
    }


def estimator_rate(seconds: float) -> float:
    """Images per second of our network as it is used: from one crop of 256 × 256 to pose, depth and uncertainties."""
    import torch

    from microtwin.otmr.pose import POSES
    from microtwin.perception.calibration import Calibration
    from microtwin.perception.checkpoint import Loaded
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.networks import build
    from microtwin.perception.task import Task

    poses = POSES[3]
    pitches, rolls = sorted({pose.pitch_deg for pose in poses}), sorted({pose.roll_deg for pose in poses})
    task = Task("joint", tuple(pitches), tuple(rolls), tuple(poses), 0.0, 1.0, "um", (3,))
    torch.manual_seed(0)
    model = build(OURS, task.n_outputs, size=OUR_SIZE).eval().requires_grad_(False)
    estimator = Estimator(Loaded(model, task, OURS, OUR_SIZE, {}, Calibration()))
    crop = np.random.default_rng(0).integers(60, 200, (1, 256, 256), dtype=np.uint8)
    times = []
    with cores(CORES):
        estimator(crop)
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            start = time.perf_counter()
            estimator(crop)
            times.append(time.perf_counter() - start)
    return 1 / float(np.median(times))


@contextmanager
def cores(number: int) -> Iterator[None]:
    """So many threads for a network on the CPU, whatever the machine has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def verdicts(table: pd.DataFrame, rate: float | None) -> list[tuple[str, bool | None, str]]:
    """What must show: name, passed (None: for information), figure."""
    rows, found = table.set_index("network"), []
    known = rows.drop(index=[name for name in (OURS, UNCLEAR) if name in rows.index])
    if len(known):
        for title, ours, paper in (
            ("parameters", known.params_m, known.paper_params_m),
            ("operations, as the paper counts,", known.published_gmac, known.paper_gmac),
        ):
            off = (ours - paper).abs() - 0.005  # its two decimals
            off = (off.clip(lower=0) / paper).rename("off")
            worst = str(off.idxmax())
            figure = f"{rows.title[worst]} is off by {off[worst]:.1%}" if off[worst] > 0 else "all to the last digit"
            found.append((f"{title} within 1 % of Table III", bool(off.max() <= TOLERANCE), figure))
    if UNCLEAR in rows.index:
        row = rows.loc[UNCLEAR]
        figure = f"{row.params_m / row.paper_params_m - 1:+.1%} and {row.published_gmac / row.paper_gmac - 1:+.1%}"
        found.append(("Table V's depth network: no place of its poolings fits", None, figure))
    if {OURS, LARGEST} <= set(rows.index):
        share = rows.gmac[OURS] / rows.gmac[LARGEST]
        figure = f"{share:.4f}, or 1/{1 / share:.0f}"
        found.append((f"{OURS}: at most 1/10 of ViT's operations", bool(share <= SHARE), figure))
    if rate is not None:
        single = rows.single_images_per_s[OURS]
        title = f"{OURS}: {REAL_TIME:g} images/s or more, one by one, {CORES} cores"
        found.append((title, bool(single >= REAL_TIME), f"{single:.0f} images/s"))
        found.append(
            ("  the same from a 256 × 256 crop to an estimate", bool(rate >= REAL_TIME), f"{rate:.0f} images/s")
        )
    return found


def report(table: pd.DataFrame, rate: float | None) -> None:
    """Paper beside twin, then what was judged."""
    console = Console(highlight=False, width=120)
    device, batch = table.device[0], table.batch[0]
    shown = Table("network", "px", title="Table III: paper / here", title_justify="left")
    for heading in ("params (M)", "GMAC as counted there", "GMAC", "timed at px", f"images/s, 1 on {CORES} cores"):
        shown.add_column(heading, justify="right")
    shown.add_column(f"images/s: 128, A100 / {batch}, {device}", justify="right")

    def pair(paper: float, here: float, digits: int) -> str:
        return f"{'' if np.isnan(paper) else format(paper, f'.{digits}f')} / {here:.{digits}f}"

    for row in table.to_dict("records"):
        shown.add_row(
            row["title"],
            str(row["size"]),
            pair(row["paper_params_m"], row["params_m"], 2),
            pair(row["paper_gmac"], row["published_gmac"], 2),
            f"{row['gmac']:.2f}",
            str(row["timed_size"]),
            f"{row['single_images_per_s']:.1f}",
            pair(row["paper_images_per_s"], row["batch_images_per_s"], 0),
        )
    console.print(shown)
    for name, passed, figure in verdicts(table, rate):
        print(f"  {'    ' if passed is None else 'pass' if passed else 'MISS'}  {name:58} {figure}")
    if (load := table.load.max()) > BUSY * (os.cpu_count() or 1):
        print(f"  the machine had other work (load {load:.1f} on {os.cpu_count()} cores): its rates are too low")


def plot(path: Path, table: pd.DataFrame) -> None:
    """Operations, paper beside twin; and what they cost in images per second."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    bars, speed = figure.subplots(1, 2, width_ratios=[1, 1.15])
    rows, height = np.arange(len(table)), 0.38
    bars.barh(rows - height / 2, table.paper_gmac, height, color="0.75", label="paper")
    bars.barh(rows + height / 2, table.published_gmac, height, color="C0", label="here, counted as there")
    for row, value in zip(rows, table.published_gmac, strict=True):
        bars.text(value * 1.08, row + height / 2, f"{value:.2f}", va="center", fontsize=8)
    bars.set(xscale="log", xlabel="operations per image (10⁹)", xlim=(0.05, 40))
    bars.set_yticks(rows, list(table.title))
    bars.invert_yaxis()
    bars.legend(loc="lower right", fontsize=9)

    colours = ["C3" if name == OURS else "C0" for name in table.network]
    speed.scatter(table.timed_gmac, table.single_images_per_s, s=20 + 6 * table.params_m, c=colours, alpha=0.45, lw=0)
    for row in table.to_dict("records"):
        place = row["timed_gmac"], row["single_images_per_s"]
        speed.annotate(row["title"], place, (7, 5), textcoords="offset points", fontsize=9)
    speed.axhline(REAL_TIME, color="0.4", lw=1, ls="--")
    speed.text(40, REAL_TIME * 1.06, "100 images/s", ha="right", fontsize=8, color="0.4")
    sides = " or ".join(str(side) for side in sorted(set(table.timed_size)))
    speed.set(xscale="log", yscale="log", xlim=(0.02, 45))
    speed.set(xlabel="GMAC per image", ylabel=f"images/s, one at a time, {CORES} cores, {sides} px")
    speed.set_title("areas: parameters", loc="left", fontsize=10)
    for ax in (bars, speed):
        ax.grid(alpha=0.2, which="both")
        ax.set_axisbelow(True)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(
    scale: Scale = "laptop",
    networks: tuple[str, ...] = NETWORKS,
    device: Device = "auto",
    batch: int | None = None,
    out: Path = Path("runs/otmr_table3_cost"),
) -> None:
    """Count and time the networks; print, save and draw.

    Args:
        scale: how long and at which size throughput is measured.
        networks: which rows.
        device: of the batches; auto is the GPU at scale paper if there is one.
        batch: images at a time on the device, instead of the scale's 8, 16 or 128.
        out: folder for the table and the picture.
    """
    from microtwin.perception import extra

    extra.require()
    import torch

    unknown = sorted(set(networks) - set(NETWORKS)) if networks else ["none"]
    if unknown:
        raise InputError(f"network {unknown[0]}: choose among {', '.join(NETWORKS)}")
    if batch is not None and batch < 1:
        raise InputError(f"batch is {batch}: give 1 or more")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise InputError("device cuda: torch finds no GPU here; give --device cpu")
    wanted = device == "cuda" or (device == "auto" and scale == "paper" and there)
    folder = files.open_folder(out)
    table, rate = measured(networks, scale, "cuda" if wanted else "cpu", batch or settings(scale)[1])
    with files.whole(folder / "cost.csv") as path:
        table.to_csv(path, index=False, float_format="%.5g")
    plot(folder / "cost.png", table)
    report(table, rate)
    print(f"wrote cost.csv and cost.png to {folder}")


def measured(networks: Sequence[str], scale: Scale, device: str, batch: int) -> tuple[pd.DataFrame, float | None]:
    """All rows, in the table's order, and our network's rate from crop to estimate if it is among them."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # TF32 where the device has it
    try:
        names = [name for name in NETWORKS if name in networks]
        rows = [measure(name, scale, device, batch) for name in track(names, "measuring", transient=True)]
    finally:
        torch.set_float32_matmul_precision(before)
    return pd.DataFrame(rows), estimator_rate(settings(scale)[2]) if OURS in networks else None


if __name__ == "__main__":
    sys.exit(exit_code("otmr_table3_cost", lambda: tyro.cli(main)))
