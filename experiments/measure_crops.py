"""What real crops say about lamp, camera and dust: the numbers that the defaults of domain randomisation quote.

    python experiments/measure_crops.py [--crops DIR] [--out DIR]

Every picture of 256 × 256 pixels below DIR is measured away from its robot; the table gives the median and the 5–95 %
range over all crops beside the defaults' range, and the same measures of as many crops drawn with the defaults.
"""

import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.framing import CROP
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.render import render_sequence
from microtwin.robots.catalogue import robot

CROPS = Path(__file__).parents[1] / "../shared/reference/otmr"
QUIET = 0.3  # share of a crop taken for background
BUSY = 2.0  # times the background's structure: robot or rings
ROBOT_PX = 1500  # smallest area of such structure
SMOOTH_PX = 2.0  # noise is what is left beside this blur
DOT_CONTRAST = 0.08  # of the background, to call it dust
MEASURES = {
    "background_dn": "background (grey values)",
    "gradient": "gradient, middle to edge (%)",
    "noise_dn": "noise (grey values)",
    "neighbours": "correlation of neighbouring pixels' noise",
    "blocks": "steps across 8 px blocks over steps within",
    "saturated": "saturated pixels (%)",
    "dust": "dust in a crop",
    "dust_diameter_px": "dust diameter (px)",
    "dust_contrast": "dust contrast (%)",
}


def measure(crop: np.ndarray) -> dict[str, float]:
    """One row of MEASURES of a crop (rows, columns) uint8."""
    image = crop.astype(np.float32)
    rough = roughness(image)
    background, away = rough < np.quantile(rough, QUIET), away_from_robot(rough)
    y, x = np.mgrid[-1 : 1 : image.shape[0] * 1j, -1 : 1 : image.shape[1] * 1j]
    plane = np.stack([np.ones(x.shape), x, y], axis=-1)
    (level, right, down), *_ = np.linalg.lstsq(plane[background], image[background], rcond=None)
    noise = image - cv2.GaussianBlur(image, (0, 0), SMOOTH_PX)
    noise -= noise[background].mean()
    pairs = background[:, 1:] & background[:, :-1]
    steps = np.abs(np.diff(image, axis=1))
    by_column = [float(steps[:, k::8][pairs[:, k::8]].mean()) for k in range(8)]
    dots = dust((image / (plane @ (level, right, down))).astype(np.float32), away)
    return {
        "background_dn": float(level),
        "gradient": 100 * math.hypot(right, down) / float(level),
        "noise_dn": float(noise[background].std()),
        "neighbours": float((noise[:, 1:] * noise[:, :-1])[pairs].mean() / noise[background].var()),
        "blocks": by_column[7] / max(float(np.mean(by_column[1:6])), 0.01),
        "saturated": 100 * float((crop == 255).mean()),
        "dust": len(dots) / max(float(away.mean()), 0.1),
        "dust_diameter_px": float(np.median([size for size, _ in dots])) if dots else math.nan,
        "dust_contrast": 100 * float(np.median([depth for _, depth in dots])) if dots else math.nan,
    }


def roughness(image: np.ndarray) -> np.ndarray:
    """(rows, columns) root mean square of the local structure, noise included."""
    rough = image - cv2.GaussianBlur(image, (0, 0), 12)
    return np.sqrt(cv2.GaussianBlur(rough * rough, (0, 0), 4))


def away_from_robot(rough: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: outside the robot and its rings; dots are too small to be taken for one."""
    _, labels = cv2.connectedComponents((rough > BUSY * np.quantile(rough, QUIET)).astype(np.uint8))
    areas = np.bincount(labels.ravel())
    robot = ((areas[labels] > ROBOT_PX) & (labels > 0)).astype(np.uint8)
    return cv2.dilate(robot, np.ones((9, 9), np.uint8)) == 0


def dust(flat: np.ndarray, away: np.ndarray) -> list[tuple[float, float]]:
    """Diameter (px, at half depth) and contrast of the round dark dots in the part ``away`` from the robot."""
    around = cv2.GaussianBlur(flat, (0, 0), 8)
    depth = around - cv2.GaussianBlur(flat, (0, 0), 0.7)
    count, spots = cv2.connectedComponents(((depth > DOT_CONTRAST) & away).astype(np.uint8))
    found = []
    for k in range(1, count):
        pixels = np.argwhere(spots == k)
        deepest = float(depth[tuple(pixels.T)].max())
        _, near = cv2.connectedComponents((depth > deepest / 2).astype(np.uint8))
        row, column = np.round(pixels.mean(axis=0)).astype(int)
        body = np.argwhere(near == near[row, column])
        height, width = np.ptp(body, axis=0) + 1
        if near[row, column] and max(height, width) <= 12 and min(height, width) >= 0.6 * max(height, width):
            found.append((2 * math.sqrt(len(body) / math.pi), deepest))
    return found


def read(folder: Path) -> dict[str, np.ndarray]:
    """Crops by name below a folder.

    Raises:
        InputError: there is none.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg", ".bmp", ".tif"))
    crops = {str(p.relative_to(folder)): cv2.imread(str(p), cv2.IMREAD_GRAYSCALE) for p in paths}
    crops = {
        name: crop for name, crop in crops.items() if crop is not None and crop.shape == CROP and "cad" not in name
    }
    if not crops:
        raise InputError(f"no crops of 256 × 256 pixels in {folder}: give --crops the folder that holds them")
    return crops


def synthetic(count: int, seed: int) -> dict[str, np.ndarray]:
    """Crops of robots 1, 3, 8, 16 and 17 drawn with the default ranges and compressed as the data set's are."""
    rng = np.random.default_rng(seed)
    crops = {}
    for k in range(count):
        number, draw = (1, 3, 8, 16, 17)[k % 5], Randomisation().draw(rng)
        (image,) = render_sequence(robot(number).mesh, Pose(), [rng.uniform(-4, 4)], draw, rng)
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, draw.jpeg_quality])[1]
        crops[f"robot {number}, {k}"] = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
    return crops


def main(crops: Path = CROPS, out: Path = Path("runs/measure_crops"), seed: int = 0) -> None:
    """Measure, print, save and draw.

    Args:
        crops: folder of real crops, searched with its subfolders.
        out: folder for the table and the picture.
        seed: of the synthetic crops.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    real = read(crops)
    folder = files.open_folder(out)
    drawn = synthetic(len(real), seed)
    tables = {}
    for name, pictures in (("real", real), ("synthetic", drawn)):
        tables[name] = pd.DataFrame([{"crop": crop} | measure(picture) for crop, picture in pictures.items()])
    with files.whole(folder / "crops.csv") as path:
        pd.concat(tables, names=["kind"]).droplevel(1).to_csv(path, float_format="%.4g")
    plot(folder / "crops.png", tables, real, drawn)
    report(tables)


def report(tables: dict[str, pd.DataFrame]) -> None:
    """Medians and ranges side by side."""
    ours = Randomisation()
    defaults = {
        "background_dn": "{:g} – {:g}".format(*ours.background_dn),
        "gradient": f"0 – {100 * ours.gradient:g}",
        "noise_dn": "{:g} – {:g} electrons".format(*ours.electrons),
        "neighbours": "{:g} – {:g} px interpolation".format(*ours.interpolation_px),
        "blocks": "quality {} – {}".format(*ours.jpeg_quality),
        "dust": "{} – {} on the frame".format(*ours.dust),
        "dust_diameter_px": "radius up to {:g} – {:g}".format(*ours.dust_radius_px),
        "dust_contrast": "up to {:g} – {:g}".format(*(100 * depth for depth in ours.dust_depth)),
    }
    table = Table(title="median (5–95 %) of crops", title_justify="left")
    for heading in ("", f"{len(tables['real'])} real", "default", f"{len(tables['synthetic'])} drawn"):
        table.add_column(heading)
    for key, label in MEASURES.items():
        real, drawn = (spread(tables[kind][key]) for kind in ("real", "synthetic"))
        table.add_row(label, real, defaults.get(key, ""), drawn)
    Console(highlight=False).print(table)


def spread(values) -> str:
    """Median and 5–95 % of a column."""
    known = values.dropna()
    if known.empty:
        return "none"
    return "{:.3g} ({:.3g} – {:.3g})".format(known.median(), *known.quantile([0.05, 0.95]))


def plot(path: Path, tables: dict[str, pd.DataFrame], real: dict, drawn: dict) -> None:
    """Each measure's values, real beside drawn, above some of both."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 9), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=[1.1, 1]))
    axes = np.asarray(upper.subplots(2, 5))
    for ax, (key, label) in zip(axes.flat, MEASURES.items(), strict=False):
        for k, table in enumerate(tables.values()):
            values = table[key].dropna()
            ax.plot(k + np.linspace(-0.2, 0.2, len(values)), values, ".", color=f"C{k}")
            ax.plot([k - 0.3, k + 0.3], [values.median()] * 2, color=f"C{k}")
        ax.set_xticks([0, 1], list(tables))
        ax.set_title(label, fontsize=8)
    axes[-1, -1].set_visible(False)
    for row, (kind, pictures) in zip(lower.subplots(2, 8), (("real", real), ("drawn", drawn)), strict=True):
        names = list(pictures)[:: max(len(pictures) // 8, 1)]
        for ax in row:
            ax.axis("off")
        for ax, name in zip(row, names, strict=False):
            ax.imshow(pictures[name], cmap="gray", vmin=0, vmax=255)
            ax.set_title(f"{kind}: {Path(name).stem}", fontsize=6)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    sys.exit(exit_code("measure_crops", lambda: tyro.cli(main)))
