"""``microtwin render --scene``: one frame of the pushing rig."""

from pathlib import Path


def render_scene(
    seed: int,
    out: Path,
    shape: tuple[int, int] = (512, 640),
    binning: int = 2,
    focus: float = 0.0,
    cells: int = 6,
    debris: int = 12,
) -> int:
    """The settings of :func:`microtwin.cli.render.render` that make a scene."""
    import math

    from microtwin import files
    from microtwin.cli.render_robot import check_picture
    from microtwin.errors import InputError
    from microtwin.optics.scene import Camera

    for name, value in (("cells", cells), ("debris", debris)):
        if value < 0:
            raise InputError(f"{name} is {value}: give 0 or more")
    if not (math.isfinite(focus) and abs(focus) <= 50):
        raise InputError(f"focus is {focus} µm: give -50 to 50, 0 is the bead's centre")
    check_picture(out)
    camera = Camera(shape=shape, binning=binning, focus_um=_RADIUS_UM + focus)
    places = _lay_out(camera, seed, cells, debris)  # its own checks before any work
    files.open_folder(out.parent)
    data = _picture(camera, seed, places)
    with files.whole(out) as temporary:
        temporary.write_bytes(data)
    print(f"wrote {out}")
    return 0


_RADIUS_UM = 5.0
_APART_UM = 11.0  # robot and bead, centre to centre: about to push
_CELL_UM = (6.0, 7.5)  # radii, CHO
_DEBRIS_UM = (0.5, 1.5)


def _lay_out(camera, seed: int, cells: int, debris: int) -> list[tuple[str, float, float, float]]:
    """(kind, radius, x, y) of all bodies, none touching: robot and bead round the middle, the rest anywhere in sight.

    Raises:
        InputError: a frame larger than the chip, or bodies that do not fit in it.
    """
    import math

    import numpy as np

    from microtwin.errors import InputError
    from microtwin.optics import Microscope, Sensor

    rows, columns = camera.shape
    chip = [n // camera.binning for n in Sensor.shape]
    if rows > chip[0] or columns > chip[1]:
        raise InputError(f"frame of {rows} × {columns} is larger than the chip of {chip[0]} × {chip[1]}: bin or crop")
    half = 0.5 * Microscope.objective_20x().pixel_um * camera.binning * np.array([columns, rows])
    if half.min() < 2 * _RADIUS_UM:
        raise InputError(
            f"frame of {rows} × {columns} shows {2 * half.min():.0f} µm: give at least {4 * _RADIUS_UM:g} µm"
        )
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * math.pi)
    x, y = 0.5 * _APART_UM * math.cos(angle), 0.5 * _APART_UM * math.sin(angle)
    placed = [("robot", _RADIUS_UM, -x, -y), ("bead", _RADIUS_UM, x, y)]
    wanted = [("cell", rng.uniform(*_CELL_UM)) for _ in range(cells)]
    wanted += [("debris", rng.uniform(*_DEBRIS_UM)) for _ in range(debris)]
    for kind, radius in wanted:
        for _ in range(1000):
            x, y = rng.uniform(-half, half)
            if all(math.hypot(x - other[2], y - other[3]) > radius + other[1] + 1 for other in placed):
                placed.append((kind, radius, x, y))
                break
        else:
            raise InputError(f"{cells} cells and {debris} specks do not fit in the frame: give fewer or a larger frame")
    return placed


def _picture(camera, seed: int, places: list[tuple[str, float, float, float]]) -> bytes:
    """The frame as a PNG file's contents; the robot's cap looks anywhere."""
    import cv2
    import numpy as np

    from microtwin.optics import Microscope
    from microtwin.optics.appearance import Appearance
    from microtwin.optics.scene import Scene
    from microtwin.scene import MEDIUM_INDEX, WATER_INDEX

    medium = MEDIUM_INDEX if any(kind == "cell" for kind, *_ in places) else WATER_INDEX
    looks = [
        Appearance(kind, radius, seed=1000 * seed + k if kind == "cell" else 0)  # type: ignore[arg-type]
        for k, (kind, radius, *_) in enumerate(places)
    ]
    positions = np.array([(x, y, radius) for _, radius, x, y in places])  # all rest on the glass
    rng = np.random.default_rng([seed, 1])
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (len(places), 1))
    turns[0] = (turn := rng.standard_normal(4)) / np.linalg.norm(turn)
    view = Scene(
        looks, positions[:, 2].tolist(), microscope=Microscope.objective_20x(medium_index=medium), camera=camera
    )
    frame = view.expose(positions, turns, np.zeros_like(positions), rng)
    return cv2.imencode(".png", frame)[1].tobytes()
