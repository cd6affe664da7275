"""Basler cameras through the vendor's pypylon (BSD; ``pip install 'microtwin[basler]'``)."""

from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.features import features
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import attempt, library, unread
from microtwin_hardware.config import CameraConfig

INSTALL = "pip install 'microtwin[basler]'"
NO_COUNTER = 2**64 - 1  # what pylon says of a device without frame numbers


class BaslerSource:
    """A :class:`microtwin_hardware.cameras.source.Source` on pypylon's InstantCamera.

    ``camera.source`` is a serial number, a user-defined name, an IP address, or an index among the cameras found.

    Raises:
        InputError: pypylon is missing, no such camera.
    """

    def __init__(self, config: CameraConfig):
        self.frame_rate_hz: float | None = None
        self.notes: list[str] = []
        self._config = config
        self._camera: Any = None
        self._pylon: Any = None
        self._ticks_hz = 1e9
        self._model = ""

    def describe(self) -> str:
        return f"Basler {self._model}{self._config.source}"

    def open(self) -> None:
        wanted = features(self._config)
        pylon = self._pylon = library("pypylon.pylon", INSTALL)
        factory = pylon.TlFactory.GetInstance()
        device = self._chosen(factory.EnumerateDevices())
        self._model = f"{device.GetModelName()} "
        self._camera = pylon.InstantCamera(factory.CreateDevice(device))
        self._camera.Open()
        self.notes.clear()
        self._set("PixelFormat", wanted.pixel_format)
        if wanted.binning:
            self._set("BinningHorizontal", wanted.binning)
            self._set("BinningVertical", wanted.binning)
        if wanted.roi:
            column, row, columns, rows = wanted.roi
            for name, value in (
                ("OffsetX", 0),  # or the new size might not fit beside the old offset
                ("OffsetY", 0),
                ("Width", columns),
                ("Height", rows),
                ("OffsetX", column),
                ("OffsetY", row),
            ):
                self._set(name, value)
        self._set("AcquisitionMode", "Continuous")
        self._set("TriggerMode", "Off")
        if self._config.exposure_ms is not None:
            self._set("ExposureAuto", "Off", needed=False)
            self._set_either("ExposureTime", "ExposureTimeAbs", 1000.0 * self._config.exposure_ms)
        if wanted.gain is not None:
            self._set("GainAuto", "Off", needed=False)
            self._set("Gain", float(wanted.gain))
        self._set("AcquisitionFrameRateEnable", True, needed=False)
        self._set_either("AcquisitionFrameRate", "AcquisitionFrameRateAbs", self._config.frame_rate_hz)
        for name, value in wanted.own.items():
            self._set(name, value)
        rate = self._get("ResultingFrameRate") or self._get("ResultingFrameRateAbs")
        self.frame_rate_hz = float(rate) if rate else None
        self._ticks_hz = float(self._get("GevTimestampTickFrequency") or 1e9)  # USB counts ns
        self._camera.StartGrabbing(pylon.GrabStrategy_LatestImageOnly)

    def grab(self, timeout_s: float) -> Grab:
        pylon, camera = self._pylon, self._camera
        if camera.IsCameraDeviceRemoved():
            raise RuntimeError("it was unplugged")
        with camera.RetrieveResult(max(1, round(1000 * timeout_s)), pylon.TimeoutHandling_Return) as result:
            if not result.IsValid() or not result.GrabSucceeded():
                raise TimeoutError  # a torn frame counts as lost by the device's number
            image = self._pixels(result)
            bits = pylon.BitDepth(result.PixelType)
            time_s = result.TimeStamp / self._ticks_hz if result.TimeStamp else None
            index = None if result.BlockID == NO_COUNTER else int(result.BlockID)
        return Grab(image, time_s, index, bits)

    def _pixels(self, result: Any) -> Any:
        pylon, kind = self._pylon, result.PixelType
        name = pylon.PixelTypeMapper.GetNameByPixelType(kind, pylon.Sfnc_2_0_0)
        if pylon.IsBayer(kind):
            raise unread(name)
        try:
            image = result.Array
        except ValueError:
            raise unread(name) from None
        return image[:, :, ::-1] if kind == pylon.PixelType_RGB8packed else image

    def close(self) -> None:
        if self._camera is not None:
            self._camera.Close()  # ends grabbing too
            self._camera = None

    @staticmethod
    def available() -> list[str]:
        pylon = library("pypylon.pylon", INSTALL)
        return [
            f"{device.GetSerialNumber()}, {device.GetModelName()} ({device.GetDeviceClass()})"
            for device in pylon.TlFactory.GetInstance().EnumerateDevices()
        ]

    def _chosen(self, devices: Any) -> Any:
        name = self._config.source
        for device in devices:
            known = [device.GetSerialNumber(), device.GetUserDefinedName()]
            if device.IsIpAddressAvailable():
                known.append(device.GetIpAddress())
            if name in known:
                return device
        if name.isdecimal() and int(name) < len(devices):
            return devices[int(name)]
        there = ", ".join(device.GetSerialNumber() for device in devices)
        raise InputError(
            f'no Basler camera "{name}": '
            + (f"give one of these serial numbers: {there}" if there else "none is found, check cable and power")
        )

    def _get(self, name: str) -> Any:
        from pypylon import genicam

        node = self._camera.GetNodeMap().GetNode(name)
        return node.Value if node is not None and genicam.IsReadable(node) else None

    def _set(self, name: str, value: Any, *, needed: bool = True) -> bool:
        """Set a feature; what the camera does not have, or refuses, is noted unless it is not needed."""

        def do() -> None:
            node = self._camera.GetNodeMap().GetNode(name)
            if node is None:
                raise LookupError("the camera has no such feature")
            node.SetValue(value)

        return attempt(self.notes if needed else [], f"{name} = {value}", do)

    def _set_either(self, name: str, older: str, value: float) -> None:
        """Older GigE cameras name some features otherwise."""
        if not self._set(name, value, needed=False):
            self._set(older, value)
