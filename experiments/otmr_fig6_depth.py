"""Fig. 6 of the OTMR paper: depth against time of a continuous and a stepwise sequence, with frames on the way.

    python experiments/otmr_fig6_depth.py [--robot 8] [--images 160] [--seed 0] [--quick] [--out DIR]

Both are sequences that ``microtwin dataset --task depth`` draws with the same robot, images per sequence and seed.
Depth is stage travel from where the body's origin is in focus; a time step is one image.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.framing import PIXEL_UM
from microtwin.otmr.generate import draw
from microtwin.otmr.plan import Plan
from microtwin.robots.catalogue import Robot, catalogue

FRAMES = 7  # shown of each sequence
FEWEST = 80  # images for a sweep and a staircase of eight levels or more
END = 0.06  # of the depth range: so near to its ends counts as there
SWEEP = 9.0  # ranges over images: the largest step of a smooth sweep (microtwin.otmr.depth)
BAR_UM = 5.0


def flank(depths_um: np.ndarray) -> np.ndarray:
    """Up to FRAMES time steps at evenly spaced depths, on the shortest way from one end of the depths to the other.

    Where the stage stands, the step in the middle of its stay.
    """
    low, high = depths_um.min(), depths_um.max()
    near = END * (high - low)
    ends = np.flatnonzero(depths_um <= low + near), np.flatnonzero(depths_um >= high - near)
    bottom, top = min(((i, j) for i in ends[0] for j in ends[1]), key=lambda pair: abs(pair[0] - pair[1]))
    first, last = sorted((int(bottom), int(top)))
    wanted = np.linspace(depths_um[first], depths_um[last], FRAMES)
    steps = first + np.abs(depths_um[first : last + 1, None] - wanted).argmin(axis=0)
    stay = np.cumsum(np.diff(depths_um, prepend=depths_um[0]) != 0)
    return np.unique([int(np.median(np.flatnonzero(stay == stay[step]))) for step in steps])


def checklist(trajectory: str, depths_um: np.ndarray, range_um: float) -> list[tuple[str, bool, str]]:
    """What a sequence must show: what, whether it does, the figure."""
    steps = np.abs(np.diff(depths_um))
    low, high = float(depths_um.min()), float(depths_um.max())
    covers = (1 - END) * range_um <= high - low <= range_um + 1e-9 and low < 0 < high
    found = [
        ("covers the robot's depth range", covers, f"{high - low:.2f} of {range_um:g} µm, {low:+.2f} to {high:+.2f}")
    ]
    if trajectory == "continuous":
        bound = SWEEP * range_um / len(depths_um)
        found.append(
            ("sweeps smoothly", bool(steps.max() <= bound), f"steps up to {steps.max():.3f} of {bound:.3f} µm")
        )
    else:
        jumps = steps[steps > 0]
        stays = 1 - len(jumps) / len(steps)
        found.append(("stands on levels", stays >= 0.5, f"{stays:.0%} of the time, {len(jumps) + 1} levels"))
        alike = len(jumps) > 1 and bool(jumps.max() <= 1.5 * jumps.min())
        found.append(("jumps by equal steps", alike, f"{jumps.mean() if len(jumps) else 0:.2f} µm"))
    return found


def report(table: pd.DataFrame, item: Robot) -> None:
    """Ranges and steps of both sequences, then what was judged."""
    console = Console(highlight=False, width=120)
    shown = Table("sequence", "images", "depth (µm)", "median step (µm)", "largest step (µm)", "turns")
    verdicts = []
    for trajectory, rows in table.groupby("trajectory", sort=False):
        depths_um = rows.depth_um.to_numpy()
        steps = np.diff(depths_um)
        moves = np.abs(steps[steps != 0])
        turns = int((np.diff(np.sign(steps[steps != 0])) != 0).sum())
        ends = f"{depths_um.min():+.2f} to {depths_um.max():+.2f}"
        sizes = (f"{np.median(moves):.3f}", f"{moves.max():.3f}") if len(moves) else ("", "")
        shown.add_row(str(trajectory), str(len(rows)), ends, *sizes, str(turns))
        verdicts += [
            (f"{trajectory}: {name}", *rest)
            for name, *rest in checklist(str(trajectory), depths_um, item.depth_range_um)
        ]
    console.print(f"robot {item.number}, {item.name}: depth range {item.depth_range_um:g} µm", shown, sep="\n")
    for name, passed, figure in verdicts:
        console.print(f"  {'pass' if passed else 'MISS'}  {name:44} {figure}")


def plot(path: Path, item: Robot, table: pd.DataFrame, images: dict[str, np.ndarray]) -> None:
    """Each sequence's depths, numbered where the frames beneath were taken."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Robot {item.number}, {item.name}: depth over time", fontsize=13)
    for half, (trajectory, rows) in zip(
        np.asarray(figure.subfigures(2, 1)), table.groupby("trajectory", sort=False), strict=True
    ):
        grid = half.add_gridspec(2, FRAMES, height_ratios=[1.15, 1])
        ax = half.add_subplot(grid[0, :])
        style = "default" if trajectory == "continuous" else "steps-mid"
        ax.plot(rows.time_step, rows.depth_um, ".-", ms=4, lw=1, color="C0", drawstyle=style)
        ax.axhline(0, color="0.7", lw=0.8, zorder=0)
        ax.set(xlabel="time step (image)", ylabel="depth (µm)", xlim=(-1, len(rows)))
        ax.set_title(str(trajectory), loc="left", fontsize=11)
        ax.margins(y=0.12)
        ax.grid(alpha=0.2)
        marked = rows[rows.shown]
        for number, (step, depth_um) in enumerate(zip(marked.time_step, marked.depth_um, strict=True)):
            ax.plot(step, depth_um, "o", ms=13, mfc="white", mec="C3")
            ax.text(step, depth_um, str(number + 1), color="C3", ha="center", va="center", fontsize=8)
            frame = half.add_subplot(grid[1, number])
            frame.imshow(images[str(trajectory)][step], cmap="gray", vmin=0, vmax=255)
            frame.set_title(f"{number + 1}:  t = {step},  {depth_um:+.1f} µm", fontsize=9)
            frame.set_axis_off()
            if number == 0:
                frame.plot([12, 12 + BAR_UM / PIXEL_UM], [244, 244], color="white", lw=2.5)
                frame.text(12, 236, f"{BAR_UM:g} µm", color="white", fontsize=8)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=120)


def main(
    robot: int = 8, images: int = 160, seed: int = 0, quick: bool = False, out: Path = Path("runs/otmr_fig6_depth")
) -> None:
    """Draw both sequences; print, save and draw their depths.

    Args:
        robot: number, 1 to 18.
        images: of each sequence.
        seed: of all that is drawn at random.
        quick: 80 images a sequence.
        out: folder for the table and the picture.
    """
    images = FEWEST if quick else images
    if images < FEWEST:
        raise InputError(f"images is {images}: give {FEWEST} or more, for a sweep and a staircase")
    plan = Plan("depth", (robot,), images, 2, seed)
    folder = files.open_folder(out)
    pictures, tables = {}, []
    for item in track(plan.items(), "drawing", transient=True):
        drawn = draw(item, plan.randomise, item.streams(seed))
        pictures[item.trajectory] = drawn.images
        table = pd.DataFrame({"trajectory": item.trajectory, "time_step": range(images), "depth_um": drawn.depths_um})
        table["shown"] = table.time_step.isin(flank(drawn.depths_um))
        tables.append(table)
    table = pd.concat(tables)
    with files.whole(folder / "depth.csv") as path:
        table.to_csv(path, index=False, float_format="%.5f")
    plot(folder / "depth.png", catalogue()[robot], table, pictures)
    report(table, catalogue()[robot])
    print(f"wrote depth.csv and depth.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_fig6_depth", lambda: tyro.cli(main)))
