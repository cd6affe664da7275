"""``checkpoint.pt``: a trained network with all that is needed to use it.

A dictionary that ``torch.load(weights_only=True)`` reads, which runs no code: the task, the network's name, size and
options, the calibration, weights in half precision (running statistics in full), and what is known of the training.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

import microtwin
from microtwin import files
from microtwin.errors import InputError
from microtwin.perception import networks
from microtwin.perception.calibration import Calibration
from microtwin.perception.shipped import SHIPPED, named
from microtwin.perception.task import Task

FORMAT = 1
MARK = "microtwin perception"
_HALF = torch.finfo(torch.float16)


@dataclass(frozen=True)
class Loaded:
    """A checkpoint that was read; the model is in evaluation mode, in float32, on the processor."""

    model: nn.Module
    task: Task
    network: str
    size: int
    options: dict[str, Any]
    calibration: Calibration
    extra: dict[str, Any] = field(default_factory=dict)


def save(
    path: Path,
    model: nn.Module,
    task: Task,
    network: str,
    size: int,
    options: dict[str, Any],
    calibration: Calibration,
    extra: dict[str, Any] | None = None,
) -> None:
    """Write a checkpoint, whole or not at all. ``extra``: plain values to be kept with it.

    Raises:
        InputError: the file cannot be written.
    """
    content = {
        "mark": MARK,
        "format": FORMAT,
        "microtwin": microtwin.__version__,
        "task": task.to_json(),
        "network": network,
        "size": size,
        "options": options,
        "calibration": calibration.to_json(),
        "extra": extra or {},
        "weights": halved(model),
    }
    with files.whole(path) as temporary:
        torch.save(content, temporary)


def halved(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state of a model on the processor, its weights in half precision where that can hold them."""
    weights = {name for name, _ in model.named_parameters()}
    state = {}
    for name, value in model.state_dict().items():
        value = value.detach().cpu().contiguous()
        fits = value.is_floating_point() and bool((value.abs() <= _HALF.max).all())
        state[name] = value.half() if name in weights and fits else value
    return state


def load(path: Path) -> Loaded:
    """Read a checkpoint: a file, or the name of one that comes with the package, as ``depth_all``.

    Raises:
        InputError: no such file, no checkpoint, one of a newer format, or one that does not fit its network.
    """
    path = named(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(
            f"no checkpoint {path}: give the checkpoint.pt of microtwin train, or one of {', '.join(SHIPPED)}"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: give the checkpoint.pt in it") from None
    except PermissionError:
        raise InputError(f"{path} may not be read: ask for the right to, or give another checkpoint.pt") from None
    except Exception as error:  # torch says a dozen things of files that are not its own
        reason = f"{type(error).__name__}, cut short or not a checkpoint"
        raise InputError(f"cannot read {path} ({reason}): give the checkpoint.pt of microtwin train") from None
    if not isinstance(content, dict) or content.get("mark") != MARK:
        raise InputError(f"{path} is no checkpoint of microtwin train: give its checkpoint.pt")
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {content.get('format')}, this microtwin reads {FORMAT}: "
            f"install microtwin {content.get('microtwin')} or train again"
        )
    try:
        task = Task.from_json(content["task"])
        network, size, options = content["network"], int(content["size"]), dict(content["options"])
        model = networks.build(network, task.n_outputs, size=size, options=options)
        model.load_state_dict(content["weights"])
        calibration = Calibration(**content["calibration"])
        return Loaded(model.float().eval(), task, network, size, options, calibration, dict(content["extra"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(f"{path} does not fit its network ({reason}): train again") from None
