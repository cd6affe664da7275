"""All closed-loop controllers on the paper's circle, beside the corridor algorithm at every setting worth trying.

Usage: ``python experiments/controllers.py [--quick] [--trials 100] [--seed 0] [--robot paper] [--path circle]``. Every
controller gets the same trials: trial k of a seed draws the same liquid, start and noise for each. Takes five minutes.
"""

import itertools
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress
from scipy import stats

from microtwin import files, paths
from microtwin.control.path_frame import arc_lengths
from microtwin.errors import InputError, exit_code
from microtwin.pushing import ControllerKind, Push
from microtwin.recording import Trial
from microtwin.scene import PushScene, RobotKind
from microtwin.simulated import FRAME_RATE_HZ

MOST_HZ = 15.0
OURS: dict[ControllerKind, str] = {"blended": "#ee7733", "steering": "#009988", "predictive": "#cc3311"}
OPEN_LOOP = "joystick"
PAPER_WIDTHS_UM, NARROWER_UM = (5.0, 10.0, 15.0), (2.0, 3.0)
GRID = tuple(itertools.product((*NARROWER_UM, *PAPER_WIDTHS_UM), (6.0, 9.0, 12.0, 15.0)))
TIME, ERROR, SWITCHES, VARIATION = "completion_time_s", "mae_um", "switches_per_s", "actuation_variation_hz_per_s"
COLUMNS = {TIME: "time (s)", ERROR: "error (µm)", SWITCHES: "switches (1/s)", VARIATION: "variation (Hz/s)"}
TIME_BOUND, ERROR_BOUND, SWITCH_BOUND = 0.75, 0.4, 0.3
PathName = Literal["circle", "figure-eight", "square"]
Row = dict[str, Any]


def cells(quick: bool) -> list[tuple[ControllerKind, float | None, float]]:
    """(controller, corridor width, frequency) of all that is run."""
    grid = [(w, f) for w, f in GRID if not quick or (w in (2.0, 5.0) and f == MOST_HZ)]
    ours: list[tuple[ControllerKind, float | None, float]] = [(kind, None, MOST_HZ) for kind in (*OURS, OPEN_LOOP)]
    return [*ours, *(("corridor", w, f) for w, f in grid)]


def simulate(cell: tuple[ControllerKind, float | None, float], push: dict[str, Any]) -> tuple[list[dict], Trial]:
    """A row a trial, and the first trial."""
    kind, width_um, frequency_hz = cell
    run = Push(frequency_hz=frequency_hz, width_um=width_um, controller=kind, **push)
    trials = list(run.run())
    if trials[-1].interrupted:
        raise KeyboardInterrupt
    about = {"controller": kind, "width_um": run.corridor_um, "frequency_hz": frequency_hz}
    return [about | trial.summary() for trial in trials], trials[0]


def floor_um(nodes_um: np.ndarray, time_s: float, threshold_um: float = 8.0) -> float:
    """What the paper's error comes to for a cargo exactly on the path that takes this time to the threshold.

    The measure sees it once a frame, a quarter of a frame's way from a node on average, and charges it the nodes that
    it stops short of.
    """
    arc = arc_lengths(nodes_um)
    end_um = arc[-1] - threshold_um
    return float(end_um / (time_s * FRAME_RATE_HZ) / 4 + np.maximum(arc - end_um, 0.0).mean())


def interval(values: list[float | None]) -> tuple[float, float]:
    """Mean and half width of its 95 % interval (Student's t); of the time, over the trials that finished."""
    known = np.array([value for value in values if value is not None])
    if len(known) < 2:
        return float(known.sum()) if len(known) else math.nan, math.nan
    half = float(stats.t.ppf(0.975, len(known) - 1)) * known.std(ddof=1) / math.sqrt(len(known))
    return float(known.mean()), float(half)


def summary(trials: list[dict[str, Any]]) -> Row:
    """A cell's row: how many finished, and mean and half interval of every measure."""
    row = {name: trials[0][name] for name in ("controller", "width_um", "frequency_hz")}
    row |= {"trials": len(trials), "finished": sum(trial["success"] for trial in trials)}
    for measure in COLUMNS:
        row[measure], row[f"{measure}_half"] = interval([trial[measure] for trial in trials])
    return row


def best(table: list[Row], widths_um: tuple[float, ...], measure: str) -> Row:
    """The corridor's cell with the least of a measure, among those where every trial finished, if there are any."""
    corridor = [row for row in table if row["controller"] == "corridor" and row["width_um"] in widths_um]
    complete = [row for row in corridor if row["finished"] == row["trials"]]
    return min(complete or corridor, key=lambda row: row[measure])


def of(table: list[Row], kind: str) -> Row:
    return next(row for row in table if row["controller"] == kind)


def checklist(table: list[Row]) -> Iterator[tuple[str, bool, str]]:
    """What the controllers must show: what, passed, figure. The corridor's time and error each at their own best."""
    rows = {kind: of(table, kind) for kind in OURS}
    complete = {kind: row["finished"] == row["trials"] for kind, row in rows.items()}
    grids = {"the paper's widths": PAPER_WIDTHS_UM, "narrower ones too": (*NARROWER_UM, *PAPER_WIDTHS_UM)}
    for said, widths in grids.items():
        fast, fine = best(table, widths, TIME), best(table, widths, ERROR)
        marks = f"corridor {fast[TIME]:.1f} s at w={fast['width_um']:g}, {fast['frequency_hz']:g} Hz; "
        marks += f"{fine[ERROR]:.2f} µm at w={fine['width_um']:g}, {fine['frequency_hz']:g} Hz"
        for kind in ("steering", "predictive"):
            time, error = rows[kind][TIME] / fast[TIME], rows[kind][ERROR] / fine[ERROR]
            figure = f"time × {time:.2f} (bound {TIME_BOUND}), error × {error:.2f} (bound {ERROR_BOUND}); {marks}"
            passed = time <= TIME_BOUND and error <= ERROR_BOUND and complete[kind]
            yield f"{kind} against {said}", passed, figure
        calm = rows["blended"]
        ratio = calm[SWITCHES] / min(fast[SWITCHES], fine[SWITCHES])
        passed = ratio <= SWITCH_BOUND and calm[TIME] <= fast[TIME] and calm[ERROR] <= fine[ERROR]
        figure = f"switches × {ratio:.2f} (bound {SWITCH_BOUND}), {calm[TIME]:.1f} s, {calm[ERROR]:.2f} µm; {marks}"
        yield f"blended against {said}", passed and complete["blended"], figure
    for kind, row in rows.items():
        yield f"{kind} finishes every trial", complete[kind], f"{row['finished']} of {row['trials']}"


def draw(path: Path, title: str, table: list[Row], firsts: dict[str, Trial], nodes_um: np.ndarray) -> None:
    """Time against error, and a track of each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator

    figure = Figure(figsize=(13, 7), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.25, 1.0)).ravel()
    ax = left.subplots()
    corridor = sorted((row for row in table if row["controller"] == "corridor"), key=lambda row: row["width_um"])
    for f in sorted({row["frequency_hz"] for row in corridor}):
        group = [row for row in corridor if row["frequency_hz"] == f]
        ax.plot([row[TIME] for row in group], [row[ERROR] for row in group], "-", color="0.8", zorder=1)
        last = (group[-1][TIME], group[-1][ERROR])
        ax.annotate(f"{f:g} Hz", last, (0, 6), textcoords="offset points", ha="center", color="0.4")
    widths = sorted({row["width_um"] for row in corridor})
    for width_um, shade in zip(widths, np.linspace(0.75, 0.15, len(widths)), strict=True):
        group = [row for row in corridor if row["width_um"] == width_um]
        points = [row[TIME] for row in group], [row[ERROR] for row in group]
        ax.plot(*points, "o", color=str(shade), ms=7, label=f"corridor, w = {width_um:g} µm")
    style = {"capsize": 3, "ms": 10, "mec": "w", "zorder": 4}
    for kind, colour in (OURS | {OPEN_LOOP: "#4477aa"}).items():
        row = of(table, kind)
        label = f"{kind}, {row[SWITCHES]:.1f} switches/s"
        ax.errorbar(
            row[TIME],
            row[ERROR],
            row[f"{ERROR}_half"],
            row[f"{TIME}_half"],
            fmt="D",
            color=colour,
            label=label,
            **style,
        )
    seconds = [row[TIME] for row in table if math.isfinite(row[TIME])]
    times = np.linspace(0.97 * min(seconds), max(seconds), 60)
    ax.plot(
        times, [floor_um(nodes_um, t) for t in times], ":", color="k", label="exactly on the path, seen once a frame"
    )
    ax.set(xscale="log", yscale="log", xlabel="completion time (s)", ylabel="mean absolute error (µm)")
    for axis, ticks in ((ax.xaxis, (20, 25, 30, 40, 50, 70, 100)), (ax.yaxis, (0.3, 0.5, 1, 2, 5))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    ax.grid(color="0.93")
    ax.spines[["top", "right"]].set_visible(False)
    left.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    panels = right.subplots(2, 2, sharex=True, sharey=True).ravel()
    colours = OURS | {"corridor": "0.35"}
    for panel, (kind, trial) in zip(panels, firsts.items(), strict=False):
        panel.plot(*nodes_um.T, ".", color="0.6", ms=3)
        panel.plot(trial.table.robot_x_um, trial.table.robot_y_um, color="0.85", lw=0.8)
        panel.plot(trial.table.object_x_um, trial.table.object_y_um, color=colours[kind], lw=1.2)
        end = f"{trial.completion_time_s:.1f} s, {trial.mae_um:.2f} µm" if trial.success else "not finished"
        panel.set_title(f"{kind}: {end}", fontsize=10, color=colours[kind])
        panel.set_aspect("equal")
    for panel in panels[2:]:
        panel.set_xlabel("x (µm)")
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=150)


def main(
    quick: bool = False,
    out: Path = Path("runs/controllers"),
    seed: int = 0,
    trials: int = 100,
    robot: RobotKind = "paper",
    path: PathName = "circle",
) -> None:
    """All closed-loop controllers beside the corridor algorithm.

    Args:
        quick: three trials, two settings of the corridor.
        robot: the paper's, or draws from the measured population (then nothing is held against bounds).
        path: the paper's circle, or another (likewise).
    """
    trials = 3 if quick else trials
    if trials < 1:
        raise InputError(f"trials is {trials}: give 1 or more")
    nodes = paths.from_name(path)
    push = {"nodes_um": nodes, "trials": trials, "seed": seed, "scene": PushScene(robot=robot)}
    Push(frequency_hz=MOST_HZ, **push)  # its own checks, before anything is written
    folder = files.open_folder(out)
    table, firsts = [], {}
    todo = cells(quick)
    with Progress(transient=True) as progress:
        task = progress.add_task("pushing", total=sum(1 / f for *_, f in todo))
        for kind, width_um, f in todo:
            found, first = simulate((kind, width_um, f), push)
            table.append(summary(found))
            if kind in OURS or (kind, width_um, f) == ("corridor", 5.0, MOST_HZ):
                firsts[kind] = first
            progress.advance(task, 1 / f)
    with files.whole(folder / "controllers.csv") as temporary:
        pd.DataFrame(table).to_csv(temporary, index=False)
    about = f"{robot} robot, {path}, {trials} trials each, f ≤ {MOST_HZ:g} Hz"
    print(f"{about}; mean and 95 % interval\n{'':28}", *(f"{name:>18}" for name in COLUMNS.values()), " finished")
    for row in table:
        width = "" if row["width_um"] is None else f" w={row['width_um']:g}"
        figures = (f"{row[m]:9.2f} ± {row[f'{m}_half']:<6.2f}" for m in COLUMNS)
        name = f"{row['controller']}{width}, {row['frequency_hz']:g} Hz"
        print(f"{name:28}", *figures, f" {row['finished']} of {row['trials']}")
    least = min(row[TIME] for row in table if math.isfinite(row[TIME]))
    print(f"a cargo exactly on the path for {least:.1f} s would be charged {floor_um(nodes, least):.2f} µm")
    if robot == "paper" and path == "circle":
        print("\nmust show")
        for name, passed, figure in checklist(table):
            print(f"  {'pass' if passed else 'MISS'}  {name:42} {figure}")
    draw(folder / "controllers.png", f"Pushing a 10 µm bead: {about}", table, firsts, nodes)
    print(f"wrote controllers.csv and controllers.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("controllers", lambda: tyro.cli(main)))
