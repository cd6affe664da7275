"""What happens between two updates of a training: evaluations, checkpoints, reports, and its end."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium.vector import VectorEnv
from stable_baselines3.common.callbacks import BaseCallback

from microtwin.control.policy_file import read_about
from microtwin.learn import checkpoint, environments, export
from microtwin.learn.checkpoint import Progress
from microtwin.learn.curve import Curve
from microtwin.learn.evaluate import evaluate
from microtwin.learn.schedule import Decay
from microtwin.learn.training import Training

BEST = "best.zip"


@dataclass(frozen=True)
class Report:
    """How a training stands: fraction of the budget 0 to 1, seconds left, steps, steps per second of this session,
    and the last evaluation's means; ``new`` if it was just made."""

    fraction: float
    seconds_left: float
    steps: int
    rate: float
    evaluation: dict[str, float]
    new: bool


class StoppedError(Exception):
    """Leaves SB3's loop between two updates; ``done``: the budget is used up."""

    def __init__(self, done: bool):
        self.done = done


class Watch(BaseCallback):
    """Evaluates, keeps the best, saves checkpoints, reports and ends the training, all between two updates."""

    def __init__(
        self,
        training: Training,
        folder: Path,
        progress: Progress,
        task: Any,
        judge: VectorEnv,
        report: Callable[[Report], None],
        stop: Callable[[], bool],
    ):
        super().__init__()
        self.training, self.folder, self.progress, self.task = training, folder, progress, task
        self._judge, self._report, self._stop = judge, report, stop
        self.curve = Curve(folder, progress.steps if progress.evaluations else -1.0)
        self._begun, self._before = time.perf_counter(), progress.seconds
        self._steps_before = progress.steps
        self._told, self._saved = self._begun, -math.inf  # a first checkpoint at once: then it is known to work
        best = folder / BEST
        self._best = read_about(best)["evaluation"]["return"] if best.is_file() and self.curve.rows else float("-inf")

    @property
    def fraction(self) -> float:
        if self.training.steps is not None:
            return min(1.0, self.progress.steps / self.training.steps)
        return min(1.0, self.progress.seconds / (60.0 * (self.training.minutes or math.nan)))

    def _on_step(self) -> bool:
        now = time.perf_counter()
        if now - self._told > 0.5:
            self._told = now
            self._count()
            self._tell(False)
        return True

    def _on_rollout_start(self) -> None:
        self._count()
        if isinstance(self.model.learning_rate, Decay):
            self.model.learning_rate.left = 1.0 - self.fraction
        stopped = self._stop()
        if not stopped and self.progress.evaluations <= self.fraction * self.training.evaluations:
            self.judge()
        done = self.training.steps is None and self.fraction >= 1.0
        if done or stopped or time.perf_counter() - self._saved > 60.0 * self.training.checkpoint_minutes:
            self.save()
        if done or stopped:
            raise StoppedError(done)

    def end(self) -> None:
        """The last evaluation and checkpoint, when the budget is used up."""
        self._count()
        if not self.curve.rows or self.curve.rows[-1]["steps"] < self.progress.steps:
            self.judge()
        self.save()

    def judge(self) -> None:
        """Evaluate; keep the policy if it is the best so far."""
        means = evaluate(self.model, self._judge, environments.HELD_OUT).summary()
        self._count()
        self.progress.evaluations = int(self.fraction * self.training.evaluations) + 1
        row = {"steps": self.progress.steps, "minutes": self.progress.seconds / 60.0, **means}
        self.curve.add(row)
        for name in ("success", "time_s", "error_um", "return"):
            self.model.logger.record(f"eval/{name}", means[name])
        if means["return"] > self._best:
            self._best = means["return"]
            facts = {"steps": self.progress.steps, "evaluation": means}
            export.save(self.folder / BEST, self.model, self.training, self.task, facts)
        self._tell(True)

    def save(self) -> None:
        self._count()
        checkpoint.save(self.folder, self.model, self.progress)
        self._saved = time.perf_counter()

    def _count(self) -> None:
        self.progress.steps = int(self.model.num_timesteps)
        self.progress.seconds = self._before + time.perf_counter() - self._begun

    def _tell(self, new: bool) -> None:
        here = time.perf_counter() - self._begun
        rate = (self.progress.steps - self._steps_before) / max(here, 1e-9)
        if self.training.steps is None:
            left = 60.0 * (self.training.minutes or math.nan) - self.progress.seconds
        else:
            left = (self.training.steps - self.progress.steps) / rate if rate > 0 else float("inf")
        last = self.curve.rows[-1] if self.curve.rows else {}
        self._report(Report(self.fraction, max(left, 0.0), self.progress.steps, rate, last, new))
