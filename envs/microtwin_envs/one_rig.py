"""One rig and its observer for many episodes, and what they say as numbers."""

from typing import Any

import numpy as np

from microtwin.control.steering import Steering
from microtwin.field import RotatingField
from microtwin.rig import Frame, LostError, Observation, Observer, Rig, open_rig
from microtwin.robots.calibration import fitted
from microtwin.scene import PushScene
from microtwin.simulated import FRAME_RATE_HZ
from microtwin_envs.options import Options

APPROACH_S = 120.0  # rig's time in which a robot must get behind the object


class OneRig:
    """What an environment drives and what it is told.

    Attributes:
        rig, observer: of this episode. frame, observation: the last ones.
        failed: the simulated bodies collided. lost: why the observer lost a body, or empty.
    """

    rig: Rig
    observer: Observer
    frame: Frame
    observation: Observation

    def __init__(self, options: Options):
        self._options = options
        self._told = 2 + options.others_told
        self._noise_um = fitted("tracking", "noise_um")
        self._open = self._watched = False
        self._rng = np.random.default_rng(0)
        self._places = np.zeros((0, 2))
        self.failed, self.lost = False, ""

    @property
    def frame_rate_hz(self) -> float:
        """Of the camera, known once a rig is open."""
        return self.rig.frame_rate_hz if self._open else FRAME_RATE_HZ

    def start(self, scene: PushScene, nodes_um: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A new simulated episode; its first frame as :meth:`look` gives it.

        Raises:
            LostError: the tracker does not find the bodies in it.
        """
        self.rig, self.observer = scene.open(nodes_um, rng)
        self._rng, self._places, self._open = rng, np.asarray(scene.obstacles).reshape(-1, 2), True
        self.failed, self.lost = False, ""
        return self._first_look()

    def go_on(self) -> np.ndarray:
        """Any other rig: opened at the first call, then watched as it is, the field off; its next frame.

        Raises:
            LostError: the observer does not find the bodies.
        """
        from microtwin.vision import Tracker

        options = self._options
        if not self._open:
            self.rig = open_rig(options.backend, **dict(options.backend_options or {}))
            self.rig.__enter__()
            self._open = True
        if self.lost or not self._watched:
            self.observer = Tracker(**dict(options.tracker_options or {}))
            self._watched = True
        self.rest()
        self.failed, self.lost = False, ""
        return self._first_look()

    def _first_look(self) -> np.ndarray:
        seen = self.look()
        if seen is None:
            raise LostError(self.lost or "the bodies collide where they start")
        return seen

    def get_behind(self, controller: Steering) -> np.ndarray:
        """Let the controller drive the robot behind the object; the frame in which it is there.

        Raises:
            LostError: it did not get there, or was lost on the way.
        """
        begun = self.observation.time_s
        while self.observation.time_s - begun < APPROACH_S:
            field = controller.act(self.observation)
            if controller.mode != "approach":
                break
            self.rig.command(field)
            if self.look() is None:
                self.rest()
                raise LostError(self.lost)
        else:
            self.rest()
            raise LostError(f"the robot did not get behind the object in {APPROACH_S:g} s: put it there by hand")
        return self.bodies

    def command(self, alpha_rad: float, gamma_rad: float, frequency_hz: float) -> None:
        self.rig.command(RotatingField(alpha_rad, gamma_rad, frequency_hz))

    def rest(self) -> None:
        """Field off."""
        self.rig.command(RotatingField.off())

    def look(self) -> np.ndarray | None:
        """(2 + M, 2) robot, object and others as observed in the next frame, µm; None if it failed or one was lost."""
        try:
            self.frame = self.rig.observe()
            self.observation = self.observer(self.frame)
        except ArithmeticError:
            self.failed = True
            return None
        except LostError as error:
            self.lost = str(error)
            return None
        bodies = np.empty((self._told, 2))
        bodies[0], bodies[1] = self.observation.robot_um, self.observation.object_um
        if self._told > 2:
            self._add_others(bodies)
        self.bodies = bodies
        return bodies

    def _add_others(self, bodies: np.ndarray) -> None:
        """Obstacles where they are known to be; free bodies, if they are told of at all, with the tracker's noise."""
        obstacles = len(self._places)
        free = self._told - 2 - obstacles
        bodies[2 + free :] = self._places
        if self._options.observation == "state":
            truth: Any = self.frame
            bodies[2:] = truth.positions_um[2:, :2]
        if free:
            bodies[2 : 2 + free] += self._noise_um * self._rng.standard_normal((free, 2))

    def close(self) -> None:
        """Field off, rig left."""
        if self._open:
            self.rig.__exit__(None, None, None)
            self._open = self._watched = False  # a rig opened again begins its time again: not for the same tracker
