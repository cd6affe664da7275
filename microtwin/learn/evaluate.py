"""Trying a policy on held-out episodes, always the same ones, without exploration."""

from dataclasses import dataclass

import numpy as np
from gymnasium.vector import VectorEnv
from stable_baselines3.common.base_class import BaseAlgorithm


@dataclass(frozen=True)
class Evaluation:
    """One episode an entry, (n,) each.

    Attributes:
        returns: sums of rewards. success: whether it reached the end. frames: how long it lasted.
        time_s: of the episode, as the environment tells; NaN if reaching the end does not end it, or it does not tell.
        error_um: mean cross-track distance, or the distance left to the goal.
    """

    returns: np.ndarray
    success: np.ndarray
    frames: np.ndarray
    time_s: np.ndarray
    error_um: np.ndarray

    def summary(self) -> dict[str, float]:
        """Means; of the time, over the episodes that succeeded."""
        won = self.time_s[self.success]
        return {
            "episodes": len(self.returns),
            "success": float(self.success.mean()),
            "time_s": float(won.mean()) if won.size else float("nan"),
            "error_um": float(self.error_um.mean()),
            "return": float(self.returns.mean()),
        }


def evaluate(model: BaseAlgorithm, env: VectorEnv, seed: int) -> Evaluation:
    """The first episode of each environment from ``seed`` on: none is left out for being long."""
    count = env.num_envs
    returns, frames = np.zeros(count), np.zeros(count, dtype=int)
    success = np.zeros(count, dtype=bool)
    time_s, error_um = np.full(count, np.nan), np.full(count, np.nan)
    running = np.ones(count, dtype=bool)
    observations, _ = env.reset(seed=seed)
    while running.any():
        actions, _ = model.predict(observations, deterministic=True)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        returns[running] += rewards[running]
        frames[running] += 1
        ended = running & (terminated | truncated)
        if ended.any():
            final = infos["final_info"]
            for into, where, *names in (
                (success, ended, "is_success"),
                (time_s, ended & terminated, "time_s"),
                (error_um, ended, "error_um", "distance_um"),
            ):
                for name in names:
                    if name in final:
                        into[where] = final[name][where]
        running &= ~ended
    return Evaluation(returns, success, frames, time_s, error_um)
