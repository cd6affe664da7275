"""What a training tells while it runs: reports for whoever watches, ``log.csv``, and TensorBoard's ``tb/``."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from microtwin import files

LOG, BOARD = "log.csv", "tb"
EVERY_S = 0.5  # between reports within an epoch


@dataclass(frozen=True)
class Report:
    """Attributes:
    epoch, epochs: epochs behind it, and in all. fraction: of the training that is done.
    images_s: speed of this session. seconds_left: at this speed; infinite before it is known.
    loss: mean of this epoch so far. scores: on the validation images after the last whole epoch; may be empty.
    new: whether an epoch has just ended.
    """

    epoch: int
    epochs: int
    fraction: float
    images_s: float
    seconds_left: float
    loss: float
    scores: dict[str, float] = field(default_factory=dict)
    new: bool = False


class Clock:
    """Speed, time left, and when to report next."""

    def __init__(self, epochs: int, images: int, done: int, report: Callable[[Report], None]) -> None:
        self.epochs, self.images, self.report = epochs, images, report
        self.began = self.told = time.monotonic()
        self.first = done * images  # seen before this session
        self.scores: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Since this session began."""
        return time.monotonic() - self.began

    def tell(self, epoch: int, seen: int, loss: float, *, new: bool = False) -> None:
        """Report, if it is time: ``seen`` images of epoch number ``epoch`` (from 0) are behind."""
        now = time.monotonic()
        if not new and now - self.told < EVERY_S:
            return
        self.told = now
        done, total = epoch * self.images + seen, self.epochs * self.images
        speed = (done - self.first) / max(now - self.began, 1e-9)
        left = (total - done) / speed if speed > 0 else math.inf
        behind = epoch + (seen >= self.images)
        self.report(Report(behind, self.epochs, done / total, speed, left, loss, self.scores, new))


def write_log(folder: Path, rows: list[dict[str, float]]) -> None:
    """``log.csv``: one row an epoch."""
    with files.whole(folder / LOG) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def board(folder: Path, epoch: int) -> Any:
    """TensorBoard's writer; what a broken-off session wrote after ``epoch`` is not shown."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / BOARD), purge_step=epoch + 1 if epoch else None)
