"""Fig. 7 of the pushing paper: what the camera saw at four moments, 12 Hz, three corridor widths and open loop.

Usage: ``python experiments/fig7_screens.py [--quick] [--seed 0]``. One trial each, closed through the rendered camera
and the tracker: the first trials of the 12 Hz cells of ``fig5_corridor.py`` with the same seed, seen instead of known.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.pushing import Push
from microtwin.recording import BODIES, Trial
from microtwin.rig import Controller, Frame, Observation
from microtwin.scene import PushScene

FREQUENCY_HZ = 12.0
CELLS = {"w=5": 12, "w=10": 13, "w=15": 14, "open loop": 15}  # numbers of the cells in fig5_corridor.py
MOMENTS = (0.0, 1 / 3, 2 / 3)  # parts of the path at which a screen is kept, besides the last one
QUICK_S = 4.0


@dataclass(frozen=True)
class Screen:
    """One frame as it was taken, with what the tracker found in it."""

    frame: Frame
    seen: Observation
    mode: str
    goal_index: int


class Album:
    """Keeps the first frame, those at which a third and two thirds of the path are done, and the last."""

    def __init__(self, nodes: int):
        self._nodes = nodes
        self._kept: list[Screen] = []
        self._last: Screen | None = None

    def __call__(self, frame: Frame, seen: Observation, controller: Controller) -> None:
        self._last = Screen(frame, seen, controller.mode, controller.goal_index)
        if len(self._kept) < len(MOMENTS) and controller.goal_index >= MOMENTS[len(self._kept)] * self._nodes:
            self._kept.append(self._last)

    @property
    def screens(self) -> list[Screen]:
        """In the order of time; the last may be one already kept."""
        assert self._last is not None
        return self._kept if self._kept[-1] is self._last else [*self._kept, self._last]


def simulate(setting: str, seed: int, time_limit_s: float | None) -> tuple[Trial, list[Screen]]:
    """The first trial of one cell, from pixels."""
    nodes = paths.circle()
    push = Push(
        nodes,
        FREQUENCY_HZ,
        width_um=float(setting[2:]) if setting[:2] == "w=" else None,
        controller="corridor" if setting[:2] == "w=" else "joystick",
        trials=1,
        seed=1000 * seed + CELLS[setting],
        time_limit_s=time_limit_s,
        scene=PushScene(observe="camera"),
    )
    album = Album(len(nodes))
    (trial,) = push.run(on_frame=album)
    if trial.interrupted:
        raise KeyboardInterrupt
    return trial, album.screens


def draw(path: Path, shown: dict[str, tuple[Trial, list[Screen]]]) -> None:
    """A row of screens for each trial: the path red, the object's track green, the robot's blue."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns, nodes = max(len(screens) for _, screens in shown.values()), paths.circle()
    figure = Figure(figsize=(3.6 * max(columns, 2), 3.9 * len(shown) + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subfigures(len(shown), 1, squeeze=False, hspace=0.02)[:, 0]
    for row, letter, (setting, (trial, screens)) in zip(rows, "abcd", shown.items(), strict=False):
        name = setting.replace("w=", "corridor w = ") + " µm" * (setting[:2] == "w=")
        end = f"{trial.completion_time_s:.0f} s" if trial.success else trial.reason
        row.suptitle(f"{letter})  {name}: {end}, error {trial.mae_um:.2f} µm", fontsize=13, x=0.02, ha="left")
        panels = row.subplots(1, columns, squeeze=False)[0]
        for ax in panels:
            ax.axis("off")
        for ax, screen in zip(panels, screens, strict=False):
            frame = screen.frame
            assert frame.image is not None
            half = 0.5 * frame.um_per_px * np.array(frame.image.shape[::-1])
            (left, bottom), (right, top) = frame.centre_um - half, frame.centre_um + half
            ax.imshow(frame.image, cmap="gray", extent=(left, right, bottom, top), vmin=0, vmax=160)
            ax.plot(*nodes.T, color="#ee3322", lw=0.9)
            past = trial.table.loc[trial.table["frame"] <= screen.seen.index]
            for body, colour in zip((body for body, _ in BODIES), ("#33dd55", "#44aaff"), strict=True):
                track = past[[f"{body}_x_um", f"{body}_y_um"]].to_numpy().T
                ax.plot(*track, color=colour, lw=1.1)
            ax.text(left + 6, top - 6, f"{screen.seen.time_s:.1f} s", color="w", ha="left", va="top", fontsize=11)
            ax.plot([right - 48, right - 8], [bottom + 9] * 2, color="w", lw=3, solid_capstyle="butt")
            ax.text(right - 28, bottom + 12, "40 µm", color="w", ha="center", va="bottom", fontsize=10)
            ax.set(xlim=(left, right), ylim=(bottom, top))
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=150)


def table(shown: dict[str, tuple[Trial, list[Screen]]]) -> pd.DataFrame:
    """A row for each screen: when, where the tracker saw both bodies, what the controller did, how the trial ended."""
    rows = []
    for setting, (trial, screens) in shown.items():
        for screen in screens:
            (robot_x, robot_y), (object_x, object_y) = screen.seen.robot_um, screen.seen.object_um
            rows.append(
                {"setting": setting, "time_s": screen.seen.time_s, "mode": screen.mode, "goal_index": screen.goal_index}
                | {"robot_x_um": robot_x, "robot_y_um": robot_y, "object_x_um": object_x, "object_y_um": object_y}
                | trial.summary()
            )
    return pd.DataFrame(rows)


def main(quick: bool = False, out: Path = Path("runs/fig7_screens"), seed: int = 0) -> None:
    """What the camera saw at four moments of pushing at 12 Hz.

    Args:
        quick: the first seconds with the corridor of 5 µm and open loop only.
        out: folder for screens.csv and screens.png.
        seed: another seed, other trials.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    settings = [setting for setting in CELLS if not quick or setting in ("w=5", "open loop")]
    shown: dict[str, tuple[Trial, list[Screen]]] = {}
    with Progress(transient=True) as progress:
        for setting in progress.track(settings, description="pushing from pixels"):
            shown[setting] = simulate(setting, seed, QUICK_S if quick else None)
    print(f"from pixels, {FREQUENCY_HZ:g} Hz, one trial each, seed {seed}")
    for setting, (trial, screens) in shown.items():
        end = f"{trial.completion_time_s:6.1f} s" if trial.success else trial.reason
        print(
            f"  {setting:10} {end}   error {trial.mae_um:.2f} µm   spinning {trial.spin_fraction:.0%}   "
            f"screens at {', '.join(f'{screen.seen.time_s:.1f}' for screen in screens)} s"
        )
    with files.whole(folder / "screens.csv") as temporary:
        table(shown).to_csv(temporary, index=False)
    draw(folder / "screens.png", shown)
    print(f"wrote screens.csv and screens.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("fig7_screens", lambda: tyro.cli(main)))
