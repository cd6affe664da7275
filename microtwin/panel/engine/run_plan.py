"""What Start asks for, checked: a push of one object along its path."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from microtwin.control.by_hand import ByHand
from microtwin.panel.engine.bench import Bench
from microtwin.panel.engine.cautious import Cautious
from microtwin.panel.engine.place import Place
from microtwin.panel.messages import HAND, Start
from microtwin.pushing import Push
from microtwin.rig import Controller
from microtwin.robots.calibration import fitted
from microtwin.scene import PushScene


@dataclass(frozen=True)
class RunPlan:
    """One object's run.

    Attributes:
        number: of the object. push: the settings, as of ``microtwin push``; for a hand those of its likeness, the
            joystick. path: what its path is called.
    """

    number: int
    push: Push
    start: Start
    path: str

    @classmethod
    def of(cls, start: Start, number: int, place: Place, bench: Bench) -> "RunPlan":
        """Check everything before anything moves.

        Raises:
            InputError: a value out of range, no such controller, a path within the threshold.
        """
        assert place.nodes_um is not None
        scene, seed, twin = PushScene(), 0, bench.twin
        if twin is not None:
            seed = twin.seed
            scene = twin.scene
        push = Push(
            place.nodes_um,
            frequency_hz=start.frequency_hz,
            width_um=start.width_um,
            controller="joystick" if start.controller == HAND else start.controller,
            trials=1,
            seed=seed,
            threshold_um=start.threshold_um,
            approach_um=start.approach_um,
            time_limit_s=start.time_limit_s,
            scene=scene,
            backend=bench.backend,
            backend_options=bench.options,
        )
        return cls(number, push, start, place.path)

    @property
    def by_hand(self) -> bool:
        return self.start.controller == HAND

    @property
    def frequency_hz(self) -> float | None:
        """Of the field, as far as it is known beforehand."""
        return None if self.by_hand or self.push.is_policy else self.push.turns_hz

    @property
    def spins(self) -> bool:
        """Whether its controller brings the object back to the path by spinning; the others roll all the way."""
        return not self.by_hand and (self.push.is_policy or self.push.corridor_um is not None)

    def controller(self, frame_rate_hz: float) -> Cautious:
        """A new one."""
        if self.by_hand:
            near_um = self.push.approach_um
            near_um = fitted("pushing", "approach_um") if near_um is None else near_um  # as the joystick's
            made: Controller = ByHand(self.push.nodes_um, threshold_um=self.push.threshold_um, approach_um=near_um)
        else:
            made = self.push.make_controller(np.random.default_rng([self.push.seed, 0]), frame_rate_hz)
        return Cautious(made)

    def config(self) -> dict[str, Any]:
        """What ``run.json`` says of it."""
        settings = self.push.settings(self.path)
        return settings | ({"controller": HAND, "frequency_hz": None} if self.by_hand else {})
