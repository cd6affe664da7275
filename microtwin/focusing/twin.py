"""A twin of looking: one robot of the image set under the OTMR camera, on a stage that moves its focus.

The robot's depth, in the image set's µm of stage travel, is where the stage stands plus what drifts and shakes.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.focusing.disturbance import Drift, DriftKind, Vibration
from microtwin.focusing.picture import Picture, sweep_um
from microtwin.otmr.framing import PIXEL_UM
from microtwin.otmr.pose import POSES, Pose
from microtwin.otmr.randomisation import Randomisation
from microtwin.perception.focus import Reading
from microtwin.rig import Frame
from microtwin.robots.catalogue import robot
from microtwin.simulated import FRAME_RATE_HZ, check_latency


@dataclass(frozen=True)
class FocusFrame(Frame):
    """A frame that knows the truth: the robot's ``depth_um`` when it was taken."""

    depth_um: float = math.nan


@dataclass(frozen=True)
class FocusScene:
    """What is under the microscope, and what disturbs it.

    Args:
        robot: 1 to 18. pose: one of the image set's; robots 7 to 18 have P0_R0 alone.
        randomise: what robot, optics and camera look like is drawn from it, once.
        drift: see :class:`~microtwin.focusing.disturbance.Drift`. drift_um_s, drift_range_um: its speed and range.
        vibration_um: root mean square, see :class:`~microtwin.focusing.disturbance.Vibration`.
        start_um: the depth at the beginning; None for the middle of the robot's sweep.
        latency_frames: between exposure and arrival.
        travel_um: of the stage, which begins at 0. speed_um_s: its highest. settle_ms: time constant of its approach.

    Raises:
        InputError: no such robot or pose, a value that nothing has.
    """

    robot: int = 3
    pose: Pose = field(default_factory=Pose)
    randomise: Randomisation = field(default_factory=Randomisation)
    drift: DriftKind = "ramps"
    drift_um_s: float = 1.0
    drift_range_um: float = 6.0
    vibration_um: float = 0.02
    start_um: float | None = None
    latency_frames: int = 1
    frame_rate_hz: float = FRAME_RATE_HZ
    travel_um: tuple[float, float] = (-15.0, 15.0)
    speed_um_s: float = 200.0
    settle_ms: float = 5.0

    def __post_init__(self) -> None:
        robot(self.robot)
        known = {Pose(), *POSES.get(self.robot, ())}
        if self.pose not in known:
            raise InputError(f"robot {self.robot} has no pose {self.pose.name}: give one of the image set, as P0_R0")
        if not (math.isfinite(self.frame_rate_hz) and self.frame_rate_hz > 0):
            raise InputError(f"frame rate is {self.frame_rate_hz} Hz: give a positive number")
        check_latency(self.latency_frames)
        low, high = self.travel_um
        if not (math.isfinite(low) and math.isfinite(high) and low <= 0 <= high and low < high):
            raise InputError(f"stage travel is {low:g} to {high:g} µm: give a range that holds 0, where it begins")
        for name in ("speed_um_s", "settle_ms"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name} of the stage is {getattr(self, name)}: give a positive number")
        if self.start_um is not None and not math.isfinite(self.start_um):
            raise InputError(f"depth at the start is {self.start_um}: give a number in µm")
        rng = np.random.default_rng(0)
        Drift(self.drift, self.drift_um_s, self.drift_range_um, rng)  # their own checks
        Vibration(self.vibration_um, rng)

    @property
    def sweep_um(self) -> tuple[float, float]:
        """The depths that the image set has of the robot, from the least to the largest: all that any network knows."""
        return sweep_um(robot(self.robot), self.pose)

    @property
    def middle_um(self) -> float:
        """The depth in the middle of the robot's sweep, where its half height is in focus."""
        return sum(self.sweep_um) / 2

    def check_target(self, target_um: float) -> None:
        """Raises InputError unless a depth lies in the robot's sweep."""
        low, high = self.sweep_um
        if not low <= target_um <= high:
            raise InputError(f"target is {target_um:g} µm: give a depth of robot {self.robot}, {low:.1f} to {high:.1f}")

    def open(self, seed: int | np.random.Generator, *, blind: bool = False) -> "FocusTwin":
        """The rig, with everything that is drawn drawn from ``seed``; ``blind``: the same without images, and fast."""
        return FocusTwin(self, np.random.default_rng(seed), blind)


class TwinStage:
    """A piezo: as fast as it may, then an exponential approach. Its time is the rig's."""

    def __init__(self, travel_um: tuple[float, float], speed_um_s: float, settle_s: float):
        self.position_um = self._target_um = 0.0
        self.travel_um = travel_um
        self._speed_um_s, self._settle_s = speed_um_s, settle_s

    def head_for(self, z_um: float) -> None:
        low, high = self.travel_um
        if not low <= z_um <= high:
            raise InputError(f"stage position is {z_um:g} µm: give {low:g} to {high:g} µm, its travel")
        self._target_um = float(z_um)

    def move_to(self, z_um: float) -> None:
        """The twin's time stands still until it has arrived."""
        self.head_for(z_um)
        self.position_um = self._target_um

    def advance(self, duration_s: float) -> None:
        """dz/dt = clip((target − z)/τ, ±v), in closed form."""
        way = self._target_um - self.position_um
        near = self._speed_um_s * self._settle_s  # from where on it slows down
        straight_s = min(max((abs(way) - near) / self._speed_um_s, 0.0), duration_s)
        left = abs(way) - self._speed_um_s * straight_s
        left *= math.exp(-(duration_s - straight_s) / self._settle_s)
        self.position_um = self._target_um - math.copysign(left, way)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.head_for(self.position_um)


class FocusTwin:
    """The rig of a scene, with the clock of :class:`~microtwin.simulated.SimulatedRig`; it has no coils."""

    def __init__(self, scene: FocusScene, rng: np.random.Generator, blind: bool = False):
        looks, drifts, shakes, self._camera = rng.spawn(4)
        self.scene, self.frame_rate_hz = scene, scene.frame_rate_hz
        self.picture = None if blind else Picture(robot(scene.robot), scene.pose, scene.randomise.draw(looks))
        self.stage = TwinStage(scene.travel_um, scene.speed_um_s, scene.settle_ms / 1000)
        self._start_um = scene.middle_um if scene.start_um is None else scene.start_um
        self._drift = Drift(scene.drift, scene.drift_um_s, scene.drift_range_um, drifts)
        self._vibration = Vibration(scene.vibration_um, shakes)
        self._taken: deque[FocusFrame] = deque(maxlen=scene.latency_frames + 1)
        self._count = 0

    def command(self, field: RotatingField) -> RotatingField:
        """No field.

        Raises:
            InputError: any other one is asked for.
        """
        if field.amplitude:
            raise InputError(f"field amplitude is {field.amplitude:g}: this twin has no coils, only a stage")
        return field

    def observe(self) -> FocusFrame:
        while True:
            if self._count:
                duration_s = 1.0 / self.frame_rate_hz
                self.stage.advance(duration_s)
                self._drift.advance(duration_s)
            self._taken.append(self._take())
            self._count += 1
            if len(self._taken) == self._taken.maxlen:
                return self._taken[0]

    def _take(self) -> FocusFrame:
        time_s = self._count / self.frame_rate_hz
        depth_um = self._start_um + self.stage.position_um + self._drift.depth_um + self._vibration.depth_um(time_s)
        image = self.picture.expose(depth_um, self._camera) if self.picture else None
        return FocusFrame(self._count, time_s, image, PIXEL_UM, depth_um=depth_um)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.stage.__exit__(*exception)


class Truth:
    """Reads the frames' true depth and adds noise: the best that any estimator of so much noise could do."""

    def __init__(self, noise_um: float, rng: np.random.Generator | int | list[int] = 0):
        if not (math.isfinite(noise_um) and noise_um > 0):
            raise InputError(f"noise of the depth is {noise_um} µm: give a positive number")
        self._noise_um, self._rng = noise_um, np.random.default_rng(rng)

    def __call__(self, frame: FocusFrame) -> Reading:
        return Reading(frame.depth_um + self._noise_um * self._rng.standard_normal(), self._noise_um)
