"""Fig. 8 of the pushing paper: a CHO cell pushed along a drawn path of 530 µm between other cells, paper beside twin.

Usage: ``python experiments/fig8_cell.py [--quick] [--trials 4] [--seed 0]``. The corridor algorithm at 6 Hz,
w = 5 µm. The paper's drawing is not published: this one is of its length and, like it, keeps clear of the other cells.
The medium is modelled by its short-ranged repulsion alone; both ranges are fitted to the paper's time and error.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.pushing import Push
from microtwin.recording import Trial
from microtwin.robots import cell
from microtwin.scene import PushScene

FREQUENCY_HZ, WIDTH_UM, LENGTH_UM = 6.0, 5.0, 530.0
CLICKS_UM = [
    (-165, -70), (-128, -92), (-86, -88), (-55, -58), (-52, -14), (-66, 28), (-52, 68),
    (-14, 84), (24, 66), (42, 26), (64, -12), (104, -24), (140, -6), (160, 26),
]  # fmt: skip
OTHERS_UM = ((-107, -63), (-25, -66), (-86, -12), (-26, 32), (-84, 84), (48, 82), (22, -22), (96, 6), (118, -50))
CLEARANCE_UM = 20.0  # from the path to the centres of the other cells
PUBLISHED = {"completion_time_s": (45.0, 0.25, "time (s)"), "mae_um": (1.35, 0.30, "error (µm)")}


def drawn_path() -> np.ndarray:
    """(n, 2) nodes of a smooth line through the clicks, scaled to the published length, µm.

    Raises:
        InputError: a resting cell too close to it.
    """
    clicks = np.array(CLICKS_UM, dtype=float)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(clicks, axis=0).T))])
    nodes = paths.polyline(CubicSpline(along, clicks)(np.linspace(0.0, along[-1], 4000)))
    nodes = nodes * LENGTH_UM / paths.path_length(nodes)
    closest, _ = KDTree(nodes).query(OTHERS_UM)
    if closest.min() < CLEARANCE_UM:
        raise InputError(f"a resting cell is {closest.min():.1f} µm from the path: move it {CLEARANCE_UM:g} µm away")
    return nodes


def draw(path: Path, nodes: np.ndarray, trials: list[Trial], title: str) -> None:
    """The first trial as seen from above, the other trials' cells as thin lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    figure = Figure(figsize=(11, 6.6), layout="constrained", facecolor="w")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.set_facecolor("0.93")
    radius = cell(range_um=1.0).radius_um
    for place in OTHERS_UM:
        ax.add_patch(Circle(place, radius, fc="0.8", ec="0.45", lw=1.5))
    for trial in trials[1:]:
        ax.plot(trial.table.object_x_um, trial.table.object_y_um, color="#228833", lw=0.8, alpha=0.5)
    first = trials[0].table
    ax.plot(*nodes.T, color="#cc3311", lw=2, ls=(0, (4, 2)), zorder=3, label="drawn path, 530 µm")
    ax.plot(first.robot_x_um, first.robot_y_um, color="#4477aa", lw=1.4, zorder=2, label="robot")
    ax.plot(first.object_x_um, first.object_y_um, color="#228833", lw=2.2, zorder=4, label="cell")
    for moment, alpha in ((0, 0.35), (-1, 0.9)):
        now = first.iloc[moment]
        ax.add_patch(Circle((now.object_x_um, now.object_y_um), radius, fc="#228833", ec="k", alpha=alpha, zorder=5))
        ax.add_patch(Circle((now.robot_x_um, now.robot_y_um), 5.0, fc="#4477aa", ec="k", alpha=alpha, zorder=5))
    ax.plot([], [], "o", mfc="0.8", mec="0.45", ms=12, label="other cells")
    ax.plot([110, 160], [-104, -104], color="k", lw=4, solid_capstyle="butt")
    ax.text(135, -101, "50 µm", ha="center", va="bottom", fontsize=12)
    ax.set(aspect="equal", xlim=(-200, 180), ylim=(-112, 112), xticks=[], yticks=[])
    ax.set_title(title, fontsize=13)
    ax.legend(loc="upper right", fontsize=11, framealpha=0.9)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=150)


def main(quick: bool = False, out: Path = Path("runs/fig8_cell"), seed: int = 0, trials: int = 4) -> None:
    """A cell pushed along a drawn path between other cells, paper beside twin.

    Args:
        quick: one trial.
        out: folder for cell.csv and cell.png.
        seed: trial k of a seed is always the same trial.
        trials: how many times.
    """
    folder = files.open_folder(out)
    nodes = drawn_path()
    scene = PushScene(cargo="cell", obstacles=OTHERS_UM)
    push = Push(nodes, FREQUENCY_HZ, WIDTH_UM, trials=1 if quick else trials, seed=seed, scene=scene)
    with Progress(transient=True) as progress:
        task = progress.add_task("pushing", total=1.0)
        done = list(push.run(lambda fraction: progress.update(task, completed=fraction)))
    world = scene.open(nodes, np.random.default_rng(seed))[0].world
    robot, cargo = world.bodies[:2]
    print(
        f"cell of {2 * cargo.radius_um:g} µm in medium, {len(OTHERS_UM)} others at rest; {FREQUENCY_HZ:g} Hz, "
        f"w = {WIDTH_UM:g} µm, {len(done)} trials, seed {seed}\n"
        f"fitted: repulsion range of robot {1e3 * robot.range_um:.0f} nm and cell {1e3 * cargo.range_um:.0f} nm "
        f"(rest gaps {1e3 * world.rest_gap_um(0):.0f} and {1e3 * world.rest_gap_um(1):.0f} nm)\npaper beside twin"
    )
    table = pd.DataFrame([trial.summary() for trial in done])
    for measure, (paper, bound, name) in PUBLISHED.items():
        values = table[measure] = table[measure].to_numpy(dtype=float)
        ratio = float(np.nanmean(values)) / paper
        spread = np.nanstd(values, ddof=min(1, len(values) - 1))
        verdict = "pass" if abs(ratio - 1) <= bound else "MISS"
        twin = f"{ratio * paper:5.2f} ± {spread:.2f}"
        print(f"  {verdict}  {name:10} paper {paper:5.2f}   twin {twin}   ratio {ratio:.2f}, bound {bound:.0%}")
        table[f"published_{measure}"] = paper
    print(f"        {table.success.sum()} of {len(table)} trials finished")
    with files.whole(folder / "cell.csv") as temporary:
        table.to_csv(temporary, index=False)
    time, error = table.completion_time_s.iloc[0], table.mae_um.iloc[0]
    title = f"A cell pushed at {FREQUENCY_HZ:g} Hz: {time:.0f} s, error {error:.2f} µm   (paper: 45 s, 1.35 µm)"
    draw(folder / "cell.png", nodes, done, title)
    print(f"wrote cell.csv and cell.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("fig8_cell", lambda: tyro.cli(main)))
