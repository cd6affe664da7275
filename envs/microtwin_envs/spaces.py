"""Spaces of actions and observations."""

import numpy as np
from gymnasium.spaces import Box, Dict

from microtwin.control import goal_task, path_task
from microtwin_envs.options import GoalOptions, PathOptions
from microtwin_envs.pixels import SIZE

FARTHEST = 1000.0  # of a goal, 10 µm: no frame is so wide


def vector(size: int, limit: float) -> Box:
    """(size,) float32 numbers from −limit to limit."""
    return Box(-limit, limit, (size,), np.float32)


def picture() -> Box:
    """See :mod:`microtwin_envs.pixels`."""
    return Box(0, 255, (SIZE, SIZE, 3), np.uint8)


def of_path(options: PathOptions) -> tuple[Box, Box]:
    """Observations and actions of following a path."""
    task = options.task
    seen = picture() if options.observation == "pixels" else vector(task.observation_size, path_task.LIMIT)
    return seen, vector(task.action_size, 1.0)


def of_goal(options: GoalOptions) -> tuple[Dict, Box]:
    """Observations and actions of pushing to a goal."""
    task = options.task
    seen = picture() if options.observation == "pixels" else vector(task.observation_size, path_task.LIMIT)
    place = vector(goal_task.GOAL_SIZE, FARTHEST)
    return Dict(achieved_goal=place, desired_goal=place, observation=seen), vector(task.action_size, 1.0)
