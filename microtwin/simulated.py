"""The twin behind the rig contract: a :class:`World`, a camera clock, and an observer that sees through walls."""

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.optics.scene import Scene
from microtwin.physics import World
from microtwin.physics.step_out import step_out_hz
from microtwin.rig import CoilReading, Frame, Observation

FRAME_RATE_HZ = 24.0  # section III of the pushing paper
TRACKING_NOISE_UM = 0.05  # per axis; the calibration tracks show 0.04–0.09 (experiments/roller_tracks.py)
MAX_LATENCY_FRAMES = 240  # ten seconds: no rig is later


def check_latency(frames: int) -> None:
    """Raises InputError unless 0 ≤ frames ≤ 240."""
    if not 0 <= frames <= MAX_LATENCY_FRAMES:
        raise InputError(f"latency is {frames} frames: give 0 to {MAX_LATENCY_FRAMES}")


@dataclass(frozen=True)
class SimulatedFrame(Frame):
    """A frame that knows the truth: ``positions_um`` (N, 3) of all bodies when it was taken."""

    positions_um: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))


class SimulatedRig:
    """A world seen at the camera's rate, frames arriving ``latency_frames`` late; through a microscope if given one.

    The first frame shows the world as it was set up, and takes the latency to arrive; every later :meth:`observe` lets
    one frame time pass under the last commanded field. A frame's ``time_s`` is when it was taken, not when it arrives.

    Attributes:
        dropped: 0, every frame waits to be read. latency_s: of every frame.

    Raises:
        InputError: a frame rate ≤ 0, a negative latency.
    """

    def __init__(
        self,
        world: World,
        *,
        frame_rate_hz: float = FRAME_RATE_HZ,
        latency_frames: int = 1,
        microscope: Scene | None = None,
        rng: np.random.Generator | int = 0,
    ):
        if not frame_rate_hz > 0:
            raise InputError(f"frame rate is {frame_rate_hz} Hz: give a positive number, 24 is the paper's")
        check_latency(latency_frames)
        self.world = world
        self.frame_rate_hz = frame_rate_hz
        self.microscope = microscope
        self.dropped = 0
        self.latency_s = latency_frames / frame_rate_hz
        self._rng = np.random.default_rng(rng)
        self._field = RotatingField.off()
        self._taken: deque[SimulatedFrame] = deque(maxlen=latency_frames + 1)
        self._count = 0

    @cached_property
    def step_out_hz(self) -> float | None:
        """Of the slowest robot in this world (:func:`microtwin.physics.step_out.step_out_hz`); None without one."""
        found = [step_out_hz(body, self.world.coils, self.world.liquid) for body in self.world.bodies]
        return min((one for one in found if one is not None), default=None)

    def coil_reading(self) -> CoilReading:
        """Amplitude of the field on each axis, mT, after the coils' dead band and low-pass."""
        x, y, z = np.hypot(*self.world.coils.quadratures_mt(self._field)).tolist()
        return CoilReading(("x", "y", "z"), (x, y, z), "mT")

    def command(self, field: RotatingField) -> RotatingField:
        self._field = field
        return field

    def observe(self) -> SimulatedFrame:
        while True:
            if self._count:
                self.world.step(self._field, 1.0 / self.frame_rate_hz)
            self._taken.append(self._take())
            self._count += 1
            if len(self._taken) == self._taken.maxlen:
                return self._taken[0]

    def _take(self) -> SimulatedFrame:
        world, time_s = self.world, self._count / self.frame_rate_hz
        if self.microscope is None:
            return SimulatedFrame(self._count, time_s, positions_um=world.positions_um.copy())
        image = self.microscope.expose(world.positions_um, world.turns, world.velocities_um_s, self._rng)
        scale, centre = self.microscope.um_per_px, self.microscope.camera.centre_um
        return SimulatedFrame(self._count, time_s, image, scale, centre, world.positions_um.copy())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.command(RotatingField.off())


class TruthObserver:
    """Reads the simulated frames' truth and adds the tracker's measured noise. For the twin only.

    Args:
        rng: noise source. robot, cargo: indices of the two bodies. noise_um: standard deviation per axis.
    """

    def __init__(
        self, rng: np.random.Generator, *, robot: int = 0, cargo: int = 1, noise_um: float = TRACKING_NOISE_UM
    ):
        self._rng = rng
        self._bodies = [robot, cargo]
        self._noise_um = noise_um

    def __call__(self, frame: SimulatedFrame) -> Observation:
        seen = frame.positions_um[self._bodies, :2] + self._noise_um * self._rng.standard_normal((2, 2))
        return Observation(frame.index, frame.time_s, seen[0], seen[1])
