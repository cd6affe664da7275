"""``microtwin/PushPath-v0`` many times over, compiled, on all cores."""

import numpy as np

from microtwin.control import identify, path_task
from microtwin.physics import World
from microtwin.simulated import FRAME_RATE_HZ
from microtwin_envs import spaces
from microtwin_envs.episode import draw_path_episode
from microtwin_envs.many import ManyEnv
from microtwin_envs.options import PathOptions
from microtwin_envs.path_frames import speak_all, take_in_all


class PushPathVectorEnv(ManyEnv):
    """The same numbers as ``num_envs`` of :class:`~microtwin_envs.push_path.PushPathEnv`, seeded one after the other.

    Keyword arguments: ``threads`` (at most, by default one for each core) and those of
    :class:`~microtwin_envs.options.PathOptions`; observation ``state`` and backend ``sim`` alone.
    """

    def __init__(self, num_envs: int = 1, *, render_mode: str | None = None, threads: int | None = None, **options):
        self.options = PathOptions(**options)
        task = self.options.task
        super().__init__(num_envs, self.options, spaces.of_path(self.options), render_mode, threads)
        self._numbers = np.tile(task.numbers(), (self.num_envs, 1))
        self._rows = np.zeros((self.num_envs, path_task.SIZE))
        self._nodes, self._arcs = np.zeros((self.num_envs, 0, 2)), np.zeros((self.num_envs, 0))
        self._counts = np.zeros(self.num_envs, np.int64)
        self._out = np.zeros((self.num_envs, task.observation_size))
        self._states = np.zeros(self.num_envs, np.int64)
        self._errors = np.zeros(self.num_envs)

    def _draw(self, slot: int, rng: np.random.Generator) -> tuple[World, int]:
        episode = draw_path_episode(self.options, rng)
        count = len(episode.nodes_um)
        missing = count - self._nodes.shape[1]
        if missing > 0:  # paths differ in length
            self._nodes = np.pad(self._nodes, ((0, 0), (0, missing), (0, 0)))
            self._arcs = np.pad(self._arcs, ((0, 0), (0, missing)))
        self._nodes[slot, :count], self._arcs[slot, :count] = episode.nodes_um, episode.arc_um
        self._counts[slot], self._numbers[slot] = count, episode.numbers
        return episode.scene.world(episode.nodes_um, rng), episode.frames

    def _forget(self, slots: np.ndarray) -> None:
        self._rows[slots] = path_task.memory()
        self._errors[slots] = 0.0

    def _speak(self, slots: np.ndarray, actions: np.ndarray) -> None:
        speak_all(slots, self._rows, self._numbers, actions, self._commands)

    def _take_in(self, slots: np.ndarray, rewards: np.ndarray) -> None:
        take_in_all(
            slots, self._rows, self._nodes, self._arcs, self._counts, self._numbers, float(self.options.error_scale_um),
            1.0 / FRAME_RATE_HZ, self._rigs.seen, self._out, self._states, rewards, self._errors,
        )  # fmt: skip

    def _over(self) -> np.ndarray:
        return self._states != path_task.PUSHING

    def _observed(self) -> np.ndarray:
        return self._out.astype(np.float32)

    def _values(self) -> dict[str, np.ndarray]:
        rows = self._rows
        return {
            "is_success": self._states == path_task.FINISHED,
            "error_um": self._errors / rows[:, identify.FRAMES],
            "time_s": self._times(),
            "progress": rows[:, identify.GOAL] / self._counts,
            "failed": self._failed.copy(),
        }
