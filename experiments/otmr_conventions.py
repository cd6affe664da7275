"""What supports the pose convention, the sign of depth and the robots' third dimension: alternatives and their scores.

    python experiments/otmr_conventions.py [--crops DIR] [--out DIR] [--quick]

Every alternative is fitted to the real crops as experiments/otmr_realism.py does, and scored by the mean zero-mean
normalised correlation within the outline grown by 1 µm. Lean off the label is held to 10° here, so that one convention
cannot reach the orientations of another. Sizes and optics are those that fit_cad.py found with the first alternative of
each kind; the others are not refitted, so a small lead of the first would say little. Depth labels are scaled per
sequence, so they are compared among the rolled crops alone, which were recorded alike.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure
from otmr_realism import optics, pose_of, start_of
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.spatial.transform import Rotation

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.fit import Fit, fit_turn
from microtwin.otmr.match import Target
from microtwin.otmr.pose import Pose, rotation
from microtwin.otmr.read import Sample, read
from microtwin.robots.designs import design

REFERENCE = Path("../shared/reference/otmr")
LIMIT_DEG = 10.0


def _about(order: str, *angles_deg: float) -> np.ndarray:
    """Extrinsic rotations, the first letter's first."""
    return Rotation.from_euler(order, angles_deg, degrees=True).as_matrix()


CONVENTIONS: dict[str, Callable[[Pose], np.ndarray]] = {
    "pitch about y, then roll about −x (ours)": lambda p: rotation(np.radians(p.pitch_deg), np.radians(p.roll_deg)),
    "pitch about y, then roll about x": lambda p: _about("yx", -p.pitch_deg, p.roll_deg),
    "roll about z, then pitch about y": lambda p: _about("zy", p.roll_deg, -p.pitch_deg),
    "roll about −z, then pitch about y": lambda p: _about("zy", -p.roll_deg, -p.pitch_deg),
    "roll about x, then pitch about y": lambda p: _about("xy", p.roll_deg, -p.pitch_deg),
    "roll about −x, then pitch about y": lambda p: _about("xy", -p.roll_deg, -p.pitch_deg),
    "pitch about x, then roll about y": lambda p: _about("xy", p.pitch_deg, p.roll_deg),
    "pitch about y, no roll": lambda p: _about("y", -p.pitch_deg),
}


def shapes(number: int) -> dict[str, dict[str, float]]:
    """Changes of a design's sizes: as fitted, upside down, flat, and straight arms."""
    sizes = design(number).sizes
    if "elevation_deg" in sizes:
        up, bow = sizes["elevation_deg"], sizes["bend_deg"]
        straight = {"straight arms": {"bend_deg": 0.0}} if abs(bow) > 5 else {}
        return {
            "as fitted": {},
            "upside down": {"elevation_deg": -up, "bend_deg": -bow},
            "flat": {"elevation_deg": 0.0, "bend_deg": 0.0},
            **straight,
        }
    if "sag_um" in sizes:
        return {"as fitted": {}, "upside down": {"sag_um": -sizes["sag_um"]}, "flat": {"sag_um": 0.0}}
    return {}


def _fit(job: tuple[Sample, np.ndarray, dict[str, float], float]) -> Fit:
    sample, turn, changes, limit_deg = job
    made = design(sample.robot or 0).mesh(**changes)
    mesh = np.asarray(made.vertices), np.asarray(made.faces)
    return fit_turn(Target.of(sample.image()), mesh, turn, optics(start_of(sample.robot or 0)), limit_deg, quick=True)


def main(
    crops: Path = REFERENCE, out: Path = Path("runs/otmr_conventions"), workers: int = 2, quick: bool = False
) -> int:
    """Fit the alternatives.

    Args:
        crops: folder with robot_03_labelled and real in it.
        out: folder for the tables and the picture.
        workers: processes.
        quick: two crops of robot 3 and two conventions, one other robot.
    """
    labelled = [sample for sample in read(crops / "robot_03_labelled") if sample.pose and sample.robot == 3]
    others = [sample for sample in read(crops / "real") if shapes(sample.robot or 0) and sample.robot != 3]
    if not labelled:
        raise InputError(f"no labelled crops of robot 3 in {crops}: give the folder that has robot_03_labelled")
    conventions = dict(CONVENTIONS)
    if quick:
        labelled, others = labelled[1:3], others[:1]
        conventions = dict(list(conventions.items())[:2])
    folder = files.open_folder(out)
    jobs, names = [], []
    for name, turn in conventions.items():
        for sample in labelled:
            names.append(("convention", name, sample))
            jobs.append((sample, turn(pose_of(sample)), {}, LIMIT_DEG))
    for sample in labelled + others:
        for name, changes in shapes(sample.robot or 0).items():
            names.append(("shape", name, sample))
            pose = pose_of(sample)
            jobs.append((sample, rotation(np.radians(pose.pitch_deg), np.radians(pose.roll_deg)), changes, 20.0))
    with ProcessPoolExecutor(workers) as pool, Progress(console=Console(stderr=True)) as progress:
        fits = list(progress.track(pool.map(_fit, jobs), total=len(jobs), description="fitting"))
    rows = [
        {
            "question": question,
            "alternative": name,
            "robot": sample.robot,
            "crop": sample.path.stem,
            "correlation": fit.score,
            "height_um": fit.placement.height_um,
            "label": sample.depth,
            "rolled": pose_of(sample).roll_deg > 0,
        }
        for (question, name, sample), fit in zip(names, fits, strict=True)
    ]
    table = pd.DataFrame(rows)
    with files.whole(folder / "alternatives.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.4g")
    _report(table, folder)
    return 0


def _report(table: pd.DataFrame, folder: Path) -> None:
    console = Console(width=110)
    pose = table[table.question == "convention"]
    shown = Table("convention", "all crops", "rolled", "pitch only")
    for name, rows in pose.groupby("alternative", sort=False):
        parts = rows.correlation, rows.correlation[rows.rolled], rows.correlation[~rows.rolled]
        shown.add_row(str(name), *(f"{part.mean():.3f}" if len(part) else "" for part in parts))
    console.print(shown)
    third = table[table.question == "shape"]
    shown = Table("robot", "crops", *third.alternative.unique())
    for number, rows in third.groupby("robot"):
        means = rows.groupby("alternative").correlation.mean()
        cells = [f"{means[name]:.3f}" if name in means else "" for name in third.alternative.unique()]
        shown.add_row(str(number), str(rows.crop.nunique()), *cells)
    console.print(shown)
    rolled = pd.DataFrame(third[(third.robot == 3) & (third.alternative == "as fitted") & third.rolled])
    if len(rolled) > 2:
        agreement = float(np.corrcoef(rolled.label, rolled.height_um)[0, 1])
        console.print(
            f"depth label against height of focus, {len(rolled)} rolled crops: correlation {agreement:+.2f} "
            "(below 0: a larger label looks further towards the objective)"
        )
    matplotlib.use("Agg")
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    means = pose.groupby("alternative", sort=False).correlation.mean()[::-1]
    left.barh(means.index, means.to_numpy(), color=["0.7"] * (len(means) - 1) + ["tab:blue"])
    left.set(xlabel="mean correlation, robot 3", xlim=(max(means.min() - 0.1, 0), means.max() + 0.02))
    for name, rows in third.groupby("alternative", sort=False):
        by_robot = rows.groupby("robot").correlation.mean()
        right.plot(by_robot.index.astype(str), by_robot.to_numpy(), "o", label=str(name))
    right.set(xlabel="robot", ylabel="mean correlation")
    right.legend()
    with files.whole(folder / "alternatives.png") as temporary:
        figure.savefig(temporary, dpi=110)
    console.print(f"wrote {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_conventions", lambda: tyro.cli(main)))
