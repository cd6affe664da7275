"""OTMR on disk: the names of folders and images, and the lines of label files. Nothing here draws.

    Image_Pose/<robot>/P30_R5/video_<robot>_00000_00012.jpg
    Image_Pose/<robot>/P30_R5/P30_R5_depth.txt      ('video_<robot>_00000_00012.jpg', 0.8930)    scaled 0 to 1
    Image_Depth/<robot>/video_<robot>_00000_00012.jpg
    Image_Depth/<robot>/<robot>.txt                 video_<robot>_00000_00012.jpg 3.2500         µm

The published loaders pair lines with images by sorted name and take the first .txt of a depth folder, so names sort in
the order of their numbers, lines in that of the names, and a depth folder holds one .txt. They list hidden files too.
"""

import math
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose

POSE_TREE, DEPTH_TREE = "Image_Pose", "Image_Depth"
LARGEST = 99_999  # sequence or frame: five digits sort as numbers do
DECIMALS = 4  # of a depth: 0.1 nm, or as fine a share of a sequence's range
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_IMAGE = re.compile(r".*\.(png|jpe?g)", re.IGNORECASE)

StrPath = str | os.PathLike[str]


def pose_folder(root: StrPath, robot_folder: str, pose: Pose) -> Path:
    """Where the images of one class of the pose task are."""
    return Path(root) / POSE_TREE / _checked(robot_folder) / pose.name


def depth_folder(root: StrPath, robot_folder: str) -> Path:
    """Where the images of one robot of the depth task are."""
    return Path(root) / DEPTH_TREE / _checked(robot_folder)


def depth_file(folder: Path) -> Path:
    """The one label file of a depth folder."""
    return folder / f"{folder.name}.txt"


def scaled_depth_file(folder: Path) -> Path:
    """The label file of the per-pose variant."""
    return folder / f"{folder.name}_depth.txt"


def image_name(robot_folder: str, sequence: int, frame: int) -> str:
    """File name of a frame; names sort by sequence, then by frame.

    Raises:
        InputError: a number below 0 or above 99,999, or a robot's folder whose name would break a label line.
    """
    for what, number in (("sequence", sequence), ("frame", frame)):
        if not 0 <= number <= LARGEST:
            raise InputError(f"{what} is {number}: give 0 to {LARGEST}, more digits would not sort")
    return f"video_{_checked(robot_folder)}_{sequence:05d}_{frame:05d}.jpg"


def is_image(name: str) -> bool:
    """Whether the published loaders take a file of that name for an image; hidden files are left out."""
    return _IMAGE.fullmatch(name) is not None and not name.startswith(".")


def scaled(depths_um: Sequence[float] | np.ndarray) -> np.ndarray:
    """One sequence's depths from 0 at its lowest to 1 at its highest; 0 everywhere if it does not move."""
    depths = np.asarray(depths_um, dtype=float)
    low = depths.min(initial=math.inf)
    return (depths - low) / (float(np.ptp(depths)) or 1.0) if depths.size else depths


def depth_lines(names: Sequence[str], depths_um: Sequence[float] | np.ndarray) -> str:
    """Text of a depth folder's label file: name and µm, one line per image.

    Raises:
        InputError: names that are not sorted or not as many as depths, or a depth that is not finite.
    """
    return "".join(f"{name} {depth}\n" for name, depth in _paired(names, depths_um))


def scaled_depth_lines(names: Sequence[str], depths: Sequence[float] | np.ndarray) -> str:
    """Text of a pose folder's label file: the pairs ``('name', depth)``, depth from 0 to 1.

    Raises:
        InputError: as :func:`depth_lines`, or a depth outside 0 to 1.
    """
    for depth in depths:
        if not 0 <= depth <= 1:
            raise InputError(f"scaled depth is {depth}: give 0 to 1, as layout.scaled does")
    return "".join(f"('{name}', {depth})\n" for name, depth in _paired(names, depths))


def parse_depths(path: Path) -> list[tuple[str | None, float]]:
    """Per line of a depth folder's label file: the image it names, if it does, and the last column, µm.

    Raises:
        InputError: a file that cannot be read, or a line without a finite number at its end.
    """
    pairs = []
    for place, line in _lines(path):
        columns = line.split()
        depth = _number(columns[-1] if columns else "", place, "end the line with a depth in µm")
        pairs.append((columns[0] if is_image(columns[0]) else None, depth))
    return pairs


def parse_scaled_depths(path: Path) -> dict[str, float]:
    """Scaled depth by image name, of a pose folder's label file.

    Raises:
        InputError: a file that cannot be read, a line that is no pair of name and depth, or a name that comes twice.
    """
    depths: dict[str, float] = {}
    for place, line in _lines(path):
        parts = line.strip().removeprefix("(").removesuffix(")").split(",")
        name = parts[0].strip().strip("'\"")
        if len(parts) != 2 or not name:
            raise InputError(f"{place}: {line.strip()!r} is no pair, write ('image.jpg', 0.893)")
        if name in depths:
            raise InputError(f"{place}: {name} has a depth already, leave one line")
        depths[name] = _number(parts[1], place, "write a depth from 0 to 1")
        if not 0 <= depths[name] <= 1:
            raise InputError(f"{place}: depth {depths[name]} is not scaled, write one from 0 to 1")
    return depths


def _checked(robot_folder: str) -> str:
    if not _PLAIN.fullmatch(robot_folder):
        raise InputError(f"robot folder {robot_folder!r}: give letters, digits, _ . and -, as robot_1_four_ball")
    return robot_folder


def _paired(names: Sequence[str], depths: Sequence[float] | np.ndarray) -> list[tuple[str, str]]:
    if len(names) != len(depths):
        raise InputError(f"{len(names)} images and {len(depths)} depths: give one depth for each image")
    for before, after in pairwise(names):
        if not before < after:
            raise InputError(f"image {after} follows {before}: give different names, sorted, as the loaders read them")
    for depth in depths:
        if not math.isfinite(depth):
            raise InputError(f"depth is {depth}: give a finite number")
    return [
        (name, f"{round(float(depth), DECIMALS) + 0.0:.{DECIMALS}f}") for name, depth in zip(names, depths, strict=True)
    ]


def _lines(path: Path) -> list[tuple[str, str]]:
    """(file and line number, line) of all lines."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): give a label file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not text in UTF-8: give a label file") from None
    return [(f"{path}, line {number}", line) for number, line in enumerate(text.splitlines(), 1)]


def _number(text: str, place: str, remedy: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{place}: {text.strip()!r} is not a finite number, {remedy}")
    return value
