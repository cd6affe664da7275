"""Fig. 3d of the pushing paper: speed of a rolling robot against field frequency, paper beside twin.

    python experiments/fig3d_speed.py [--quick] [--out DIR]

Each robot rolls along headings over a quarter turn (the coils are symmetric) and its speed along the command is
averaged over them, as the measured trials run in circles and along both axes. The frequency sweeps upwards without a
pause, as in the measurement, so that a robot meets its step-out with its moment in the plane of the field.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.physics import Flow, Liquid, World
from microtwin.robots import Body, Population, nominal

# median over trials of the median over frames, µm/s (the lab's calibration trials, same 10 µm rollers)
PUBLISHED = {2: 4.4, 4: 9.4, 6: 14.2, 10: 22.9, 12: 28.2, 14: 32.3, 20: 45.3, 30: 65.6, 40: 88.3, 50: 99.1, 56: 105.0}
PUBLISHED |= {60: 99.0, 64: 96.0, 70: 79.0, 80: 59.0, 90: 42.0, 100: 34.0, 120: 26.0}
FREQUENCIES = sorted({*PUBLISHED, *range(52, 70, 2)})


def sweep(body: Body, heading: float, fidelity: str, drift: tuple[float, float], seconds: float) -> np.ndarray:
    """Speed along the command (µm/s) at each of :data:`FREQUENCIES`, sweeping upwards."""
    flow = Flow("uniform", speed_um_s=math.hypot(*drift), direction_rad=math.atan2(drift[1], drift[0]))
    world = World(
        [body.at(0.0, 0.0, 0.25)],
        liquid=Liquid(kt_pn_um=0.0),
        flow=flow,
        fidelity="resolved" if fidelity == "resolved" else "averaged",
        max_step_s=1 / 96 if fidelity == "resolved" else 1 / 48,
    )
    along = np.array([math.cos(heading), math.sin(heading)])
    found = []
    for f in FREQUENCIES:
        field = RotatingField(heading, PUSH_RAD, f)
        world.step(field, 1.0)
        world.step(field, seconds)
        found.append(float(world.velocities_um_s[0, :2] @ along))
    return np.array(found)


def over_headings(body: Body, fidelity: str, headings: int, drift=(0.0, 0.0), seconds: float = 0.5) -> np.ndarray:
    """Mean over a whole turn from ``headings`` over a quarter of it; a drift asks for the whole turn itself."""
    if drift != (0.0, 0.0):
        angles = np.arange(4 * (headings - 1)) * (math.pi / 2 / (headings - 1))
        return np.mean([sweep(body, a, fidelity, drift, seconds) for a in angles], axis=0)
    angles = np.linspace(0, math.pi / 2, headings)
    weights = np.r_[0.5, np.ones(headings - 2), 0.5]
    return np.average([sweep(body, a, fidelity, drift, seconds) for a in angles], axis=0, weights=weights)


def main(quick: bool = False, out: Path = Path("runs/fig3d_speed"), seed: int = 0) -> None:
    """Print and draw speed against frequency: the nominal robot in both fidelities, and the population."""
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    headings = 3 if quick else 7
    population = Population.measured()
    draws = [population.draw(np.random.default_rng([seed, k])) for k in range(4 if quick else 40)]
    columns: dict[str, np.ndarray] = {}
    robots = []
    with Progress(transient=True) as progress:
        task = progress.add_task("rolling", total=len(draws) + 3)
        columns["twin_um_s"] = over_headings(nominal(), "averaged", headings)
        columns["along_x_um_s"] = sweep(nominal(), 0.0, "averaged", (0.0, 0.0), 0.5)
        columns["along_y_um_s"] = sweep(nominal(), math.pi / 2, "averaged", (0.0, 0.0), 0.5)
        progress.advance(task)
        columns["resolved_um_s"] = over_headings(nominal(), "resolved", headings, seconds=1.0)
        progress.advance(task, 2)
        for draw in draws:
            robots.append(over_headings(replace(draw.robot, heading_offset_rad=0.0), "averaged", 3, draw.drift_um_s))
            progress.advance(task)
    table = pd.DataFrame({"frequency_hz": FREQUENCIES, **columns})
    table.insert(1, "published_um_s", table.frequency_hz.map(PUBLISHED))
    for name, q in (("population_p10_um_s", 10), ("population_median_um_s", 50), ("population_p90_um_s", 90)):
        table[name] = np.percentile(robots, q, axis=0)
    with files.whole(folder / "fig3d_speed.csv") as path:
        table.to_csv(path, index=False, float_format="%.4g")
    plot(folder / "fig3d_speed.png", table)
    report(table)


def report(table: pd.DataFrame) -> None:
    """Paper beside twin, and whether the twin is as close as it should be."""
    console = Console(highlight=False)
    shown = Table(title="speed of the nominal robot (µm/s)", title_justify="left")
    for name in ("Hz", "paper", "twin", "twin/paper", "bound", "", "resolved", "averaged/resolved"):
        shown.add_column(name, justify="right")
    for row in table.dropna().to_dict("records"):
        f, paper, twin, resolved = (row[k] for k in ("frequency_hz", "published_um_s", "twin_um_s", "resolved_um_s"))
        bound = 0.08 if 4 <= f <= 50 else 0.30 if 60 <= f <= 120 else None
        verdict = "" if bound is None else "pass" if abs(twin / paper - 1) <= bound else "MISS"
        shown.add_row(
            f"{f}",
            f"{paper:.1f}",
            f"{twin:.1f}",
            f"{twin / paper:.3f}",
            "" if bound is None else f"±{100 * bound:.0f} %",
            verdict,
            f"{resolved:.1f}",
            f"{twin / resolved:.3f}",
        )
    console.print(shown)
    peak = table.frequency_hz[table.twin_um_s.idxmax()]
    console.print(f"peak at {peak} Hz (50 to 66): {'pass' if 50 <= peak <= 66 else 'MISS'}")
    step_out = table.frequency_hz[table.along_x_um_s.idxmax()]
    below = table[table.frequency_hz <= step_out]
    apart = float((below.twin_um_s / below.resolved_um_s - 1).abs().max())
    console.print(
        f"averaged against resolved below step-out ({step_out} Hz along the weakest axis): "
        f"{100 * apart:.1f} % apart at most (5 %): {'pass' if apart <= 0.05 else 'MISS'}"
    )


def plot(path: Path, table: pd.DataFrame) -> None:
    """Measured medians over the nominal robot and the population's middle 80 %."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    f = table.frequency_hz
    band = (table.population_p10_um_s, table.population_p90_um_s)
    ax.fill_between(f, *band, color="tab:blue", alpha=0.15, lw=0, label="population, middle 80 %")
    ax.plot(f, table.along_x_um_s, color="tab:blue", lw=1, ls=":", label="nominal, along x (3 mT)")
    ax.plot(f, table.along_y_um_s, color="tab:blue", lw=1, ls="--", label="nominal, along y (5 mT)")
    ax.plot(f, table.twin_um_s, color="tab:blue", lw=2, label="nominal, mean over headings")
    ax.plot(f, table.resolved_um_s, color="tab:orange", lw=1, label="the same, resolved through the cycle")
    ax.plot(f, table.published_um_s, "ko", ms=5, label="measured, median of 9 trials")
    ax.set_xlabel("field frequency (Hz)")
    ax.set_ylabel("speed along the command (µm/s)")
    ax.set_xlim(0, None)
    ax.set_ylim(0, None)
    ax.legend(frameon=False, fontsize=8)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=130)


if __name__ == "__main__":
    sys.exit(exit_code("fig3d_speed", lambda: tyro.cli(main)))
