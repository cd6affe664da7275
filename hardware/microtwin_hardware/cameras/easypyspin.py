"""EasyPySpin, which puts cv2.VideoCapture's face on PySpin."""

from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.features import Features
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import attempt
from microtwin_hardware.config import CameraConfig


class EasyPySpin:
    """EasyPySpin's VideoCapture: cv2's read(), exposure in µs, neither time stamp nor frame number."""

    def __init__(self, easy: Any):
        self._easy = easy
        self._capture: Any = None

    def open(self, config: CameraConfig, wanted: Features, notes: list[str]) -> float | None:
        import cv2

        source = config.source
        number = int(source) if source.isdecimal() and len(source) < 4 else source  # a serial number is text
        self._capture = capture = self._easy.VideoCapture(number)
        if not capture.isOpened():
            raise InputError(f'no FLIR camera opens as "{source}": check its cable, and its serial number in SpinView')
        first: dict[str, str | int] = {
            "AcquisitionMode": "Continuous",
            "TriggerMode": "Off",
            "PixelFormat": wanted.pixel_format,
        }
        if wanted.binning:
            first["BinningVertical"] = wanted.binning  # on most models the other follows
        if wanted.roi:
            column, row, columns, rows = wanted.roi
            first |= {"OffsetX": 0, "OffsetY": 0, "Width": columns, "Height": rows}
            wanted.own.update(OffsetX=column, OffsetY=row)  # only now do they fit beside the size
        settings: list[tuple[str, int, float]] = []
        if config.exposure_ms is not None:
            settings.append(("exposure_us", cv2.CAP_PROP_EXPOSURE, 1000.0 * config.exposure_ms))
        if wanted.gain is not None:
            settings.append(("gain", cv2.CAP_PROP_GAIN, float(wanted.gain)))
        settings.append(("frame_rate_hz", cv2.CAP_PROP_FPS, config.frame_rate_hz))
        for name, value in first.items():
            attempt(notes, f"{name} = {value}", lambda n=name, v=value: capture.set_pyspin_value(n, v))
        for name, number, value in settings:
            attempt(notes, f"{name} = {value:g}", lambda n=number, v=value: capture.set(n, v))
        for name, value in wanted.own.items():
            attempt(notes, f"{name} = {value}", lambda n=name, v=value: capture.set_pyspin_value(n, v))
        told = float(capture.get(cv2.CAP_PROP_FPS) or 0.0)
        return told if told > 0 else None

    def grab(self, timeout_s: float) -> Grab:
        self._capture.grabTimeout = max(1, round(1000 * timeout_s))
        taken, image = self._capture.read()
        if taken and image is not None:
            return Grab(image.copy())
        if not self._capture.isOpened():
            raise RuntimeError("it was unplugged")
        raise TimeoutError  # a torn frame

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
