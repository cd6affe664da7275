"""Frames with what the controller sees and does drawn on them, as a video.

Colours as in the pushing paper's Fig. 7: path red, object green, robot blue; the corridor's edges from the robot to the
goal, the mode and the field in words, a scale bar.
"""

import math
from pathlib import Path

import cv2
import numpy as np

from microtwin.errors import InputError
from microtwin.image_axes import to_image
from microtwin.rig import Controller, Frame, Observation

RED, GREEN, BLUE, WHITE, YELLOW = (60, 60, 230), (70, 190, 70), (230, 140, 60), (255, 255, 255), (60, 220, 240)
_FINE = 3  # cv2 draws at 1/8 px with this many fractional bits


def _pixels(points_um: np.ndarray, frame: Frame) -> np.ndarray:
    """(n, 2) integer (x, y) for cv2, in 1/8 px."""
    points = np.atleast_2d(points_um) - np.asarray(frame.centre_um)
    rows_columns = to_image(points, frame.image.shape, frame.um_per_px)  # type: ignore[union-attr]
    return np.round(rows_columns[:, ::-1] * 2**_FINE).astype(np.int32)


def draw(frame: Frame, seen: Observation, controller: Controller, nodes_um: np.ndarray, tracks: dict) -> np.ndarray:
    """(rows, columns, 3) uint8 BGR picture of one frame; ``tracks`` maps a colour to the (n, 2) positions so far."""
    assert frame.image is not None
    picture = cv2.cvtColor(frame.image, cv2.COLOR_GRAY2BGR)

    def line(points_um, colour, width=1):
        cv2.polylines(picture, [_pixels(points_um, frame)], False, colour, width, cv2.LINE_AA, _FINE)

    line(nodes_um, RED)
    for colour, points in tracks.items():
        if len(points) > 1:
            line(np.array(points), colour)
    goal = nodes_um[min(controller.goal_index, len(nodes_um) - 1)]
    width_um = getattr(controller, "width_um", None)
    if width_um is not None and controller.mode not in ("approach", "done"):
        along = goal - seen.robot_um
        across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * width_um / 2
        for side in (across, -across):
            line(np.array([seen.robot_um + side, goal + side]), YELLOW)
    scale = 2**_FINE / frame.um_per_px
    for point, radius_um, colour in ((goal, 1.2, RED), (seen.object_um, 0.8, GREEN), (seen.robot_um, 0.8, BLUE)):
        x, y = _pixels(point, frame)[0].tolist()
        cv2.circle(picture, (x, y), round(radius_um * scale), colour, -1, cv2.LINE_AA, _FINE)
    rows, columns = picture.shape[:2]
    bar = round(40 / frame.um_per_px)
    cv2.line(picture, (columns - 20 - bar, rows - 20), (columns - 20, rows - 20), WHITE, 3)
    cv2.putText(picture, "40 um", (columns - 20 - bar, rows - 28), cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)
    text = f"{frame.time_s:6.1f} s  {controller.mode}  node {controller.goal_index + 1}/{len(nodes_um)}"
    cv2.putText(picture, text, (12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)
    return picture


class Video:
    """Collects a run's frames into an mp4; call it with every frame, then :meth:`close`.

    Raises:
        InputError: the file cannot be written, or no codec is there.
    """

    def __init__(self, path: Path, nodes_um: np.ndarray, frame_rate_hz: float):
        self._path, self._nodes_um, self._rate = path, nodes_um, frame_rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._tracks: dict[tuple, list] = {GREEN: [], BLUE: []}
        self._last = math.inf

    def __call__(self, frame: Frame, seen: Observation, controller: Controller) -> None:
        if frame.image is None:
            return
        if frame.index < self._last:  # a new trial
            self._tracks = {GREEN: [], BLUE: []}
        self._last = frame.index
        self._tracks[GREEN].append(seen.object_um)
        self._tracks[BLUE].append(seen.robot_um)
        if self._writer is None:
            size = frame.image.shape[1], frame.image.shape[0]
            codec = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self._path), codec, self._rate, size)
            if not self._writer.isOpened():
                raise InputError(f"cannot write a video to {self._path.parent}: no mp4 codec, or no space")
        self._writer.write(draw(frame, seen, controller, self._nodes_um, self._tracks))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.release()
