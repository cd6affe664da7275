"""A training from its first step, or from its last checkpoint, to ``policy.zip`` and ``card.md``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import configure

from microtwin import recording
from microtwin.control.policy_file import read_about
from microtwin.errors import InputError
from microtwin.learn import algorithms, card, checkpoint, environments, export, extra
from microtwin.learn.checkpoint import Progress
from microtwin.learn.evaluate import evaluate
from microtwin.learn.training import CONFIG, Training
from microtwin.learn.vec_env import VecEnvAdapter
from microtwin.learn.watch import BEST, Report, StoppedError, Watch

POLICY, CARD, BOARD = "policy.zip", "card.md", "tb"
ENDLESS = 10**15  # steps, for a budget in minutes


def train(
    training: Training,
    folder: Path,
    *,
    resume: bool = False,
    report: Callable[[Report], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train in an existing folder; True when the budget is used up and ``policy.zip`` written.

    Args:
        resume: go on from the folder's checkpoint (from the start, if there is none yet).
        stop: asked between updates; True saves a checkpoint and ends the training there.

    Raises:
        InputError: the folder holds a training already, and ``resume`` is False; what a part refuses.
    """
    if not resume and (folder / CONFIG).exists():
        raise InputError(f"{folder} holds a training already: go on with --resume {folder}, or give another --out")
    torch.set_num_threads(1)  # networks this small lose by sharing; the environments have the other cores
    hyper = algorithms.hyperparameters(training)
    env = VecEnvAdapter(environments.make(training, training.envs or 1))
    judge = environments.make(training, training.episodes)
    versions = {**recording.versions(), **extra.versions()}
    board = None
    try:
        found = checkpoint.load(folder, algorithms.CLASSES[training.algo], env, algorithms.device(training))
        model, progress = found if found else (algorithms.create(training, env), Progress())
        training.save(folder, versions)
        progress.sessions += 1
        env.seed(environments.training_seed(training.seed, progress.sessions))
        board = configure(str(folder / BOARD), ["tensorboard"])
        model.set_logger(board)
        watch = Watch(training, folder, progress, environments.task_of(judge), judge, report, stop)
        try:
            budget = ENDLESS if training.steps is None else training.steps - model.num_timesteps
            every = 1 if training.on_policy else 100
            if budget > 0:
                model.learn(budget, watch, log_interval=every, reset_num_timesteps=False)
        except StoppedError as stopped:
            if not stopped.done:
                return False
        watch.model = model
        watch.end()
        model.logger.dump(model.num_timesteps)  # the last evaluation, which no update follows
        _finish(training, folder, watch, versions, hyper)
    finally:
        if board is not None:
            board.close()
        env.close()
        judge.close()
    return True


def _finish(training: Training, folder: Path, watch: Watch, versions: dict[str, str], hyper: dict[str, Any]) -> None:
    """``policy.zip`` and ``card.md`` of the best policy, its figures from episodes that chose nothing."""
    about = read_about(folder / BEST)
    best: BaseAlgorithm = algorithms.CLASSES[training.algo].load(folder / BEST, device="cpu")
    episodes = 4 * training.episodes
    env = environments.make(training, episodes)
    found = card.figures(evaluate(best, env, environments.FINAL))
    env.close()
    facts = {
        "versions": versions,
        "command": training.command,
        "steps": watch.progress.steps,
        "minutes": round(watch.progress.seconds / 60.0, 3),
        "sessions": watch.progress.sessions,
        "best_steps": about["steps"],
        "evaluations": len(watch.curve.rows),
        "episodes": episodes,
    }
    export.save(folder / POLICY, best, training, watch.task, {**facts, "figures": found})
    card.write(folder / CARD, training, watch.task, found, facts, hyper)
