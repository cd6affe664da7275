"""A trained network as a measuring instrument: images in, poses and depths with their uncertainty out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.perception import checkpoint
from microtwin.perception.calibration import QUANTILE, Calibration, depth_and_sd, log_posterior
from microtwin.perception.labels import Kind
from microtwin.perception.prepare import normalised, prepare
from microtwin.perception.task import Task
from microtwin.perception.training import device_of

BATCH = 64


@dataclass(frozen=True)
class Estimates:
    """What was read from n images; (n,) each. None where the task has no such part.

    Attributes:
        pitch_deg, roll_deg: the likeliest pose of those that exist.
        pitch_probability, roll_probability: of that pitch, whatever the roll, and the other way round.
        pitch_sd_deg, roll_sd_deg: standard deviation of the posterior over the classes.
        depth_um: mean. depth_sd_um: calibrated. depth_low_um, depth_high_um: 90 % interval.
        depth_unit: ``um``, or ``scaled`` if the network was trained on such depths: 0 to 1 within a sequence.
    """

    pitch_deg: np.ndarray | None = None
    roll_deg: np.ndarray | None = None
    pitch_probability: np.ndarray | None = None
    roll_probability: np.ndarray | None = None
    pitch_sd_deg: np.ndarray | None = None
    roll_sd_deg: np.ndarray | None = None
    depth_um: np.ndarray | None = None
    depth_sd_um: np.ndarray | None = None
    depth_low_um: np.ndarray | None = None
    depth_high_um: np.ndarray | None = None
    depth_unit: str | None = None

    def part(self, kind: Kind) -> "Estimates":
        """Only what ``pose`` or ``depth`` is about; everything for ``joint``."""
        words = {"pose": ("pitch", "roll"), "depth": ("depth",), "joint": ("pitch", "roll", "depth")}[kind]
        return Estimates(**{name: value for name, value in vars(self).items() if name.startswith(words)})

    def columns(self) -> dict[str, np.ndarray]:
        """What there is, by name; depths that are scaled are ``depth_scaled`` and so on."""
        unit = f"_{self.depth_unit}"
        found = {name: values for name, values in vars(self).items() if isinstance(values, np.ndarray)}
        return {name.replace("_um", unit): values for name, values in found.items()}

    def row(self, index: int) -> dict[str, float]:
        """What was read from one image, six digits: ``pitch``, ``roll``, and the rest by name; only what there is."""
        found = {}
        for name, values in self.columns().items():
            key = {"pitch_deg": "pitch", "roll_deg": "roll"}.get(name, name)
            value = values[index].item()
            found[key] = value if isinstance(value, int) else float(f"{value:.6g}")
        return found


class Estimator:
    """Reads crops with a trained network.

    Args:
        loaded: what :func:`microtwin.perception.checkpoint.load` gives.
        device: ``cpu``, ``cuda`` or ``auto``.
        turns: 1, or 2 or 4: outputs are averaged over the image in so many quarter or half turns, which cost as many
            passes. A turn in the plane changes no label.
    """

    def __init__(self, loaded: checkpoint.Loaded, device: str = "cpu", turns: int = 1) -> None:
        if turns not in (1, 2, 4):
            raise InputError(f"turns is {turns}: give 1, 2 or 4")
        self.loaded, self.task, self.size, self.turns = loaded, loaded.task, loaded.size, turns
        self.device = torch.device(device_of(device))
        self.model = channels_last(loaded.model.eval().to(self.device))

    @classmethod
    def load(cls, path: Path | str, device: str = "cpu", turns: int = 1) -> "Estimator":
        """Raises InputError: no such file, or no checkpoint."""
        return cls(checkpoint.load(Path(path)), device, turns)

    def __call__(self, images: np.ndarray) -> Estimates:
        """Estimates of (n, H, W) uint8 crops, or full frames of the camera.

        Raises:
            InputError: images that are neither.
        """
        return estimates(self.task, self.outputs(prepare(images, self.size)), self.loaded.calibration)

    def prepared(self, images: np.ndarray) -> Estimates:
        """Estimates of (n, size, size) uint8 images that were prepared already."""
        return estimates(self.task, self.outputs(images), self.loaded.calibration)

    def outputs(self, images: np.ndarray) -> np.ndarray:
        """(n, n_outputs) float32 raw outputs for (n, size, size) uint8 images."""
        return outputs(self.model, images, self.device, self.turns).reshape(-1, self.task.n_outputs)


def channels_last(model: nn.Module) -> nn.Module:
    """The same model, its weights laid out as convolutions on processors and GPUs like them best."""
    return model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (torch's stubs lack it)


def outputs(model: nn.Module, images: np.ndarray, device: torch.device, turns: int = 1) -> np.ndarray:
    """(n, n_outputs) float32 of a model in evaluation mode, in full precision."""
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            batch = normalised(torch.as_tensor(images[start : start + BATCH]).to(device))
            batch = batch.contiguous(memory_format=torch.channels_last)
            views = [torch.rot90(batch, 4 // turns * k, (2, 3)) for k in range(turns)]
            found.append(torch.stack([model(view).float() for view in views]).mean(0).cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, 0), dtype=np.float32)


def estimates(task: Task, outputs: np.ndarray, calibration: Calibration) -> Estimates:
    """What raw outputs (n, task.n_outputs) say."""
    found: dict[str, np.ndarray] = {}
    if task.has_pose:
        posterior = np.exp(
            log_posterior(
                task,
                outputs,
                pitch_temperature=calibration.pitch_temperature,
                roll_temperature=calibration.roll_temperature,
            )
        )
        best = posterior.argmax(axis=1)
        for name, column, classes in (("pitch", 0, task.pitches_deg), ("roll", 1, task.rolls_deg)):
            index = task.pose_indices[:, column]
            marginal = posterior @ np.eye(len(classes))[index]
            angles = np.array(classes, dtype=float)
            mean = marginal @ angles
            variance = ((angles - mean[:, None]) ** 2 * marginal).sum(axis=1)
            found[f"{name}_deg"] = np.array(classes)[index[best]]
            found[f"{name}_probability"] = marginal[np.arange(len(best)), index[best]]
            found[f"{name}_sd_deg"] = np.sqrt(variance)
    if task.has_depth:
        depth, sd = depth_and_sd(task, outputs)
        sd = sd * calibration.depth_factor
        found |= {
            "depth_um": depth,
            "depth_sd_um": sd,
            "depth_low_um": depth - QUANTILE * sd,
            "depth_high_um": depth + QUANTILE * sd,
        }
    return Estimates(**found, depth_unit=task.depth_unit if task.has_depth else None)
