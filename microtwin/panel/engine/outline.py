"""What a mask takes for a body, as outlines to draw over the picture."""

import cv2
import numpy as np

from microtwin.panel.messages import Point
from microtwin.vision.background import Background, whole
from microtwin.vision.mask import MaskSettings, body_mask

SMALLEST_PX2 = 12.0  # specks are left out
COARSE_PX = 0.8  # how far a simplified outline may leave the true one
MOST = 200


def mask_outlines(image: np.ndarray, settings: MaskSettings) -> list[list[Point]]:
    """Closed outlines, as (x, y) in pixels, of the mask of a whole (rows, columns) uint8 picture; largest first."""
    mask = body_mask(Background(image).normalised(image, whole(image)), settings)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    sized = sorted(((cv2.contourArea(one), k) for k, one in enumerate(found)), reverse=True)
    large = [found[k] for area, k in sized if area >= SMALLEST_PX2][:MOST]
    return [[(float(x), float(y)) for x, y in cv2.approxPolyDP(one, COARSE_PX, True)[:, 0].tolist()] for one in large]
