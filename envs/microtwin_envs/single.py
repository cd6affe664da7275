"""What the single environments share: a rig, an observer, the loop over camera frames, pictures."""

from typing import Any

import gymnasium as gym
import numpy as np

from microtwin.scene import PushScene
from microtwin_envs.actions import checked
from microtwin_envs.episode import child
from microtwin_envs.one_rig import OneRig
from microtwin_envs.options import Options
from microtwin_envs.show import FPS, MODES, Doing, Show


class SingleEnv(gym.Env):
    """One rig in Gymnasium's clothes; a task gives it meaning through the methods at the end."""

    metadata = {"render_modes": list(MODES), "render_fps": FPS}  # noqa: RUF012  Gymnasium's own type

    def __init__(self, options: Options, spaces: tuple[gym.Space, gym.Space], render_mode: str | None):
        self._show = Show(render_mode)
        self.render_mode = render_mode
        self.observation_space, self.action_space = spaces
        # a video has one picture a step, and shall last as long as the episode
        self.metadata = {**self.metadata, "render_fps": FPS / options.frames_per_action}
        self._frames_per_action = options.frames_per_action
        self._pixels, self._simulated = options.observation == "pixels", options.simulated
        self._rig = OneRig(options)
        self._scene: PushScene | None = None
        self._nodes = np.zeros((0, 2))
        self._before: np.ndarray | None = None  # the image that arrived before the last
        self._frames = self._limit = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode. On a rig that is not simulated it goes on from where things are.

        Raises:
            LostError: on such a rig, a body is not found, or the robot did not get behind the object.
        """
        super().reset(seed=seed)
        rng = child(self.np_random)
        self._show.forget()
        bodies = self._draw(rng) if self._simulated else self._go_on(rng)
        self._frames, self._before = 0, self._rig.frame.image
        self._show.saw(self._rig.observation)
        self._forget()
        self._take_in(bodies)
        if self.render_mode == "human":
            self.render()
        return self._observed(), self._info()

    def step(self, action) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Hold an action for ``frames_per_action`` camera frames; NaN or out of bounds: InputError."""
        assert self.action_space.shape is not None
        wanted = checked(action, self.action_space.shape)
        rig, reward = self._rig, 0.0
        for _ in range(self._frames_per_action):
            self._before = rig.frame.image
            rig.command(*self._speak(wanted))
            bodies = rig.look()
            self._frames += 1
            if bodies is not None:
                self._show.saw(rig.observation)
                reward += self._take_in(bodies)
            elif rig.lost:
                reward += self._lose()
            if bodies is None or self._over() or self._frames >= self._limit:
                break
        terminated = self._over()
        truncated = not terminated and (rig.failed or bool(rig.lost) or self._frames >= self._limit)
        if (terminated or truncated) and not self._simulated:
            rig.rest()  # nobody steers until the next reset, and a rig does not wait
        observation = self._observed()
        if self.render_mode == "human":
            self.render()
        return observation, self._judge(observation, reward), terminated, truncated, self._info()

    def render(self) -> Any:
        """(rows, columns, 3) uint8 RGB of the microscope's frame for ``rgb_array``; ``human`` shows it in a window."""
        if self.render_mode is None:
            return None
        rig = self._rig
        if rig.frame.image is None and self._scene is not None:
            frame = self._show.expose(rig.rig, rig.frame, self._scene, self._nodes)
        else:
            frame = rig.frame
        picture = self._show.picture(frame, rig.observation, self._way(), self._doing())
        if self.render_mode == "rgb_array":
            return picture
        self._show.to_window(picture)
        return None

    def close(self) -> None:
        self._rig.close()
        self._show.close()

    def _time_s(self) -> float:
        """Since the episode's start."""
        return self._frames / self._rig.frame_rate_hz

    def _draw(self, rng: np.random.Generator) -> np.ndarray:
        """Start a simulated episode, drawn from ``rng``; its first (2 + M, 2) positions."""
        raise NotImplementedError

    def _go_on(self, rng: np.random.Generator) -> np.ndarray:
        """The same where nothing can be put back."""
        raise NotImplementedError

    def _forget(self) -> None:
        """Empty the task's memory."""
        raise NotImplementedError

    def _speak(self, action: np.ndarray) -> tuple[float, float, float]:
        """α, γ, f of an action."""
        raise NotImplementedError

    def _take_in(self, bodies: np.ndarray) -> float:
        """One frame has been seen; what it is worth."""
        raise NotImplementedError

    def _lose(self) -> float:
        """The observer lost a body; what that is worth."""
        return 0.0

    def _over(self) -> bool:
        """Whether the task is over."""
        raise NotImplementedError

    def _observed(self) -> Any:
        """A new array of what the policy sees."""
        raise NotImplementedError

    def _judge(self, observation: Any, reward: float) -> float:
        """What the whole step is worth."""
        return reward

    def _info(self) -> dict[str, Any]:
        """Always of the same structure."""
        raise NotImplementedError

    def _way(self) -> np.ndarray:
        """(n, 2) line that the overlay draws."""
        return self._nodes

    def _doing(self) -> Doing:
        """What the overlay says."""
        raise NotImplementedError
