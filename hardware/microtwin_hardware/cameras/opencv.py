"""Whatever OpenCV's VideoCapture opens: a USB camera by index, a network stream by URL, a film by path.

A film is paced at ``frame_rate_hz`` as if a camera took it; it ends with an error that says so. A stream's own clock is
made up on the way for HTTP and raw TCP, so its frames are timed as they arrive. ``[camera.options]``, for a USB camera:
any VideoCapture property by name (``gain = 4`` is ``CAP_PROP_GAIN``), ``fourcc = "Y800"``, ``backend = "V4L2"``.
"""

import math
import os
import time
from pathlib import Path
from typing import Any

from microtwin.errors import InputError
from microtwin.rig import RigError
from microtwin_hardware.cameras import opencv_settings
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.config import CameraConfig

STREAM_OPEN_S = 5.0
GREY = (b"Y800", b"Y16 ")  # codecs whose pixels are handed over as they are: exact, and half the work


class OpenCvSource:
    """A :class:`microtwin_hardware.cameras.source.Source` on cv2.VideoCapture.

    Raises:
        InputError: there is no such film or device, it cannot be opened, OpenCV has no such property.
    """

    def __init__(self, config: CameraConfig):
        self.frame_rate_hz: float | None = None
        self.notes: list[str] = []
        self._config = config
        self._name = config.source
        self._kind = _kind(config.source)
        self._capture: Any = None
        self._stamped = False
        self._due_s: float | None = None
        self._count = 0

    def describe(self) -> str:
        return f"{'network camera' if self._kind == 'stream' else self._kind} {self._name}"

    def open(self) -> None:
        import cv2

        if not os.environ.get("OPENCV_LOG_LEVEL"):  # what goes wrong is told once, in our words
            os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # read at FFmpeg's first use
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        self.notes.clear()
        self.frame_rate_hz, self._due_s, self._count, self._stamped = None, None, 0, False
        {"stream": self._open_stream, "film": self._open_film, "camera": self._open_camera}[self._kind](cv2)

    def _open_stream(self, cv2: Any) -> None:
        # Without these a silent stream would hold the thread for 30 s. After one time-out the capture is dead.
        waits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(1000 * STREAM_OPEN_S)]
        waits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(1000 * max(2 * self._config.timeout_s, 1.0))]
        self._capture = cv2.VideoCapture(self._name, cv2.CAP_FFMPEG, waits)
        if not self._capture.isOpened():
            raise InputError(f"no video stream at {self._name}: check the address, and that the camera is on and sends")
        self._keep_grey(cv2)

    def _open_film(self, cv2: Any) -> None:
        if not Path(self._name).is_file():
            raise InputError(
                f'camera.source is "{self._name}", which is no file: give an index such as "0", a URL or a film'
            )
        self._capture = cv2.VideoCapture(self._name)
        if not self._capture.isOpened():
            raise InputError(f"{self._name} is no film that OpenCV can read: give AVI, MP4, MKV or YUV4MPEG2")
        self._keep_grey(cv2)

    def _open_camera(self, cv2: Any) -> None:
        options = dict(self._config.options)
        backend = options.pop("backend", "ANY")
        system = getattr(cv2, f"CAP_{str(backend).upper()}", None)
        if system is None:
            raise InputError(
                f'camera.options.backend is "{backend}": give V4L2, DSHOW, MSMF, AVFOUNDATION or GSTREAMER'
            )
        own = opencv_settings.properties(options)
        self._capture = cv2.VideoCapture(int(self._name) if self._name.isdecimal() else self._name, system)
        if not self._capture.isOpened():
            raise InputError(
                f"no camera opens as {self._name}: check its cable, that no other program has it, and with "
                "microtwin doctor which are there"
            )
        opencv_settings.apply(self._capture, self._config, own, self.notes)
        told = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.frame_rate_hz = told if math.isfinite(told) and told > 0 else None
        self._stamped = self._capture.getBackendName() == "V4L2"  # the kernel's clock, of when the frame was complete

    def _keep_grey(self, cv2: Any) -> None:
        code = int(self._capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)) & 0xFFFFFFFF
        if code.to_bytes(4, "little") in GREY:
            self._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)

    def grab(self, timeout_s: float) -> Grab:
        import cv2

        if self._kind == "film":
            self._pace(timeout_s)
        taken, image = self._capture.read()
        if not taken or image is None:
            if self._kind == "film":
                raise RigError(f"film {self._name} ended after {self._count} frames: take a longer one, or start again")
            raise RuntimeError("it sends no more frames")
        self._count += 1
        if self._kind == "film":
            return Grab(image, (self._count - 1) / self._config.frame_rate_hz, self._count)
        stamp_ms = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) if self._stamped else 0.0
        return Grab(image, stamp_ms / 1000.0 or None)

    def _pace(self, timeout_s: float) -> None:
        now_s = time.monotonic()
        if self._due_s is None:
            self._due_s = now_s
        wait_s = self._due_s - now_s
        time.sleep(max(0.0, min(wait_s, timeout_s)))
        if wait_s > timeout_s:
            raise TimeoutError
        self._due_s += 1.0 / self._config.frame_rate_hz

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    @staticmethod
    def available() -> list[str]:
        """Video4Linux devices on Linux; elsewhere the first indices that open, which takes a moment."""
        if Path("/proc").is_dir():
            devices = sorted(Path("/dev").glob("video*"), key=lambda path: (len(path.name), path.name))
            return [f"{device}, {_v4l_name(device)}" for device in devices]
        import cv2

        found = []
        for index in range(4):
            capture = cv2.VideoCapture(index)
            if capture.isOpened():
                found.append(f"{index}, {capture.getBackendName()}")
            capture.release()
        return found


def _kind(source: str) -> str:
    """One of camera, stream and film."""
    if "://" in source:
        return "stream"
    return "camera" if source.isdecimal() or Path(source).is_char_device() or source.startswith("/dev/") else "film"


def _v4l_name(device: Path) -> str:
    try:
        return Path(f"/sys/class/video4linux/{device.name}/name").read_text().strip()
    except OSError:
        return "camera"
