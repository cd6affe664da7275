"""Cameras: one driver to a file, all behind the same latest-frame policy."""

from importlib import import_module
from typing import Any

from microtwin.errors import InputError
from microtwin.rig import Camera
from microtwin_hardware.cameras.latest import LatestFrames
from microtwin_hardware.cameras.source import Grab, Source
from microtwin_hardware.config import CameraConfig
from microtwin_hardware.plugins import named_class

__all__ = ["DRIVERS", "Grab", "LatestFrames", "Source", "available", "open_camera", "source_class"]

DRIVERS = {
    "opencv": "OpenCvSource",
    "spinnaker": "SpinnakerSource",
    "basler": "BaslerSource",
    "micromanager": "MicroManagerSource",
    "aravis": "AravisSource",
}


def open_camera(config: CameraConfig) -> Camera:
    """The camera that a configuration describes, not entered yet; entering it opens the device.

    ``package.module:Class`` as the driver is a camera of one's own, made as ``Class(config)``.

    Raises:
        InputError: no such driver.
    """
    if ":" in config.driver:
        return named_class(config.driver, "camera.driver")(config)
    return LatestFrames(source_class(config.driver)(config), config)


def source_class(driver: str) -> Any:
    """The class of a built-in driver, to be made as ``Class(config)``: a :class:`Source`. Loads no vendor's library.

    Raises:
        InputError: no such driver.
    """
    if driver not in DRIVERS:
        raise InputError(
            f'camera.driver is "{driver}": choose one of {", ".join(DRIVERS)}, or give package.module:Class'
        )
    return getattr(import_module(f"microtwin_hardware.cameras.{driver}"), DRIVERS[driver])


def available() -> dict[str, list[str] | str]:
    """For every built-in driver the cameras it finds, or one line that says why it cannot look."""
    found: dict[str, list[str] | str] = {}
    for driver in DRIVERS:
        try:
            found[driver] = source_class(driver).available()
        except Exception as error:  # one vendor's broken installation must not hide the others
            found[driver] = " ".join(str(error).split())
    return found
