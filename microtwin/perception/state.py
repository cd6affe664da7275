"""Where a training stands: ``last.pt``, replaced whole after every epoch, so that a kill loses one epoch at most."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from microtwin import files
from microtwin.errors import InputError
from microtwin.perception.task import Task
from microtwin.perception.training import Training

NAME = "last.pt"
MARK = "microtwin perception training"
FORMAT = 1
FREE = ("batch", "device", "precision")  # settings that a training may go on with other values of


@dataclass
class State:
    """Attributes:
    epoch: how many are behind it. seconds: of work so far. rows: of ``log.csv``, one an epoch.
    """

    epoch: int = 0
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)


def save(
    folder: Path, training: Training, task: Task, model: nn.Module, optimiser: torch.optim.Optimizer, state: State
) -> None:
    """Replace the folder's ``last.pt``. Random generators are not in it: every epoch seeds its own.

    Raises:
        InputError: it cannot be written.
    """
    content = {
        "mark": MARK,
        "format": FORMAT,
        "training": training.to_json(),
        "task": task.to_json(),
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epoch": state.epoch,
        "seconds": state.seconds,
        "rows": state.rows,
    }
    with files.whole(folder / NAME) as temporary:
        torch.save(content, temporary)


def load(
    folder: Path, training: Training, task: Task, model: nn.Module, optimiser: torch.optim.Optimizer
) -> State | None:
    """Put model and optimiser where the folder's training was; None if it was not begun.

    Raises:
        InputError: the file cannot be read, or is of another training.
    """
    file = folder / NAME
    if not file.is_file():
        return None
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        ours = content["mark"] == MARK and content["format"] == FORMAT
    except Exception as error:  # torch says a dozen things of files that are not its own
        raise InputError(f"cannot read {file} ({type(error).__name__}): remove it to train from the start") from None
    if not ours:
        raise InputError(f"{file} is of another version of microtwin: remove it to train from the start")
    if odd := difference(content["training"], training) or ("images" if content["task"] != task.to_json() else None):
        raise InputError(f"{folder} holds a training with another {odd}: go on with the same, or give another folder")
    try:
        model.load_state_dict(content["model"])
        optimiser.load_state_dict(content["optimiser"])
    except (KeyError, ValueError, RuntimeError):
        raise InputError(f"{file} does not fit the network: remove it to train from the start") from None
    return State(content["epoch"], content["seconds"], content["rows"])


def difference(kept: dict[str, Any], training: Training) -> str | None:
    """The first setting in which a kept training differs from this one, but for what may differ."""
    mine = training.to_json()
    return next((name for name in mine if name not in FREE and _plain(kept.get(name)) != _plain(mine[name])), None)


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON has it."""
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
