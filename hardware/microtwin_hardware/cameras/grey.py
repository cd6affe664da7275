"""Whatever pixels a camera delivers, as the grey bytes that the tracker takes."""

import numpy as np

from microtwin.errors import InputError


def to_grey(image: np.ndarray, bits: int = 16) -> np.ndarray:
    """An image as (rows, columns) uint8, contiguous.

    Colour becomes luma (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B). Of more than 8 bits the highest 8 are kept, so full
    scale stays full scale: 1023 of 10 bits, 4095 of 12 and 65535 of 16 all become 255. A value above what ``bits`` can
    hold becomes 255.

    Args:
        image: (rows, columns), or (rows, columns, 1, 3 or 4) in blue, green, red; uint8 or uint16.
        bits: of uint16 that are used, 8 to 16.

    Raises:
        InputError: another type or shape.
    """
    if image.dtype not in (np.uint8, np.uint16) or image.ndim not in (2, 3) or not image.size:
        raise InputError(
            f"the camera's image is {image.dtype} of shape {image.shape}: set it to a grey or colour format of 8 to "
            "16 bits"
        )
    if image.ndim == 3:
        image = _luma(image)
    if image.dtype == np.uint16:
        image = _highest_eight(image, min(max(bits, 8), 16) - 8)
    return np.ascontiguousarray(image)


def _highest_eight(image: np.ndarray, shift: int) -> np.ndarray:
    """``min(image >> shift, 255)`` as bytes, four times as fast: OpenCV scales, rounds and saturates in one pass."""
    import cv2

    step = 1 << shift
    return cv2.convertScaleAbs(image, alpha=1 / step, beta=-(step - 1) / (2 * step))


def _luma(image: np.ndarray) -> np.ndarray:
    import cv2

    channels = image.shape[2]
    if channels == 1:
        return image[:, :, 0]
    if channels not in (3, 4):
        raise InputError(f"the camera's image has {channels} channels: set it to a grey format")
    return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY if channels == 3 else cv2.COLOR_BGRA2GRAY)
