"""Convergence of the rendered images in slice thickness, source points and grid, from which the defaults are chosen.

    python experiments/optics_convergence.py [--quick] [--out DIR]

The object is two polymer spheres (2.8 µm, index 1.51 in water, 5 µm apart) at both of the rig's objectives.
Every row changes one setting against a reference finer in that setting, and its error is the root-mean-square
difference over the reference's root-mean-square contrast, on the reference's pixels, worst over defocus −3 to 3 µm.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from microtwin import files
from microtwin.errors import exit_code
from microtwin.optics import ExitField, Microscope, propagate, sphere_fill

SCOPES = {
    "20x, NA_c 0.25": Microscope.objective_20x(),
    "100x, NA_c 0.1": Microscope.oil_100x(),
    "100x, NA_c 0.3": Microscope.oil_100x(condenser_na=0.3, source_points=37),
}
SLICES_UM = (0.1, 0.125, 0.2, 0.25, 0.35, 0.5, 1.0)  # the first is the reference, as below
SOURCES = (217, 7, 19, 37, 61, 91, 127)
PIXELS_UM = {"20x": (0.1150, 0.1725, 0.2300, 0.3450), "100x": (0.055, 0.11, 0.1375)}
FOCUS_UM = np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0])
FIELD_UM, DEPTH_UM = 22.0, 3.5
DEFAULT_ERROR = 0.03


def render(scope: Microscope, pixel_um: float, slice_um: float) -> tuple[ExitField, float]:
    """The spheres' exit field and the seconds it took."""
    n = 4 * round(FIELD_UM / pixel_um / 4)
    count = round(DEPTH_UM / slice_um)
    shape, low = (count, n, n), -count * slice_um / 2
    beads = [sphere_fill((x, 0.3, 0.0), 1.4, shape, pixel_um, slice_um, low) for x in (-2.5, 2.5)]
    start = time.perf_counter()
    field = propagate((beads[0] + beads[1]) * np.float32(1.51 - scope.medium_index), scope, pixel_um, slice_um, low)
    return field, time.perf_counter() - start


def error(images: np.ndarray, reference: np.ndarray) -> float:
    """Worst over depths of RMS difference over RMS contrast."""
    return float(np.sqrt(np.mean((images - reference) ** 2, (1, 2)) / np.mean((reference - 1) ** 2, (1, 2))).max())


def on_points(field: ExitField, count: int) -> np.ndarray:
    """Images at 64 × 64 points that all grids share, whatever their pixels."""
    n, extent = field.fields.shape[-1], field.fields.shape[-1] * field.pixel_um
    spectra = np.fft.fft2(field.images(FOCUS_UM), norm="forward")
    at = (np.arange(count) - (count - 1) / 2) * (FIELD_UM / 1.5 / count) / extent + (n - 1) / 2 / n
    k = np.fft.fftfreq(n, 1 / n)
    waves = np.exp(2j * np.pi * at[:, None] * k)
    return np.einsum("ri,fij,cj->frc", waves, spectra, waves, optimize=True).real


def sweep(name: str, scope: Microscope, quick: bool, progress: Progress) -> list[dict]:
    """One row per setting of each of the three sweeps."""
    pixels = next(values for key, values in PIXELS_UM.items() if name.startswith(key))
    pixel = pixels[1] if len(pixels) > 3 else pixels[0] * 2
    few = replace(scope, source_points=7 if quick else 19)
    settings = [("slice (µm)", value, few, pixel, value) for value in SLICES_UM]
    counts = (91, 7, 19, 37) if quick else SOURCES
    settings += [("source points", n, replace(scope, source_points=n), pixel, 0.25) for n in counts]
    settings += [("pixel (µm)", value, few, value, 0.25) for value in pixels]
    rows, reference, kind_before = [], np.empty(0), ""
    task = progress.add_task(name, total=len(settings))
    for kind, value, described, pixel_um, slice_um in settings:
        field, seconds = render(described, pixel_um, slice_um)
        images = on_points(field, 64)
        if kind != kind_before:
            reference, kind_before = images, kind
        found = error(images, reference)
        rows.append({"microscope": name, "setting": kind, "value": value, "error": found, "seconds": seconds})
        progress.advance(task)
    return rows


def main(quick: bool = False, out: Path = Path("runs/optics_convergence")) -> None:
    """Print, save and draw the error of each setting."""
    folder = files.open_folder(out)
    with Progress(transient=True) as progress:
        rows = [row for name, scope in SCOPES.items() for row in sweep(name, scope, quick, progress)]
    table = pd.DataFrame(rows)
    with files.whole(folder / "optics_convergence.csv") as path:
        table.to_csv(path, index=False, float_format="%.4g")
    plot(folder / "optics_convergence.png", table)
    report(table)


def report(table: pd.DataFrame) -> None:
    """Errors side by side, the defaults marked."""
    console = Console(highlight=False)
    for kind, rows in table.groupby("setting", sort=False):
        shown = Table(title=f"error against {kind}, % of RMS contrast, worst depth (ms)", title_justify="left")
        shown.add_column(str(kind), justify="right")
        names = list(SCOPES)
        for name in names:
            shown.add_column(name, justify="right")
        for value in sorted(rows.value.unique()):
            cells = []
            for name in names:
                row = rows[(rows.value == value) & (rows.microscope == name)]
                mark = "*" if is_default(str(kind), float(value), name) else ""
                cells.append(f"{100 * row.error.item():.1f}{mark} ({1e3 * row.seconds.item():.0f})" if len(row) else "")
            shown.add_row(f"{value:g}", *cells)
        console.print(shown)
    console.print("* the default; 0.0 is the reference of its column")


def is_default(kind: str, value: float, name: str) -> bool:
    """Whether this is the preset's; the 100× is propagated at twice the camera's pixel and its images upsampled."""
    scope = SCOPES[name]
    chosen = {
        "slice (µm)": scope.slice_um,
        "source points": scope.source_points,
        "pixel (µm)": scope.pixel_um * (2 if name.startswith("100x") else 1),
    }
    return abs(chosen[kind] - value) < 1e-9


def plot(path: Path, table: pd.DataFrame) -> None:
    """Error against each setting above a row of the pictures it is about."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 1, height_ratios=[1.5, 1])
    upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    for ax, (kind, rows) in zip(upper.subplots(1, 3, sharey=True), table.groupby("setting", sort=False), strict=True):
        for name in SCOPES:
            line = rows.query("microscope == @name and error > 1e-9").sort_values("value")
            (drawn,) = ax.plot(line.value, 100 * line.error, "o-", ms=4, label=name)
            chosen = line[[is_default(str(kind), float(v), name) for v in line.value]]
            ax.plot(chosen.value, 100 * chosen.error, "o", ms=11, mfc="none", color=drawn.get_color())
        ax.axhline(100 * DEFAULT_ERROR, color="0.6", lw=0.8, ls="--")
        ax.set_xlabel(f"{kind}; default circled")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.grid(alpha=0.2)
        ax.set_xticks(sorted(rows[rows.error > 1e-9].value.unique()))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.tick_params(axis="x", labelsize=7)
    upper.axes[0].set_ylabel("error (% of RMS contrast)")
    upper.axes[0].legend(frameon=False, fontsize=8)
    pictures = lower.subplots(len(SCOPES) - 1, len(FOCUS_UM))
    for row, (name, scope) in zip(pictures, list(SCOPES.items())[:2], strict=True):
        field, _ = render(scope, 0.11, 0.25)
        for ax, focus, image in zip(row, FOCUS_UM, field.images(FOCUS_UM), strict=True):
            middle = slice(image.shape[0] // 4, -image.shape[0] // 4)
            ax.imshow(image[middle, middle], cmap="gray", vmin=0.4, vmax=1.8)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_title(f"{focus:+g} µm", fontsize=8)
        row[0].set_ylabel(name, fontsize=8)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=130)


if __name__ == "__main__":
    sys.exit(exit_code("optics_convergence", lambda: tyro.cli(main)))
