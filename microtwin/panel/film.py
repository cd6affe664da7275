"""The frames of a video by number."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from microtwin.errors import InputError

SKIPPED = 60  # so many frames are passed over sooner than a jump to a key frame is worth


class Film:
    """A video file that is read forwards; another frame than the next is found by passing over some, or by a jump.

    Attributes:
        count: how many frames there are, as the file says. size: width and height, px.

    Raises:
        InputError: it is no video.
    """

    def __init__(self, path: Path):
        self._name = path.name
        self._capture: Any = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._next = 0
        self._last: np.ndarray | None = None
        self.count = int(self._get(cv2.CAP_PROP_FRAME_COUNT))
        self.size = int(self._get(cv2.CAP_PROP_FRAME_WIDTH)), int(self._get(cv2.CAP_PROP_FRAME_HEIGHT))
        if self.count < 1 or min(self.size) < 1:
            self.close()
            raise InputError(f"{self._name} cannot be read: it is cut off or not a video")

    def frame(self, index: int) -> np.ndarray:
        """(rows, columns, 3) uint8 BGR of a frame, 0 to count − 1.

        Raises:
            InputError: the file ends before it.
        """
        if index == self._next - 1 and self._last is not None:
            return self._last
        if not 0 <= index - self._next <= SKIPPED:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, index)
            self._next = index
        while self._next < index and self._capture.grab():
            self._next += 1
        good, picture = self._capture.read()
        if not good or self._next != index:
            self._last, self._next = None, self.count + 1  # nobody knows where: jump next time
            raise InputError(f"{self._name} ends before frame {index + 1}: it is cut off")
        self._next, self._last = index + 1, picture
        return picture

    def close(self) -> None:
        self._capture.release()

    def _get(self, what: int) -> float:
        return self._capture.get(what) if self._capture.isOpened() else 0.0
