"""One robot of the image set whose light is propagated once, pictured at any depth that is asked for."""

import cv2
import numpy as np

from microtwin.image_axes import to_image
from microtwin.otmr.depth import focus_um
from microtwin.otmr.draw import Draw
from microtwin.otmr.framing import CROP, PIXEL_UM, laid, laid_out, sensor_of
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import plain
from microtwin.otmr.render import BLUR_TAPS, UPSAMPLE, depth_limits_um, middle_um, orientation, propagated
from microtwin.robots.catalogue import Robot

BEYOND_UM = 2.0  # of depth past either end of the robot's sweep: what the picture's grid still holds the rings of


def sweep_um(item: Robot, pose: Pose) -> tuple[float, float]:
    """Least and largest depth of a robot in the image set, standing as its label says."""
    return depth_limits_um(item.mesh, orientation(pose, plain()), plain(), item.depth_range_um)


class Picture:
    """A robot as the OTMR camera sees it: crops of 256 × 256 pixels that follow it, 0.055 µm each.

    Args:
        draw: what it looks like, all the time.

    Attributes:
        limits_um: depths at the ends of the sweep that the image set has of it.
    """

    def __init__(self, item: Robot, pose: Pose, draw: Draw):
        turn = orientation(pose, draw)
        self.limits_um = depth_limits_um(item.mesh, turn, draw, item.depth_range_um)
        aside = middle_um(item.mesh, turn)
        self._origin_um = (-aside[0], -aside[1])
        self._draw, self._sensor = draw, sensor_of(draw)
        ends = [self.limits_um[0] - BEYOND_UM, self.limits_um[1] + BEYOND_UM]
        self._field, self._middle_um = propagated(item.mesh, turn, ends, draw)

    def expose(self, depth_um: float, rng: np.random.Generator) -> np.ndarray:
        """(256, 256) uint8 at one depth; ``rng`` places the crop about the robot and gives the noise."""
        windows, places = laid_out(1, self._draw, rng, CROP, self._origin_um)
        picture = self._field.image(focus_um(depth_um, 0.0, self._field.microscope), UPSAMPLE)
        light = laid(picture, to_image(places[0] + self._middle_um, CROP, PIXEL_UM), CROP)
        image = self._sensor.expose(light, rng, (int(windows[0, 0]), int(windows[0, 1])))
        if self._draw.interpolation_px > 0:
            image = cv2.GaussianBlur(image, BLUR_TAPS, self._draw.interpolation_px)
        return image
