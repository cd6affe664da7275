"""What a training is asked for, as one validated object that ``config.json`` keeps."""

import json
import math
import shlex
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from microtwin import files
from microtwin.errors import InputError

ALGORITHMS = ("ppo", "trpo", "a2c", "sac", "td3", "ddpg", "tqc", "crossq")
ON_POLICY = ("ppo", "trpo", "a2c")
TASKS = ("path", "goal")
DEVICES = ("auto", "cpu", "cuda")
CONFIG = "config.json"
# options of the environment that have a flag of their own on the command line
FLAGS = {"robot": "--robot", "flow": "--flow", "path": "--path", "cruise_hz": "--cruise-hz",
         "frequency_limit_hz": "--limit-hz"}  # fmt: skip
DEFAULT_MINUTES = 45.0


@dataclass(frozen=True)
class Training:
    """One training, except for where it is kept.

    Attributes:
        algo: of Stable-Baselines3 or sb3-contrib. task: ``path`` (PushPath-v0) or ``goal`` (Push-v0; HER off-policy).
        steps, minutes: budget: environment steps in all, or wall time; neither is 45 minutes.
        seed: of everything that is drawn.
        envs: environments in parallel; None for 256 on-policy and 32 off-policy.
        options: keyword arguments of the environment. hyper: of the algorithm, besides its defaults here.
        device: ``auto``, ``cpu`` or ``cuda``.
        evaluations: how often the policy is tried on held-out episodes, evenly over the budget.
        episodes: how many of these there are each time.
        checkpoint_minutes: time between two checkpoints.
    """

    algo: str = "ppo"
    task: str = "path"
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    envs: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    hyper: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"
    evaluations: int = 20
    episodes: int = 64
    checkpoint_minutes: float = 3.0

    def __post_init__(self):
        for name, choices in (("algo", ALGORITHMS), ("task", TASKS), ("device", DEVICES)):
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} is {getattr(self, name)!r}: choose {', '.join(choices[:-1])} or {choices[-1]}"
                )
        if self.steps is not None and self.minutes is not None:
            raise InputError(f"steps is {self.steps} and minutes is {self.minutes:g}: give one of the two")
        for name, least in (("steps", 1), ("envs", 1), ("seed", 0), ("evaluations", 1), ("episodes", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(f"{name} is {value}: give {least} or more")
        for name in ("minutes", "checkpoint_minutes"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        if self.task == "path" and self.options.get("frames_per_action", 1) != 1:
            raise InputError(
                f"frames_per_action is {self.options['frames_per_action']}: leave it at 1, a policy acts on every frame"
            )
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "minutes", DEFAULT_MINUTES)
        if self.envs is None:
            object.__setattr__(self, "envs", 256 if self.on_policy else 32)

    @property
    def on_policy(self) -> bool:
        return self.algo in ON_POLICY

    def save(self, folder: Path, versions: dict[str, str]) -> None:
        """Write ``config.json``."""
        with files.whole(folder / CONFIG) as temporary:
            text = json.dumps({**asdict(self), "command": self.command, "versions": versions}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def of(cls, folder: Path) -> "Training":
        """The training that a folder keeps.

        Raises:
            InputError: there is none, or it cannot be read.
        """
        file = folder / CONFIG
        if not file.is_file():
            raise InputError(
                f"no training in {folder} (no {CONFIG}): give the --out of an earlier microtwin learn push"
            )
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
            return cls(**{name: found[name] for name in cls.__dataclass_fields__})
        except (OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"cannot read {file} ({error}): restore it, or begin again with another --out") from None

    def extended(self, steps: int | None, minutes: float | None, device: str = "auto") -> "Training":
        """The same training with another budget, or on another device, if one is given."""
        kept = self if device == "auto" else replace(self, device=device)
        if steps is None and minutes is None:
            return kept
        return replace(kept, steps=steps, minutes=minutes)

    @property
    def command(self) -> str:
        """The command line that asks for it, without its ``--out``."""
        words = ["microtwin", "learn", "push", "--algo", self.algo, "--task", self.task]
        words += ["--steps", str(self.steps)] if self.steps is not None else ["--minutes", f"{self.minutes:g}"]
        words += ["--seed", str(self.seed), "--envs", str(self.envs), "--device", self.device]
        rest = dict(self.options)
        for name, flag in FLAGS.items():
            if name in rest:
                value = rest.pop(name)
                words += [flag, *(map(str, value) if isinstance(value, list | tuple) else [str(value or "none")])]
        if "residual" in rest:
            words += ["--residual" if rest.pop("residual") else "--no-residual"]
        for flag, values in (("--options", rest), ("--hyper", self.hyper)):
            if values:
                words += [flag, *(f"{name}={json.dumps(value)}" for name, value in values.items())]
        for name in ("evaluations", "episodes", "checkpoint_minutes"):
            if getattr(self, name) != self.__dataclass_fields__[name].default:
                words += [f"--{name.replace('_', '-')}", f"{getattr(self, name):g}"]
        return shlex.join(words)
