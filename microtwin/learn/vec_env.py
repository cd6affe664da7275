"""Any Gymnasium ``VectorEnv`` that resets in the same step, as the ``VecEnv`` that Stable-Baselines3 trains on.

The two contracts differ in form only: one dict of arrays against one dict per environment, the last observation under
``final_obs`` against ``terminal_observation``. What SB3 expects of its ``Monitor`` wrapper (the ``episode`` entry) is
given too, because a vector environment cannot be wrapped one by one.
"""

import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from microtwin.errors import InputError

FINAL = ("final_obs", "final_info")


class VecEnvAdapter(VecEnv):
    """The environments of ``env`` for SB3.

    Args:
        env: a vector environment; it must reset in the same step and hand out fresh observation arrays.

    Raises:
        InputError: it resets at the next step, which SB3 cannot follow.
    """

    def __init__(self, env: VectorEnv):
        if env.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
            mode = env.metadata.get("autoreset_mode")
            raise InputError(f"vector environment resets by {mode}: make it with AutoresetMode.SAME_STEP")
        self.env = env
        self._actions: Any = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._return = np.zeros(self.num_envs)
        self._length = np.zeros(self.num_envs, dtype=int)
        self._begun = time.perf_counter()

    def reset(self) -> Any:
        options = self._options[0] or None
        observations, infos = self.env.reset(seed=self._seeds[0], options=options)
        self.reset_infos = _per_env(infos, range(self.num_envs), [{} for _ in range(self.num_envs)])
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:] = 0.0, 0
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict]]:
        observations, rewards, terminated, truncated, found = self.env.step(self._actions)
        self._return += rewards
        self._length += 1
        done = terminated | truncated
        infos: list[dict] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        ended = np.flatnonzero(done).tolist()
        _per_env(found, range(self.num_envs), infos)
        if ended:
            for i in ended:  # what came beside the new episode's first observation is its reset's info
                infos[i].pop("TimeLimit.truncated")
                self.reset_infos[i], infos[i] = infos[i], {}
            _per_env(found["final_info"], ended, infos)
            elapsed = round(time.perf_counter() - self._begun, 6)
            for i in ended:
                infos[i]["terminal_observation"] = _at(found["final_obs"], i)
                infos[i]["TimeLimit.truncated"] = bool(truncated[i] and not terminated[i])
                infos[i]["episode"] = {
                    "r": round(float(self._return[i]), 6),
                    "l": int(self._length[i]),
                    "t": elapsed,
                }
            self._return[ended], self._length[ended] = 0.0, 0
        return observations, np.asarray(rewards, dtype=np.float32), done, infos

    def close(self) -> None:
        self.env.close()

    def get_attr(self, attr_name: str, indices=None) -> list[Any]:
        chosen = self._chosen(indices)
        single = self._single
        if single is not None:
            return [single[i].get_wrapper_attr(attr_name) for i in chosen]
        return [getattr(self.env.unwrapped, attr_name)] * len(chosen)

    def set_attr(self, attr_name: str, value: Any, indices=None) -> None:
        """Set it in each environment; on a vector environment that has no single ones, for all of them at once."""
        single = self._single
        if single is None:
            setattr(self.env.unwrapped, attr_name, value)
            return
        for i in self._chosen(indices):
            single[i].set_wrapper_attr(attr_name, value)

    def env_method(self, method_name: str, *method_args, indices=None, **method_kwargs) -> list[Any]:
        """Results of a method; a vector environment that has no single ones is asked once, for all of them."""
        chosen = self._chosen(indices)
        single = self._single
        if single is not None:
            return [single[i].get_wrapper_attr(method_name)(*method_args, **method_kwargs) for i in chosen]
        return [getattr(self.env.unwrapped, method_name)(*method_args, **method_kwargs)] * len(chosen)

    def env_is_wrapped(self, wrapper_class, indices=None) -> list[bool]:
        return [issubclass(Monitor, wrapper_class)] * len(self._chosen(indices))

    def get_images(self) -> list[np.ndarray | None]:
        images: Any = self.env.render()
        return [None] * self.num_envs if images is None else list(images)

    @property
    def _single(self):
        """The single environments, of a vector environment that is made of such."""
        return getattr(self.env.unwrapped, "envs", None)

    def _chosen(self, indices) -> list[int]:
        found: Iterable[int] = self._get_indices(indices)
        return list(found)


def _at(batch: Any, i: int) -> Any:
    """One environment's share of a batch of observations."""
    if isinstance(batch, dict):
        return {key: _at(value, i) for key, value in batch.items()}
    return batch[i]


def _per_env(found: dict[str, Any], which: Iterable[int], into: list[dict]) -> list[dict]:
    """Write Gymnasium's dict of arrays into one dict per environment, where the key's mask says that it has one."""
    for key, values in found.items():
        if key.startswith("_") or key in FINAL:
            continue
        mask = found.get(f"_{key}")
        if isinstance(values, dict):
            nested = _per_env(values, which, [{} for _ in into])
            values = nested
        elif isinstance(values, np.ndarray) and values.ndim == 1:
            values = values.tolist()  # Python's numbers, in one go
        if mask is None or mask.all():
            for i in which:
                into[i][key] = values[i]
        else:
            for i in which:
                if mask[i]:
                    into[i][key] = values[i]
    return into
