"""Runs of pushing: trials of one scene, one path and one controller, from one seed."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from microtwin.control import Corridor, Joystick
from microtwin.errors import InputError
from microtwin.paths import path_length
from microtwin.recording import Trial
from microtwin.rig import Controller, Frame, Observation
from microtwin.robots.calibration import fitted
from microtwin.run import run_trial
from microtwin.scene import PushScene

ControllerKind = Literal["corridor", "joystick"]
SLOWEST_UM_PER_TURN = 0.4  # a run slower than this per turn of the field, a fifth of the slowest published, is stuck


@dataclass(frozen=True)
class Push:
    """Repeated trials; trial k is drawn from ``(seed, k)`` alone, so any one can be repeated by itself.

    Attributes:
        nodes_um: (n, 2) path. controller: ``corridor`` or ``joystick`` (open loop by hand).
        approach_um: distance d behind the cargo; lead_um: how far ahead the operator looks; None for the fitted ones.
        time_limit_s: a trial longer than this fails; None for a limit that grows with the path and falls with f.
    """

    nodes_um: np.ndarray
    frequency_hz: float
    width_um: float = 5.0
    controller: ControllerKind = "corridor"
    trials: int = 4
    seed: int = 0
    threshold_um: float = 8.0
    approach_um: float | None = None
    lead_um: float | None = None
    time_limit_s: float | None = None
    scene: PushScene = field(default_factory=PushScene)

    def __post_init__(self):
        if self.trials < 1:
            raise InputError(f"trials is {self.trials}: give 1 or more")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: give 0 or more")
        if self.time_limit_s is not None and not (math.isfinite(self.time_limit_s) and self.time_limit_s > 0):
            raise InputError(f"time limit is {self.time_limit_s} s: give a positive number")
        path_length(self.nodes_um)  # its own checks, and the controller's, before any work is spent
        if not (math.isfinite(self.width_um) and self.width_um > 0):
            raise InputError(f"corridor width is {self.width_um}: give a positive number")
        self.make_controller(np.random.default_rng(0))
        reach_um = float(np.hypot(*(np.asarray(self.nodes_um) - self.nodes_um[0]).T).max())
        if reach_um <= self.threshold_um:  # it would count as done before anything moves
            raise InputError(
                f"path stays within {reach_um:.3g} µm of its start: go beyond the threshold, {self.threshold_um:g} µm"
            )
        if not math.isfinite(self.limit_s):
            raise InputError(f"frequency is {self.frequency_hz}: too slow to ever finish, give a larger one")

    def make_controller(self, rng: np.random.Generator) -> Controller:
        approach = fitted("pushing", "approach_um") if self.approach_um is None else self.approach_um
        if self.controller == "corridor":
            return Corridor(
                self.nodes_um,
                frequency_hz=self.frequency_hz,
                width_um=self.width_um,
                threshold_um=self.threshold_um,
                approach_um=approach,
            )
        if self.controller == "joystick":
            return Joystick(
                self.nodes_um,
                frequency_hz=self.frequency_hz,
                rng=rng,
                lead_um=fitted("joystick", "lead_um") if self.lead_um is None else self.lead_um,
                threshold_um=self.threshold_um,
                approach_um=approach,
            )
        raise InputError(f"controller is {self.controller!r}: choose corridor or joystick")

    @property
    def limit_s(self) -> float:
        if self.time_limit_s is not None:
            return self.time_limit_s
        return 60.0 + path_length(self.nodes_um) / (SLOWEST_UM_PER_TURN * self.frequency_hz)

    def run(
        self,
        on_progress: Callable[[float], None] | None = None,
        on_frame: Callable[[Frame, Observation, Controller], None] | None = None,
    ) -> Iterator[Trial]:
        """Yield the trials as they end; ``on_progress`` hears the fraction of all work done, 0 to 1."""
        for number in range(self.trials):
            rng = np.random.default_rng([self.seed, number])
            rig, observer = self.scene.open(self.nodes_um, rng)
            controller = self.make_controller(rng)

            def heard(frame: Frame, observation: Observation, controller: Controller, number=number) -> None:
                if on_frame:
                    on_frame(frame, observation, controller)
                if on_progress and observation.index % 24 == 0:
                    on_progress((number + controller.goal_index / len(self.nodes_um)) / self.trials)

            with rig:
                recording = run_trial(rig, observer, controller, time_limit_s=self.limit_s, on_frame=heard)
            if not recording.rows:  # stopped before the first frame: there is nothing to measure
                raise KeyboardInterrupt
            yield Trial.measure(number, recording, self.nodes_um)
            if recording.interrupted:
                return
