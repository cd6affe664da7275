"""The file of a trained policy, as ``microtwin learn push`` writes it.

``policy.zip`` is Stable-Baselines3's own file with two members more: ``microtwin.json`` says which observations and
actions the policy was trained on (:class:`~microtwin.control.path_task.PathTask`) and by what, ``actor.npz`` holds the
layers of its deterministic action: weights ``w0`` (out, in) and biases ``b0`` (out,), and so on. Only these two are
read here: that needs neither PyTorch nor a GPU, and runs no code from the file.
"""

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import microtwin
from microtwin.control.path_task import LAYOUTS, PathTask
from microtwin.control.steering import Law
from microtwin.errors import InputError

FORMAT = "microtwin-policy/1"
ABOUT, ACTOR = "microtwin.json", "actor.npz"
SHIPPED = "policy"  # the word for the policy that comes with the package
ACTIVATIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0.0),
    "none": lambda x: x,
}
UNREADABLE = (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile)
SQUASHES = {"clip": lambda x: np.clip(x, -1.0, 1.0), "tanh": np.tanh}


@dataclass(frozen=True)
class Actor:
    """The deterministic action of a policy: layers with an activation between them, brought into [−1, 1] at the end.

    Attributes:
        weights, biases: (out, in) and (out,) float32 of each layer. activation: ``tanh``, ``relu`` or ``none``.
        squash: how the last layer's output becomes an action: ``clip`` or ``tanh``.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    activation: str = "tanh"
    squash: str = "clip"

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """(a,) action in [−1, 1] from an (n,) observation."""
        bend, x = ACTIVATIONS[self.activation], observation
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            x = bend(weight @ x + bias)
        return SQUASHES[self.squash](self.weights[-1] @ x + self.biases[-1])

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of observations and of actions."""
        return self.weights[0].shape[1], self.weights[-1].shape[0]

    @property
    def fits_together(self) -> bool:
        """Whether every layer takes what the one before it gives, in finite numbers."""
        shapes = [weight.shape for weight in self.weights]
        given = [*(shape[1] for shape in shapes[1:]), self.sizes[1]]
        fits = all(b.shape == (shape[0],) == (n,) for b, shape, n in zip(self.biases, shapes, given, strict=True))
        return fits and all(np.isfinite(array).all() for array in (*self.weights, *self.biases))


def read(path: str | os.PathLike[str]) -> tuple[Actor, PathTask, dict[str, Any]]:
    """(actor, task, contents of microtwin.json) of a policy file.

    Raises:
        InputError: no such file, not a policy, made for other observations or actions or by another version.
    """
    about, file = read_about(path), _file(path)
    try:
        with zipfile.ZipFile(file) as archive, archive.open(ACTOR) as member:
            layers = dict(np.load(member, allow_pickle=False))
    except UNREADABLE as error:
        raise _no_policy(file, error) from None
    actor, task = _understood(file, about, layers)
    return actor, task, about


def read_about(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What microtwin.json says: of any policy, also of one that this version cannot run.

    Raises:
        InputError: no such file, not a policy.
    """
    file = _file(path)
    try:
        with zipfile.ZipFile(file) as archive:
            about = json.loads(archive.read(ABOUT))
        if not str(about["format"]).startswith("microtwin-policy/"):
            raise ValueError(f"its format is {about['format']}")
    except UNREADABLE as error:
        raise _no_policy(file, error) from None
    return about


def _file(path: str | os.PathLike[str]) -> Path:
    own = str(path) == SHIPPED
    file = shipped() if own else Path(path)
    if not file.is_file():
        missing = "no policy comes with this installation" if own else f"no policy file {file}"
        raise InputError(f"{missing}: give the policy.zip of a run of microtwin learn push")
    return file


def _no_policy(file: Path, error: Exception) -> InputError:
    reason = str(error).strip("'\"")
    return InputError(f"{file} is not a policy ({reason}): give the policy.zip of microtwin learn push")


def digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a policy's file, to tell one from another."""
    return hashlib.sha256((shipped() if str(path) == SHIPPED else Path(path)).read_bytes()).hexdigest()


def shipped() -> Path:
    """Where the policy that comes with the package is: inside an installed package, or in the source tree's assets."""
    packaged = Path(microtwin.__file__).parent / "assets" / "policies" / "push.zip"
    return packaged if packaged.is_file() else Path(__file__).parents[2] / "assets" / "policies" / "push.zip"


def _understood(file: Path, about: dict[str, Any], layers: dict[str, np.ndarray]) -> tuple[Actor, PathTask]:
    """Actor and task, if this version speaks the file's observations and actions."""
    made_by, layout = about.get("microtwin", "an unknown version"), about.get("layout", "unknown")
    known = ", ".join(LAYOUTS.values())
    strange = (
        f"{file} was made by microtwin {made_by} for observations {layout}, and this is microtwin "
        f"{microtwin.__version__}, which knows {known}: train again with this version or install microtwin {made_by}"
    )
    if about["format"] != FORMAT:
        raise InputError(strange)
    if str(layout).startswith("goal"):
        raise InputError(f"{file} was trained on {layout}, not on paths: train one with --task path to push along them")
    try:
        task = PathTask(**{**about["task"], "law": Law(**about["task"]["law"])})
        count = len(layers) // 2
        actor = Actor(
            tuple(np.ascontiguousarray(layers[f"w{k}"], dtype=np.float32) for k in range(count)),
            tuple(np.ascontiguousarray(layers[f"b{k}"], dtype=np.float32) for k in range(count)),
            about["activation"],
            about["squash"],
        )
        sizes = actor.sizes
        fits = actor.fits_together
        known_functions = actor.activation in ACTIVATIONS and actor.squash in SQUASHES
    except (TypeError, KeyError, IndexError, ValueError) as error:  # fields or layers that this version does not know
        if isinstance(error, InputError):
            raise
        raise InputError(strange) from None
    if sizes != (task.observation_size, task.action_size) or task.layout != layout:
        raise InputError(strange)
    if not known_functions:
        raise InputError(strange)
    if not fits:
        raise _no_policy(file, ValueError("its layers do not fit together"))
    return actor, task
