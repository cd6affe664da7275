"""How narrow a guiding corridor may be: time, error, chatter and spinning against its width, frequency and latency.

Usage: ``python experiments/corridor_width.py [--quick] [--trials 8] [--seed 0]``. Section VII of the pushing paper asks
for the minimum useful width. A spin ends late: the cargo is seen back inside one frame and the latency after it came,
and goes on sideways until then. In a corridor narrower than that way it leaves on the other side, spins back, and the
time goes into spinning:

    least width = sideways speed of the cargo in a spin × (latency + 1) frames + 2 × tracking noise

The sideways speed is proportional to the frequency, and any controller sees it: how fast the cargo's distance from the
corridor's middle changes while it spins. The noise is the standard deviation of a position, per axis.
"""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from microtwin import files, paths
from microtwin.control.corridor import side_of
from microtwin.errors import InputError, exit_code
from microtwin.pushing import Push
from microtwin.recording import Trial
from microtwin.robots.calibration import fitted
from microtwin.scene import PushScene
from microtwin.simulated import TruthObserver

WIDTHS_UM = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0)
NOISE_UM = fitted("tracking", "noise_um")
CASES = {  # frequency, Hz; latency, frames; tracking noise, µm
    (6.0, 1, NOISE_UM): "#4477aa",
    (12.0, 1, NOISE_UM): "#66ccee",
    (15.0, 1, NOISE_UM): "#228833",
}
OTHERS = {
    (15.0, 0, NOISE_UM): "#ccbb44",
    (15.0, 2, NOISE_UM): "#ee6677",
    (15.0, 4, NOISE_UM): "#aa3377",
    (15.0, 1, 0.5): "#888888",
}
TIME, ERROR = "completion_time_s", "mae_um"
MEASURES = {
    TIME: "completion time (s)",
    ERROR: "mean absolute error (µm)",
    "switches_per_s": "mode switches (1/s)",
    "spin_fraction": "share of time spinning",
}
SLOWER = 1.05  # a width is useful while the time is within this of the fastest width's
LIMIT_S = 300.0
KEYS = ["frequency_hz", "latency_frames", "noise_um"]
Case = tuple[float, int, float]


@dataclass(frozen=True)
class Noisy(PushScene):
    """A scene whose tracker has the noise it is given."""

    noise_um: float = NOISE_UM

    def open(self, nodes_um: np.ndarray, rng: np.random.Generator):
        rig, _ = super().open(nodes_um, rng)
        return rig, TruthObserver(rng, noise_um=self.noise_um)


def slews_um(trial: Trial, nodes_um: np.ndarray, latency_frames: int) -> np.ndarray:
    """Way of the cargo towards the corridor's middle in every frame that shows a spin, µm."""
    table = trial.table
    robot, cargo = (table[[f"{body}_x_um", f"{body}_y_um"]].to_numpy() for body in ("robot", "object"))
    goals = table["goal_index"].to_numpy()
    offset = np.array([side_of(r, nodes_um[g], c) for r, g, c in zip(robot, goals, cargo, strict=True)])
    side = np.array([{"spin_cw": -1.0, "spin_ccw": 1.0}.get(mode, 0.0) for mode in table["mode"]])
    shown = np.concatenate((np.zeros(latency_frames), side))[: len(side) - 1]  # the spin that a change of offset is of
    moved = np.diff(offset) * shown
    return moved[(shown != 0) & (np.diff(goals) == 0)]


def simulate(case: Case, width_um: float, trials: int, seed: int) -> tuple[list[dict], np.ndarray]:
    """A row a trial, and the ways of the cargo in spins."""
    frequency_hz, latency, noise_um = case
    nodes = paths.circle()
    push = Push(
        nodes,
        frequency_hz,
        width_um=width_um,
        trials=trials,
        seed=seed,
        time_limit_s=LIMIT_S,
        scene=Noisy(latency_frames=latency, noise_um=noise_um),
    )
    done = list(push.run())
    if done[-1].interrupted:
        raise KeyboardInterrupt
    about = dict(zip(KEYS, case, strict=True)) | {"width_um": width_um}
    return [about | trial.summary() for trial in done], np.concatenate([slews_um(t, nodes, latency) for t in done])


def narrowest(times_s: np.ndarray) -> int:
    """Index of the narrowest width whose time, and that of all wider ones up to the fastest, is near the fastest's."""
    times_s = np.nan_to_num(times_s, nan=math.inf)
    first = int(np.argmin(times_s))
    while first and times_s[first - 1] <= SLOWER * times_s.min():
        first -= 1
    return first


@dataclass(frozen=True)
class Finding:
    """Of one case: means over the trials for every width, and the rule beside what they say; all in µm."""

    case: Case
    widths_um: tuple[float, ...]
    means: dict[str, np.ndarray]
    slew_um: float

    @property
    def rule_um(self) -> float:
        return self.slew_um * (self.case[1] + 1) + 2 * self.case[2]

    @property
    def found_um(self) -> float:
        return self.widths_um[narrowest(self.means[TIME])]

    @property
    def below_um(self) -> float:
        """The width before, which is of no use any more."""
        first = narrowest(self.means[TIME])
        return self.widths_um[first - 1] if first else 0.0

    @property
    def finest(self) -> tuple[float, float]:
        """Width and error of the most accurate among the useful widths that always finish."""
        first = narrowest(self.means[TIME])
        errors = np.where(np.isfinite(self.means[TIME]), self.means[ERROR], math.inf)[first:]
        return self.widths_um[first + int(np.argmin(errors))], float(errors.min())

    @property
    def said(self) -> str:
        return f"{self.case[0]:g} Hz, latency {self.case[1]}, noise {self.case[2]:.2f} µm"


def finding(case: Case, rows: list[dict], slew_um: float) -> Finding:
    """The means of a case's trials; the time of a width at which one did not finish is NaN, not that of the others."""
    widths = tuple(sorted({row["width_um"] for row in rows}))
    cells = [[row for row in rows if row["width_um"] == width] for width in widths]
    values = {m: np.array([[row[m] for row in cell] for cell in cells], dtype=float) for m in MEASURES}
    return Finding(case, widths, {m: v.mean(axis=1) for m, v in values.items()}, slew_um)


def checklist(found: list[Finding]) -> Iterator[tuple[str, bool, str]]:
    """Whether the rule falls into the step in which the time gives way: what, passed, figure."""
    for one in found:
        width, error = one.finest
        figure = (
            f"rule {one.rule_um:.2f} µm ({one.slew_um:.2f} µm a frame); still useful at {one.found_um:g}, "
            f"no more at {one.below_um:g}; most accurate at {width:g} ({error:.2f} µm)"
        )
        yield one.said, 0.9 * one.below_um <= one.rule_um <= 1.1 * one.found_um, figure


def draw(path: Path, title: str, found: list[Finding]) -> None:
    """The four measures against the width; the time for other latencies and noise; the rule beside what was found."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(2, 3).ravel()
    colours = CASES | OTHERS
    panels = [(axes[k], measure, CASES) for k, measure in zip((0, 1, 3, 4), MEASURES, strict=True)]
    panels.append((axes[2], TIME, {(15.0, 1, NOISE_UM): ""} | OTHERS))
    tops = {TIME: 150.0, ERROR: 7.0}
    for ax, measure, cases in panels:
        for one in (one for one in found if one.case in cases):
            ax.plot(one.widths_um, one.means[measure], "o-", ms=4, color=colours[one.case], label=one.said)
            if measure == TIME:
                ax.axvline(one.rule_um, color=colours[one.case], ls=":", lw=1.2)
        ax.set(xscale="log", xlabel="corridor width w (µm)", ylabel=MEASURES[measure])
        ax.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
        ax.tick_params(which="minor", bottom=False)
        ax.set_ylim(0, tops.get(measure))
    for one in found:
        style = {"lw": 5, "alpha": 0.6, "color": colours[one.case]}
        axes[5].plot([one.rule_um] * 2, [one.below_um, one.found_um], **style)
        axes[5].plot([], [], "o-", color=colours[one.case], label=one.said)
    top = 1.15 * max(max(one.rule_um, one.found_um) for one in found)
    axes[5].plot([0, top], [0, top], "k:", lw=1, label="the rule")
    axes[5].set(xlabel="sideways speed × (latency + 1) + 2 noise (µm)", ylabel="narrowest useful width, between (µm)")
    figure.legend(*axes[5].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(color="0.93")
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=150)


def main(quick: bool = False, out: Path = Path("runs/corridor_width"), seed: int = 0, trials: int = 8) -> None:
    """Time, error, chatter and spinning against the corridor's width.

    Args:
        quick: 15 Hz at the rig's latency only, two trials a cell, five widths.
    """
    if trials < 1:
        raise InputError(f"trials is {trials}: give 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    cases: list[Case] = [(15.0, 1, NOISE_UM)] if quick else [*CASES, *OTHERS]
    widths, trials = ((0.5, 1.0, 1.5, 3.0, 5.0), 2) if quick else (WIDTHS_UM, trials)
    rows, found = [], []
    with Progress(transient=True) as progress:
        task = progress.add_task("pushing", total=sum(1 / case[0] for case in cases) * len(widths))
        for case in cases:
            here, ways = [], []
            for width_um in widths:
                trials_here, moved = simulate(case, width_um, trials, seed)
                here += trials_here
                ways.append(moved)
                progress.advance(task, 1 / case[0])
            found.append(finding(case, here, float(np.median(np.concatenate(ways)))))
            rows += here
    with files.whole(folder / "corridor_width.csv") as temporary:
        pd.DataFrame(rows)[[*KEYS, "width_um", "trial", "success", *MEASURES]].to_csv(temporary, index=False)
    for one in found:
        print(f"\n{one.said}; mean of {trials} trials\n{'w (µm)':>8}", *MEASURES.values(), sep="   ")
        for k, width_um in enumerate(one.widths_um):
            values = (f"{one.means[m][k]:{len(name)}.2f}" for m, name in MEASURES.items())
            print(f"{width_um:8g}", *values, sep="   ")
    print("\nthe narrowest width worth using: the time gives way below it")
    for name, passed, figure in checklist(found):
        print(f"  {'pass' if passed else 'MISS'}  {name:32} {figure}")
    draw(folder / "corridor_width.png", f"How narrow may a corridor be? {trials} trials a point", found)
    print(f"wrote corridor_width.csv and corridor_width.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("corridor_width", lambda: tyro.cli(main)))
