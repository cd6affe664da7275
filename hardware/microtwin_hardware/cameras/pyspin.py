"""The vendor's PySpin of the Spinnaker SDK, which knows time stamps and frame numbers."""

from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.features import Features
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import attempt, unread
from microtwin_hardware.config import CameraConfig

TICKS_HZ = 1e9
BITS = {"Mono8": 8, "Mono10": 10, "Mono12": 12, "Mono14": 14, "Mono16": 16, "BGR8": 8, "BGRa8": 8}


class PySpin:
    """One FLIR camera on the vendor's library."""

    def __init__(self, spin: Any):
        self._spin = spin
        self._system = self._cameras = self._camera = None

    def open(self, config: CameraConfig, wanted: Features, notes: list[str]) -> float | None:
        self._system = self._spin.System.GetInstance()
        self._cameras = self._system.GetCameras()
        self._camera = camera = self._chosen(config.source)
        camera.Init()

        def put(name: str, value: Any, needed: bool = True) -> None:
            def do() -> None:
                node = camera
                for part in name.split("."):
                    node = getattr(node, part)
                last = name.split(".")[-1]
                node.SetValue(getattr(self._spin, f"{last}_{value}") if isinstance(value, str) else value)

            attempt(notes if needed else [], f"{name} = {value}", do)

        put("TLStream.StreamBufferHandlingMode", "NewestOnly")
        put("PixelFormat", wanted.pixel_format)
        if wanted.binning:
            put("BinningVertical", wanted.binning)
            put("BinningHorizontal", wanted.binning, needed=False)  # on most models it follows the other
        if wanted.roi:
            column, row, columns, rows = wanted.roi
            for name, value in (("OffsetX", 0), ("OffsetY", 0), ("Width", columns), ("Height", rows)):
                put(name, value)
            put("OffsetX", column)
            put("OffsetY", row)
        put("AcquisitionMode", "Continuous")
        put("TriggerMode", "Off")
        if config.exposure_ms is not None:
            put("ExposureAuto", "Off")
            put("ExposureTime", 1000.0 * config.exposure_ms)
        if wanted.gain is not None:
            put("GainAuto", "Off")
            put("Gain", float(wanted.gain))
        put("AcquisitionFrameRateEnable", True)
        put("AcquisitionFrameRate", config.frame_rate_hz)
        for name, value in wanted.own.items():
            put(name, value)
        rate: list[float] = []
        attempt(notes, "AcquisitionResultingFrameRate", lambda: rate.append(_rate(camera)))
        camera.BeginAcquisition()
        return rate[0] if rate else None

    def _chosen(self, source: str) -> Any:
        cameras: Any = self._cameras
        count = cameras.GetSize()
        serials = [str(cameras.GetByIndex(index).TLDevice.DeviceSerialNumber.GetValue()) for index in range(count)]
        if source in serials:
            return cameras.GetByIndex(serials.index(source))
        if source.isdecimal() and int(source) < count:
            return cameras.GetByIndex(int(source))
        raise InputError(
            f'no FLIR camera "{source}": '
            + (
                f"give one of these serial numbers: {', '.join(serials)}"
                if serials
                else "none is found, check its cable"
            )
        )

    def grab(self, timeout_s: float) -> Grab:
        image = self._camera.GetNextImage(max(1, round(1000 * timeout_s)))  # type: ignore[union-attr]
        try:
            if image.IsIncomplete():
                raise TimeoutError  # counts as lost by the device's number
            name = image.GetPixelFormatName()
            if name not in BITS:
                raise unread(name)
            pixels = image.GetNDArray().copy()
            return Grab(pixels, image.GetTimeStamp() / TICKS_HZ, int(image.GetFrameID()), BITS[name])
        finally:
            image.Release()

    def close(self) -> None:
        camera, self._camera = self._camera, None
        cameras, self._cameras = self._cameras, None
        system, self._system = self._system, None
        try:
            if camera is not None:
                if camera.IsStreaming():
                    camera.EndAcquisition()
                camera.DeInit()
        finally:
            del camera  # the SDK cannot end while one is held
            if cameras is not None:
                cameras.Clear()
            if system is not None:
                system.ReleaseInstance()


def _rate(camera: Any) -> float:
    node = getattr(camera, "AcquisitionResultingFrameRate", None) or camera.AcquisitionFrameRate
    return float(node.GetValue())
