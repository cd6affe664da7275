"""Runs of pushing: trials of one scene, one path and one controller, from one seed."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from microtwin.control import Blended, Corridor, Joystick, Predictive, Steering
from microtwin.control.blended import WIDTH_UM
from microtwin.control.identify import DELAYS
from microtwin.control.policy import load
from microtwin.control.policy_file import SHIPPED, digest
from microtwin.control.predictive import Plan
from microtwin.control.steering import Law
from microtwin.errors import InputError, RigError
from microtwin.on_path import OnPath
from microtwin.paths import path_length
from microtwin.recording import Trial
from microtwin.rig import Controller, Frame, Observation, Observer, Rig, known_backend, open_rig
from microtwin.robots.calibration import fitted
from microtwin.run import run_trial
from microtwin.scene import PushScene
from microtwin.simulated import FRAME_RATE_HZ

ControllerKind = Literal["corridor", "blended", "steering", "predictive", "joystick"]
WIDTHS_UM = {"corridor": 5.0, "blended": WIDTH_UM}  # the paper's fastest, and the most accurate with a blended γ
DEFAULT_HZ = 12.0
SLOWEST_UM_PER_TURN = 0.4  # a run slower than this per turn of the field, a fifth of the slowest published, is stuck


@dataclass(frozen=True)
class Push:
    """Repeated trials; trial k is drawn from ``(seed, k)`` alone, so any one can be repeated by itself.

    Attributes:
        nodes_um: (n, 2) path.
        width_um: corridor width; None for 5, or 8 with a blended γ.
        controller: ``corridor`` (the paper's), ``blended`` (the same without a switch), ``steering`` (two nested
            loops), ``predictive`` (a plan every frame), ``joystick`` (open loop by hand), a trained policy's file
            (``*.zip``), or ``policy`` for the one that comes with the package.
        frequency_hz: of the field; None for 12. A policy has its own: for it, the greatest allowed, None for all.
        approach_um: distance d behind the cargo; lead_um: how far ahead the operator looks; None for the fitted ones.
        time_limit_s: a trial longer than this fails; None for a limit that grows with the path and falls with f.
        backend: ``sim`` for the twin that ``scene`` describes, or any rig registered in the entry-point group
            ``microtwin.backends``, watched by the tracker; there a trial's path begins where the object is
            (:class:`~microtwin.on_path.OnPath`). backend_options: keyword arguments of that rig.
        tracker_options: keyword arguments of the :class:`~microtwin.vision.Tracker` that watches it.
    """

    nodes_um: np.ndarray
    frequency_hz: float | None = None
    width_um: float | None = None
    controller: ControllerKind | str = "corridor"
    trials: int = 4
    seed: int = 0
    threshold_um: float = 8.0
    approach_um: float | None = None
    lead_um: float | None = None
    time_limit_s: float | None = None
    scene: PushScene = field(default_factory=PushScene)
    backend: str = "sim"
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    tracker_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        known_backend(self.backend)
        if self.backend != "sim" and self.scene != PushScene(latency_frames=self.scene.latency_frames):
            raise InputError(
                f"backend is {self.backend!r}: leave out what describes a scene of the twin (robot, cargo …)"
            )
        if self.backend == "sim" and (self.backend_options or self.tracker_options):
            given = {**self.backend_options, **self.tracker_options}
            raise InputError(f"backend or tracker options are {given}: leave them out, sim takes none")
        if self.backend != "sim":
            self._tracker()  # its own checks
        if self.trials < 1:
            raise InputError(f"trials is {self.trials}: give 1 or more")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: give 0 or more")
        if self.time_limit_s is not None and not (math.isfinite(self.time_limit_s) and self.time_limit_s > 0):
            raise InputError(f"time limit is {self.time_limit_s} s: give a positive number")
        path_length(self.nodes_um)  # its own checks, and the controller's, before any work is spent
        if self.width_um is not None and not (math.isfinite(self.width_um) and self.width_um > 0):
            raise InputError(f"corridor width is {self.width_um}: give a positive number")
        if self.width_um is not None and self.controller not in WIDTHS_UM:
            raise InputError(
                f"corridor width is {self.width_um} for {self.controller}: leave it out, that has no corridor"
            )
        self.make_controller(np.random.default_rng(0))
        reach_um = float(np.hypot(*(np.asarray(self.nodes_um) - self.nodes_um[0]).T).max())
        if reach_um <= self.threshold_um:  # it would count as done before anything moves
            raise InputError(
                f"path stays within {reach_um:.3g} µm of its start: go beyond the threshold, {self.threshold_um:g} µm"
            )
        if not math.isfinite(self.limit_s):
            raise InputError(f"frequency is {self.frequency_hz}: too slow to ever finish, give a larger one")

    def _open(self, rng: np.random.Generator) -> tuple[Rig, Observer]:
        if self.backend == "sim":
            return self.scene.open(self.nodes_um, rng)
        observer = self._tracker()
        return OnPath(open_rig(self.backend, **self.backend_options), observer, self.nodes_um[0]), observer

    def _tracker(self) -> Observer:
        from microtwin.vision import Tracker

        try:
            return Tracker(**dict(self.tracker_options))
        except TypeError as error:
            raise InputError(f"tracker options are {dict(self.tracker_options)}: {error}") from None

    def make_controller(self, rng: np.random.Generator, frame_rate_hz: float = FRAME_RATE_HZ) -> Controller:
        """A new controller for one trial; ``rng`` is the operator's hand, for those that have one."""
        makers = {
            "corridor": self._corridor,
            "blended": self._corridor,
            "steering": self._steering,
            "predictive": self._predictive,
            "joystick": self._joystick,
            SHIPPED: self._policy,
        }
        if self.is_policy:
            return self._policy(rng, frame_rate_hz)
        if self.controller not in makers:
            raise InputError(f"controller is {self.controller!r}: choose {', '.join(makers)} or a policy.zip")
        return makers[self.controller](rng, frame_rate_hz)

    def _corridor(self, rng: np.random.Generator, frame_rate_hz: float) -> Controller:
        kind = Blended if self.controller == "blended" else Corridor
        width_um = WIDTHS_UM[self.controller] if self.width_um is None else self.width_um
        return kind(self.nodes_um, frequency_hz=self.turns_hz, width_um=width_um, **self._distances)

    def _steering(self, rng: np.random.Generator, frame_rate_hz: float) -> Controller:
        # a cell touches the robot: the bead's loops swing there, the integral most of all
        calm = {"turn_um": 8.0, "return_um": 16.0, "integral_per_s": 0.1} if self.scene.cargo == "cell" else {}
        law = Law(cruise_hz=self.turns_hz, delay_frames=self._delay_frames, **calm)
        return Steering(self.nodes_um, law, frame_rate_hz=frame_rate_hz, **self._distances)

    def _predictive(self, rng: np.random.Generator, frame_rate_hz: float) -> Controller:
        plan = Plan(cruise_hz=self.turns_hz, delay_frames=self._delay_frames)
        return Predictive(self.nodes_um, plan, frame_rate_hz=frame_rate_hz, **self._distances)

    def _policy(self, rng: np.random.Generator, frame_rate_hz: float) -> Controller:
        return load(
            self.controller,
            self.nodes_um,
            frame_rate_hz=frame_rate_hz,
            limit_hz=self.frequency_hz,
            delay_frames=self._delay_frames,
            approach_um=self._distances["approach_um"],
        )

    def _joystick(self, rng: np.random.Generator, frame_rate_hz: float) -> Controller:
        lead_um = fitted("joystick", "lead_um") if self.lead_um is None else self.lead_um
        return Joystick(self.nodes_um, frequency_hz=self.turns_hz, rng=rng, lead_um=lead_um, **self._distances)

    @property
    def is_policy(self) -> bool:
        return self.controller == SHIPPED or self.controller.endswith(".zip")

    @property
    def turns_hz(self) -> float:
        """Frequency of the field, as far as it is set."""
        return DEFAULT_HZ if self.frequency_hz is None else self.frequency_hz

    @property
    def _distances(self) -> dict[str, float]:
        approach = fitted("pushing", "approach_um") if self.approach_um is None else self.approach_um
        return {"threshold_um": self.threshold_um, "approach_um": approach}

    @property
    def _delay_frames(self) -> int:
        """From a command to the first frame that shows it, as far as a controller can make up for it."""
        return min(self.scene.latency_frames + 1, DELAYS)

    @property
    def corridor_um(self) -> float | None:
        """Width of the corridor; None for a controller that has none."""
        return WIDTHS_UM.get(self.controller) if self.width_um is None else self.width_um

    @property
    def limit_s(self) -> float:
        if self.time_limit_s is not None:
            return self.time_limit_s
        return 60.0 + path_length(self.nodes_um) / (SLOWEST_UM_PER_TURN * self.turns_hz)

    def settings(self, path: str) -> dict[str, Any]:
        """What ``run.json`` keeps as the run's config; ``path`` is the name of the path, as a user gives it."""
        scene = self.scene
        return {
            "frequency_hz": self.frequency_hz if self.is_policy else self.turns_hz,
            "width_um": self.corridor_um,
            "path": path,
            "path_length_um": path_length(self.nodes_um),
            "trials": self.trials,
            "seed": self.seed,
            "controller": self.controller,
            "policy_sha256": digest(self.controller) if self.is_policy else None,
            "robot": scene.robot,
            "cargo": scene.cargo,
            "fidelity": scene.fidelity,
            "observe": scene.observe,
            "focus_offset_um": scene.focus_offset_um,
            "start_bearing_deg": round(math.degrees(scene.start_bearing_rad), 9),  # as it was typed
            "latency_frames": scene.latency_frames,
            "time_limit_s": self.limit_s,
            "backend": self.backend,
            "backend_options": dict(self.backend_options),
            "tracker_options": dict(self.tracker_options),
        }

    def run(
        self,
        on_progress: Callable[[float], None] | None = None,
        on_frame: Callable[[Frame, Observation, Controller], None] | None = None,
    ) -> Iterator[Trial]:
        """Yield the trials as they end; ``on_progress`` hears the fraction of all work done, 0 to 1."""
        for number in range(self.trials):
            rng = np.random.default_rng([self.seed, number])
            rig, observer = self._open(rng)
            controller = self.make_controller(rng, rig.frame_rate_hz)

            def heard(frame: Frame, observation: Observation, controller: Controller, number=number) -> None:
                if on_frame:
                    on_frame(frame, observation, controller)
                if on_progress and observation.index % 24 == 0:
                    on_progress((number + controller.goal_index / len(self.nodes_um)) / self.trials)

            with rig:
                recording = run_trial(rig, observer, controller, time_limit_s=self.limit_s, on_frame=heard)
            if recording.broken and not recording.rows:
                raise RigError(recording.reason)
            if not recording.rows:  # stopped before the first frame: there is nothing to measure
                raise KeyboardInterrupt
            yield Trial.measure(number, recording, self.nodes_um)
            if recording.interrupted or recording.broken:
                return
