"""A trained policy as a controller: it runs in the loop as any other does, from what the observer sees."""

import math
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from microtwin.control import identify
from microtwin.control.approach import approach_point, heading_behind
from microtwin.control.path_frame import arc_lengths, place
from microtwin.control.path_task import FINISHED, GONE, PathTask
from microtwin.control.policy_file import read
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.rig import Observation

SPINS = 0.5  # |cos γ| above which it counts as spinning, as in microtwin.metrics


class Policy:
    """Pushes one object along a list of nodes by a trained policy.

    The robot first drives behind the object, as Steering does; from there on the policy has it, until the object is
    lost or done.

    Args:
        nodes_um: (n, 2) goals in order. model: (n,) observation → (a,) action in [−1, 1].
        task: what the model is told and what its actions mean. frame_rate_hz: of the camera.
        approach_um: distance of the approach point behind the object.

    Raises:
        InputError: nodes that are no path, a rate or distance that is not positive.
    """

    def __init__(
        self,
        nodes_um: np.ndarray,
        model: Callable[[np.ndarray], np.ndarray],
        task: PathTask,
        *,
        frame_rate_hz: float = 24.0,
        approach_um: float = 15.0,
    ):
        for name, value in (("frame rate", frame_rate_hz), ("approach distance", approach_um)):
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        self.nodes_um = np.ascontiguousarray(nodes_um, dtype=float)
        self.task, self.approach_um = task, approach_um
        self.goal_index = 0
        self.done = False
        self.mode = "approach"
        self._model = model
        self._arc = arc_lengths(self.nodes_um)
        self._follower = task.follow(self.nodes_um, 1.0 / frame_rate_hz)

    def act(self, observation: Observation) -> RotatingField:
        if self.done:
            return RotatingField.off()
        robot, cargo, follower = observation.robot_um, observation.object_um, self._follower
        seen, state = follower.see(robot, cargo)
        self.goal_index = follower.goal_index
        if state == FINISHED:
            self.done, self.mode = True, "done"
            return RotatingField.off()
        if state == GONE:
            self.mode = "approach"
        if self.mode == "approach":
            row = follower.row
            row[identify.INTEGRAL] = 0.0
            ahead = place(self.nodes_um, self._arc, row[identify.S] + self.task.threshold_um)
            behind = approach_point(cargo, np.array(ahead[:2]), self.approach_um)
            if math.dist(behind, robot) > self.task.threshold_um:
                heading = heading_behind(robot, behind, cargo) - row[identify.BIAS]
                frequency = min(self.task.law.cruise_hz, self.task.limit_hz)
                identify.told(row, heading, PUSH_RAD, frequency)
                return RotatingField(heading, PUSH_RAD, frequency)
        alpha, gamma, frequency = follower.say(self._model(seen))
        turns = math.cos(gamma)
        self.mode = "push" if abs(turns) <= SPINS else "spin_ccw" if turns > 0 else "spin_cw"
        return RotatingField(alpha, gamma, frequency)


def load(
    path: str | os.PathLike[str],
    nodes_um: np.ndarray,
    *,
    frame_rate_hz: float = 24.0,
    limit_hz: float | None = None,
    delay_frames: int | None = None,
    approach_um: float = 15.0,
) -> Policy:
    """The policy of a file, or the one that comes with the package (``policy``), on a path.

    Args:
        limit_hz: greatest frequency allowed, at most the one it was trained with; None for that one.
        delay_frames: from a command to the first frame that shows it; None for what it was trained with.

    Raises:
        InputError: no such file, not a policy, made for other observations or actions or by another version; a limit
            that is not positive or above the trained one; a policy that wants to be told of other bodies.
    """
    actor, task, _ = read(path)
    if task.others:
        raise InputError(
            f"{path} expects to be told of {task.others} other bodies: train one without, none are told here"
        )
    if limit_hz is not None:
        if not (math.isfinite(limit_hz) and limit_hz > 0):
            raise InputError(f"frequency is {limit_hz}: give a positive number")
        if limit_hz > task.limit_hz:
            raise InputError(
                f"frequency is {limit_hz}: the policy was trained up to {task.limit_hz:g} Hz, give no more"
            )
        task = replace(task, limit_hz=limit_hz)
    if delay_frames is not None:
        task = replace(task, law=replace(task.law, delay_frames=delay_frames))
    return Policy(nodes_um, actor, task, frame_rate_hz=frame_rate_hz, approach_um=approach_um)
