"""Poses of the OTMR grid that a robot's symmetry makes one view, from the catalogue, checked by rendering.

    python experiments/otmr_symmetric_poses.py [--robots 2 3] [--quick] [--out DIR]

Every pose is rendered without noise at three depths. Pictures are compared by their zero-mean normalised correlation in
the disc that holds the robot, mean over depths. Pairs of one view are laid on each other as theory says: the one turned
by the angle that the symmetry gives, about the robot's origin. All others have the best of 360 angles, and the likest
of them also the best place. A pair that agrees only when one picture is flipped is a mirror pair.
"""

import itertools
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from scipy.optimize import minimize

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.image_axes import to_image
from microtwin.otmr.framing import CROP, PIXEL_UM, laid
from microtwin.otmr.pose import POSES, Pose
from microtwin.otmr.randomisation import Randomisation, plain
from microtwin.otmr.render import intensities, orientation
from microtwin.otmr.symmetry import TOLERANCE_DEG, in_plane_rad, pose_class, view_angle_deg
from microtwin.robots.catalogue import robot

DEPTHS_UM = (-8.0, -3.0, 2.0)  # rings, sharp, bright spots
DISC_UM = 6.5
MIDDLE_PX = ((CROP[1] - 1) / 2, (CROP[0] - 1) / 2)
ANGLES = 360
ALIKE = 0.997  # pictures of one view, and no others: views 1.3° apart reach 0.994
MOVED = 12  # pairs of each robot that have the best place


def pictures(number: int, pose: Pose) -> np.ndarray:
    """(depths, 256, 256) noise-free crops with the body's origin in the middle."""
    draw = plain()
    drawn, middle = intensities(robot(number).mesh, orientation(pose, draw), DEPTHS_UM, draw)
    return np.stack([laid(picture, to_image(middle, CROP, PIXEL_UM), CROP) for picture in drawn])


def rings(crops: np.ndarray) -> np.ndarray:
    """(depths, radii, ANGLES/2 + 1) Fourier series round the middle, scaled so that products are correlations."""
    radii = round(DISC_UM / PIXEL_UM)
    area = np.sqrt(np.arange(radii, dtype=np.float32))
    found = []
    for crop in crops:
        polar = cv2.warpPolar(crop, (radii, ANGLES), MIDDLE_PX, radii, cv2.INTER_LINEAR)[::-1]  # counter-clockwise
        polar = (polar - np.average(polar.mean(axis=0), weights=area**2)) * area
        found.append(np.fft.rfft(polar / np.linalg.norm(polar), axis=0).T)
    return np.stack(found).astype(np.complex64)


def likenesses(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(depths, ANGLES) correlation of one, turned counter-clockwise by 0°, 1° …, with the other; both are rings."""
    return np.fft.irfft((other * one.conj()).sum(axis=1), ANGLES, axis=1)


def laid_over(crop: np.ndarray, turn_deg: float, right_px: float = 0.0, down_px: float = 0.0) -> np.ndarray:
    """A crop turned counter-clockwise about its middle, then moved."""
    matrix = cv2.getRotationMatrix2D(MIDDLE_PX, turn_deg, 1.0) + [[0, 0, right_px], [0, 0, down_px]]
    return cv2.warpAffine(crop, matrix, CROP[::-1], borderValue=1.0)


def moved(one: np.ndarray, other: np.ndarray, turn_deg: float) -> tuple[float, np.ndarray]:
    """The best likeness near an angle with the place free, and its angle (°), right and down (px)."""
    y, x = np.indices(CROP) - 0.5 * (CROP[0] - 1)
    disc = np.hypot(x, y) < DISC_UM / PIXEL_UM

    def loss(at: np.ndarray) -> float:
        pairs = ((laid_over(a, *at)[disc], b[disc]) for a, b in zip(one, other, strict=True))
        return -float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs]))

    start = np.array([turn_deg, 0.0, 0.0])
    simplex = np.vstack([start, start + np.diag([3.0, 3.0, 3.0])])
    best = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 80, "initial_simplex": simplex})
    return -float(best.fun), best.x


def compare(number: int, progress: Progress) -> tuple[pd.DataFrame, dict[Pose, np.ndarray]]:
    """One row for every pair of a robot's poses; and the pictures."""
    poses = POSES[number]
    task = progress.add_task(f"robot {number}", total=len(poses))
    crops = {}
    for pose in poses:
        crops[pose] = pictures(number, pose)
        progress.advance(task)
    series = {pose: rings(crop) for pose, crop in crops.items()}
    rows = []
    for one, other in itertools.combinations(poses, 2):
        apart = view_angle_deg(number, one, other)
        found = likenesses(series[one], series[other])
        same = apart <= TOLERANCE_DEG
        turn = math.degrees(in_plane_rad(number, one, other)) if same else float(found.mean(axis=0).argmax())
        at = found[:, round(turn) % ANGLES]
        flipped = float(likenesses(series[one].conj(), series[other]).mean(axis=0).max())
        row = {"robot": number, "one": one, "other": other, "apart_deg": apart, "one_view": same, "turn_deg": turn}
        row |= {"right_px": 0.0, "down_px": 0.0, "likeness": at.mean(), "least": at.min()}
        rows.append(row | {"mirror": not same and flipped >= ALIKE > at.mean()})
    table = pd.DataFrame(rows)
    for k in table[~table.one_view].likeness.nlargest(MOVED).index:
        best, where = moved(crops[table.one[k]], crops[table.other[k]], table.turn_deg[k])
        table.loc[k, ["likeness", "turn_deg", "right_px", "down_px"]] = [best, *where]
    return table, crops


def classes(number: int) -> list[str]:
    """The names of every class of more than one pose."""
    found: dict[Pose, list[str]] = {}
    for pose in POSES[number]:
        found.setdefault(pose_class(number, pose), []).append(pose.name)
    return [" = ".join(names) for names in found.values() if len(names) > 1]


def names(rows) -> str:
    return ", ".join(f"{one.name}|{other.name}" for one, other in zip(rows.one, rows.other, strict=True))


def likest(table: pd.DataFrame) -> pd.DataFrame:
    """The one row of the two views that are hardest to tell apart."""
    return table.loc[~table.one_view].sort_values(by="likeness").tail(1)


def report(tables: dict[int, pd.DataFrame]) -> None:
    """One row a robot; which poses are one view; what was judged."""
    lean = Randomisation().lean_deg
    shown = Table("robot", "poses", "views", "pairs of one view", "their least likeness", "likest two views", "apart")
    shown.add_column(f"pairs closer than the lean, {lean:g}°")
    shown.add_column("mirror pairs")
    lines, verdicts = [], []
    for number, table in tables.items():
        same, other = table[table.one_view], likest(table)
        least, nearest = same.least.min(), other.likeness.item()
        near = (~table.one_view & (table.apart_deg < lean)).sum()
        views = len({pose_class(number, pose) for pose in POSES[number]})
        row = [len(POSES[number]), views, len(same), f"{least:.4f}" if len(same) else "–"]
        row += [f"{nearest:.4f} {names(other)}", f"{other.apart_deg.item():.1f}°", near, table.mirror.sum()]
        shown.add_row(str(number), *map(str, row))
        lines += [f"robot {number}, one view: {line}" for line in classes(number)]
        lines += [f"robot {number}, mirror pairs: {names(table[table.mirror])}"] * bool(table.mirror.any())
        if len(same):
            verdicts.append((f"robot {number}: pictures of one view agree by {ALIKE}", least >= ALIKE, f"{least:.4f}"))
        verdicts.append((f"robot {number}: pictures of two views do not", nearest < ALIKE, f"{nearest:.4f}"))
    console = Console(highlight=False, width=150)
    console.print(shown, *lines, sep="\n")
    for name, passed, figure in verdicts:
        console.print(f"  {'pass' if passed else 'MISS'}  {name:45} {figure}")


def plot(path: Path, tables: dict[int, pd.DataFrame], crops: dict[int, dict[Pose, np.ndarray]]) -> None:
    """Unlikeness against the angle between views, above a pair of each kind of every robot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.5, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=[1, 1.2]))
    ax = upper.subplots()
    lean = Randomisation().lean_deg
    ax.axvspan(TOLERANCE_DEG, lean, color="0.93", zorder=0, label=f"within the lean of prints, {lean:g}°")
    ax.axhline(1 - ALIKE, color="0.6", lw=0.8, ls="--")
    for number, table in tables.items():
        same, other = table[table.one_view], table[~table.one_view]
        ax.plot(other.apart_deg, 1 - other.likeness, ".", ms=4, color=f"C{number}", label=f"robot {number}")
        ax.plot(same.apart_deg, 1 - same.likeness, "o", ms=6, mfc="none", color=f"C{number}")
    ax.set(xlabel="angle between two views, over the robot's symmetries (°); circles: one view", yscale="log")
    ax.set(ylabel="1 − correlation of the pictures", xlim=(-0.5, 30))
    ax.grid(alpha=0.2)
    ax.legend(frameon=False, ncols=2, loc="lower right")
    grid = lower.subplots(3, max(len(tables), 3), squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for column, (number, table) in zip(grid.T, tables.items(), strict=False):
        kinds = {
            "one view": table[table.one_view],
            "likest two views": likest(table),
            "mirror pair": table[table.mirror],
        }
        for axes, (kind, rows) in zip(column, kinds.items(), strict=True):
            for pair in rows.tail(1).itertuples():
                show(axes, kind, pair, crops[number][pair.one], crops[number][pair.other])
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def show(axes, kind: str, pair, one: np.ndarray, other: np.ndarray) -> None:
    """A pair's last pictures side by side; the first, flipped if it is a mirror pair's, is laid over the second."""
    at, likeness, done = (pair.turn_deg, pair.right_px, pair.down_px), pair.likeness, ""
    if kind == "mirror pair":
        one, done = one[:, ::-1], "flipped, "
        agreement = likenesses(rings(one), rings(other)).mean(axis=0)
        at, likeness = (float(agreement.argmax()),), agreement.max()
    both = [np.pad(crop, 3, constant_values=9.0) for crop in (laid_over(one[-1], *at), other[-1])]
    axes.imshow(np.hstack(both), cmap="gray", vmin=0.3, vmax=2.0)
    title = f"{pair.one.name} ({done}{round(at[0])}°) | {pair.other.name}"
    axes.set_title(f"robot {pair.robot}, {kind}: {likeness:.4f}\n{title}", fontsize=8)


def main(robots: tuple[int, ...] = (), quick: bool = False, out: Path = Path("runs/otmr_symmetric_poses")) -> None:
    """Compare, print, save and draw.

    Args:
        robots: numbers; all that have poses unless given.
        quick: robot 2 alone, unless robots are given.
        out: folder for the table and the picture.
    """
    for number in robots:
        if number not in POSES:
            raise InputError(f"robot {number} has no poses: give robots from {', '.join(map(str, POSES))}")
    folder = files.open_folder(out)
    tables, crops = {}, {}
    with Progress(transient=True) as progress:
        for number in sorted(set(robots)) or ((2,) if quick else POSES):
            tables[number], crops[number] = compare(number, progress)
    with files.whole(folder / "symmetric_poses.csv") as path:
        table = pd.concat(tables.values())
        table[["one", "other"]] = table[["one", "other"]].map(lambda pose: pose.name)
        table.to_csv(path, index=False, float_format="%.5g")
    plot(folder / "symmetric_poses.png", tables, crops)
    report(tables)
    print(f"wrote symmetric_poses.csv and symmetric_poses.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("otmr_symmetric_poses", lambda: tyro.cli(main)))
