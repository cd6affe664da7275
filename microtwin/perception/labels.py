"""What a folder's labels say, as arrays: the table of a generated data set, or the names and label files of OTMR."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.otmr.read import Sample, read
from microtwin.otmr.store import SETTINGS

Kind = Literal["pose", "depth", "joint"]
Unit = Literal["um", "scaled"]
KINDS: tuple[Kind, ...] = ("pose", "depth", "joint")
UNKNOWN = -1  # pitch, roll or robot
_TABLE = "metadata.parquet"  # microtwin.otmr.assemble.TABLE, which would load pandas for every checkpoint
_NEEDED = {"pose": "poses", "depth": "depths", "joint": "images with both pose and depth"}


@dataclass(frozen=True, eq=False)
class Labelled:
    """n files and their labels, as :class:`microtwin.perception.examples.Examples` has them."""

    paths: list[str]
    pitch_deg: np.ndarray
    roll_deg: np.ndarray
    depth: np.ndarray
    depth_unit: Unit | None
    robot: np.ndarray
    sequence: np.ndarray


def labelled(folder: str | os.PathLike[str], kind: Kind, robots: tuple[int, ...] = ()) -> Labelled:
    """The images of a folder that have the labels of a task; only those robots' unless there are none.

    Raises:
        InputError: an unknown kind, no such folder, no images or labels in it, a robot that it does not have, labels on
            some images of a robot but not on others, depths in two units.
    """
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}: give {', '.join(KINDS)}")
    rows = _rows(Path(folder))
    there = {row.robot for row in rows if row.robot is not None}
    for robot in robots:
        if robot not in there:
            raise InputError(f"{folder} has no robot {robot}: it has {_listed(there)}")
    if robots:
        rows = [row for row in rows if row.robot in robots]
    chosen = [row for row in rows if (kind == "depth" or row.posed) and (kind == "pose" or row.depth is not None)]
    if not chosen:
        raise InputError(f"{folder} has no {_NEEDED[kind]} for {kind}: {_remedy(rows)}")
    _check_gaps(rows, chosen, kind)
    units: set[Unit | None] = {row.depth_unit for row in chosen if row.depth is not None}
    if len(units) > 1 and kind != "pose":
        raise InputError(f"{folder} has depths in µm and scaled ones: give the robots or the folder of one kind")
    return _arrays(chosen, units.pop() if len(units) == 1 else None)


@dataclass(frozen=True, slots=True)
class _Row:
    """One image. ``posed``: its pose is a label, not only how a robot of the depth task lies."""

    path: str
    robot: int | None
    pose: Pose | None
    posed: bool
    depth: float | None
    depth_unit: Unit | None
    sequence: tuple[int | None, int | str]


def _rows(folder: Path) -> list[_Row]:
    if (folder / _TABLE).is_file():
        return _table(folder)
    if (folder / SETTINGS).is_file():
        raise InputError(f"{folder} is not complete: run the command that began it again, then train on it")
    return [_row(sample) for sample in read(folder)]


def _table(folder: Path) -> list[_Row]:
    import pandas as pd

    columns = ["path", "task", "robot", "pitch_deg", "roll_deg", "depth_um", "sequence"]
    path = folder / _TABLE
    try:
        table = pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's errors are among them
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path} is not a data set's table ({reason}): make the data set again") from None
    return [
        _Row(
            path=str(folder / name),
            robot=int(robot),
            pose=Pose(int(pitch), int(roll)),
            posed=task == "pose",
            depth=float(depth),
            depth_unit="um",
            sequence=(int(robot), int(sequence)),
        )
        for name, task, robot, pitch, roll, depth, sequence in table.itertuples(index=False, name=None)
    ]


def _row(sample: Sample) -> _Row:
    pose = sample.pose
    place = (sample.robot, sample.sequence)
    path, posed = str(sample.path), pose is not None
    return _Row(path, sample.robot, pose, posed, sample.depth, sample.depth_unit, place)


def _check_gaps(rows: list[_Row], chosen: list[_Row], kind: Kind) -> None:
    """Raises InputError if depths are wanted and some posed images of a robot have them while others do not."""
    if kind == "pose":
        return
    with_depth = {row.robot for row in chosen if row.posed}
    for row in rows:
        if row.posed and row.depth is None and row.robot in with_depth:
            raise InputError(f"{row.path} has no depth while others of its robot have: label it or move it away")


def _arrays(rows: list[_Row], unit: Unit | None) -> Labelled:
    codes: dict[tuple[int | None, int | str], int] = {}

    def angles(poses: list[Pose | None], name: str) -> np.ndarray:
        return np.array([getattr(p, name) if p else UNKNOWN for p in poses], dtype=np.int16)

    poses = [row.pose for row in rows]
    depths = [row.depth if unit and row.depth is not None else np.nan for row in rows]
    return Labelled(
        paths=[row.path for row in rows],
        pitch_deg=angles(poses, "pitch_deg"),
        roll_deg=angles(poses, "roll_deg"),
        depth=np.array(depths, dtype=np.float32),
        depth_unit=unit,
        robot=np.array([UNKNOWN if row.robot is None else row.robot for row in rows], dtype=np.int16),
        sequence=np.array([codes.setdefault(row.sequence, len(codes)) for row in rows], dtype=np.int32),
    )


def _remedy(rows: list[_Row]) -> str:
    has = [
        what
        for what, any_of in (("poses", any(r.posed for r in rows)), ("depths", any(r.depth is not None for r in rows)))
        if any_of
    ]
    if not has:
        return "give a folder with P30_R5 folders, or with a file of depths"
    return f"its images have {has[0]} only, ask for {has[0][:-1]}" if len(has) == 1 else "no image has both"


def _listed(robots: set[int]) -> str:
    return "robots " + ", ".join(map(str, sorted(robots))) if robots else "images of unknown robots"
