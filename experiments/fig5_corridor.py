"""Fig. 5 of the pushing paper: completion time and error against frequency and corridor width, paper beside twin.

Usage: ``python experiments/fig5_corridor.py [--quick] [--trials 4] [--seed 0] [--fidelity averaged] [--processes 2]``.
A trial is a function of (seed, cell, number): the number of processes changes no result. Resumable: ``corridor.csv``
grows by one cell as it finishes, and a rerun with the same settings, sources and calibration skips the cells it holds;
any other rerun starts the file again.
"""

import hashlib
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

import microtwin
from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.field import RotatingField
from microtwin.physics import World
from microtwin.pushing import Push
from microtwin.robots.calibration import fitted
from microtwin.scene import PushScene

FREQUENCIES_HZ = (3.0, 6.0, 9.0, 12.0, 15.0)
SETTINGS = {"w=5": "#4477aa", "w=10": "#66ccee", "w=15": "#228833", "open loop": "#bbbbbb"}
TIME, ERROR = "completion_time_s", "mae_um"
NAMES = {TIME: "completion time (s)", ERROR: "mean absolute error (µm)"}
PUBLISHED = (  # measure, setting, frequency (Hz; none: mean over all), value, bound on the ratio (none: used as a fit)
    (TIME, "w=15", 3.0, 205.0, 0.2),
    (TIME, "w=15", 15.0, 41.0, 0.2),
    (TIME, "w=5", 3.0, 139.0, 0.2),
    (ERROR, "w=5", 12.0, 1.27, 0.3),
    (ERROR, "w=10", 12.0, 2.39, 0.3),
    (ERROR, "w=15", 12.0, 4.98, 0.3),
    (ERROR, "w=15", None, 5.1, 0.2),
    (ERROR, "open loop", 12.0, 5.29, None),
)
PAPER = {"ls": "", "marker": "D", "mfc": "w", "mec": "#cc3311", "mew": 1.6, "ms": 6.5, "zorder": 5}
Fidelity = Literal["averaged", "resolved"]


def simulate(cell: tuple[float, str], trials: int, seed: int, fidelity: Fidelity) -> list[dict[str, Any]]:
    """One cell of the figure, a row a trial; cell k of a seed runs from the seed 1000 × seed + k."""
    frequency_hz, setting = cell
    push = Push(
        paths.circle(),
        frequency_hz,
        width_um=float(setting[2:]) if setting[:2] == "w=" else None,
        controller="corridor" if setting[:2] == "w=" else "joystick",
        trials=trials,
        seed=1000 * seed + list(itertools.product(FREQUENCIES_HZ, SETTINGS)).index(cell),
        scene=PushScene(fidelity=fidelity),
    )
    rows = [trial.summary() for trial in push.run()]
    if any(row.pop("interrupted") for row in rows):
        raise KeyboardInterrupt
    return [{"frequency_hz": frequency_hz, "setting": setting} | row for row in rows]


def fingerprint(*settings: Any) -> str:
    """Changes when the settings, the library's sources or its calibration do."""
    digest, folder = hashlib.sha256(repr(settings).encode()), Path(microtwin.__file__).parent
    for source in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def declared() -> str:
    """The one parameter set behind all cells, and what the published numbers cannot tell about it."""
    world = PushScene(brownian=False).open(paths.circle(), np.random.default_rng(0))[0].world
    robot, coils, slopes = world.bodies[0], world.coils, []
    for f in FREQUENCIES_HZ:
        alone = World([robot], liquid=world.liquid, coils=coils)
        for _ in range(2):  # the first second reaches the rolling height
            alone.step(RotatingField(frequency_hz=f), 1.0)
        slopes.append(float(np.hypot(*alone.velocities_um_s[0, :2])) / f)
    gaps_nm = [1e3 * world.rest_gap_um(body) for body in (0, 1)]
    lines = {
        "robot": f"{min(slopes):.2f}–{max(slopes):.2f} µm/s per Hz rolling alone at 3–15 Hz in the twin "
        "(median calibration robot 2.36)",
        "surfaces": f"repulsion range {1e3 * robot.range_um:.0f} nm, glass and pair; rest gap {gaps_nm[0]:.0f} nm "
        f"robot, {gaps_nm[1]:.0f} nm bead; no friction",
        "trial": f"drift sd {fitted('pushing', 'drift_sd_um_s'):.3g} µm/s per axis; approach distance "
        f"{fitted('pushing', 'approach_um'):.3g} µm",
        "coils": f"{coils.full_scale_mt} mT, dead band {coils.dead_band:.3g}, corner {coils.cutoff_hz:.0f} Hz; moment "
        f"{robot.moment_pn_um_per_mt:.0f} pN·µm/mT",
    }
    return "\n".join(
        [
            "declared, one set for all cells",
            *(f"  {name:10} {text}" for name, text in lines.items()),
            "the published numbers cannot separate",
            "  the robot's longer range from anything else that slows its rolling, such as a slip factor",
            "  the drift from any other constant bias of a trial, such as a heading offset",
        ]
    )


def trend(change: np.ndarray, frequencies: tuple[float, ...], first: int = 0) -> tuple[bool, str]:
    """Whether all relative changes are above 0, how many are, and where the smallest is; columns start at ``first``."""
    row, column = (int(i) for i in np.unravel_index(np.argmin(change), change.shape))
    where = f"{list(SETTINGS)[first + column]}, {frequencies[row - len(change)]:g} Hz"
    return bool((change > 0).all()), f"{(change > 0).sum()} of {change.size}, smallest {change.min():+.1%} at {where}"


def checklist(frequencies: tuple[float, ...], values: dict[str, np.ndarray]) -> Iterator[tuple[str, bool | None, str]]:
    """What Fig. 5 must show, as far as it was run: what, inside the bound, figure. ``values``: (f, setting, trial)."""
    time, error = (np.nanmean(values[measure], axis=2) for measure in (TIME, ERROR))
    for measure, setting, f, paper, bound in PUBLISHED:
        if f in frequencies or (f is None and frequencies == FREQUENCIES_HZ):
            cells = (time if measure == TIME else error)[:, list(SETTINGS).index(setting)]
            ratio = float(cells.mean() if f is None else cells[frequencies.index(f)]) / paper
            figure = f"paper {paper:6.2f}   twin {ratio * paper:6.2f}   ratio {ratio:.2f}"
            name = f"{NAMES[measure]} {setting}, {f'{f:g} Hz' if f else 'all f'}"
            yield name, abs(ratio - 1) <= bound if bound else None, figure + (f", bound {bound:.0%}" if bound else "")
    yield "time falls with f at every w", *trend(1 - time[1:, :3] / time[:-1, :3], frequencies)
    yield "time grows with w at every f", *trend(time[:, 1:3] / time[:, :2] - 1, frequencies, 1)
    yield "error grows with w at every f", *trend(error[:, 1:3] / error[:, :2] - 1, frequencies, 1)
    seconds, w, f = min((time[i, k], w, f) for i, f in enumerate(frequencies) for k, w in enumerate(list(SETTINGS)[:3]))
    yield "w=5 at 15 Hz is the fastest closed-loop cell", (w, f) == ("w=5", 15.0), f"{w}, {f:g} Hz in {seconds:.1f} s"
    done = np.isfinite(values[TIME])
    yield "all trials finish", bool(done.all()), f"{done.sum()} of {done.size}"
    yield "open loop is faster than closed at the same f", *trend(time[:, :3] / time[:, 3:] - 1, frequencies)
    yield "open loop is less accurate than w=5 and w=10", *trend(error[:, 3:] / error[:, :2] - 1, frequencies)


def draw(path: Path, title: str, frequencies: tuple[float, ...], values: dict[str, np.ndarray]) -> None:
    """Two bar charts in the manner of Fig. 5: means and standard deviations, with the published points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    axes = dict(zip(NAMES, figure.subplots(1, 2), strict=True))
    places = {s: np.arange(len(frequencies)) + 0.21 * (k - 1.5) for k, s in enumerate(SETTINGS)}
    for measure, ax in axes.items():
        for setting, trials in zip(SETTINGS, values[measure].swapaxes(0, 1), strict=True):
            spread = np.nanstd(trials, axis=1, ddof=1) if trials.shape[1] > 1 else None
            label = setting if setting == "open loop" else f"{setting} µm"
            style = {"color": SETTINGS[setting], "capsize": 2.5, "error_kw": {"lw": 1, "ecolor": "0.25"}}
            ax.bar(places[setting], np.nanmean(trials, axis=1), 0.2, yerr=spread, label=label, **style)
        ax.set_xticks(range(len(frequencies)), [f"{f:g}" for f in frequencies])
        ax.set(xlabel="frequency of the field (Hz)", ylabel=NAMES[measure])
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="0.9")
        ax.set_axisbelow(True)
    for measure, setting, f, value, _ in PUBLISHED:
        if f is None:
            axes[measure].axhline(value, color=PAPER["mec"], ls="--", label=f"paper, {setting} µm, mean over f")
        elif f in frequencies:
            axes[measure].plot(places[setting][frequencies.index(f)], value, **PAPER)
    axes[ERROR].plot([], [], label="paper", **PAPER)
    figure.legend(*axes[ERROR].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=160)


def main(
    quick: bool = False,
    out: Path = Path("runs/fig5_corridor"),
    seed: int = 0,
    trials: int = 4,
    fidelity: Fidelity = "averaged",
    processes: int = 2,
) -> None:
    """Completion time and error against frequency and corridor width, paper beside twin.

    Args:
        quick: 12 and 15 Hz only, one trial a cell.
        processes: cells run at a time; changes nothing else.
    """
    if processes < 1:
        raise InputError(f"processes is {processes}: give 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    frequencies, trials = (FREQUENCIES_HZ[3:], 1) if quick else (FREQUENCIES_HZ, trials)
    csv, mark = folder / "corridor.csv", fingerprint(trials, seed, fidelity)
    rows = pd.read_csv(csv).query("settings == @mark").to_dict("records") if csv.exists() else []
    held = {(row["frequency_hz"], row["setting"]) for row in rows}
    missing = [cell for cell in itertools.product(frequencies, SETTINGS) if cell not in held]
    about = f"{trials} trials a cell, seed {seed}, {fidelity} torque"
    print(f"{declared()}\n{about}; {len(missing)} cells to run, {len(held)} already there")
    work = partial(simulate, trials=trials, seed=seed, fidelity=fidelity)
    workers = ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if processes > 1 else nullcontext()
    with Progress(transient=True) as progress, workers as pool:
        task = progress.add_task("pushing", total=sum(1 / f for f, _ in missing))
        for cell in (pool.map if pool else map)(work, missing):
            rows += [row | {"seed": seed, "fidelity": fidelity, "settings": mark} for row in cell]
            with files.whole(csv) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)
            progress.advance(task, 1 / cell[0]["frequency_hz"])
    values = {}
    for measure, name in NAMES.items():
        cells = {(f, s): [] for f, s in itertools.product(frequencies, SETTINGS)}
        for row in rows:
            cells.get((row["frequency_hz"], row["setting"]), []).append(row[measure])
        values[measure] = np.array(list(cells.values()), dtype=float).reshape(len(frequencies), len(SETTINGS), trials)
        print(f"\n{name:26}", *(f"{setting:16}" for setting in SETTINGS))
        for f, row in zip(frequencies, values[measure], strict=True):
            spreads = (np.nanstd(v, ddof=min(1, trials - 1)) for v in row)
            print(f"{f:23g} Hz", *(f"{np.nanmean(v):6.2f} ± {s:<7.2f}" for v, s in zip(row, spreads, strict=True)))
    print("\npaper beside twin")
    for name, passed, figure in checklist(frequencies, values):
        print(f"  {'    ' if passed is None else 'pass' if passed else 'MISS'}  {name:45} {figure}")
    draw(folder / "corridor.png", f"A 10 µm bead pushed round a 538 µm circle: {about}", frequencies, values)
    print(f"wrote corridor.csv and corridor.png to {folder}")


if __name__ == "__main__":
    sys.exit(
        exit_code(
            "fig5_corridor",
            lambda: tyro.cli(main),
            stopped="stopped; the same command goes on from the cells that finished",
        )
    )
