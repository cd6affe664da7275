"""How a search stands, for whoever watches."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from microtwin.perception import progress, search_results

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Report:
    """How a search stands.

    Attributes:
        done, trials: trials behind it, and in all. best: value of the best complete one, None before there is one.
        seconds_left: at the mean pace of the trials so far; infinite before it is known.
        training: of the trial at work; None when it has just ended.
        ended: row of the trial that has just ended, of :func:`microtwin.perception.search_results.rows`.
    """

    done: int
    trials: int
    best: float | None
    seconds_left: float
    training: progress.Report | None = None
    ended: dict | None = None


class Clock:
    """How many trials have ended, and how long the rest will take."""

    def __init__(self, study: "Study", trials: int, report: Callable[[Report], None]) -> None:
        self._study, self._trials, self._report = study, trials, report
        self._rows = self._ended()
        self._began = time.monotonic()

    @property
    def done(self) -> int:
        return len(self._rows)

    def tell(self, training: progress.Report) -> None:
        self._report(self._now(training, None))

    def ended(self) -> None:
        self._rows = self._ended()
        self._began = time.monotonic()
        self._report(self._now(None, self._rows[-1]))

    def _ended(self) -> list[dict[str, Any]]:
        return [row for row in search_results.rows(self._study) if row["state"] in ("complete", "pruned")]

    def _now(self, training: progress.Report | None, ended: dict[str, Any] | None) -> Report:
        best = search_results.best(self._study)
        here = time.monotonic() - self._began
        mean = sum(row["seconds"] for row in self._rows) / self.done if self.done else math.inf
        left = max((self._trials - self.done) * mean - here, 0.0)
        if training and not self.done:
            left = training.seconds_left * self._trials + here * (self._trials - 1)
        return Report(self.done, self._trials, best["value"] if best else None, left, training, ended)
