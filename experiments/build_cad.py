"""The 18 robots' STL files, the derived half of catalogue.toml and a contact sheet, from the sizes in catalogue.toml.

    python experiments/build_cad.py [--assets DIR] [--picture FILE] [--robots 3 17]

Sizes and provenance are read and kept; extent, volume, faces, symmetries and depth range are written anew. The same
sizes give the same bytes. The contact sheet shows every robot from above and from the side, all at one scale.
"""

import math
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import trimesh
import tyro
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from trimesh.exchange.stl import export_stl

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.robots.catalogue import cad_folder, records, stl_name
from microtwin.robots.designs import design
from microtwin.robots.shapes import overlap_um3

LARGEST_BYTES = 2**20
SAME_OVERLAP = 0.985  # of the volume: facets that fall on other facets cost up to 1 %
SAME_EXTENT_UM = 0.03
USUAL_DEPTH_UM = 12.0
# The OTMR paper's Table IV, CNN to NAS: MSE in µm² ("MSE in µm" there), and R² in thousandths below 1
DEPTH_SCORES = {
    8: ((0.052, 0.113, 0.053, 0.043, 0.048, 0.055, 0.054, 0.046), (4, 6, 4, 2, 4, 4, 4, 3)),
    10: ((0.479, 0.504, 0.082, 0.075, 0.068, 0.093, 0.076, 0.118), (35, 37, 6, 6, 5, 7, 6, 8)),
    12: ((0.104, 0.191, 0.081, 0.074, 0.101, 0.098, 0.096, 0.087), (8, 15, 7, 6, 8, 8, 8, 8)),
    14: ((0.520, 0.371, 0.299, 0.307, 0.238, 0.253, 0.232, 0.258), (22, 16, 13, 13, 10, 11, 10, 11)),
    16: ((0.219, 0.364, 0.063, 0.034, 0.084, 0.064, 0.048, 0.017), (17, 28, 5, 3, 7, 5, 4, 2)),
    18: ((0.852, 0.311, 0.059, 0.054, 0.078, 0.186, 0.011, 0.051), (60, 22, 5, 4, 6, 14, 1, 4)),
}
ARMS_ALONG_Y = (4, 18)  # these are seen from +x on the sheet, the others from −y: the side that shows the arms rise


def depth_range_um(number: int) -> float:
    """Length of a uniform depth sweep with the published variance, MSE/(1 − R²), over all models of the table."""
    if number not in DEPTH_SCORES:
        return USUAL_DEPTH_UM
    squares, unexplained = DEPTH_SCORES[number]
    return round(math.sqrt(12.0 * sum(squares) / (1e-3 * sum(unexplained))), 1)


def symmetries(mesh: trimesh.Trimesh) -> list[tuple[tuple[float, float, float], int]] | str:
    """Proper rotations about the centroid that keep the body: the highest order, 2 to 8, of each axis; or ``all``.

    Axes tried: x, y, z and those in the xy-plane every 22.5°.
    """
    if all(_is_same(mesh, axis, 1.0) for axis in np.eye(3)):  # 1 rad is no fraction of a turn
        return "all"
    plane = [(math.cos(a), math.sin(a), 0.0) for a in np.radians(np.arange(0.0, 180.0, 22.5))]
    found = []
    for axis in [(0.0, 0.0, 1.0), *plane]:
        for order in range(8, 1, -1):
            if _is_same(mesh, axis, 2.0 * math.pi / order):
                x, y, z = (round(value, 9) + 0.0 for value in axis)
                found.append(((x, y, z), order))
                break
    return found


def write_catalogue(tables: dict[int, dict[str, Any]], path: Path) -> None:
    """catalogue.toml from its tables."""
    lines = ["# The sizes are the source; experiments/build_cad.py writes the other numbers from them. µm, degrees."]
    for number, table in tables.items():
        lines += ["", f"[robot.{number}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items() if key != "sizes"]
        lines += ["", f"[robot.{number}.sizes]"] + [f"{key} = {_toml(value)}" for key, value in table["sizes"].items()]
    with files.whole(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def build(number: int, table: dict[str, Any], folder: Path) -> tuple[dict[str, Any], trimesh.Trimesh]:
    """Write one robot's STL; its table with the derived numbers, and its mesh."""
    mesh = design(number).mesh(**table["sizes"])
    with files.whole(folder / stl_name(number)) as temporary:
        temporary.write_bytes(export_stl(mesh))
    if (size := (folder / stl_name(number)).stat().st_size) > LARGEST_BYTES:
        raise InputError(f"{stl_name(number)} has {size} bytes: raise CHORD_UM in shapes.py")
    found = symmetries(mesh)
    derived = {
        "size_um": [round(float(value), 3) for value in mesh.extents],
        "volume_um3": round(float(mesh.volume), 3),
        "faces": len(mesh.faces),
        "symmetries": found if found == "all" else [{"axis": axis, "order": order} for axis, order in found],
        "depth_range_um": depth_range_um(number),
    }
    kept = {key: table[key] for key in ("name", "folder", "folder_published", "provenance")}
    return kept | derived | {"sizes": table["sizes"]}, mesh


def draw(tables: dict[int, dict[str, Any]], meshes: dict[int, trimesh.Trimesh], picture: Path) -> None:
    """The contact sheet: name, view from above, view from the side."""
    columns = 3
    rows = math.ceil(len(meshes) / columns)
    figure = Figure(figsize=(12.0, 2.15 * rows), dpi=100)
    grid = figure.subplots(rows, 2 * columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for place, (number, mesh) in enumerate(meshes.items()):
        row, column = divmod(place, columns)
        above, side = grid[row, 2 * column], grid[row, 2 * column + 1]
        triangles = mesh.triangles
        shade(above, triangles)
        shade(side, triangles[..., [1, 2, 0]] if number in ARMS_ALONG_Y else triangles[..., [0, 2, 1]] * (1, 1, -1))
        above.set_title(f"{number}  {tables[number]['name']}", loc="left", fontsize=8.5, x=-0.02)
        if place == 0:
            above.plot([-5.8, -2.8], [-5.4, -5.4], color="black", linewidth=2)
            above.text(-4.3, -5.2, "3 µm", ha="center", va="bottom", fontsize=8)
            above.text(5.9, -5.6, "from above", ha="right", fontsize=8)
            side.text(5.9, -5.6, "from the side", ha="right", fontsize=8)
    figure.subplots_adjust(left=0.01, right=0.995, bottom=0.005, top=0.965, wspace=0.02, hspace=0.14)
    with files.whole(picture) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def shade(axes: Axes, triangles: np.ndarray) -> None:
    """(F, 3, 3) triangles seen along −z, far ones first, lit over the left shoulder."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    facing = normals[:, 2] > 0
    triangles, normals = triangles[facing], normals[facing]
    order = np.argsort(triangles[:, :, 2].mean(axis=1), kind="stable")
    triangles, normals = triangles[order], normals[order]
    light = np.array([-1.0, 1.0, 1.6]) / math.sqrt(1 + 1 + 1.6**2)
    shade = 0.35 + 0.65 * np.clip(normals @ light, 0.0, 1.0)
    near = np.clip((triangles[:, :, 2].mean(axis=1) + 6.0) / 12.0, 0.0, 1.0)  # nearer is lighter
    colours = np.clip(shade[:, None] * (0.55 + 0.45 * near[:, None]) * (0.72, 0.86, 1.0), 0.0, 1.0)
    # an edge of the same colour closes the hairlines between neighbours
    axes.add_collection(
        PolyCollection(
            list(triangles[:, :, :2]), facecolors=colours, edgecolors=colours, linewidths=0.3, rasterized=True
        )
    )
    axes.set(xlim=(-6.0, 6.0), ylim=(-6.0, 6.0), aspect="equal")


def _is_same(mesh: trimesh.Trimesh, axis: Any, angle: float) -> bool:
    """Does a turn about an axis through the centroid keep the body?"""
    turned = mesh.copy()
    turned.apply_transform(trimesh.transformations.rotation_matrix(angle, axis, mesh.center_mass))
    # how far both reach in many directions: cheap, and enough to rule most turns out
    directions = trimesh.creation.icosphere(subdivisions=2).vertices.T
    if np.abs((mesh.vertices @ directions).max(0) - (turned.vertices @ directions).max(0)).max() > SAME_EXTENT_UM:
        return False
    return overlap_um3(mesh, turned) >= SAME_OVERLAP * mesh.volume


def _toml(value: Any) -> str:
    """A value as TOML; rows of tables stay in one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(int(value)) if isinstance(value, int) else repr(float(value))


def main(assets: Path | None = None, picture: Path | None = None, robots: tuple[int, ...] = ()) -> int:
    """Build the robots' meshes.

    Args:
        assets: folder of catalogue.toml, where the STL files go; the project's own by default.
        picture: the contact sheet (PNG); none is drawn unless a name is given.
        robots: numbers to build; all by default.
    """
    matplotlib.use("Agg")
    folder = assets or cad_folder()
    tables = records(folder / "catalogue.toml")
    if unknown := sorted(set(robots) - set(tables)):
        raise InputError(f"no robot {unknown[0]}: choose {min(tables)} to {max(tables)}")
    report = Table("robot", "name", "size, µm", "volume, µm³", "faces", "kB", "symmetries", "depth, µm")
    meshes = {}
    for number in robots or tuple(tables):
        tables[number], meshes[number] = build(number, tables[number], folder)
        table, found = tables[number], tables[number]["symmetries"]
        report.add_row(
            str(number),
            table["name"],
            " × ".join(f"{value:.2f}" for value in table["size_um"]),
            f"{table['volume_um3']:.1f}",
            str(table["faces"]),
            f"{(folder / stl_name(number)).stat().st_size / 1e3:.0f}",
            found if found == "all" else "; ".join(f"{s['order']} about {_named(s['axis'])}" for s in found) or "none",
            f"{table['depth_range_um']:g}",
        )
    write_catalogue(tables, folder / "catalogue.toml")
    if picture:
        draw(tables, meshes, picture)
    Console(width=160).print(report)
    return 0


def _named(axis):
    """x, y or z, or the angle of an axis in the xy-plane."""
    names = {(1.0, 0.0, 0.0): "x", (0.0, 1.0, 0.0): "y", (0.0, 0.0, 1.0): "z"}
    return names.get(tuple(axis)) or f"{math.degrees(math.atan2(axis[1], axis[0])):g}°"


if __name__ == "__main__":
    sys.exit(exit_code("build_cad", lambda: tyro.cli(main)))
