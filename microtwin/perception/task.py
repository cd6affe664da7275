"""What a network is asked: which classes of pitch and roll there are, and in what scale it says the depth."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception.examples import Examples
from microtwin.perception.labels import KINDS, Kind

LEAST_SD = 1e-3  # of the depths, so that a set at one depth can be standardised


@dataclass(frozen=True)
class Task:
    """The meaning of a network's outputs, which are [pitch logits | roll logits | depth mean, log variance].

    A part that the kind lacks is not there: a pose network has no last two, a depth network only these.

    Attributes:
        pitches_deg, rolls_deg: the classes in the order of their logits, ascending.
        poses: pairs of classes that occur together; a grid of poses is seldom full.
        depth_mean, depth_sd: of the training's depths; the network says (depth − mean)/sd. NaN without depths.
        depth_unit: ``um``, or ``scaled``: 0 to 1 within each sequence.
        robots: the numbers it was trained on.
    """

    kind: Kind
    pitches_deg: tuple[int, ...] = ()
    rolls_deg: tuple[int, ...] = ()
    poses: tuple[Pose, ...] = ()
    depth_mean: float = math.nan
    depth_sd: float = math.nan
    depth_unit: Literal["um", "scaled"] | None = None
    robots: tuple[int, ...] = field(default=())

    @classmethod
    def of(cls, examples: Examples, kind: Kind) -> "Task":
        """The task that labelled images pose.

        Raises:
            InputError: an unknown kind, no images, or some without a label of the kind.
        """
        if kind not in KINDS:
            raise InputError(f"task {kind!r}: give {', '.join(KINDS[:-1])} or {KINDS[-1]}")
        if not len(examples):
            raise InputError("no images to learn from: give a folder with labelled images")
        found: dict[str, Any] = {"robots": tuple(sorted({int(n) for n in examples.robot if n > 0}))}
        if kind != "depth":
            pitches, rolls = np.asarray(examples.pitch_deg), np.asarray(examples.roll_deg)
            if (unknown := int(np.sum((pitches < 0) | (rolls < 0)))) > 0:
                raise InputError(f"{unknown} of {len(examples)} images have no pose: leave them out, or train depth")
            poses = sorted({Pose(int(p), int(r)) for p, r in zip(pitches, rolls, strict=True)})
            found |= {
                "pitches_deg": tuple(sorted({pose.pitch_deg for pose in poses})),
                "rolls_deg": tuple(sorted({pose.roll_deg for pose in poses})),
                "poses": tuple(poses),
            }
        if kind != "pose":
            depths = np.asarray(examples.depth, dtype=float)
            if (unknown := int(np.sum(~np.isfinite(depths)))) > 0:
                raise InputError(f"{unknown} of {len(examples)} images have no depth: leave them out, or train pose")
            found |= {
                "depth_mean": float(depths.mean()),
                "depth_sd": max(float(depths.std()), LEAST_SD),
                "depth_unit": examples.depth_unit,
            }
        return cls(kind=kind, **found)

    @property
    def has_pose(self) -> bool:
        return self.kind != "depth"

    @property
    def has_depth(self) -> bool:
        return self.kind != "pose"

    @property
    def n_outputs(self) -> int:
        return len(self.pitches_deg) + len(self.rolls_deg) + 2 * self.has_depth

    @property
    def slices(self) -> dict[str, slice]:
        """Where ``pitch``, ``roll`` and ``depth`` are among the outputs; only those that the kind has."""
        pitches, rolls = len(self.pitches_deg), len(self.rolls_deg)
        found = {"pitch": slice(0, pitches), "roll": slice(pitches, pitches + rolls)} if self.has_pose else {}
        return found | ({"depth": slice(pitches + rolls, pitches + rolls + 2)} if self.has_depth else {})

    @property
    def pose_indices(self) -> np.ndarray:
        """(p, 2) classes of pitch and roll of every pose that exists."""
        pitch = {angle: k for k, angle in enumerate(self.pitches_deg)}
        roll = {angle: k for k, angle in enumerate(self.rolls_deg)}
        return np.array([[pitch[p.pitch_deg], roll[p.roll_deg]] for p in self.poses], dtype=np.int64).reshape(-1, 2)

    def check(self, examples: Examples) -> None:
        """Raises InputError, one line, when examples carry a class that the task does not know."""
        if not self.has_pose:
            return
        for name, known, values in (
            ("pitch", self.pitches_deg, examples.pitch_deg),
            ("roll", self.rolls_deg, examples.roll_deg),
        ):
            if odd := sorted({int(v) for v in values if v >= 0} - set(known)):
                raise InputError(
                    f"images with {name} {_listed(odd)}°, and the checkpoint knows {_listed(known)}°: "
                    "give images of these classes, or a checkpoint that was trained on them"
                )

    def to_json(self) -> dict[str, Any]:
        """Values that JSON can hold; poses by name."""
        values = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
        values |= {"poses": [pose.name for pose in self.poses]}
        return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Task":
        """The inverse of :meth:`to_json`.

        Raises:
            InputError: a value is missing or of another kind.
        """
        try:
            return cls(
                kind=KINDS[KINDS.index(values["kind"])],
                pitches_deg=tuple(int(v) for v in values["pitches_deg"]),
                rolls_deg=tuple(int(v) for v in values["rolls_deg"]),
                poses=tuple(Pose.named(name) for name in values["poses"]),
                depth_mean=math.nan if values["depth_mean"] is None else float(values["depth_mean"]),
                depth_sd=math.nan if values["depth_sd"] is None else float(values["depth_sd"]),
                depth_unit=values["depth_unit"],
                robots=tuple(int(v) for v in values["robots"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"a task that cannot be read ({error}): give a checkpoint of microtwin train") from None


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))
