"""Labelled pictures in memory, ready to be learnt from: what a folder of the OTMR kind holds for one task."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from microtwin.errors import InputError
from microtwin.perception.image_file import read_image
from microtwin.perception.labels import Kind, Labelled, labelled
from microtwin.perception.prepare import check_size, prepare
from microtwin.rig import LostError

_CHUNK = 64  # pictures a thread reads in one go


@dataclass(frozen=True, eq=False)
class Examples:
    """n pictures and what is known of each.

    Attributes:
        images: (n, s, s) uint8.
        pitch_deg, roll_deg: (n,) int16, −1 where unknown.
        depth: (n,) float32, NaN where unknown.
        depth_unit: ``um``, or ``scaled``: 0 to 1 within each sequence; None without depths.
        robot: (n,) int16, number 1 to 18, −1 where unknown.
        sequence: (n,) int32: pictures with the same number may show the same moment.
        paths: their files.
        kind: the task they were loaded for.
        skipped: files that were left out because they cannot be read.
    """

    images: np.ndarray
    pitch_deg: np.ndarray
    roll_deg: np.ndarray
    depth: np.ndarray
    depth_unit: Literal["um", "scaled"] | None
    robot: np.ndarray
    sequence: np.ndarray
    paths: list[str]
    kind: Kind = "pose"
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Pixels of a picture's side."""
        return self.images.shape[-1]

    def take(self, indices: ArrayLike) -> "Examples":
        """Some of them, in that order; ``indices`` as NumPy takes them, or a mask."""
        chosen = np.arange(len(self))[np.asarray(indices, dtype=None if np.size(indices) else int)]
        arrays = {
            field.name: value[chosen]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return replace(self, **arrays, paths=[self.paths[k] for k in chosen])


def load(
    folder: str | os.PathLike[str],
    size: int,
    *,
    robots: Iterable[int] = (),
    kind: Kind = "pose",
    unreadable: Literal["refuse", "skip"] = "refuse",
    report: Callable[[int, int], None] | None = None,
) -> Examples:
    """Read a folder: a generated data set, or anything that :func:`microtwin.otmr.read.read` knows.

    Pictures without the labels that ``kind`` asks for are left out, as those of the depth task are for ``pose``. A
    generated set has depths in µm; in real data, depths of posed robots are scaled from 0 to 1.

    Args:
        folder: of the data.
        size: pixels of a picture's side, 16 to 256.
        robots: numbers; none means all there are.
        kind: the labels that are needed: ``pose``, ``depth`` or ``joint``, which is both.
        unreadable: what to do about a picture that cannot be read, is cut off or shows no robot.
        report: called with the number of pictures read and that of all.

    Raises:
        InputError: no such folder, no labels of the kind, depths in two units, no picture of a robot asked for, or a
            picture that cannot be read.
    """
    check_size(size)
    if unreadable not in ("refuse", "skip"):
        raise InputError(f"unreadable is {unreadable!r}: give refuse or skip")
    labels = labelled(folder, kind, tuple(robots))
    images, problems = _read(labels.paths, size, unreadable == "refuse", report)
    if len(problems) == len(labels.paths):
        raise InputError(
            f"{folder}: none of its {len(problems)} images can be read, the first: {next(iter(problems.values()))}"
        )
    examples = _examples(images, labels, kind)
    if not problems:
        return examples
    skipped = tuple(labels.paths[k] for k in sorted(problems))
    return replace(examples.take([k for k in range(len(examples)) if k not in problems]), skipped=skipped)


def _examples(images: np.ndarray, labels: Labelled, kind: Kind) -> Examples:
    return Examples(
        images=images,
        pitch_deg=labels.pitch_deg,
        roll_deg=labels.roll_deg,
        depth=labels.depth,
        depth_unit=labels.depth_unit,
        robot=labels.robot,
        sequence=labels.sequence,
        paths=labels.paths,
        kind=kind,
    )


def _read(
    paths: list[str], size: int, refuse: bool, report: Callable[[int, int], None] | None
) -> tuple[np.ndarray, dict[int, str]]:
    """(n, size, size) uint8 and, by place, what is wrong with those that cannot be read.

    Raises:
        InputError: ``refuse``, and one cannot be read: the first in order, whichever thread is first.
    """
    images = np.zeros((len(paths), size, size), dtype=np.uint8)
    problems: dict[int, str] = {}

    def some(start: int) -> dict[int, str]:
        bad = {}
        for k in range(start, min(start + _CHUNK, len(paths))):
            try:
                images[k] = prepare(read_image(paths[k])[None], size)[0]
            except InputError as error:
                text = str(error)
                bad[k] = text if text.startswith(("cannot read", paths[k])) else f"{paths[k]}: {text}"
            except LostError as error:
                bad[k] = f"{paths[k]}: {error}"
        return bad

    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 8))  # OpenCV decodes without Python's lock
    try:
        for start, bad in zip(range(0, len(paths), _CHUNK), pool.map(some, range(0, len(paths), _CHUNK)), strict=True):
            if bad and refuse:
                raise InputError(next(iter(bad.values())))
            problems |= bad
            if report:
                report(min(start + _CHUNK, len(paths)), len(paths))
    finally:
        pool.shutdown(cancel_futures=True)  # an error or Ctrl-C does not wait for the rest
    return images, problems
