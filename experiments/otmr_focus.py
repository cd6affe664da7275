"""A robot held in focus from pixels: 60 s at 24 frames a second, under drift of 1 µm/s and vibration, in the twin.

    python experiments/otmr_focus.py [--checkpoint FILE] [--robots 3 8 16] [--all] [--runs 3] [--quick] [--out DIR]

Every run has another print of the robot, another microscope, camera and background, none of which the network has seen.
Beside each stands the same run with the true depth and 0.1 µm of noise in the network's place, and with the stage at
rest. ``--oracle`` runs the truth alone, without a checkpoint.
"""

import math
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.focusing import report
from microtwin.focusing.hold import hold
from microtwin.focusing.report import GOAL_UM
from microtwin.focusing.twin import FocusScene, Truth
from microtwin.perception.focus import FocusController, FromPixels, Sight
from microtwin.perception.focus_checkpoint import depth_estimator
from microtwin.robots.catalogue import catalogue

NOISE_UM = 0.1  # of the truth
AWAY_UM = 1.0  # from the target at the start


def run(number: int, seed: int, seconds: float, sight: Sight, *, blind: bool) -> tuple[pd.DataFrame, float, float]:
    """One run's rows, its target depth (µm), and how long a frame took (s)."""
    target_um = FocusScene(robot=number).middle_um
    scene = FocusScene(robot=number, start_um=target_um + AWAY_UM)
    period_s = 1 / scene.frame_rate_hz
    with scene.open(np.random.default_rng([seed, number]), blind=blind) as rig:
        controller = FocusController(
            sight,
            target_um,
            travel_um=rig.stage.travel_um,
            period_s=period_s,
            latency_s=scene.latency_frames * period_s,
        )
        begun = time.perf_counter()
        table = hold(rig, controller, seconds=seconds).table()
    return table, target_um, (time.perf_counter() - begun) / len(table)


def row(number: int, seed: int, sight: str, table: pd.DataFrame, target_um: float, frame_s: float) -> dict:
    """What a run is judged by."""
    found = report.measures(table, target_um)
    rest = table.true_um - table.stage_um + table.stage_um.iloc[0] - target_um
    return {
        "robot": number,
        "run": seed,
        "sight": sight,
        "target_um": target_um,
        **{name: found[name] for name in ("rms_um", "held_rms_um", "worst_um", "read_bias_um", "read_noise_um")},
        "lost_frames": found["lost_frames"],
        "at_rest_rms_um": float(np.sqrt(np.mean(rest**2))),
        "wait_ms": found["wait_ms"],
        "frames_per_s": 1 / frame_s,
    }


def tell(cells: pd.DataFrame) -> None:
    """Robots in rows; the worst of the runs decides."""
    console = Console(highlight=False, width=130)
    table = Table("robot", "runs", "RMS (µm)", "worst run", "bias", "noise", "truth + 0.1", "stage at rest", "ms", "")
    for number, rows in cells.groupby("robot"):
        oracle, seen = rows[rows.sight == "truth"], rows[rows.sight == "pixels"]
        judged = seen if len(seen) else oracle
        worst = judged.rms_um.max()
        table.add_row(
            f"{number} {catalogue()[number].name}",  # pyright: ignore[reportArgumentType, reportCallIssue]
            str(len(judged)),
            _number(np.sqrt((judged.rms_um**2).mean())),
            _number(worst),
            _number(seen.read_bias_um.abs().mean()),
            _number(seen.read_noise_um.mean()),
            _number(np.sqrt((oracle.rms_um**2).mean())),
            _number(judged.at_rest_rms_um.mean()),
            _number(seen.wait_ms.mean(), 1),
            f"{'pass' if worst <= GOAL_UM else 'MISS'} {GOAL_UM:g}",
        )
    console.print(table)
    lost = int(cells.lost_frames.sum())
    console.print(f"RMS over all frames, {AWAY_UM:g} µm off at the start included; {lost} frames without a reading")


def _number(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def main(
    checkpoint: Path | None = None,
    robots: tuple[int, ...] = (3, 8, 16),
    all: bool = False,
    runs: int = 3,
    seconds: float = 60.0,
    seed: int = 0,
    oracle: bool = False,
    quick: bool = False,
    out: Path = Path("runs/otmr_focus"),
) -> None:
    """Run, print, save and draw.

    Args:
        checkpoint: of microtwin train depth; by default the one that comes with the package.
        robots: which; all 18 with --all.
        runs: of each, with other draws.
        seconds: of each run.
        seed: of the first run.
        oracle: the truth alone, no network.
        quick: one run of 2 s each.
        out: folder for the table and the picture.
    """
    numbers = tuple(catalogue()) if all else robots
    runs, seconds = (1, 2.0) if quick else (runs, seconds)
    if not numbers:
        raise InputError("robots are none: give one or more of 1 to 18, or --all")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    if runs < 1 or not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"runs is {runs} and seconds {seconds}: give 1 or more and a positive number")
    for number in numbers:
        FocusScene(robot=number)
    estimators = {} if oracle else {number: depth_estimator(checkpoint, number) for number in numbers}
    folder = files.open_folder(out)
    rows, drawn = [], {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        task = progress.add_task("", total=len(numbers) * runs)
        for number in numbers:
            progress.update(task, description=f"robot {number}")
            for k in range(seed, seed + runs):
                found = run(number, k, seconds, Truth(NOISE_UM, [k, number]), blind=True)
                rows.append(row(number, k, "truth", *found))
                if not oracle:
                    found = run(number, k, seconds, FromPixels(estimators[number]), blind=False)
                    rows.append(row(number, k, "pixels", *found))
                if k == seed and len(drawn) < 3:
                    drawn[f"robot {number}"] = found[:2]
                progress.advance(task)
    cells = pd.DataFrame(rows)
    with files.whole(folder / "focus.csv") as path:
        cells.to_csv(path, index=False, float_format="%.5f")
    with files.whole(folder / "focus.png") as path:
        report.draw(path, drawn)
    tell(cells)
    print(f"wrote focus.csv and focus.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_focus", lambda: tyro.cli(main)))
