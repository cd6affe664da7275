"""Where a training stands, in one file that is replaced whole: a kill at any moment leaves the one before it.

``checkpoint.zip`` holds SB3's model and optimiser, the replay buffer (unless it is larger than ``LARGEST_BUFFER``), the
state of the random generators, and the counters. The environments are not in it: their episodes begin anew, from other
seeds. It is read by pickle: take it only from where you would take code.
"""

import io
import json
import pickle
import random
import warnings
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from microtwin import files
from microtwin.errors import InputError
from microtwin.learn.export import NOT_KEPT

NAME = "checkpoint.zip"
LARGEST_BUFFER = 2**30  # bytes


@dataclass
class Progress:
    """Counters of a training.

    Attributes:
        steps: environment steps so far. seconds: wall time so far, over all sessions.
        sessions: how often it was begun or resumed. evaluations: how many are behind it.
    """

    steps: int = 0
    seconds: float = 0.0
    sessions: int = 0
    evaluations: int = 0


def save(folder: Path, model: BaseAlgorithm, progress: Progress) -> None:
    """Replace the folder's checkpoint."""
    with files.whole(folder / NAME) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with archive.open("model.zip", "w", force_zip64=True) as member:
            buffer = io.BytesIO()
            model.save(buffer, exclude=NOT_KEPT[:3])
            member.write(buffer.getbuffer())
        if isinstance(model, OffPolicyAlgorithm) and _size(model) <= LARGEST_BUFFER:
            with archive.open("replay.pkl", "w", force_zip64=True) as member:
                pickle.dump(model.replay_buffer, member, protocol=pickle.HIGHEST_PROTOCOL)
        archive.writestr("random.pkl", pickle.dumps(_random_state()))
        archive.writestr("progress.json", json.dumps(asdict(progress)))


def load(folder: Path, cls: type[BaseAlgorithm], env: Any, device: str) -> tuple[BaseAlgorithm, Progress] | None:
    """The model, in new environments, and its counters; None if there is no checkpoint yet.

    Raises:
        InputError: the file cannot be read.
    """
    clean(folder)
    file = folder / NAME
    if not file.is_file():
        return None
    try:
        with zipfile.ZipFile(file) as archive:
            progress = Progress(**json.loads(archive.read("progress.json")))
            model = cls.load(io.BytesIO(archive.read("model.zip")), env=env, device=device)
            if isinstance(model, OffPolicyAlgorithm) and "replay.pkl" in archive.namelist():
                with archive.open("replay.pkl") as member:
                    _load_buffer(model, io.BufferedReader(member))  # type: ignore[arg-type]
            _set_random_state(pickle.loads(archive.read("random.pkl")))
    except (OSError, KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {file} ({error}): begin again with another --out") from None
    return model, progress


def clean(folder: Path) -> None:
    """Remove what a kill in the middle of writing has left."""
    for name in (NAME, "best.zip", "policy.zip", "eval.csv", "curve.png", "card.md", "config.json"):
        stem, _, ending = name.partition(".")
        for left in folder.glob(f".{stem}-*.{ending}"):
            left.unlink(missing_ok=True)


def _load_buffer(model: OffPolicyAlgorithm, file: Any) -> None:
    with warnings.catch_warnings():  # HER's: episodes that were under way are cut off
        warnings.simplefilter("ignore", UserWarning)
        model.load_replay_buffer(file)


def _size(model: OffPolicyAlgorithm) -> int:
    held = vars(model.replay_buffer).values()
    arrays = [a for value in held for a in (value.values() if isinstance(value, dict) else [value])]
    return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))


def _random_state() -> dict[str, Any]:
    """SB3 draws from the global generators."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None,
    }


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
