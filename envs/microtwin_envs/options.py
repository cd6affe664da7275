"""What an environment can be asked for: every keyword argument in one validated object."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from microtwin.control import identify
from microtwin.control.goal_task import GoalTask
from microtwin.control.path_frame import arc_lengths
from microtwin.control.path_task import PathTask
from microtwin.control.steering import Law
from microtwin.errors import InputError
from microtwin.physics import Flow
from microtwin.rig import known_backend
from microtwin.simulated import check_latency
from microtwin_envs import curves

OBSERVATIONS = ("state", "tracked", "pixels")
MOST_OTHERS = 20  # other bodies: their cost grows with the cube of their number
SLOWEST_UM_S = 5.0  # a quarter of the published pushing speed: who is slower runs out of time
SPARE_S = 10.0


@dataclass(frozen=True)
class Options:
    """Shared by all environments.

    Attributes:
        backend: ``sim``, or any rig registered in the entry-point group ``microtwin.backends``. On those nothing can be
            put back: a reset goes on from where things are, the robot driven behind the object first.
        backend_options: keyword arguments of that rig.
        tracker_options: keyword arguments of the :class:`~microtwin.vision.Tracker` that watches it.
        observation: ``state`` (truth and the tracker's noise), ``tracked`` (rendered or real frames through the
            tracker; the same vector) or ``pixels`` (an image).
        robot: ``paper``, ``nominal``, ``population`` (another robot in every episode) or ``mixed`` (of the population
            in one half of the episodes, the paper's in the other).
        cargo: ``bead`` or ``cell``.
        flow: background flow; ``random`` for another pulsating Poiseuille flow in every episode.
        objects: other free beads (or cells, with that cargo). obstacles: cells grown onto the glass.
        latency_frames: camera frames between exposure and arrival.
        frames_per_action: camera frames (24 per second) that one action lasts.
        max_episode_s: an episode longer than this is truncated; None for a generous time.
        frequency_limit_hz: greatest frequency an action can ask for; on paths also a pair, another limit between the
            two in every episode.
    """

    backend: str = "sim"
    backend_options: Mapping[str, Any] | None = None
    tracker_options: Mapping[str, Any] | None = None
    observation: Literal["state", "tracked", "pixels"] = "state"
    robot: Literal["paper", "nominal", "population", "mixed"] = "paper"
    cargo: Literal["bead", "cell"] = "bead"
    flow: Flow | Literal["random"] | None = None
    objects: int = 0
    obstacles: int = 0
    latency_frames: int = 1
    frames_per_action: int = 1
    max_episode_s: float | None = None
    frequency_limit_hz: float | tuple[float, float] = 60.0

    def __post_init__(self):
        choose("observation", self.observation, OBSERVATIONS)
        choose("robot", self.robot, ("paper", "nominal", "population", "mixed"))
        choose("cargo", self.cargo, ("bead", "cell"))
        if self.cargo == "cell" and self.robot != "paper":
            raise InputError(f"robot is {self.robot!r} with a cell: choose paper, the one fitted in culture medium")
        for name, least, most in (
            ("objects", 0, MOST_OTHERS),
            ("obstacles", 0, MOST_OTHERS),
            ("frames_per_action", 1, 240),
            ("latency_frames", 0, 240),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
                raise InputError(f"{name} is {value!r}: give a whole number from {least} to {most}")
        check_latency(self.latency_frames)
        least, most = self.limits_hz
        positive("frequency_limit_hz", least)
        positive("frequency_limit_hz", most)
        if least > most:
            raise InputError(f"frequency_limit_hz is {least} to {most}: give the smaller one first")
        if self.max_episode_s is not None:
            positive("max_episode_s", self.max_episode_s)
        if not (self.flow is None or isinstance(self.flow, Flow) or self.flow == "random"):
            raise InputError(f"flow is {self.flow!r}: give None, a microtwin.physics.Flow or 'random'")
        if not isinstance(self.backend, str):
            raise InputError(f"backend is {self.backend!r}: give the name of one, sim is the twin")
        if self.simulated:
            return
        known_backend(self.backend)
        if self.observation == "state":
            raise InputError(
                f"observation is 'state' on backend {self.backend!r}: choose tracked or pixels, the truth is the twin's"
            )
        for name in ("objects", "obstacles", "flow"):
            if getattr(self, name):
                raise InputError(
                    f"{name} is {getattr(self, name)!r} on backend {self.backend!r}: leave it out, nothing is put there"
                )

    @property
    def limits_hz(self) -> tuple[float, float]:
        """Between these the limit of an episode is drawn."""
        limit = self.frequency_limit_hz
        if isinstance(limit, tuple | list):
            if len(limit) != 2:
                raise InputError(f"frequency_limit_hz is {limit!r}: give one number, or a pair to draw from")
            return limit[0], limit[1]
        return limit, limit

    @property
    def simulated(self) -> bool:
        return self.backend == "sim"

    @property
    def others_told(self) -> int:
        """How many other bodies an observation tells of: the tracker follows no free ones."""
        return self.obstacles + (self.objects if self.observation == "state" else 0)

    def law(self, cruise_hz: float) -> Law:
        """Steering's law, told this camera's latency as far as it can be made up for."""
        return Law(cruise_hz=cruise_hz, delay_frames=min(self.latency_frames + 1, identify.DELAYS))


@dataclass(frozen=True)
class PathOptions(Options):
    """For ``microtwin/PushPath-v0``, besides those of :class:`Options`.

    Attributes:
        path: circle, figure-eight, square, clover, a CSV file, an (n, 2) array in µm, or ``random`` for another curve
            in every episode (:func:`microtwin_envs.curves.random_path`).
        residual: actions correct :class:`~microtwin.control.steering.Steering` instead of replacing it.
        cruise_hz: Steering's frequency.
        error_scale_um: cross-track distance at which progress is worth 1/e.
    """

    path: str | np.ndarray = "circle"
    residual: bool = False
    cruise_hz: float = 15.0
    error_scale_um: float = 1.5
    task: PathTask = field(init=False)
    numbers: np.ndarray = field(init=False)
    nodes_um: np.ndarray | None = field(init=False)
    arc_um: np.ndarray | None = field(init=False)

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.residual, bool | np.bool_):
            raise InputError(f"residual is {self.residual!r}: give True or False")
        positive("cruise_hz", self.cruise_hz)
        positive("error_scale_um", self.error_scale_um)
        task = PathTask(
            residual=bool(self.residual),
            limit_hz=float(self.limits_hz[1]),
            others=self.others_told,
            law=self.law(self.cruise_hz),
        )
        object.__setattr__(self, "task", task)
        object.__setattr__(self, "numbers", task.numbers())
        random = isinstance(self.path, str) and self.path == "random"
        nodes, arc = (None, None) if random else self._fixed(task.threshold_um)
        object.__setattr__(self, "nodes_um", nodes)
        object.__setattr__(self, "arc_um", arc)

    def _fixed(self, threshold_um: float) -> tuple[np.ndarray, np.ndarray]:
        nodes = curves.named(self.path)
        arc = arc_lengths(nodes)
        reach_um = float(np.hypot(*(nodes - nodes[0]).T).max())
        if reach_um <= threshold_um:
            raise InputError(
                f"path stays within {reach_um:.3g} µm of its start: go beyond the threshold, {threshold_um:g} µm"
            )
        return nodes, arc

    def limit_s(self, length_um: float) -> float:
        """Time after which an episode is truncated."""
        return SPARE_S + length_um / SLOWEST_UM_S if self.max_episode_s is None else self.max_episode_s


@dataclass(frozen=True)
class GoalOptions(Options):
    """For ``microtwin/Push-v0`` and ``microtwin/PushDense-v0``: those of :class:`Options`, with other defaults."""

    frames_per_action: int = 4
    max_episode_s: float | None = 15.0
    frequency_limit_hz: float = 20.0
    task: GoalTask = field(init=False)

    def __post_init__(self):
        super().__post_init__()
        if self.max_episode_s is None:
            object.__setattr__(self, "max_episode_s", 15.0)
        if self.limits_hz[0] != self.limits_hz[1]:
            raise InputError(
                f"frequency_limit_hz is {self.frequency_limit_hz!r}: give one number, goals have one limit"
            )
        law = self.law(self.limits_hz[1])
        task = GoalTask(
            limit_hz=float(self.limits_hz[1]),
            others=self.others_told,
            smooth_s=law.smooth_s,
            adapt_s=law.adapt_s,
            delay_frames=law.delay_frames,
        )
        object.__setattr__(self, "task", task)

    def limit_s(self) -> float:
        """Length of every episode."""
        assert self.max_episode_s is not None
        return self.max_episode_s


def positive(name: str, value: Any) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (number and math.isfinite(value) and value > 0):
        raise InputError(f"{name} is {value!r}: give a positive number")


def choose(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if not (isinstance(value, str) and value in choices):
        raise InputError(f"{name} is {value!r}: choose {', '.join(choices[:-1])} or {choices[-1]}")
