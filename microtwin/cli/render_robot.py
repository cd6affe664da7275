"""``microtwin render --robot`` or ``--mesh``: one microrobot through the 100× oil objective."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from microtwin.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from microtwin.cli.render_body import Body
    from microtwin.otmr.draw import Draw

_LEAN_UM = 1.0  # by which depths of the data set exceed a label's own: its bodies lean off the label
_MOST = 500  # pictures of a stack
_ROW = 6  # pictures in a row of a montage
_CAPTION_PX = 22


def render_robot(
    body: Body,
    pose: tuple[int, int],
    in_plane_deg: float | None,
    depths: tuple[float, float, int],
    frame: bool,
    randomise: bool,
    seed: int,
    out: Path,
) -> int:
    """Draw a body; settings of :func:`microtwin.cli.render.render`.

    Raises:
        InputError: a bad value; nothing is written.
    """
    from dataclasses import replace

    import numpy as np

    from microtwin import files
    from microtwin.otmr.framing import CROP, FRAME
    from microtwin.otmr.pose import Pose
    from microtwin.otmr.randomisation import Randomisation
    from microtwin.otmr.render import middle_um, orientation, render_sequence

    turned = Pose(*pose)
    if in_plane_deg is not None and not (math.isfinite(in_plane_deg) and abs(in_plane_deg) <= 360):
        raise InputError(f"in-plane is {in_plane_deg}°: give -360 to 360")
    low, high, count = depths
    _check_stack(low, high, count)
    many_files = count > 1 and not out.suffix
    if not many_files:
        check_picture(out)
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there and not an empty folder: give a new one, or a file that ends in .png")
    rng = np.random.default_rng(seed)
    draw = (Randomisation() if randomise else Randomisation.off()).draw(rng)
    if in_plane_deg is not None or not randomise:
        draw = replace(draw, in_plane_deg=in_plane_deg or 0.0)
    turn = orientation(turned, draw)
    _check_depths(body, turn, draw, low, high)
    warning = _check_size(body, turn, frame)
    x, y = middle_um(body.mesh, turn)
    at = np.linspace(low, high, count)
    files.open_folder(out if many_files else out.parent)
    if warning:
        print(f"microtwin: {warning}", file=sys.stderr)
    images = render_sequence(body.mesh, turned, at, draw, rng, FRAME if frame else CROP, (-x, -y))
    pictures = {out / f"{k:03d}_depth{depth:+.2f}.png": images[k] for k, depth in enumerate(at)}
    if not many_files:
        pictures = {out: images[0] if count == 1 else _montage(images, at)}
    for path, picture in pictures.items():
        _write(path, picture)
    print(f"wrote {out}" + (f": {count} pictures" if many_files else ""))
    return 0


def _check_stack(low: float, high: float, count: int) -> None:
    if not 1 <= count <= _MOST:
        raise InputError(f"stack of {count} pictures: give 1 to {_MOST}")
    if high < low:
        raise InputError(f"stack from {low:g} to {high:g} µm: give the lower depth first")
    if count == 1 and low < high:
        raise InputError(f"stack from {low:g} to {high:g} µm in 1 picture: give 2 or more")


def _check_depths(body: Body, turn: np.ndarray, draw: Draw, low: float, high: float) -> None:
    """Depths may be anywhere in the sweep about the body's origin or about its middle, as the data set's are."""
    from microtwin.otmr.render import depth_limits_um

    half = body.depth_range_um / 2
    sweep = depth_limits_um(body.mesh, turn, draw, body.depth_range_um)
    least, most = math.floor(min(sweep[0], -half)) - _LEAN_UM, math.ceil(max(sweep[1], half)) + _LEAN_UM
    for depth in (low, high):
        if not least <= depth <= most:  # nor NaN
            raise InputError(f"depth is {depth:g} µm: give {least:g} to {most:g} for {body.name} in this pose")


def _check_size(body: Body, turn: np.ndarray, frame: bool) -> str:
    """The warning to give, of a suspect unit or a body that the crop cuts; "" for none.

    Raises:
        InputError: the frame does not hold the body in this pose.
    """
    import numpy as np

    from microtwin.otmr.depth import STAGE_PER_BAR
    from microtwin.otmr.framing import CROP, FRAME, PIXEL_UM

    true_px_um = PIXEL_UM * STAGE_PER_BAR
    across = np.ptp((np.asarray(body.mesh[0]) @ turn.T)[:, :2], axis=0) * STAGE_PER_BAR  # x, y
    said = f"{body.name} is {across[0]:.3g} × {across[1]:.3g} µm in this pose"
    for name, shape in (("frame", FRAME), ("crop", CROP)):
        holds = true_px_um * np.array(shape[::-1])
        if (across <= holds).all() or (frame and name == "crop"):
            continue
        said += f", the {name} {holds[0]:.0f} × {holds[1]:.0f} µm"
        if name == "frame":
            raise InputError(f"{said}: turn or rescale it, or give its --unit")
        return body.warning or f"{said}: give --frame to see all of it"
    return body.warning


def check_picture(out: Path) -> None:
    """Raises InputError unless ``out`` can become a PNG file."""
    if out.suffix.lower() != ".png":
        raise InputError(f"out is {out}: give a file that ends in .png")
    if out.is_dir():
        raise InputError(f"out is {out}, a folder: give a file that ends in .png")


def _montage(images: np.ndarray, depths_um: np.ndarray) -> np.ndarray:
    """All pictures in rows of six, each under its depth."""
    import cv2
    import numpy as np

    cells = []
    for image, depth in zip(images, depths_um, strict=True):
        cell = cv2.copyMakeBorder(image, _CAPTION_PX, 2, 1, 1, cv2.BORDER_CONSTANT, value=255)  # type: ignore[call-overload]
        text = f"depth {depth:+.2f} um"
        cells.append(cv2.putText(cell, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0, 1, cv2.LINE_AA))  # type: ignore[call-overload]
    columns = min(len(cells), _ROW)
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % columns)
    return np.vstack([np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)])


def _write(path: Path, picture: np.ndarray) -> None:
    import cv2

    from microtwin import files

    with files.whole(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
