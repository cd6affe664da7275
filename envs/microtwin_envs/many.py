"""What the native vector environments share: the loop over camera frames, seeds, episode ends."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from microtwin.errors import InputError
from microtwin.physics import World
from microtwin.simulated import FRAME_RATE_HZ
from microtwin_envs.actions import checked
from microtwin_envs.episode import child
from microtwin_envs.many_rigs import ManyRigs, idle
from microtwin_envs.options import Options


class ManyEnv(gym.vector.VectorEnv):
    """W environments in one; each is seeded with ``seed`` + its index and gives what a single one would give.

    An environment whose episode ends starts the next one in the same step (AutoresetMode.SAME_STEP): the last
    observation and info are in ``infos["final_obs"]`` and ``infos["final_info"]``. Observations are new arrays at every
    step. A task gives it meaning through the methods at the end.

    Args:
        num_envs: W. threads: at most, by default one for each core.

    Raises:
        InputError: pixels, the tracker or another backend, which single environments have.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  Gymnasium's own type

    def __init__(
        self,
        num_envs: int,
        options: Options,
        spaces: tuple[gym.Space, gym.Space],
        render_mode: str | None,
        threads: int | None,
    ):
        if isinstance(num_envs, bool) or not isinstance(num_envs, int | np.integer) or num_envs < 1:
            raise InputError(f"num_envs is {num_envs!r}: give 1 or more")
        if not options.simulated:
            raise InputError(
                f"backend is {options.backend!r}: the vector environment has sim alone, use gymnasium.make"
            )
        if options.observation != "state":
            raise InputError(
                f"observation is {options.observation!r}: the vector environment has state alone, "
                "give vectorization_mode='async' or 'sync'"
            )
        if render_mode is not None:
            raise InputError(
                f"render_mode is {render_mode!r}: the vector environment draws nothing, use gymnasium.make"
            )
        self.num_envs = int(num_envs)
        self.render_mode = None
        self.single_observation_space, self.single_action_space = spaces
        self.observation_space = batch_space(spaces[0], self.num_envs)
        self.action_space = batch_space(spaces[1], self.num_envs)
        self._frames_per_action = options.frames_per_action
        self._parents: list[np.random.Generator] = []
        self._all = np.arange(self.num_envs)
        self._rigs = ManyRigs(
            self.num_envs,
            objects=options.objects,
            obstacles=options.obstacles,
            latency_frames=options.latency_frames,
            threads=threads,
        )
        self._commands = idle(self.num_envs)
        self._frames, self._limits = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, np.int64)
        self._failed = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """New episodes everywhere; a number seeds environment k with it + k."""
        self._seed(seed)
        self._begin(self._all)
        return self._observed(), _masked(self._values(), np.ones(self.num_envs, np.bool_))

    def step(self, actions) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One action in every world; NaN or out of bounds: InputError."""
        assert self.action_space.shape is not None
        wanted = checked(actions, self.action_space.shape)
        rewards = np.zeros(self.num_envs)
        active = self._all
        for _ in range(self._frames_per_action):
            self._speak(active, wanted)
            seen = self._rigs.step(self._commands, active)
            self._failed[active] = self._rigs.failed[active]
            self._frames[active] += 1
            self._take_in(seen, rewards)
            active = seen[~self._over()[seen] & (self._frames[seen] < self._limits[seen])]
            if not active.size:
                break
        terminated = self._over() & ~self._failed
        truncated = (self._failed | (self._frames >= self._limits)) & ~terminated
        observation, values = self._observed(), self._values()
        self._judge(observation, rewards)
        ended = terminated | truncated
        if not ended.any():
            return observation, rewards, terminated, truncated, _masked(values, ~ended)
        final = np.full(self.num_envs, None, dtype=object)
        slots = np.flatnonzero(ended)
        for k in slots.tolist():
            final[k] = _pick(observation, k)
        self._begin(slots)
        _put(observation, slots, self._observed())
        infos = _masked(self._values(), np.ones(self.num_envs, np.bool_))
        infos["final_obs"], infos["_final_obs"] = final, ended
        infos["final_info"], infos["_final_info"] = _masked(values, ended), ended.copy()
        return observation, rewards, terminated, truncated, infos

    def _begin(self, slots: np.ndarray) -> None:
        """A new episode in these worlds."""
        worlds = []
        for k in slots.tolist():
            world, self._limits[k] = self._draw(k, child(self._parents[k]))
            worlds.append(world)
        self._rigs.start(slots, worlds)
        self._frames[slots], self._failed[slots] = 0, False
        self._forget(slots)
        self._take_in(slots, np.zeros(self.num_envs))

    def _seed(self, seed: int | list[int | None] | None) -> None:
        if isinstance(seed, int | np.integer):
            seeds: list[int | None] = [int(seed) + k for k in range(self.num_envs)]
        else:
            seeds = [None] * self.num_envs if seed is None else list(seed)
        if len(seeds) != self.num_envs:
            raise InputError(f"{len(seeds)} seeds for {self.num_envs} environments: give one each, or one number")
        if not self._parents:
            self._parents = [seeding.np_random(one)[0] for one in seeds]
            return
        for k, one in enumerate(seeds):
            if one is not None:
                self._parents[k] = seeding.np_random(one)[0]

    def _times(self) -> np.ndarray:
        """(W,) seconds since each episode's start."""
        return self._frames / FRAME_RATE_HZ

    def _draw(self, slot: int, rng: np.random.Generator) -> tuple[World, int]:
        """World and frames of a new episode, drawn from ``rng``."""
        raise NotImplementedError

    def _forget(self, slots: np.ndarray) -> None:
        """Empty the task's memory of these worlds."""
        raise NotImplementedError

    def _speak(self, slots: np.ndarray, actions: np.ndarray) -> None:
        """Write the commands that the actions are."""
        raise NotImplementedError

    def _take_in(self, slots: np.ndarray, rewards: np.ndarray) -> None:
        """One frame has been seen; add what it is worth."""
        raise NotImplementedError

    def _over(self) -> np.ndarray:
        """(W,) whether the task is over."""
        raise NotImplementedError

    def _observed(self) -> Any:
        """New arrays of all worlds' observations."""
        raise NotImplementedError

    def _judge(self, observation: Any, rewards: np.ndarray) -> None:
        """What the whole step is worth, where the task does not go by frames."""

    def _values(self) -> dict[str, np.ndarray]:
        """New arrays of every world's info, as the single environment's."""
        raise NotImplementedError


def _masked(values: dict[str, np.ndarray], mask: np.ndarray) -> dict[str, Any]:
    """Infos with Gymnasium's masks; zero where there is none."""
    infos: dict[str, Any] = {}
    for name, array in values.items():
        infos[name], infos[f"_{name}"] = np.where(mask, array, np.zeros_like(array)), mask.copy()
    return infos


def _pick(observation: Any, k: int) -> Any:
    if isinstance(observation, dict):
        return {name: array[k].copy() for name, array in observation.items()}
    return observation[k].copy()


def _put(observation: Any, slots: np.ndarray, new: Any) -> None:
    if isinstance(observation, dict):
        for name, array in observation.items():
            array[slots] = new[name][slots]
    else:
        observation[slots] = new[slots]
