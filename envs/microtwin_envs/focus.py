"""``microtwin/Focus-v0``: hold a robot at a commanded depth with the z-stage, from what the camera sees."""

import math
from typing import Any, Literal

import cv2
import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict

from microtwin.errors import InputError
from microtwin.focusing.disturbance import DriftKind
from microtwin.focusing.twin import FocusFrame, FocusScene, FocusTwin
from microtwin.otmr.pose import Pose
from microtwin.robots.catalogue import catalogue, robot
from microtwin_envs.actions import checked
from microtwin_envs.episode import child
from microtwin_envs.show import FPS, MODES, Show

SIZE = 128
STEP_UM = 0.25  # of the stage in one frame, at most: 6 µm/s
AWAY_UM = 1.0  # from the target to where an episode starts, at most
TARGETS = 0.35  # of the sweep, to either side of its middle
GOAL_UM = 0.15
FAR_UM = 100.0  # no depth, stage or target is so far


class FocusEnv(gym.Env):
    """One of the 18 robots of the OTMR set under its camera, on a stage that moves the focus.

    The depth is stage travel in µm, 0 with the body's origin in focus, as the set labels it: the stage's position plus
    drift and vibration (:mod:`microtwin.focusing.disturbance`). Every episode has another robot's print, another
    microscope, camera and background, drawn as those of the generated image set.

    Keyword arguments: ``robot``, 1 to 18 or ``any`` for another one in every episode; ``pose``, as ``P30_R5``;
    ``target_um``, in the robot's sweep, or None for another one in every episode, within 35 % of the sweep about its
    middle; ``drift`` (``ramps`` or ``walk``), ``drift_um_s``, ``vibration_um``, ``latency_frames``, ``max_episode_s``,
    ``observation`` and ``render_mode`` (``human``, ``rgb_array`` or None).

    Observation, as late as the camera: with ``observation="pixels"`` a dictionary

    | key | | unit |
    | --- | --- | --- |
    | ``image`` | (128, 128, 1) uint8, the crop that follows the robot, rows downwards | grey; 0.11 µm a pixel |
    | ``stage`` | (1,) float32, where the stage stands now | µm |
    | ``target`` | (1,) float32, the commanded depth | µm |

    With ``"state"`` (3,) float32: the true depth when the last frame was taken, stage, target, all in µm.

    Action: (1,) float32 in [−1, 1], a step of where the stage is sent, in 0.25 µm: 6 µm/s at most. It is held for one
    camera frame, 24 per second. The stage does not leave its travel of ±15 µm.

    Reward: −|true depth − target| in µm when the last frame was taken.

    Episode: the robot starts within 1 µm of the target. Nothing terminates it, success neither; it is truncated after
    ``max_episode_s``.

    Info: ``is_success`` (within 0.15 µm), ``depth_error_um`` (signed), ``depth_um``, ``stage_um``, ``time_s``.

    Raises:
        InputError: an option that cannot be used; in :meth:`step`, an action out of bounds or NaN.
    """

    metadata = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012  Gymnasium's own type

    def __init__(
        self,
        *,
        robot: int | Literal["any"] = 3,
        pose: str = "P0_R0",
        target_um: float | None = None,
        drift: DriftKind = "ramps",
        drift_um_s: float = 1.0,
        vibration_um: float = 0.02,
        latency_frames: int = 1,
        max_episode_s: float = 10.0,
        observation: Literal["pixels", "state"] = "pixels",
        render_mode: str | None = None,
    ):
        self._show = Show(render_mode)
        self.render_mode = render_mode
        if observation not in ("pixels", "state"):
            raise InputError(f"observation is {observation!r}: choose pixels or state")
        if not (math.isfinite(max_episode_s) and max_episode_s > 0):
            raise InputError(f"max_episode_s is {max_episode_s}: give a positive number")
        if isinstance(robot, str) and robot != "any":
            raise InputError(f"robot is {robot!r}: give 1 to 18, or any")
        self._pixels, self._target_um = observation == "pixels", target_um
        self._numbers = sorted(catalogue()) if isinstance(robot, str) else [robot]
        self._options: dict[str, Any] = {
            "pose": Pose.named(pose),
            "drift": drift,
            "drift_um_s": drift_um_s,
            "vibration_um": vibration_um,
            "latency_frames": latency_frames,
        }
        for number in self._numbers:
            scene = FocusScene(robot=number, **self._options)  # its own checks
            if target_um is not None:
                scene.check_target(target_um)
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        self.observation_space: gym.Space = Box(-FAR_UM, FAR_UM, (3,), np.float32)
        if self._pixels:
            place = Box(-FAR_UM, FAR_UM, (1,), np.float32)
            self.observation_space = Dict(image=Box(0, 255, (SIZE, SIZE, 1), np.uint8), stage=place, target=place)
        self._rig: FocusTwin
        self._frame: FocusFrame
        self._frames, self._limit, self._sent_um, self._wanted_um = 0, 1, 0.0, 0.0
        self._seconds = max_episode_s

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode."""
        super().reset(seed=seed)
        rng = child(self.np_random)
        number = self._numbers[int(rng.integers(len(self._numbers)))]
        away, start = rng.uniform(-1.0, 1.0, 2)
        target = self._target_um
        if target is None:
            middle = FocusScene(robot=number, **self._options).middle_um
            target = middle + TARGETS * away * robot(number).depth_range_um
        scene = FocusScene(robot=number, start_um=target + AWAY_UM * start, **self._options)
        blind = not self._pixels and self.render_mode is None
        self._rig, self._wanted_um = scene.open(rng, blind=blind), float(target)
        self._limit = max(1, round(self._seconds * scene.frame_rate_hz))
        self._frames, self._sent_um = 0, 0.0
        self._frame = self._rig.observe()
        if self.render_mode == "human":
            self.render()
        return self._observed(), self._info()

    def step(self, action) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Hold an action for one camera frame; NaN or out of bounds: InputError."""
        low, high = self._rig.stage.travel_um
        self._sent_um = min(max(self._sent_um + STEP_UM * float(checked(action, (1,))[0]), low), high)
        self._rig.stage.head_for(self._sent_um)
        self._frame = self._rig.observe()
        self._frames += 1
        if self.render_mode == "human":
            self.render()
        return self._observed(), -abs(self._error_um), False, self._frames >= self._limit, self._info()

    def render(self) -> Any:
        """(256, 256, 3) uint8: the crop, with the depth's error written in it."""
        if self.render_mode is None:
            return None
        picture = cv2.cvtColor(np.asarray(self._frame.image), cv2.COLOR_GRAY2RGB)
        words = f"{self._frame.depth_um:+.2f} um, {self._error_um:+.2f} off"
        cv2.putText(picture, words, (8, 246), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        if self.render_mode == "rgb_array":
            return picture
        self._show.to_window(picture)
        return None

    def close(self) -> None:
        self._show.close()

    @property
    def _error_um(self) -> float:
        return float(self._frame.depth_um - self._wanted_um)

    def _observed(self) -> Any:
        stage, target = np.float32(self._rig.stage.position_um), np.float32(self._wanted_um)
        if not self._pixels:
            return np.array([self._frame.depth_um, stage, target], dtype=np.float32)
        image = cv2.resize(np.asarray(self._frame.image), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return {"image": image[..., None], "stage": np.array([stage]), "target": np.array([target])}

    def _info(self) -> dict[str, Any]:
        return {
            "is_success": abs(self._error_um) <= GOAL_UM,
            "depth_error_um": self._error_um,
            "depth_um": float(self._frame.depth_um),
            "stage_um": float(self._rig.stage.position_um),
            "time_s": self._frames / self._rig.frame_rate_hz,
        }
