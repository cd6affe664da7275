"""FLIR cameras through the Spinnaker SDK's own PySpin, or through EasyPySpin, which wraps it.

Neither is on PyPI in a usable form: PyPI's ``PySpin`` is an unrelated package. The vendor's comes with the SDK.
"""

from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.easypyspin import EasyPySpin
from microtwin_hardware.cameras.features import features
from microtwin_hardware.cameras.pyspin import PySpin
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import library
from microtwin_hardware.config import CameraConfig

INSTALL = "install the Spinnaker SDK and the PySpin wheel that comes with it"
TIME_OUT = -1011  # SPINNAKER_ERR_TIMEOUT


class SpinnakerSource:
    """A :class:`microtwin_hardware.cameras.source.Source` on a FLIR camera.

    ``camera.source`` is a serial number, or an index among the cameras found. ``[camera.options] library`` forces
    "PySpin" or "EasyPySpin"; without it PySpin is taken where it is the vendor's.

    Raises:
        InputError: neither library is there, no such camera.
    """

    def __init__(self, config: CameraConfig):
        self.frame_rate_hz: float | None = None
        self.notes: list[str] = []
        self._config = config
        self._device: PySpin | EasyPySpin | None = None

    def describe(self) -> str:
        return f"FLIR camera {self._config.source}"

    def open(self) -> None:
        self.notes.clear()
        wanted = features(self._config)
        name = wanted.own.pop("library", None)
        if name not in (None, "PySpin", "EasyPySpin"):
            raise InputError(f'camera.options.library is {name!r}: give "PySpin" or "EasyPySpin", or leave it out')
        if name == "EasyPySpin":
            self._device = EasyPySpin(library("EasyPySpin", f"{INSTALL}, then pip install EasyPySpin"))
        else:
            self._device = PySpin(_vendors())
        self.frame_rate_hz = self._device.open(self._config, wanted, self.notes)

    def grab(self, timeout_s: float) -> Grab:
        if self._device is None:
            raise RuntimeError("it is closed")
        try:
            return self._device.grab(timeout_s)
        except Exception as error:
            if getattr(error, "errorcode", None) == TIME_OUT:
                raise TimeoutError from None
            raise

    def close(self) -> None:
        if self._device is not None:
            self._device.close()
            self._device = None

    @staticmethod
    def available() -> list[str]:
        spin = _vendors()
        system = spin.System.GetInstance()
        cameras = system.GetCameras()
        try:
            found = []
            for index in range(cameras.GetSize()):
                camera = cameras.GetByIndex(index)
                about = camera.TLDevice
                found.append(f"{about.DeviceSerialNumber.GetValue()}, {about.DeviceModelName.GetValue()}")
                del about, camera  # the SDK cannot end while one is held
            return found
        finally:
            cameras.Clear()
            system.ReleaseInstance()


def _vendors() -> Any:
    """PySpin, if it is the vendor's.

    Raises:
        InputError: it is missing, or another package of that name.
    """
    spin = library("PySpin", INSTALL)
    if not hasattr(spin, "System"):
        raise InputError(f"the PySpin that is installed is another package of that name: pip uninstall it, {INSTALL}")
    return spin
