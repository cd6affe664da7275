"""``microtwin/Push-v0`` and ``microtwin/PushDense-v0`` many times over, compiled, on all cores."""

from typing import Any

import numpy as np

from microtwin.control import goal_task
from microtwin.physics import World
from microtwin.simulated import FRAME_RATE_HZ
from microtwin_envs import goals, spaces
from microtwin_envs.episode import draw_goal_episode
from microtwin_envs.goal_frames import speak_all, take_in_all
from microtwin_envs.many import ManyEnv
from microtwin_envs.options import GoalOptions
from microtwin_envs.push import GoalRewards


class PushVectorEnv(GoalRewards, ManyEnv):
    """The same numbers as ``num_envs`` of :class:`~microtwin_envs.push.PushEnv`, seeded one after the other.

    Keyword arguments: ``threads`` (at most, by default one for each core) and those of
    :class:`~microtwin_envs.options.GoalOptions`; observation ``state`` and backend ``sim`` alone.
    """

    def __init__(self, num_envs: int = 1, *, render_mode: str | None = None, threads: int | None = None, **options):
        self.options = GoalOptions(**options)
        task = self.options.task
        super().__init__(num_envs, self.options, spaces.of_goal(self.options), render_mode, threads)
        self._numbers = task.numbers()
        self._rows = np.zeros((self.num_envs, goal_task.SIZE))
        self._out = np.zeros((self.num_envs, task.observation_size))
        self._achieved, self._desired = (np.zeros((self.num_envs, goal_task.GOAL_SIZE)) for _ in range(2))

    def _draw(self, slot: int, rng: np.random.Generator) -> tuple[World, int]:
        episode = draw_goal_episode(self.options, rng)
        self._desired[slot] = episode.goal_um / goal_task.GOAL_UNIT_UM
        return episode.scene.world(episode.nodes_um, rng), episode.frames

    def _forget(self, slots: np.ndarray) -> None:
        self._rows[slots] = goal_task.memory()

    def _speak(self, slots: np.ndarray, actions: np.ndarray) -> None:
        speak_all(slots, self._rows, self._numbers, actions, self._commands)

    def _take_in(self, slots: np.ndarray, rewards: np.ndarray) -> None:
        take_in_all(slots, self._rows, self._numbers, 1.0 / FRAME_RATE_HZ, self._rigs.seen, self._out, self._achieved)

    def _over(self) -> np.ndarray:
        return np.zeros(self.num_envs, np.bool_)

    def _observed(self) -> dict[str, np.ndarray]:
        return {
            "achieved_goal": self._achieved.astype(np.float32),
            "desired_goal": self._desired.astype(np.float32),
            "observation": self._out.astype(np.float32),
        }

    def _judge(self, observation: Any, rewards: np.ndarray) -> None:
        rewards[:] = self.compute_reward(observation["achieved_goal"], observation["desired_goal"], {})

    def _values(self) -> dict[str, np.ndarray]:
        away = goals.distance(self._achieved, self._desired)
        return {
            "is_success": goals.reached(self._achieved, self._desired),
            "distance_um": away * np.float64(goal_task.GOAL_UNIT_UM),
            "time_s": self._times(),
            "failed": self._failed.copy(),
        }


class PushDenseVectorEnv(PushVectorEnv):
    """``microtwin/PushDense-v0``."""

    dense = True
