"""Labelled images from OTMR folders, the group's own or synthetic ones, as one list of samples.

What counts: the tree of :mod:`microtwin.otmr.layout`, either half of it, one robot's folder, a folder of P30_R5
folders, or a flat folder of crops whose names say the robot or the pose. Images are opened when asked for.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.layout import (
    DEPTH_TREE,
    POSE_TREE,
    is_image,
    parse_depths,
    parse_scaled_depths,
    scaled_depth_file,
)
from microtwin.otmr.pose import Pose

_POSE_FOLDER = re.compile(r"P(\d+)_R(\d+)", re.IGNORECASE)
_ROBOT = re.compile(r"robot_?(\d+)(?=_|$)")
_VIDEO = re.compile(r"(video_.+)_\d+")
_CROP = re.compile(r"(?:robot_?(\d+)(?=_|$)_?)?(?:P(\d+)_R(\d+)(?=_|$))?(?:_depth(\d+(?:\.\d+)?))?(?:_?frame_\d+)?")
_EXPECTED = (
    f"{POSE_TREE} and {DEPTH_TREE}, robot folders, P30_R5 folders, or crops named P30_R5_depth0.81.png or robot_08.png"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One image and what is known of it; None is unknown.

    Attributes:
        robot: number from 1 to 18, from the folder's or the file's name.
        depth: in µm, or scaled 0 to 1 within its sequence, as ``depth_unit`` says.
        sequence: images with the same one may show the same moment: keep them on one side of a split.
    """

    path: Path
    robot: int | None
    robot_folder: str
    pose: Pose | None
    depth: float | None
    depth_unit: Literal["um", "scaled"] | None
    sequence: str

    def image(self) -> np.ndarray:
        """(H, W) uint8 grey.

        Raises:
            InputError: the file is gone or is no image.
        """
        import cv2

        try:
            data = np.frombuffer(self.path.read_bytes(), dtype=np.uint8)
        except OSError as error:
            raise InputError(f"cannot read {self.path} ({error.strerror or error}): restore it") from None
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if image is None:
            raise InputError(f"{self.path} is no image that can be read: restore it or move it away")
        return np.asarray(image, dtype=np.uint8)


def read(root: str | os.PathLike[str]) -> list[Sample]:
    """All samples under a folder, by robot, then by path.

    Raises:
        InputError: no such folder, nothing in it that is known, or labels that do not fit the images.
    """
    folder = Path(os.path.abspath(root))  # "." has no name
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one with {_EXPECTED}")
    samples = [sample for robot_folder in _robot_folders(folder) for sample in _robot(robot_folder)] or _crops(folder)
    if not samples:
        raise InputError(f"{folder} holds no images that are known: give a folder with {_EXPECTED}")
    return samples


def _robot_folders(folder: Path) -> Iterable[Path]:
    trees = [tree for name in (POSE_TREE, DEPTH_TREE) if (tree := folder / name).is_dir()]
    if not trees and (_is_crops(folder) or _images(folder) or _pose_folders(folder)):
        return [folder]
    found = [child for tree in trees or [folder] for child in _folders(tree)]
    return sorted(found, key=lambda one: (_number(one.name) or 0, one))


def _robot(folder: Path) -> list[Sample]:
    """Of one robot's folder, of either task, or of a single pose's."""
    if _POSE_FOLDER.match(folder.name):
        return _posed(folder, folder.parent.name)
    samples = [sample for pose in _pose_folders(folder) for sample in _posed(pose, folder.name)]
    if _images(folder) and not _is_crops(folder):
        samples += _at_depths(folder)
    return samples


def _posed(folder: Path, robot_folder: str) -> list[Sample]:
    """Of one pose's folder, with depths where it has them."""
    match = _POSE_FOLDER.match(folder.name)
    assert match
    pose = _pose(match[1], match[2], folder)
    paths = sorted(path for path in folder.rglob("*") if is_image(path.name))
    labels = scaled_depth_file(folder)
    depths = parse_scaled_depths(labels) if labels.is_file() else None
    if depths is not None and sorted(depths) != sorted(path.name for path in paths):
        odd = sorted(set(depths) ^ {path.name for path in paths}) or ["an image name that comes twice"]
        raise InputError(f"{labels} has {len(depths)} lines for {len(paths)} images, {odd[0]} is on one side only")
    unit = None if depths is None else "scaled"
    return [
        _sample(path, robot_folder, pose, depths[path.name] if depths else None, unit, folder.name) for path in paths
    ]


def _at_depths(folder: Path) -> list[Sample]:
    """Of one robot's folder of the depth task."""
    paths = _images(folder)
    labels = sorted(path for path in folder.iterdir() if path.suffix == ".txt")
    if len(labels) != 1:
        raise InputError(
            f"{folder} holds {len(paths)} images and {len(labels)} .txt files: give it one, with a depth per line"
        )
    lines = parse_depths(labels[0])
    if len(lines) != len(paths):
        raise InputError(f"{labels[0]} has {len(lines)} lines for {len(paths)} images: give one line for each")
    samples = []
    for number, (path, (name, depth)) in enumerate(zip(paths, lines, strict=True), 1):
        if name is not None and name != path.name:
            raise InputError(
                f"{labels[0]}, line {number} names {name} where {path.name} comes: sort lines as the files"
            )
        samples.append(_sample(path, folder.name, None, depth, "um", ""))
    return samples


def _crops(folder: Path) -> list[Sample]:
    """Of a flat folder of crops that are named after what they show."""
    samples = []
    for path in _images(folder):
        match = _CROP.fullmatch(path.stem)
        if not match or not (match[1] or match[2]):
            raise InputError(f"{path}: name it as P30_R5_depth0.81.png or robot_08.png, or move it away")
        pose = _pose(match[2], match[3], path) if match[2] else None
        depth = None if match[4] is None else float(match[4])
        robot = int(match[1]) if match[1] else _number(folder.name)
        name = "_".join(part for part in (match[1] and f"robot_{match[1]}", pose and pose.name) if part)
        unit = None if depth is None else "scaled"
        samples.append(Sample(path, robot, folder.name, pose, depth, unit, f"{folder.name}/{name}"))
    return samples


def _sample(path, robot_folder, pose, depth, unit, place) -> Sample:
    video = _VIDEO.fullmatch(path.stem)
    sequence = f"{robot_folder}/{video[1] if video else place}"
    return Sample(path, _number(robot_folder), robot_folder, pose, depth, unit, sequence.rstrip("/"))


def _is_crops(folder: Path) -> bool:
    return any((match := _CROP.fullmatch(path.stem)) and (match[1] or match[2]) for path in _images(folder))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path.name))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pose_folders(folder: Path) -> list[Path]:
    return [path for path in _folders(folder) if _POSE_FOLDER.match(path.name)]


def _number(name: str) -> int | None:
    match = _ROBOT.match(name)
    return int(match[1]) if match else None


def _pose(pitch: str, roll: str, path: Path) -> Pose:
    try:
        return Pose(int(pitch), int(roll))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
