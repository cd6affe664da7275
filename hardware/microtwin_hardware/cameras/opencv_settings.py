"""Settings of a camera that OpenCV opens: its own properties by name, and the exposure in each system's unit."""

import math
from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.vendor import attempt
from microtwin_hardware.config import CameraConfig

MANUAL_V4L2, MANUAL_WINDOWS = 1, 0.25  # of CAP_PROP_AUTO_EXPOSURE

Properties = dict[str, tuple[int, float]]  # by name: OpenCV's number, value


def properties(options: dict[str, Any]) -> Properties:
    """The options as properties of cv2.VideoCapture.

    Raises:
        InputError: OpenCV has no such property, or the value is no number.
    """
    import cv2

    found = {}
    for name, value in options.items():
        number = getattr(cv2, f"CAP_PROP_{name.upper()}", None)
        if number is None:
            raise InputError(f"camera.options.{name} is unknown: give a property of cv2.VideoCapture, such as gain")
        if name == "fourcc":
            if not isinstance(value, str) or len(value) != 4:
                raise InputError(f'camera.options.fourcc is {value!r}: give four characters, such as "MJPG" or "Y800"')
            value = cv2.VideoWriter.fourcc(*value)
        if not isinstance(value, bool | int | float):
            raise InputError(f"camera.options.{name} is {value!r}: give a number")
        found[name] = number, float(value)
    return found


def apply(capture: Any, config: CameraConfig, own: Properties, notes: list[str]) -> None:
    """Set the camera up; what it refuses, or makes something else of, is noted."""
    import cv2

    wanted = dict(own)  # first: the pixel format decides which sizes and rates there are
    # A USB camera has several modes and starts in a small one, so the expected shape is asked for.
    if config.shape:
        wanted["columns"] = cv2.CAP_PROP_FRAME_WIDTH, config.shape[1]
        wanted["rows"] = cv2.CAP_PROP_FRAME_HEIGHT, config.shape[0]
    wanted["frame_rate_hz"] = cv2.CAP_PROP_FPS, config.frame_rate_hz
    if config.exposure_ms is not None:
        wanted |= _exposure(capture.getBackendName(), config.exposure_ms, notes)
    for name, (number, value) in wanted.items():
        done = attempt(notes, f"{name} = {value:g}", lambda n=number, v=value: capture.set(n, v))
        told = float(capture.get(number)) if done else value
        if name in ("frame_rate_hz", "exposure") and not math.isclose(told, value, rel_tol=0.02):
            notes.append(f"{name} = {value:g}: the camera made it {told:g}")


def _exposure(system: str, exposure_ms: float, notes: list[str]) -> Properties:
    """Video4Linux counts in 100 µs, Windows in powers of two of a second."""
    import cv2

    if system == "V4L2":
        manual, value = MANUAL_V4L2, 10.0 * exposure_ms
    elif system in ("DSHOW", "MSMF"):
        manual, value = MANUAL_WINDOWS, math.log2(exposure_ms / 1000.0)
    else:
        notes.append(f"exposure: {system} has no unit for it; set camera.options.exposure as its manual says")
        return {}
    return {"auto_exposure": (cv2.CAP_PROP_AUTO_EXPOSURE, manual), "exposure": (cv2.CAP_PROP_EXPOSURE, value)}
