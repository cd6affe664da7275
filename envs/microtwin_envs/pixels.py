"""What a policy sees that is given pixels: the camera round the object, turned into the frame of the task.

(96, 96, 3) uint8, 64 µm wide, the object as observed in the middle, the path's direction there to the right (for goal
tasks: the world's x). Channels: 0 the camera frame that arrived last; 1 the one before it, cut out at the same place,
so that what moves shows; 2 the path still to go from the object on, 255 on 0 (for goal tasks empty: their goals stand
beside the picture, where HER can exchange them).
"""

import math

import numpy as np

from microtwin.image_axes import to_image
from microtwin.rig import Frame

SIZE, WIDE_UM = 96, 64.0
BEYOND = 128  # grey of what lies outside the camera's frame
_FINE = 3  # cv2 draws at 1/8 px with this many fractional bits


def cut_out(
    frame: Frame,
    before: np.ndarray,
    at_um: np.ndarray,
    direction_rad: float = 0.0,
    ahead_um: np.ndarray | None = None,
) -> np.ndarray:
    """The picture; ``before`` is the previous image, ``ahead_um`` (n, 2) the path still to go."""
    import cv2

    from microtwin.vision.background import grey_image

    images = grey_image(frame), grey_image(before)  # a rig's camera may be one for colour
    row, column = to_image(at_um - np.asarray(frame.centre_um), images[0].shape, frame.um_per_px).tolist()
    middle, scale = 0.5 * (SIZE - 1), WIDE_UM / SIZE / frame.um_per_px
    c, s = scale * math.cos(direction_rad), scale * math.sin(direction_rad)
    # pixel of the picture → pixel of the frame: ahead is (cos, sin) in the world, y up
    m = np.array([[c, s, column - (c + s) * middle], [-s, c, row + (s - c) * middle]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    for channel, image in enumerate(images):
        picture[..., channel] = cv2.warpAffine(  # type: ignore[call-overload]
            image, m, (SIZE, SIZE), flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=(BEYOND,)
        )
    if ahead_um is not None:
        way = np.zeros((SIZE, SIZE), np.uint8)
        points = np.round(to_picture(ahead_um, at_um, direction_rad) * 2**_FINE).astype(np.int32)
        cv2.polylines(way, [points], False, (255,), 2, cv2.LINE_AA, _FINE)
        picture[..., 2] = way
    return picture


def to_picture(points_um: np.ndarray, at_um: np.ndarray, direction_rad: float) -> np.ndarray:
    """(n, 2) columns and rows of world points in the picture; far ones are brought to within 1000 px."""
    c, s = math.cos(direction_rad), math.sin(direction_rad)
    away = (np.atleast_2d(points_um) - at_um) * (SIZE / WIDE_UM)
    ahead, left = away @ (c, s), away @ (-s, c)
    return np.clip(0.5 * (SIZE - 1) + np.column_stack((ahead, -left)), -1000.0, 1000.0)
