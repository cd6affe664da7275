"""Reading a picture from a file, and knowing when half of it is missing.

Decoders differ: some return a cut-off JPEG with its lower part grey, which a network would learn from or answer for.
So the end is looked for before anything is decoded.
"""

import os
import struct
from pathlib import Path

import cv2
import numpy as np

from microtwin.errors import InputError

_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND\xaeB`\x82"  # of a PNG with its checksum
_SCAN = 0xDA  # the pixels follow


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """(H, W) uint8 grey.

    Raises:
        InputError: the file cannot be opened, is cut off, or is no image.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): restore it or leave it out") from None
    if is_cut_off(data):
        raise InputError(f"{path} is cut off after {len(data)} bytes: restore it or leave it out")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # a size beyond OpenCV's limit
        image = None
    if image is None:
        raise InputError(f"{path} is no image that can be read: restore it or leave it out")
    return np.asarray(image, dtype=np.uint8)


def is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG stops before its end marker, or a file holds nothing; other formats are not known."""
    if data.startswith(_JPEG):
        return data.find(_JPEG_END, _first_scan(data)) < 0
    if data.startswith(_PNG):
        return data.rfind(_PNG_END) < len(_PNG)
    return not data


def _first_scan(data: bytes) -> int:
    """Where a JPEG's pixels begin, in which no end marker comes by chance; a preview in its header may hold one."""
    at = len(_JPEG)
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker >> 8 != 0xFF:  # no segment: the decoder will say what is wrong
            break
        at += 2 + length
        if marker & 0xFF == _SCAN:
            break
    return min(at, len(data))
