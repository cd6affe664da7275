"""Rendering: the microscope frame with what is wanted and seen drawn on it, as an array or in a window."""

from typing import Any, NamedTuple

import numpy as np

from microtwin.errors import InputError
from microtwin.rig import Frame, Observation
from microtwin.scene import PushScene
from microtwin.simulated import FRAME_RATE_HZ, SimulatedRig

MODES = ("human", "rgb_array")
TITLE = "microtwin"


class Doing(NamedTuple):
    """What the overlay says of who is in control."""

    goal_index: int
    mode: str
    done: bool = False


class Show:
    """Draws one environment; what it makes needs no window unless the mode is ``human``.

    Raises:
        InputError: another mode than human, rgb_array or None.
    """

    def __init__(self, mode: str | None):
        if mode is not None and mode not in MODES:
            raise InputError(f"render_mode is {mode!r}: choose human, rgb_array or None")
        self.mode = mode
        self._window: Any = None
        self.forget()

    def forget(self) -> None:
        """A new episode: the tracks so far and the microscope were another's."""
        self._tracks: tuple[list, list] = ([], [])
        self._microscope: Any = None
        self._rng = np.random.default_rng(0)  # its own: looking must not change what happens

    def saw(self, seen: Observation) -> None:
        """Keep the tracks; called with every frame."""
        if self.mode is not None:
            for track, position in zip(self._tracks, (seen.object_um, seen.robot_um), strict=True):
                track.append(position)

    def picture(self, frame: Frame, seen: Observation, way_um: np.ndarray, doing: Doing) -> np.ndarray:
        """(rows, columns, 3) uint8 RGB: a frame with an image, tracks, way and what is done drawn on it."""
        from microtwin.vision.overlay import BLUE, GREEN, draw

        tracks = dict(zip((GREEN, BLUE), self._tracks, strict=True))
        return draw(frame, seen, doing, way_um, tracks)[..., ::-1].copy()  # type: ignore[arg-type]

    def expose(self, rig: Any, frame: Frame, scene: PushScene, nodes_um: np.ndarray) -> Frame:
        """A frame of a world that is watched without a camera: as it is now, whatever the latency."""
        assert isinstance(rig, SimulatedRig)
        world = rig.world
        if self._microscope is None:
            self._microscope = scene.microscope(list(world.bodies), nodes_um)
        image = self._microscope.expose(world.positions_um, world.turns, world.velocities_um_s, self._rng)
        centre = self._microscope.camera.centre_um
        return Frame(frame.index, frame.time_s, image, self._microscope.um_per_px, centre)

    def to_window(self, picture: np.ndarray) -> None:
        """Show it: in cv2's window if this build has any, else in matplotlib's."""
        import cv2

        if "GUI:                           NONE" not in cv2.getBuildInformation():
            self._window = self._window or TITLE
            cv2.imshow(TITLE, picture[..., ::-1])
            cv2.waitKey(1)
            return
        from matplotlib import pyplot as plt

        if self._window is None or not plt.fignum_exists(self._window[0].number):
            plt.ion()
            figure, axes = plt.subplots(num=TITLE)
            axes.set_axis_off()
            self._window = (figure, axes.imshow(picture))
        figure, image = self._window
        image.set_data(picture)
        image.set_extent((-0.5, picture.shape[1] - 0.5, picture.shape[0] - 0.5, -0.5))
        figure.canvas.draw_idle()
        figure.canvas.flush_events()

    def close(self) -> None:
        if isinstance(self._window, str):
            import cv2

            cv2.destroyWindow(TITLE)
        elif self._window is not None:
            from matplotlib import pyplot as plt

            plt.close(self._window[0])
        self._window = None


FPS = round(FRAME_RATE_HZ)
