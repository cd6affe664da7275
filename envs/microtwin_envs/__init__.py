"""Gymnasium environments of the twin: ``microtwin/PushPath-v0``, ``Push-v0``, ``PushDense-v0`` and ``Focus-v0``.

Importing this package registers them, so ``gymnasium.make("microtwin_envs:microtwin/PushPath-v0")`` works at once, and
``gymnasium.make_vec(id, num_envs=256)`` gives the native vector environment.
"""

from pathlib import Path

from gymnasium import register

import microtwin
from microtwin.kernels import drop_stale

drop_stale(Path(__file__).parent, Path(microtwin.__file__).parent / "control")

register(
    "microtwin/PushPath-v0",
    entry_point="microtwin_envs.push_path:PushPathEnv",
    vector_entry_point="microtwin_envs.push_path_vector:PushPathVectorEnv",
)
register(
    "microtwin/Push-v0",
    entry_point="microtwin_envs.push:PushEnv",
    vector_entry_point="microtwin_envs.push_vector:PushVectorEnv",
)
register(
    "microtwin/PushDense-v0",
    entry_point="microtwin_envs.push:PushDenseEnv",
    vector_entry_point="microtwin_envs.push_vector:PushDenseVectorEnv",
)
register("microtwin/Focus-v0", entry_point="microtwin_envs.focus:FocusEnv")
