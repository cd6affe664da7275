"""What the OTMR renderer's grid, source points and slices cost: its crops against far finer ones.

    python experiments/otmr_convergence.py [--quick] [--out DIR]

Robots 1, 3, 7, 10 and 17 as they lie and 3 turned, at the ends and the middle of the default condenser apertures, from
−6 to 6 µm of depth. The reference has 127 source points, slices of 0.1 µm and a field of 35 µm. Printed is the worst
correlation of whole crops, and the worst root-mean-square difference over the root-mean-square contrast.
"""

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code
from microtwin.image_axes import to_image
from microtwin.otmr import render
from microtwin.otmr.framing import CROP, PIXEL_UM, laid
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import Randomisation, plain
from microtwin.robots.catalogue import robot

CASES = [(1, Pose()), (3, Pose()), (3, Pose(45, 30)), (7, Pose()), (10, Pose()), (17, Pose())]
DEPTHS_UM = (-6.0, -3.0, 0.0, 3.0, 6.0)
FINER = {"_GRIDS": (320,), "_RINGS": (6, 6), "SLICE_UM": 0.1}
LEAST = 0.99


def crops(number: int, pose: Pose, condenser_na: float) -> np.ndarray:
    """(depths, 256, 256) intensities, as the module's constants stand."""
    body, draw = robot(number), plain(condenser_na=condenser_na)
    turn = render.orientation(pose, draw)
    pictures, middle = render.intensities(body.mesh, turn, DEPTHS_UM, draw)
    x, y = render.middle_um(body.mesh, turn)
    return np.stack([laid(picture, to_image(middle - [x, y], CROP, PIXEL_UM), CROP) for picture in pictures])


def main(out: Path = Path("runs/otmr_convergence"), quick: bool = False) -> int:
    """Compare.

    Args:
        out: folder for the table.
        quick: one robot, one aperture.
    """
    folder = files.open_folder(out)
    low, high = Randomisation().condenser_na
    apertures = (high,) if quick else (low, (low + high) / 2, high)
    rows = []
    usual = {name: getattr(render, name) for name in FINER}
    for (number, pose), aperture in track(list(product(CASES[:1] if quick else CASES, apertures)), "rendering"):
        ours = crops(number, pose, aperture)
        try:
            for name, value in FINER.items():
                setattr(render, name, value)
            finer = crops(number, pose, aperture)
        finally:
            for name, value in usual.items():
                setattr(render, name, value)
        for depth, one, other in zip(DEPTHS_UM, ours, finer, strict=True):
            likeness = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
            error = float(np.sqrt(np.mean((one - other) ** 2) / np.mean((other - 1) ** 2)))
            rows.append((number, pose.name, aperture, depth, likeness, error))
    table = pd.DataFrame(rows, columns=["robot", "pose", "condenser_na", "depth_um", "correlation", "error"])
    with files.whole(folder / "convergence.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.4g")
    shown = Table("robot", "pose", "NA_c", "worst correlation", "median", "worst error")
    for key, part in table.groupby(["robot", "pose", "condenser_na"]):
        number, name, aperture = key  # pyright: ignore[reportGeneralTypeIssues]
        worst, usually = part.correlation.min(), part.correlation.median()
        shown.add_row(
            str(number), str(name), f"{aperture:.2f}", f"{worst:.4f}", f"{usually:.4f}", f"{part.error.max():.1%}"
        )
    console = Console(width=100)
    console.print(shown)
    worst = float(table.correlation.min())
    console.print(f"worst correlation {worst:.4f} (at least {LEAST}) {'pass' if worst >= LEAST else 'MISS'}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code("otmr_convergence", lambda: tyro.cli(main)))
