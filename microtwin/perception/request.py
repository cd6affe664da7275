"""What ``microtwin train`` is asked for, as ``config.json`` keeps it."""

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from microtwin import files
from microtwin.errors import InputError
from microtwin.perception.folds import By
from microtwin.perception.training import Training

CONFIG = "config.json"


@dataclass(frozen=True)
class Request:
    """A training, its images, and how they are split.

    Attributes:
        data: folder of labelled images. robots: numbers; none is all.
        folds: of the cross-validation; 0 trains one network on everything but an eighth. fold: only this one.
        split: ``sequence`` or ``frame``. unreadable: ``refuse`` or ``skip`` images that cannot be read.
        render: robots to be rendered instead of reading ``data``: so many sequences of each pose, images of each,
            and sizes so far off the catalogue's (:func:`microtwin.robots.varied.varied`).
    """

    training: Training = field(default_factory=Training)
    data: str = ""
    robots: tuple[int, ...] = ()
    folds: int = 5
    fold: int | None = None
    split: By = "sequence"
    unreadable: Literal["refuse", "skip"] = "refuse"
    render: tuple[int, ...] = ()
    sequences: int = 40
    images_per_sequence: int = 10
    shape: float = 1.0

    def __post_init__(self) -> None:
        if self.folds == 1 or self.folds < 0:
            raise InputError(f"folds is {self.folds}: give 2 or more, or 0 to train one network on everything")
        if not 0 <= self.shape <= 5:
            raise InputError(f"shape is {self.shape}: give 0 to 5, 1 varies sizes as far as they are uncertain")
        if self.fold is not None and not 0 <= self.fold < self.folds:
            asked = f"0 to {self.folds - 1}" if self.folds else "--folds with it"
            raise InputError(f"fold is {self.fold}: give {asked}")

    def to_json(self) -> dict[str, Any]:
        """Values that JSON can hold."""
        return vars(self) | {
            "training": self.training.to_json(),
            "robots": list(self.robots),
            "render": list(self.render),
        }

    def save(self, folder: Path, facts: dict[str, Any]) -> None:
        """Write ``config.json``; ``facts`` (versions, how many images) are kept with it."""
        with files.whole(folder / CONFIG) as temporary:
            text = json.dumps({**self.to_json(), "command": self.command, **facts}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> tuple["Request", dict[str, Any]]:
        """The request that a folder keeps, and the facts kept with it.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        file = folder / CONFIG
        if not file.is_file():
            raise InputError(f"no training in {folder} (no {CONFIG}): give the --out of an earlier microtwin train")
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            values = {name: found.pop(name) for name in cls.__dataclass_fields__}
            training = Training.from_json(values.pop("training"))
            return cls(
                training, **{**values, "robots": tuple(values["robots"]), "render": tuple(values["render"])}
            ), found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"cannot read {file} ({error}): restore it, or begin again with another --out") from None

    @property
    def command(self) -> str:
        """The command line that asks for it, without its ``--out``; what is as by default is left out."""
        words = ["microtwin", "train", self.training.kind, *(["--data", self.data] if self.data else [])]
        usual, usual_training = Request(), Training()
        given = {name: (value, getattr(usual, name)) for name, value in vars(self).items()}
        given |= {name: (value, getattr(usual_training, name)) for name, value in vars(self.training).items()}
        for name in ("training", "data", "kind"):
            del given[name]
        for name, (value, default) in given.items():
            flag = name.replace("_", "-")
            if value == default:
                continue
            if isinstance(value, bool):
                words += [f"--{flag}" if value else f"--no-{flag}"]
            elif isinstance(value, dict):
                words += [f"--{flag}", *(f"{key}={json.dumps(one)}" for key, one in value.items())]
            else:
                words += [f"--{flag}", *map(str, value if isinstance(value, tuple) else [value])]
        return shlex.join(words)
