"""Quick stand-ins for rendered images: a robot's outline, softer and darker with depth. No optics are in them.

A data set of them has the folders, labels and trajectories of a rendered one in a hundredth of the time, so that
``--scale smoke`` goes through all of an experiment. What networks make of them says nothing about the paper.
"""

from typing import Any

import cv2
import numpy as np

from microtwin.otmr import depth
from microtwin.otmr.framing import CROP, PIXEL_UM
from microtwin.otmr.generate import Drawn
from microtwin.otmr.plan import Sequence
from microtwin.otmr.render import depth_limits_um, orientation, silhouette
from microtwin.robots.catalogue import robot

_COARSE = 4  # camera pixels of the outline's
_NOISE_DN = 1.1


def sketch(sequence: Sequence, randomise: Any, streams: list[np.random.Generator]) -> Drawn:
    """One sequence, as :func:`microtwin.otmr.generate.draw` draws one."""
    body = robot(sequence.robot)
    drawn = randomise.draw(streams[1])
    turn = orientation(sequence.pose, drawn)
    limits = depth_limits_um(body.mesh, turn, drawn, body.depth_range_um)
    depths_um = sum(limits) / 2 + getattr(depth, sequence.trajectory)(sequence.images, body.depth_range_um, streams[0])
    outline = silhouette(body.mesh, turn, (CROP[0] // _COARSE, CROP[1] // _COARSE), _COARSE * PIXEL_UM)
    whole = cv2.resize(outline.astype(np.float32), CROP, interpolation=cv2.INTER_LINEAR)
    images = np.empty((sequence.images, *CROP), dtype=np.uint8)
    for image, share in zip(images, (depths_um - limits[0]) / np.ptp(limits), strict=True):
        soft = cv2.GaussianBlur(whole, (0, 0), 2.0 + 6.0 * abs(share - 0.5))
        light = drawn.background_dn * (1.0 - (0.1 + 0.5 * share) * soft)
        image[:] = np.clip(light + _NOISE_DN * streams[2].standard_normal(CROP), 0, 255)
    return Drawn(images, depths_um, np.zeros((sequence.images, 2)), drawn.row(), drawn.jpeg_quality)
