"""Fig. 6 of the pushing paper: tracks of the object and of the robot at 12 Hz, three corridor widths and open loop.

Usage: ``python experiments/fig6_trajectories.py [--quick] [--seed 0]``. The trials of the 12 Hz cells of
``fig5_corridor.py`` with the same seed: the first of each is drawn, the mean of all is held against the paper's one.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.pushing import Push
from microtwin.recording import BODIES, Trial, draw_track

FREQUENCY_HZ = 12.0
CELLS = {"w=5": 12, "w=10": 13, "w=15": 14, "open loop": 15}  # numbers of the cells in fig5_corridor.py
PUBLISHED_UM = {"w=5": 1.27, "w=10": 2.39, "w=15": 4.98, "open loop": 5.29}
TRIALS = 4
BOUND = 0.3  # on the error's ratio; none for open loop, whose hand is fitted to it


def simulate(setting: str, seed: int, trials: int) -> list[Trial]:
    """The first trials of one cell."""
    push = Push(
        paths.circle(),
        FREQUENCY_HZ,
        width_um=float(setting[2:]) if setting[:2] == "w=" else None,
        controller="corridor" if setting[:2] == "w=" else "joystick",
        trials=trials,
        seed=1000 * seed + CELLS[setting],
    )
    done = list(push.run())
    if done[-1].interrupted:
        raise KeyboardInterrupt
    return done


def draw(path: Path, trials: dict[str, Trial]) -> None:
    """A pair of panels for each trial, object left and robot right; two pairs a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = (len(trials) + 1) // 2
    figure = Figure(figsize=(14, 3.7 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    pairs = figure.subfigures(rows, 2, squeeze=False, wspace=0.03, hspace=0.03).ravel()
    handles = {}
    for pair, letter, (setting, trial) in zip(pairs, "abcd", trials.items(), strict=False):
        name = setting.replace("w=", "corridor w = ") + " µm" * (setting[:2] == "w=")
        time = f"{trial.completion_time_s:.0f} s" if trial.success else "not finished"
        title = f"{letter})  {name}: {time}, error {trial.mae_um:.2f} µm (paper {PUBLISHED_UM[setting]:.2f} µm)"
        pair.suptitle(title, fontsize=13)
        for ax, (body, colour) in zip(pair.subplots(1, 2), BODIES, strict=True):
            draw_track(ax, paths.circle(), trial.table[[f"{body}_x_um", f"{body}_y_um"]].to_numpy(), colour, body)
            ax.text(0, 0, body, ha="center", va="center", color=colour, fontsize=14)
            ax.set(xlim=(-104, 104), ylim=(-112, 98))
            ax.axis("off")
            handles |= {label: line for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
            if body == "robot":
                ax.plot([62, 102], [-108, -108], color="k", lw=3, solid_capstyle="butt")
                ax.text(82, -104, "40 µm", ha="center", va="bottom")
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False, markerscale=1.6)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=150)


def main(quick: bool = False, out: Path = Path("runs/fig6_trajectories"), seed: int = 0) -> None:
    """Tracks of the object and of the robot at 12 Hz, paper beside twin.

    Args:
        quick: the corridor of 5 µm and open loop only, one trial each.
        out: folder for trajectories.csv and trajectories.png.
        seed: another seed, other trials.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    settings = [setting for setting in CELLS if not quick or setting in ("w=5", "open loop")]
    count = 1 if quick else TRIALS
    trials: dict[str, list[Trial]] = {}
    with Progress(transient=True) as progress:
        for setting in progress.track(settings, description="pushing"):
            trials[setting] = simulate(setting, seed, count)
    print(
        f"paper beside twin, error (µm) at {FREQUENCY_HZ:g} Hz; paper: one run, twin: mean ± sd of {count}, seed {seed}"
    )
    rows = []
    for setting, done in trials.items():
        errors = [trial.mae_um for trial in done]
        mean, spread = float(np.mean(errors)), float(np.std(errors, ddof=min(1, count - 1)))
        ratio = mean / PUBLISHED_UM[setting]
        inside = abs(ratio - 1) <= BOUND if setting != "open loop" else None
        rows.append(
            {"setting": setting}
            | done[0].summary()
            | {"mean_mae_um": mean, "published_mae_um": PUBLISHED_UM[setting], "ratio": ratio, "inside": inside}
        )
        verdict = "no bound" if inside is None else f"{'pass' if inside else 'MISS'}, bound {BOUND:.0%}"
        print(
            f"  {setting:10} paper {PUBLISHED_UM[setting]:.2f}   twin {mean:.2f} ± {spread:.2f}   ratio {ratio:.2f}   "
            f"{verdict:15}   drawn: {errors[0]:.2f} in {done[0].completion_time_s:.1f} s"
        )
    with files.whole(folder / "trajectories.csv") as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    draw(folder / "trajectories.png", {setting: done[0] for setting, done in trials.items()})
    print(f"wrote trajectories.csv and trajectories.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("fig6_trajectories", lambda: tyro.cli(main)))
