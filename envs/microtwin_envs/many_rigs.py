"""Many simulated rigs, each with an observer that reads the truth and adds the tracker's noise, stepped together.

The same frames, noise and latency as :class:`~microtwin.simulated.SimulatedRig` and
:class:`~microtwin.simulated.TruthObserver`, bit for bit, for a whole :class:`~microtwin.physics.Fleet`.
"""

import math
from collections.abc import Sequence

import numpy as np
from gymnasium.error import ResetNeeded

from microtwin.errors import InputError
from microtwin.physics import Fleet, World
from microtwin.robots.calibration import fitted
from microtwin.simulated import FRAME_RATE_HZ


class ManyRigs:
    """W worlds seen at the camera's rate.

    Args:
        count: W. objects, obstacles: bodies besides robot and cargo; the obstacles' places are known without noise.
        latency_frames: between exposure and arrival. threads: for the worlds.

    Attributes:
        seen: (W, 2 + M, 2) what the observers said last: robot, cargo, other bodies; µm.
        failed: (W,) worlds whose bodies collided in the last step.

    Raises:
        InputError: a number of threads that is not 1 or more.
    """

    def __init__(self, count: int, *, objects: int, obstacles: int, latency_frames: int, threads: int | None):
        whole = isinstance(threads, int | np.integer) and not isinstance(threads, bool)
        if threads is not None and not (whole and threads >= 1):
            raise InputError(f"threads is {threads!r}: give 1 or more")
        self.seen = np.zeros((count, 2 + objects + obstacles, 2))
        self.failed = np.zeros(count, np.bool_)
        self._moving = 2 + objects
        self._noise_um = fitted("tracking", "noise_um")
        self._taken = np.zeros((latency_frames + 1, *self.seen.shape))
        self._newest = 0
        self._threads = threads
        self._fleet: Fleet | None = None

    def start(self, slots: np.ndarray, worlds: Sequence[World]) -> None:
        """New worlds in these slots, all of them at the first call, and the first frame of each."""
        if self._fleet is None:
            self._fleet = Fleet(worlds, threads=self._threads)
        else:
            for slot, world in zip(slots.tolist(), worlds, strict=True):
                self._fleet.replace(slot, world)
        fleet, kept = self._fleet, len(self._taken)
        off = np.zeros((len(fleet), 2, 3))
        self._taken[(self._newest + 1) % kept, slots] = fleet.positions_um[slots, :, :2]
        for late in range(2, kept + 1):  # the first frame takes the latency to arrive
            fleet.step(off, 0.0, 1.0 / FRAME_RATE_HZ, slots=slots)
            self._taken[(self._newest + late) % kept, slots] = fleet.positions_um[slots, :, :2]
        self._look(slots)

    def step(self, commands: np.ndarray, slots: np.ndarray) -> np.ndarray:
        """Hold the fields ``commands`` (3, W), α, γ, f, in ``slots`` for a frame; returns those that did not fail.

        Raises:
            ResetNeeded: there are no worlds yet.
        """
        fleet = self._fleet
        if fleet is None:
            raise ResetNeeded("no episode has begun: call reset before step")
        fields = fleet.quadratures_mt(*commands)
        fleet.step(fields, commands[2], 1.0 / FRAME_RATE_HZ, slots=None if len(slots) == len(fleet) else slots)
        self.failed[:] = fleet.failed
        if self.failed.any():
            slots = slots[~self.failed[slots]]
        self._newest = (self._newest + 1) % len(self._taken)
        self._taken[self._newest, slots] = fleet.positions_um[slots, :, :2]
        self._look(slots)
        return slots

    def _look(self, slots: np.ndarray) -> None:
        """The oldest frame taken arrives."""
        fleet, moving = self._fleet, self._moving
        assert fleet is not None
        arrived = self._taken[(self._newest + 1) % len(self._taken), slots]
        noise = fleet.draw(2 * moving, slots).reshape(len(slots), moving, 2)
        arrived[:, :moving] += self._noise_um * noise
        self.seen[slots] = arrived


def idle(count: int) -> np.ndarray:
    """(3, W) room for commands: α, γ, f."""
    commands = np.zeros((3, count))
    commands[1] = math.pi / 2
    return commands
