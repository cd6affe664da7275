"""Splits for cross-validation: which pictures are trained on, which choose and calibrate, which test.

Neighbours in a video are nearly the same picture. A split by sequence keeps each video on one side, and its scores say
what happens on a video never seen. A split by frame, as the OTMR paper's, deals out single pictures: nearly every
picture of the test has a neighbour in training, which is a leak, and its scores are those of a good memory.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.perception.examples import Examples

By = Literal["sequence", "frame"]
HELD = 1 / 8  # of what is left of each class after the test
_UNIT = {"sequence": "sequence", "frame": "image"}


@dataclass(frozen=True, eq=False)
class Fold:
    """Indices of pictures, sorted, (n,) int64 each; no picture is in two of them, and every one is in one."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def folds(examples: Examples, n: int = 5, by: By = "sequence", seed: int = 0) -> list[Fold]:
    """n folds; every picture is in the test of one.

    Classes (robot and pose; for the depth task the robot) are spread evenly over the tests. With ``by="sequence"`` no
    sequence is on two sides. ``by="frame"`` is the paper's split: it leaks, for a picture of the test differs from its
    neighbours in training by noise and a little defocus alone. An eighth of the rest, by class, is the validation.

    Raises:
        InputError: fewer than two folds, fewer sequences (or images) than folds, a pose with a single one, or too few
            to hold some back for validation.
    """
    if by not in _UNIT:
        raise InputError(f"split is by {by!r}: give sequence or frame")
    if n < 2:
        raise InputError(f"folds is {n}: give 2 or more")
    groups = _Groups(examples, by)
    groups.check(n)
    rng = np.random.default_rng(seed)
    at = _dealt(groups, n, rng)
    found = []
    for fold in range(n):
        rest = np.flatnonzero(at != fold)
        held = _held(groups, rest, HELD, rng)
        test, validation = groups.images(np.flatnonzero(at == fold)), groups.images(held)
        found.append(Fold(groups.images(np.setdiff1d(rest, held)), validation, test))
    return found


def hold_out(
    examples: Examples, share: float = HELD, by: By = "sequence", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and to validate with, when nothing is tested: a share of every class is held back.

    Raises:
        InputError: too few sequences (or images) to hold any back.
    """
    groups = _Groups(examples, by)
    everything = np.arange(len(groups.size))
    held = _held(groups, everything, share, np.random.default_rng(seed))
    return groups.images(np.setdiff1d(everything, held)), groups.images(held)


class _Groups:
    """What stays together: the pictures of a sequence, or each alone.

    Attributes:
        size: (g,) number of pictures.
        label: (g,) class; that of most of its pictures.
        classes: (c, 3) robot, pitch, roll of each class.
    """

    def __init__(self, examples: Examples, by: By):
        self.by, self.kind = by, examples.kind
        keys = examples.sequence if by == "sequence" else np.arange(len(examples))
        self._of = np.unique(keys, return_inverse=True)[1].reshape(-1)
        self.size = np.bincount(self._of)
        poses = [examples.pitch_deg, examples.roll_deg]
        if examples.kind == "depth":
            poses = [np.zeros_like(angle) for angle in poses]
        table = np.stack([examples.robot, *poses], axis=1)
        self.classes, label = np.unique(table, axis=0, return_inverse=True)
        pairs, counts = np.unique(np.stack([self._of, label.reshape(-1)], axis=1), axis=0, return_counts=True)
        order = np.lexsort((-counts, pairs[:, 0]))  # by group, its commonest class first
        self.label = pairs[order][np.unique(pairs[order, 0], return_index=True)[1], 1]

    def images(self, groups: np.ndarray) -> np.ndarray:
        """Sorted indices of the pictures in some groups."""
        chosen = np.zeros(len(self.size), dtype=bool)
        chosen[groups] = True
        return np.flatnonzero(chosen[self._of])

    def check(self, n: int) -> None:
        """Raises InputError unless n folds can be made and every pose be trained on in each."""
        count = len(self.size)
        other = ", or split by frame, which leaks" if self.by == "sequence" else ""
        if count < n:
            fewer = f"{count} folds at most" if count > 1 else "a folder with more of them"
            raise InputError(f"{self.said(count)} for {n} folds: give {fewer}{other}")
        single = np.flatnonzero(np.bincount(self.label, minlength=len(self.classes)) == 1)
        if self.kind != "depth" and len(single):
            robot, pitch, roll = self.classes[single[0]]
            raise InputError(
                f"pose P{pitch}_R{roll} of robot {robot} has {self.said(1)}, which cannot be both trained on and "
                f"tested: give data with {self.said(2)} of each pose or more{other}"
            )

    def said(self, count: int) -> str:
        return f"{count} {_UNIT[self.by]}{'s' if count != 1 else ''}"


def _dealt(groups: _Groups, n: int, rng: np.random.Generator) -> np.ndarray:
    """(g,) the fold that tests each group.

    One after the other, the largest first, goes to the fold that has the fewest groups of its class, then the fewest
    pictures of it, then the fewest of all. So no test has more than ⌈m/n⌉ of the m groups of a class.
    """
    at = np.empty(len(groups.size), dtype=int)
    total = [0] * n
    for label in range(len(groups.classes)):
        members = rng.permutation(np.flatnonzero(groups.label == label))
        count, mine = [0] * n, [0] * n
        for group in members[np.argsort(-groups.size[members], kind="stable")]:
            fold = min(range(n), key=lambda k: (count[k], mine[k], total[k], k))
            at[group] = fold
            count[fold] += 1
            mine[fold] += int(groups.size[group])
            total[fold] += int(groups.size[group])
    return at


def _held(groups: _Groups, rest: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Groups to hold back: a share of each class, rounded so that the total is right too, never the last of a class.

    Raises:
        InputError: no class can spare any.
    """
    labels = groups.label[rest]
    there = np.bincount(labels, minlength=len(groups.classes))
    spare = np.maximum(there - 1, 0)
    if not spare.any():
        raise InputError(
            f"{groups.said(len(rest))} to train on, one of each class, and none to spare for validation: "
            "give data with more of each"
        )
    quota = np.minimum(np.floor(share * there).astype(int), spare)
    missing = max(round(share * len(rest)), 1) - int(quota.sum())
    # what is missing comes from the classes that rounding down has cut most; drawn among equals
    for label in np.lexsort((rng.random(len(there)), quota - share * there)):
        if missing <= 0:
            break
        if quota[label] < spare[label]:
            quota[label] += 1
            missing -= 1
    held = [rng.permutation(rest[labels == label])[: quota[label]] for label in np.flatnonzero(quota)]
    return np.sort(np.concatenate(held))
