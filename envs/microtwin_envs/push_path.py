"""``microtwin/PushPath-v0``: push an object along a path, the task of the pushing paper."""

from typing import Any

import numpy as np

from microtwin.control import identify, path_task
from microtwin.control.path_frame import arc_lengths, place
from microtwin.control.steering import Steering
from microtwin_envs import curves, pixels, spaces
from microtwin_envs.episode import draw_numbers, draw_path_episode
from microtwin_envs.options import PathOptions
from microtwin_envs.path_frames import LOST, speak, take_in
from microtwin_envs.show import Doing
from microtwin_envs.single import SingleEnv


class PushPathEnv(SingleEnv):
    """One robot pushes one object along a path.

    Keyword arguments: those of :class:`~microtwin_envs.options.PathOptions`, and ``render_mode`` (``human``,
    ``rgb_array`` or None).

    Observation: the vector ``path/1`` (or ``path-residual/1``) of :mod:`microtwin.control.path_task`, whose table gives
    every index with its unit, float32; or, with ``observation="pixels"``, the image of :mod:`microtwin_envs.pixels`.
    It ends with the places of the nearest other bodies: of all of them with ``state``, of the obstacles alone with
    ``tracked``, whose tracker follows no free beads. A simulated observation is as late as the camera.

    Action: float32 in [−1, 1], the table there too. 0, 1 the heading α as a vector ahead and left in the path's frame,
    2 cos γ, 3 the frequency f, 0 to ``frequency_limit_hz``; with ``residual`` 0 turns Steering's heading by up to
    0.6 rad, 1 is cos γ, 2 scales its frequency by a power of 2. It is held in the path's frame for
    ``frames_per_action`` camera frames, 24 per second.

    Reward, for each camera frame, of what is observed alone, so that a rig gives the same as the twin: new ground that
    the object gains along the path, in 10 µm, times exp(−|cross-track distance| / ``error_scale_um``); +1 at the end of
    the path, −5 when the object is lost.

    Episode: the robot starts 13 to 20 µm behind the object, where the paper's approach ends. Success (the last node
    reached within 8 µm) terminates, so does a lost object (40 µm away from the robot, not in front of it any more, or
    not found by the tracker). Truncated after ``max_episode_s``, and if the simulated bodies collide in a way that no
    step can resolve (``info["failed"]``).

    Info: ``is_success``, ``error_um`` (mean cross-track distance of the episode so far), ``time_s``, ``progress``
    (share of the nodes reached), ``failed``.

    Raises:
        InputError: an option that cannot be used; in :meth:`step`, an action out of bounds or NaN.
    """

    def __init__(self, *, render_mode: str | None = None, **options):
        self.options = PathOptions(**options)
        super().__init__(self.options, spaces.of_path(self.options), render_mode)
        self._numbers = self.options.task.numbers()
        self._scale_um = float(self.options.error_scale_um)
        self._out = np.zeros(self.options.task.observation_size)
        self._row, self._arc = path_task.memory(), np.zeros(0)
        self._state, self._error = path_task.PUSHING, 0.0

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        episode = draw_path_episode(self.options, rng)
        self._scene, self._nodes, self._arc = episode.scene, episode.nodes_um, episode.arc_um
        self._limit, self._numbers = episode.frames, episode.numbers
        return self._rig.start(episode.scene, episode.nodes_um, rng)

    def _go_on(self, rng: np.random.Generator) -> np.ndarray:
        """The path starts at the object; the robot is driven behind it first."""
        options = self.options
        path = curves.random_path(rng) if options.nodes_um is None else options.nodes_um
        self._numbers = draw_numbers(options, rng)
        bodies = self._rig.go_on()
        nodes = path - path[0] + bodies[1]
        rate = self._rig.frame_rate_hz
        law = options.law(min(options.cruise_hz, float(self._numbers[path_task.LIMIT_HZ])))
        bodies = self._rig.get_behind(Steering(nodes, law, frame_rate_hz=rate))
        self._nodes = np.ascontiguousarray(path - path[0] + bodies[1])
        self._arc = arc_lengths(self._nodes)
        self._limit = max(1, round(options.limit_s(float(self._arc[-1])) * rate))
        return bodies

    def _forget(self) -> None:
        self._row, self._error = path_task.memory(), 0.0

    def _speak(self, action: np.ndarray) -> tuple[float, float, float]:
        return speak(self._row, self._numbers, action)

    def _take_in(self, bodies: np.ndarray) -> float:
        self._state, reward = take_in(
            self._row, self._nodes, self._arc, self._numbers, self._scale_um, 1.0 / self._rig.frame_rate_hz, bodies,
            self._out,
        )  # fmt: skip
        self._error += abs(float(self._row[path_task.ACROSS]))
        return reward

    def _lose(self) -> float:
        self._state = path_task.GONE
        return LOST

    def _over(self) -> bool:
        return self._state != path_task.PUSHING

    def _observed(self) -> np.ndarray:
        if not self._pixels:
            return self._out.astype(np.float32)
        row, before = self._row, self._before
        assert before is not None
        s = row[identify.S]
        ahead = np.vstack([place(self._nodes, self._arc, s)[:2], self._nodes[self._arc > s]])
        at = self._rig.observation.object_um
        return pixels.cut_out(self._rig.frame, before, at, row[path_task.DIRECTION], ahead)

    def _info(self) -> dict[str, Any]:
        row = self._row
        return {
            "is_success": self._state == path_task.FINISHED,
            "error_um": self._error / float(row[identify.FRAMES]),
            "time_s": self._time_s(),
            "progress": float(row[identify.GOAL]) / len(self._nodes),
            "failed": self._rig.failed,
        }

    def _doing(self) -> Doing:
        modes = {path_task.PUSHING: "push", path_task.FINISHED: "done", path_task.GONE: "lost"}
        goal = min(int(self._row[identify.GOAL]), len(self._nodes) - 1)
        return Doing(goal, modes[self._state])
