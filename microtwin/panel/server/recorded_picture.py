"""The pictures of a recorded run: frames of its video by number, or where there is none, drawings from its telemetry.

Frame i of the video is row i of the telemetry. Both carry the overlay of :mod:`microtwin.vision.overlay`.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.panel.server.past_runs import PATH, VIDEO
from microtwin.panel.server.recorded import Part, Recorded
from microtwin.rig import Frame, Observation
from microtwin.vision.overlay import BLUE, GREEN, draw

SHAPE = 512, 640  # rows and columns of a drawing
GREY = 96
MARGIN_UM = 15.0
QUALITY = 85
MISSED = 2  # frames by which a video may differ: Ctrl-C between a row and its picture
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


class Pictures:
    """To be used by one thread at a time.

    Attributes:
        note: why the pictures are drawn although there is a video, in words; else empty.

    Raises:
        InputError: neither a video nor a path is there: nothing can be shown.
    """

    def __init__(self, recorded: Recorded):
        self._run = recorded
        self.note = ""
        self._film = self._open()
        if self._film is None and recorded.nodes_um is None:
            raise InputError(f"{recorded.folder.name}: {self.note or f'no {VIDEO}'}, and no {PATH} to draw: give one")
        points = [recorded.robot_um, recorded.object_um, *([] if recorded.nodes_um is None else [recorded.nodes_um])]
        low = np.min([p.min(axis=0) for p in points], axis=0) - MARGIN_UM
        high = np.max([p.max(axis=0) for p in points], axis=0) + MARGIN_UM
        self._um_per_px = float(max((high - low) / SHAPE[::-1]))
        self._centre_um = float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self._film.size if self._film else (SHAPE[1], SHAPE[0])

    def jpeg(self, part: Part, index: int) -> bytes:
        """The picture of frame ``index`` of a trial."""
        picture = None
        if self._film:
            try:
                picture = self._film.frame(min(part.first + index, self._film.count - 1))
            except InputError as error:
                self.note = f"{error}: drawn from the telemetry"
                self.close()
        if picture is None:
            picture = self._drawn(part, index)
        return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()

    def close(self) -> None:
        """Let go of the video."""
        if self._film:
            self._film.close()
        self._film = None

    def _open(self) -> Film | None:
        file = self._run.folder / VIDEO
        if not file.is_file():
            return None
        try:
            film = Film(file)
        except InputError as error:
            self.note = f"{error}: drawn from the telemetry"
            return None
        rows = len(self._run.table)
        if abs(film.count - rows) <= MISSED:
            return film
        film.close()
        self.note = f"{VIDEO} has {film.count} frames, the telemetry {rows}: drawn from the telemetry"
        return None

    def _drawn(self, part: Part, index: int) -> np.ndarray:
        run, row = self._run, part.first + index
        image = np.full(SHAPE, GREY, dtype=np.uint8)
        if run.nodes_um is None:  # a video that broke off, of a run without a path
            return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
        frame = Frame(row, float(part.times_s[index]), image, self._um_per_px, self._centre_um)
        seen = Observation(row, frame.time_s, run.robot_um[row], run.object_um[row])
        then: Any = run.table.iloc[row]
        controller: Any = SimpleNamespace(
            mode=then["mode"], goal_index=int(then["goal_index"]), width_um=run.corridor_um
        )
        past = slice(part.first, row + 1)
        return draw(frame, seen, controller, run.nodes_um, {GREEN: run.object_um[past], BLUE: run.robot_um[past]})
