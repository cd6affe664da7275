"""Rewards of the goal tasks: functions of achieved and desired goal alone, for one or for many, in float32."""

from typing import Any

import numpy as np

from microtwin.control.goal_task import GOAL_UNIT_UM

WITHIN_UM = 4.0


def distance(achieved_goal: Any, desired_goal: Any) -> np.ndarray:
    """(...) float32 distances between (..., 2) goals, 10 µm. Element by element: one or many give the same bits."""
    away = np.asarray(achieved_goal, np.float32) - np.asarray(desired_goal, np.float32)
    x, y = away[..., 0], away[..., 1]
    return np.sqrt(x * x + y * y)


def reached(achieved_goal: Any, desired_goal: Any) -> np.ndarray:
    """(...) whether the goals are within 4 µm of each other."""
    return distance(achieved_goal, desired_goal) < np.float32(WITHIN_UM / GOAL_UNIT_UM)


def reward(achieved_goal: Any, desired_goal: Any, dense: bool) -> np.ndarray:
    """(...) float32: −distance in 10 µm, or 0 where it is reached and −1 elsewhere."""
    if dense:
        return -distance(achieved_goal, desired_goal)
    return np.float32(-1.0) * ~reached(achieved_goal, desired_goal)
