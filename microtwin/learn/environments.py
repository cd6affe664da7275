"""The environments that are trained in: the vector ones of ``microtwin_envs``, by name alone.

Training draws from seeds above 2³¹, evaluation from fixed ones below: no episode of the one is in the other, and
policies of different seeds are tried on the same episodes.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv

from microtwin.errors import InputError
from microtwin.learn.training import Training

IDS = {"path": "microtwin_envs:microtwin/PushPath-v0", "goal": "microtwin_envs:microtwin/Push-v0"}
HELD_OUT, FINAL = 1_000_000, 2_000_000  # first seeds of the evaluations during training, and of the last one


def make(training: Training, count: int) -> VectorEnv:
    """``count`` environments as one.

    Raises:
        InputError: an option that the environment does not know or refuses.
    """
    id_ = IDS[training.task]
    try:
        return gym.make_vec(
            id_, num_envs=count, vectorization_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT, **training.options
        )
    except TypeError as error:
        raise InputError(f"environment {id_.split(':')[1]}: {error}; see its documentation for its options") from None


def training_seed(seed: int, session: int) -> int:
    """First seed of the environments in the ``session``-th part of a training: every resumption draws anew."""
    return 2**31 + int(np.random.SeedSequence([seed, session]).generate_state(1)[0]) // 4


def task_of(env: VectorEnv) -> Any:
    """What a policy in these environments is told and asked for: a PathTask or a GoalTask."""
    return getattr(env.unwrapped, "options").task  # noqa: B009  Gymnasium's type knows no options
