"""The settings of ``[camera.options]`` that every GenICam camera shares, checked.

``roi``, ``binning``, ``gain`` and ``pixel_format`` mean the same for all drivers. Any other key is the name of a
feature of the camera itself (GenICam's Standard Features Naming Convention: ``ReverseX``, ``BlackLevel``, ...) and is
handed on.
"""

from dataclasses import dataclass, field
from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.config import CameraConfig


@dataclass(frozen=True)
class Features:
    """What is asked of a camera beside exposure and frame rate; None leaves it as it is.

    Attributes:
        roi: first column, first row, columns, rows, in binned pixels. binning: of both axes. gain: dB.
        own: features of the camera by name.
    """

    roi: tuple[int, int, int, int] | None = None
    binning: int | None = None
    gain: float | None = None
    pixel_format: str = "Mono8"
    own: dict[str, Any] = field(default_factory=dict)


def features(config: CameraConfig) -> Features:
    """What the options ask for. ``camera.shape`` asks for nothing: it is only what is expected.

    Raises:
        InputError: an option of another form.
    """
    options = dict(config.options)
    roi = options.pop("roi", None)
    if roi is not None and not (
        isinstance(roi, list)
        and len(roi) == 4
        and all(type(part) is int for part in roi)
        and min(roi[2:]) > 0 <= min(roi)
    ):
        raise InputError(f"camera.options.roi is {roi}: give [first column, first row, columns, rows] in pixels")
    binning = options.pop("binning", None)
    if binning is not None and (type(binning) is not int or binning < 1):
        raise InputError(f"camera.options.binning is {binning}: give 1, 2 or 4, for both axes")
    gain = options.pop("gain", None)
    if gain is not None and (isinstance(gain, bool) or not isinstance(gain, int | float)):
        raise InputError(f"camera.options.gain is {gain!r}: give a number, dB")
    pixel_format = options.pop("pixel_format", "Mono8")
    if not isinstance(pixel_format, str):
        raise InputError(f'camera.options.pixel_format is {pixel_format!r}: give a name in quotes, such as "Mono8"')
    return Features((roi[0], roi[1], roi[2], roi[3]) if roi else None, binning, gain, pixel_format, options)
