"""``microtwin/Push-v0`` and ``microtwin/PushDense-v0``: carry the object to a goal, for hindsight methods."""

from typing import Any

import numpy as np

from microtwin.control import goal_task
from microtwin_envs import goals, pixels, spaces
from microtwin_envs.episode import draw_goal, draw_goal_episode
from microtwin_envs.goal_frames import speak, take_in
from microtwin_envs.options import GoalOptions
from microtwin_envs.show import Doing
from microtwin_envs.single import SingleEnv


class GoalRewards:
    """The functions that hindsight methods call, for one pair of goals or a batch; ``info`` is not looked at."""

    dense = False

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """(...) float32 of (..., 2) goals."""
        return goals.reward(achieved_goal, desired_goal, self.dense)

    def compute_terminated(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """(...) False: success does not end an episode."""
        return np.zeros(np.shape(achieved_goal)[:-1], np.bool_)[()]

    def compute_truncated(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """(...) False: what truncates an episode is the clock, not its goals."""
        return np.zeros(np.shape(achieved_goal)[:-1], np.bool_)[()]


class PushEnv(GoalRewards, SingleEnv):
    """One robot carries one object to a goal and keeps it there.

    Keyword arguments: those of :class:`~microtwin_envs.options.GoalOptions`, and ``render_mode`` (``human``,
    ``rgb_array`` or None).

    Observation: a dict of ``observation``, the vector ``goal/1`` of :mod:`microtwin.control.goal_task` (whose table
    gives every index with its unit) or, with ``observation="pixels"``, the image of :mod:`microtwin_envs.pixels`; and
    ``achieved_goal``, ``desired_goal``: (2,) places of the object from where it was first seen, x and y in 10 µm. All
    float32, but for the image. With ``tracked`` the vector tells of the obstacles and leaves free objects out.

    Action: float32 in [−1, 1]. 0, 1 the heading α as a vector in the world's axes (cos α, sin α); 2 cos γ; 3 the
    frequency, 0 to ``frequency_limit_hz``. It is held for ``frames_per_action`` camera frames, 24 per second.

    Reward, for each action: 0 if the object was seen within 4 µm of the goal, else −1. ``PushDense-v0``: minus the
    distance in 10 µm. Both are exactly what :meth:`compute_reward` gives for the goals of the observation.

    Episode: the goal is 15 to 60 µm from the object in any direction, the robot 15 to 30 µm from it on any side.
    Success does **not** terminate: every episode lasts ``max_episode_s`` and is then truncated (before that, with
    ``info["failed"]``, if the simulated bodies collide unresolvably or the tracker loses one). On a rig that is not
    simulated, a reset leaves things where they are and draws a goal from there.

    Info: ``is_success`` (at the goal now), ``distance_um``, ``time_s``, ``failed``.

    Raises:
        InputError: an option that cannot be used; in :meth:`step`, an action out of bounds or NaN.
    """

    def __init__(self, *, render_mode: str | None = None, **options):
        self.options = GoalOptions(**options)
        super().__init__(self.options, spaces.of_goal(self.options), render_mode)
        self._numbers = self.options.task.numbers()
        self._out = np.zeros(self.options.task.observation_size)
        self._row = goal_task.memory()
        self._achieved, self._desired = np.zeros(goal_task.GOAL_SIZE), np.zeros(goal_task.GOAL_SIZE)

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        episode = draw_goal_episode(self.options, rng)
        self._scene, self._limit = episode.scene, episode.frames
        self._desired = episode.goal_um / goal_task.GOAL_UNIT_UM
        self._nodes = episode.nodes_um
        return self._rig.start(episode.scene, episode.nodes_um, rng)

    def _go_on(self, rng: np.random.Generator) -> np.ndarray:
        goal = draw_goal(rng)
        bodies = self._rig.go_on()
        self._desired = goal / goal_task.GOAL_UNIT_UM
        self._limit = max(1, round(self.options.limit_s() * self._rig.frame_rate_hz))
        self._nodes = np.array([bodies[1], bodies[1] + goal])
        return bodies

    def _forget(self) -> None:
        self._row = goal_task.memory()

    def _speak(self, action: np.ndarray) -> tuple[float, float, float]:
        return speak(self._row, self._numbers, action)

    def _take_in(self, bodies: np.ndarray) -> float:
        take_in(self._row, self._numbers, 1.0 / self._rig.frame_rate_hz, bodies, self._out, self._achieved)
        return 0.0

    def _over(self) -> bool:
        return False

    def _observed(self) -> dict[str, np.ndarray]:
        if self._pixels:
            assert self._before is not None
            seen = pixels.cut_out(self._rig.frame, self._before, self._rig.observation.object_um)
        else:
            seen = self._out.astype(np.float32)
        return {
            "achieved_goal": self._achieved.astype(np.float32),
            "desired_goal": self._desired.astype(np.float32),
            "observation": seen,
        }

    def _judge(self, observation: Any, reward: float) -> float:
        return float(self.compute_reward(observation["achieved_goal"], observation["desired_goal"], {}))

    def _info(self) -> dict[str, Any]:
        return {
            "is_success": bool(goals.reached(self._achieved, self._desired)),
            "distance_um": float(goals.distance(self._achieved, self._desired)) * goal_task.GOAL_UNIT_UM,
            "time_s": self._time_s(),
            "failed": self._rig.failed or bool(self._rig.lost),
        }

    def _way(self) -> np.ndarray:
        return self._nodes[:2]

    def _doing(self) -> Doing:
        return Doing(1, "push")


class PushDenseEnv(PushEnv):
    """``microtwin/PushDense-v0``: :class:`PushEnv` rewarded by minus the distance to the goal, in 10 µm."""

    dense = True
