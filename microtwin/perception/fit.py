"""One training from its first epoch, or from its last whole one, to ``checkpoint.pt``.

AdamW with one cycle of the learning rate (Smith & Topin, 2019): up over the first tenth, then down along a cosine to
nothing, so that the last epoch is the best and validation images choose nothing; they calibrate.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.perception import checkpoint, guards, networks, progress, state
from microtwin.perception.calibration import Calibration, calibrate
from microtwin.perception.estimator import channels_last, estimates
from microtwin.perception.loss import loss as loss_of
from microtwin.perception.progress import Clock, Report
from microtwin.perception.source import Labels, Source
from microtwin.perception.state import State
from microtwin.perception.task import Task
from microtwin.perception.training import Training, device_of, low_precision

CHECKPOINT = "checkpoint.pt"
WARM_UP = 0.1  # of the training
LARGEST_GRADIENT = 5.0  # norm; longer steps are cut
_LOOK = 20  # batches between looks at the loss on a GPU, each of which waits for it


def fit(
    training: Training,
    task: Task,
    train: Source,
    validation: Source | None,
    folder: Path,
    *,
    report: Callable[[Report], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Path | None:
    """Train in an existing folder, from where it was broken off if it was; a finished one is not done again.

    The same training and source give the same weights, bit for bit, on one machine, broken off or not.

    Args:
        validation: images to follow the training with and to calibrate on; without them nothing is calibrated.
        report: told of what happens about twice a second.
        stop: asked after every batch; True ends the training there, and the epoch that was begun is lost.

    Returns:
        ``checkpoint.pt``, or None if it was stopped.

    Raises:
        TrainingFailed: a loss that is not finite, too little memory. InputError: images of another size, or another
            training in the folder.
    """
    target = folder / CHECKPOINT
    if train.size != training.size:
        raise InputError(f"images of {train.size} px for a network of {training.size}: prepare them at that size")
    if not len(train):
        raise InputError("no images to train on: give a folder with more of them")
    if target.is_file() and not (folder / state.NAME).is_file():
        if odd := state.difference(checkpoint.load(target).extra.get("training", {}), training):
            raise InputError(f"{folder} holds a training with another {odd}: give another folder")
        return target
    device = torch.device(device_of(training.device))
    with guards.memory(training), guards.deterministic(device):
        torch.manual_seed(training.seed)
        model = networks.build(
            training.network,
            task.n_outputs,
            size=training.size,
            pretrained=training.pretrained and not (folder / state.NAME).is_file(),
            options=training.options,
            kind=training.kind,
        )
        model = channels_last(model.to(device))
        optimiser = torch.optim.AdamW(_groups(model, training.weight_decay), lr=training.learning_rate, fused=True)
        now = state.load(folder, training, task, model, optimiser) or State()
        board = progress.board(folder, now.epoch)
        clock = Clock(training.epochs, len(train), now.epoch, report or (lambda _: None))
        before = now.seconds
        try:
            for epoch in range(now.epoch, training.epochs):
                mean = _epoch(training, task, model, optimiser, train, epoch, clock, stop or (lambda: False))
                if mean is None:
                    return None
                row = {"epoch": epoch + 1, "learning_rate": rate(training, epoch + 1), "loss": mean}
                if validation is not None and len(validation):
                    clock.scores = _validate(training, task, model, validation, device)
                    row |= clock.scores
                now.rows.append(row | {"seconds": round(before + clock.seconds, 2)})
                now.epoch, now.seconds = epoch + 1, before + clock.seconds
                state.save(folder, training, task, model, optimiser, now)
                progress.write_log(folder, now.rows)
                for name, value in row.items():
                    board.add_scalar(name, value, epoch + 1)
                clock.tell(epoch, len(train), mean, new=True)
        finally:
            board.close()
        _finish(target, training, task, model, validation, device, now)
    (folder / state.NAME).unlink(missing_ok=True)
    return target


def rate(training: Training, epochs: float) -> float:
    """The learning rate after so many epochs, whole or not."""
    done = min(epochs / training.epochs, 1.0)
    if done < WARM_UP:
        return training.learning_rate * (0.04 + 0.96 * done / WARM_UP)
    return training.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (done - WARM_UP) / (1.0 - WARM_UP)))


def _epoch(training, task, model, optimiser, train: Source, epoch: int, clock: Clock, stop) -> float | None:
    """Mean loss of one epoch; None if it was stopped."""
    device = next(model.parameters()).device
    low = low_precision(training.precision, device.type)
    torch.manual_seed(int(np.random.SeedSequence([training.seed, epoch]).generate_state(1)[0]))  # for dropout
    model.train()
    total, slope, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
    for number, (images, labels) in enumerate(train.batches(epoch, training.batch)):
        for group in optimiser.param_groups:
            group["lr"] = rate(training, epoch + seen / len(train))
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        labels = type(labels)(*(each.to(device) for each in labels))
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            outputs = model(images)
        value = loss_of(task, outputs, labels)
        if device.type == "cpu" or number % _LOOK == 0:
            _check(value.detach(), epoch, training)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        slope = nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        total += value.detach() * len(images)
        seen += len(images)
        if stop():
            return None
        if device.type == "cpu" or number % _LOOK == 0:
            clock.tell(epoch, seen, float(total) / seen)
    _check(total, epoch, training)
    _check(slope, epoch, training, "gradient")  # earlier ones show in the next loss; the last one's would be kept
    return float(total) / max(seen, 1)


def _check(value: torch.Tensor, epoch: int, training: Training, what: str = "loss") -> None:
    if not bool(torch.isfinite(value)):
        kept = f" (epoch {epoch} is kept)" if epoch else ""
        raise guards.TrainingFailed(
            f"the {what} is {float(value)} in epoch {epoch + 1} of {training.epochs}{kept}: train again with a "
            f"learning rate below {training.learning_rate:g}, or look for images without contrast or of other classes"
        )


def _outputs(training, model, source: Source, device, low: bool) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Raw outputs of a source's first epoch, and its labels."""
    found, seen = [], []
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=low):
        for images, labels in source.batches(0, training.batch):
            images = images.to(device).contiguous(memory_format=torch.channels_last)
            found.append(model(images).float().cpu().numpy())
            seen.append([each.cpu().numpy() for each in labels])
    return np.concatenate(found), dict(zip(Labels._fields, map(np.concatenate, zip(*seen, strict=True)), strict=True))


def _validate(training: Training, task: Task, model: nn.Module, source: Source, device) -> dict[str, float]:
    """Accuracies, and the mean squared error of depths in the task's unit."""
    found, labels = _outputs(training, model, source, device, low_precision(training.precision, device.type))
    said, scores = estimates(task, found, Calibration()), {}
    if said.pitch_deg is not None and said.roll_deg is not None:
        scores["pitch_accuracy"] = float(np.mean(said.pitch_deg == labels["pitch_deg"]))
        scores["roll_accuracy"] = float(np.mean(said.roll_deg == labels["roll_deg"]))
    if said.depth_um is not None:
        scores["depth_mse"] = float(np.nanmean((said.depth_um - labels["depth"]) ** 2))
    return scores


def _finish(target: Path, training, task, model, validation: Source | None, device, now: State) -> None:
    """Calibrate what will be kept, weights in half precision, and keep it."""
    model.load_state_dict(checkpoint.halved(model))
    measured = Calibration()
    if validation is not None and len(validation):
        outputs, labels = _outputs(training, model, validation, device, False)
        measured = calibrate(task, outputs, **labels)
    facts = {"training": training.to_json(), "scores": now.rows[-1], "seconds": now.seconds}
    checkpoint.save(target, model, task, training.network, training.size, training.options, measured, facts)


def _groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """Weights decay; offsets and the scales of normalisations do not."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
