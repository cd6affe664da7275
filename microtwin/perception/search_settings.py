"""What a search is asked for, as one validated object that ``config.json`` keeps."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from microtwin import files
from microtwin.errors import InputError
from microtwin.perception.labels import KINDS, Kind
from microtwin.perception.training import Training

CONFIG = "config.json"
FREE = ("data", "trials", "device")  # may change from one run to the next: a folder may have been moved
SEARCHED = KINDS[:2]  # pose and depth: Table I is for each of them alone


@dataclass(frozen=True)
class Search:
    """One search, except for where it is kept.

    Attributes:
        kind: ``pose`` or ``depth``. data: folder of the labelled images.
        trials: how many, those cut short or too large counted.
        size: of the images' sides as the networks see them, pixels.
        epochs: of each trial; the worse half of the trials is cut short before.
        robots: numbers to learn from; none means all there are.
        split: images that choose are of other sequences than those trained on, or, as in the paper, of the same.
        unreadable: refuse a folder with images that cannot be read, or skip these.
        augment, precision, device, seed: as in :class:`microtwin.perception.training.Training`; every trial has the
            same seed.
        memory_gb: trials whose training needs more are not begun.
    """

    kind: Kind = "pose"
    data: str = ""
    trials: int = 20
    size: int = 128
    epochs: int = 20
    robots: tuple[int, ...] = ()
    split: Literal["sequence", "frame"] = "sequence"
    unreadable: Literal["refuse", "skip"] = "refuse"
    augment: bool = True
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: int = 0
    memory_gb: float = 4.0

    def __post_init__(self) -> None:
        if self.kind not in SEARCHED:
            raise InputError(f"kind is {self.kind!r}: choose pose or depth, the paper searches for each of them alone")
        if self.split not in ("sequence", "frame"):
            raise InputError(f"split is {self.split!r}: give sequence or frame")
        if self.unreadable not in ("refuse", "skip"):
            raise InputError(f"unreadable is {self.unreadable!r}: give refuse or skip")
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise InputError(f"trials is {self.trials}: give a whole number, 1 or more")
        if not (math.isfinite(self.memory_gb) and self.memory_gb > 0):
            raise InputError(f"memory_gb is {self.memory_gb}: give a positive number of gigabytes")
        object.__setattr__(self, "robots", tuple(self.robots))  # JSON has lists
        self.training()

    def training(self, **chosen: Any) -> Training:
        """A trial's training: these settings and what was chosen for it."""
        return Training(
            kind=self.kind,
            network=f"nas_{self.kind}",
            size=self.size,
            epochs=self.epochs,
            augment=self.augment,
            precision=self.precision,
            device=self.device,
            seed=self.seed,
            **chosen,
        )

    @property
    def maximise(self) -> bool:
        return self.kind == "pose"

    def save(self, folder: Path) -> None:
        """Write ``config.json``."""
        with files.whole(folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> "Search":
        """The search that a folder keeps.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        file = folder / CONFIG
        if not file.is_file():
            raise InputError(f"no search in {folder} (no {CONFIG}): give the --out of an earlier microtwin search")
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except InputError:
            raise
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"cannot read {file} ({error}): restore it, or begin again with another --out") from None

    def difference(self, other: "Search") -> str | None:
        """The first setting in which two searches differ, but for those that one may go on with other values of."""
        names = (name for name in self.__dataclass_fields__ if name not in FREE)
        return next((name for name in names if getattr(self, name) != getattr(other, name)), None)

    def extended(self, trials: int | None = None, device: str | None = None, data: str | None = None) -> "Search":
        """The same search with another number of trials in all, device, or place of its images, if one is given."""
        changes: dict[str, Any] = {"trials": trials, "device": device, "data": data}
        return replace(self, **{name: value for name, value in changes.items() if value is not None})
