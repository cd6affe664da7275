"""Every camera driver: on the real library where it can run without a camera, else on a stand-in for it."""

import ctypes
import importlib.util
import socket
import sys
import threading
import time
import types
from typing import Any

import cv2
import numpy as np
import pytest

from emulated_rig.streams import Y4mServer
from microtwin.errors import InputError
from microtwin.rig import RigError
from microtwin_hardware.cameras import LatestFrames, available, open_camera, source_class
from microtwin_hardware.config import CameraConfig

SHAPE = (48, 64)
PATIENCE_S = 120.0  # for what must come: as long as no machine takes, however busy


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """A thread that gets no time on a busy machine is no camera without a frame."""
    monkeypatch.setattr("microtwin_hardware.cameras.latest.START_S", PATIENCE_S)


def pictures(count, shape=SHAPE):
    return np.random.default_rng(5).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_y4m(path, images):
    """YUV4MPEG2 with one plane, by the format's definition."""
    rows, columns = images[0].shape
    body = b"".join(b"FRAME\n" + image.tobytes() for image in images)
    path.write_bytes(f"YUV4MPEG2 W{columns} H{rows} F24:1 Ip A1:1 Cmono\n".encode() + body)
    return str(path)


def opened(config) -> LatestFrames:
    """What ``open_camera`` makes of a built-in driver; the tests look inside."""
    camera = open_camera(config)
    assert isinstance(camera, LatestFrames)
    return camera


def pixels(frame) -> np.ndarray:
    assert frame.image is not None
    return frame.image


# ---- choosing a driver


def test_no_driver_loads_a_vendors_library_before_it_is_opened(monkeypatch):
    for name in ("pypylon", "PySpin", "EasyPySpin", "pymmcore_plus"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it would fail
    for driver in ("opencv", "spinnaker", "basler", "micromanager", "aravis"):
        assert open_camera(CameraConfig(driver=driver)).dropped == 0


@pytest.mark.parametrize(
    ("driver", "module", "install"),
    [
        ("basler", "pypylon.pylon", r"pip install 'microtwin\[basler\]'"),
        ("spinnaker", "PySpin", "Spinnaker SDK"),
        ("micromanager", "pymmcore_plus", r"pip install 'microtwin\[micromanager\]'"),
    ],
)
def test_a_missing_library_is_one_line_with_how_to_install_it(monkeypatch, driver, module, install):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=install):
        open_camera(CameraConfig(driver=driver)).__enter__()
    with pytest.raises(InputError, match=install):
        source_class(driver).available()


def test_a_camera_of_ones_own(monkeypatch):
    module = types.ModuleType("own_camera")
    module.Mine = lambda config: ("made with", config.source)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_camera", module)
    assert open_camera(CameraConfig(driver="own_camera:Mine", source="x")) == ("made with", "x")
    with pytest.raises(InputError, match="own_camera has no Other"):
        open_camera(CameraConfig(driver="own_camera:Other"))
    with pytest.raises(InputError, match=r"camera.driver is \"no.such:Camera\": no.such cannot be imported"):
        open_camera(CameraConfig(driver="no.such:Camera"))


def test_one_broken_library_does_not_hide_the_other_cameras(monkeypatch):
    def found() -> list[str]:
        return ["cam"]

    def broken() -> list[str]:
        raise OSError("no\nlicence")

    for driver, look in (("basler", broken), ("aravis", found), ("opencv", found), ("micromanager", found)):
        monkeypatch.setattr(source_class(driver), "available", staticmethod(look))
    monkeypatch.setitem(sys.modules, "PySpin", None)
    told = available()
    assert told["aravis"] == ["cam"] and told["basler"] == "no licence"
    assert str(told["spinnaker"]).startswith("PySpin is not installed: install the Spinnaker SDK")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"roi": [0, 0, 10]}, "roi"),
        ({"roi": [0, -1, 10, 10]}, "roi"),
        ({"binning": 0}, "binning"),
        ({"gain": "high"}, "gain"),
        ({"pixel_format": 8}, "pixel_format"),
    ],
)
def test_options_of_another_form_are_refused_by_name(options, key):
    from microtwin_hardware.cameras.features import features

    with pytest.raises(InputError, match=rf"camera.options.{key} is "):
        features(CameraConfig(options=options))


# ---- OpenCV: films, streams, USB cameras


def test_a_film_comes_at_the_configured_rate_and_its_end_is_told(tmp_path):
    images = pictures(8)
    film = write_y4m(tmp_path / "film.y4m", images)
    seen = []
    began = time.monotonic()
    with opened(CameraConfig(source=film, frame_rate_hz=20.0, shape=SHAPE)) as camera:
        with pytest.raises(RigError, match=r"film .*film.y4m ended after 8 frames"):
            while True:
                seen.append(camera.read(PATIENCE_S))
    assert time.monotonic() - began >= 7 / 20.0
    assert [frame.index for frame in seen][-1] == 7
    for frame in seen:
        np.testing.assert_array_equal(pixels(frame), images[frame.index])
        assert frame.time_s - seen[0].time_s == pytest.approx((frame.index - seen[0].index) / 20.0)


def test_a_reader_slower_than_the_film_skips_frames_of_it(tmp_path, until):
    images = pictures(60)
    with opened(CameraConfig(source=write_y4m(tmp_path / "film.y4m", images), frame_rate_hz=100.0)) as camera:
        first = camera.read(PATIENCE_S)
        until(lambda: camera.dropped > 5)
        second = camera.read(PATIENCE_S)
    gap = second.index - first.index
    assert gap > 5 and camera.dropped >= gap - 1
    np.testing.assert_array_equal(pixels(second), images[second.index])
    assert second.time_s - first.time_s == pytest.approx(gap / 100.0)


def test_a_colour_film_becomes_grey(tmp_path):
    path = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"HFYU"), 24, SHAPE[::-1])  # lossless
    if not writer.isOpened():
        pytest.skip("this OpenCV does not write HuffYUV")
    red = np.zeros((*SHAPE, 3), np.uint8)
    red[:, :, 2] = 200
    for _ in range(3):
        writer.write(red)
    writer.release()
    with opened(CameraConfig(source=path)) as camera:
        assert abs(int(pixels(camera.read(PATIENCE_S))[10, 10]) - 0.299 * 200) <= 1


def test_a_network_stream_is_bit_exact_and_its_end_is_told():
    images = pictures(5)
    with Y4mServer(SHAPE) as server:
        server.publish(images[0])
        with opened(CameraConfig(source=server.url, shape=SHAPE, timeout_s=60.0)) as camera:
            np.testing.assert_array_equal(pixels(camera.read(PATIENCE_S)), images[0])
            for image in images[1:]:
                server.publish(image)
                np.testing.assert_array_equal(pixels(camera.read(PATIENCE_S)), image)
            server.close()
            with pytest.raises(RigError, match=r"network camera tcp://.* is gone"):
                camera.read(PATIENCE_S)


def test_a_stuck_network_camera_is_told():
    images = pictures(2)
    with Y4mServer(SHAPE) as server:
        server.publish(images[0])
        with opened(CameraConfig(source=server.url, freeze_s=0.2, timeout_s=60.0)) as camera:
            camera.read(PATIENCE_S)
            server.freeze()
            with pytest.raises(RigError, match=r"repeats the same picture for 0.2 s: restart the camera"):
                while True:
                    server.publish(images[1])
                    camera.read(PATIENCE_S)
                    time.sleep(0.01)
            server.close()  # or leaving would wait for its next frame


def test_a_stream_that_is_silent_or_not_there(monkeypatch):
    monkeypatch.setattr("microtwin_hardware.cameras.opencv.STREAM_OPEN_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InputError, match=rf"no video stream at tcp://127.0.0.1:{port}: check the address"):
            open_camera(CameraConfig(source=f"tcp://127.0.0.1:{port}")).__enter__()
    with pytest.raises(InputError, match="no video stream"):
        open_camera(CameraConfig(source=f"tcp://127.0.0.1:{port}")).__enter__()


@pytest.mark.parametrize(
    ("source", "message"),
    [("nothing.avi", "which is no file"), ("77", "no camera opens as 77"), ("/dev/video77", "no camera opens as /dev")],
)
def test_what_opencv_cannot_open(source, message):
    with pytest.raises(InputError, match=message):
        open_camera(CameraConfig(source=source)).__enter__()


def test_a_file_that_is_no_film(tmp_path):
    (tmp_path / "text.avi").write_text("not a film")
    with pytest.raises(InputError, match=r"text.avi is no film that OpenCV can read"):
        open_camera(CameraConfig(source=str(tmp_path / "text.avi"))).__enter__()


class FakeUsb:
    """A USB camera as OpenCV's Video4Linux shows it: 30 frames a second whatever is asked, no gain."""

    def __init__(self, *opened):
        self.opened, self.released, self.plugged, self.taken = opened, False, True, 0
        self.values: dict[int, float] = {}
        FakeUsb.last = self

    def isOpened(self):
        return True

    def getBackendName(self):
        return "V4L2"

    def set(self, number, value):
        self.values[number] = 30.0 if number == cv2.CAP_PROP_FPS else value
        return number != cv2.CAP_PROP_GAIN

    def get(self, number):
        return 1000.0 * (5000.0 + self.taken / 30) if number == cv2.CAP_PROP_POS_MSEC else self.values.get(number, 0.0)

    def read(self):
        time.sleep(0.005)
        self.taken += 1
        return (True, np.full((*SHAPE, 3), self.taken % 256, np.uint8)) if self.plugged else (False, None)

    def release(self):
        self.released = True


def test_a_usb_camera_is_set_up_and_what_it_refused_is_noted(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", FakeUsb)
    config = CameraConfig(
        source="2", shape=SHAPE, exposure_ms=5.0, options={"gain": 4, "fourcc": "Y800", "backend": "v4l2"}
    )
    with opened(config) as camera:
        usb = FakeUsb.last
        assert usb.opened == (2, cv2.CAP_V4L2)
        assert usb.values[cv2.CAP_PROP_EXPOSURE] == 50.0  # of 100 µs
        assert usb.values[cv2.CAP_PROP_AUTO_EXPOSURE] == 1.0
        assert (usb.values[cv2.CAP_PROP_FRAME_HEIGHT], usb.values[cv2.CAP_PROP_FRAME_WIDTH]) == SHAPE
        # With one buffer a camera has none to fill while the last is read: every second frame would be lost.
        assert cv2.CAP_PROP_BUFFERSIZE not in usb.values
        assert usb.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"Y800")
        assert camera.notes == ["gain = 4: refused", "frame_rate_hz = 24: the camera made it 30"]
        assert camera.frame_rate_hz == 30.0
        one = camera.read(PATIENCE_S)
        other = camera.read(PATIENCE_S)
        # times are the kernel's, 1/30 s apart, though the frames come faster
        assert other.time_s - one.time_s == pytest.approx((other.index - one.index) / 30, abs=1e-6)
        usb.plugged = False
        with pytest.raises(RigError, match=r"camera 2 is gone \(it sends no more frames\)"):
            while True:
                camera.read(PATIENCE_S)
    assert usb.released


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"brigthness": 3}, "camera.options.brigthness is unknown"),
        ({"gain": "high"}, "camera.options.gain is 'high': give a number"),
        ({"fourcc": "Y8"}, "four characters"),
        ({"backend": "NONE_SUCH"}, 'camera.options.backend is "NONE_SUCH"'),
    ],
)
def test_properties_that_opencv_does_not_have(options, message):
    with pytest.raises(InputError, match=message):
        open_camera(CameraConfig(options=options)).__enter__()


# ---- FLIR, on a stand-in for the vendor's PySpin


class SpinError(Exception):
    def __init__(self, text, errorcode):
        super().__init__(text)
        self.errorcode = errorcode


class Node:
    def __init__(self, value=None):
        self.value = value

    def SetValue(self, value):
        self.value = value

    def GetValue(self):
        return self.value


class SpinImage:
    held, pixel_format = 0, "Mono12"

    def __init__(self, number, complete=True):
        self.number, self.complete = number, complete
        SpinImage.held += 1
        self._pixels = np.full(SHAPE, 1000 + 100 * number, np.uint16)

    def IsIncomplete(self):
        return not self.complete

    def GetNDArray(self):
        return self._pixels

    def GetTimeStamp(self):
        return 10**15 + self.number * 41_666_667  # ns since the camera was switched on

    def GetFrameID(self):
        return self.number

    def GetPixelFormatName(self):
        return SpinImage.pixel_format

    def Release(self):
        self._pixels[:] = 0  # the SDK uses the buffer again
        SpinImage.held -= 1


class SpinCamera:
    """Delivers frames 0, 1, a torn 2, a time-out, 3, then is unplugged."""

    def __init__(self):
        self.TLDevice = types.SimpleNamespace(DeviceSerialNumber=Node("21290000"), DeviceModelName=Node("Blackfly"))
        self.TLStream = types.SimpleNamespace(StreamBufferHandlingMode=Node())
        for name in "PixelFormat OffsetX OffsetY Width Height AcquisitionMode TriggerMode".split():
            setattr(self, name, Node())
        for name in "ExposureAuto ExposureTime GainAuto Gain AcquisitionFrameRateEnable AcquisitionFrameRate".split():
            setattr(self, name, Node())
        self.AcquisitionResultingFrameRate = Node(23.5)
        self.calls: list[str] = []
        self.go = threading.Semaphore(0)
        self._script = iter([0, 1, "torn", "late", 3, "gone"])

    def Init(self):
        self.calls.append("init")

    def BeginAcquisition(self):
        self.calls.append("begin")

    def IsStreaming(self):
        return "begin" in self.calls

    def EndAcquisition(self):
        self.calls.append("end")

    def DeInit(self):
        self.calls.append("deinit")

    def GetNextImage(self, timeout_ms):
        if not self.go.acquire(timeout=timeout_ms / 1000):
            raise SpinError("no image", -1011)
        match next(self._script):
            case "torn":
                return SpinImage(2, complete=False)
            case "late":
                raise SpinError("no image", -1011)
            case "gone":
                raise SpinError("Stream has been aborted.", -1010)
            case number:
                return SpinImage(number)


@pytest.fixture
def flir(monkeypatch):
    """The camera of a stand-in for the vendor's library."""
    camera = SpinCamera()
    spin = types.ModuleType("PySpin")
    cameras = types.SimpleNamespace(
        GetSize=lambda: 1, GetByIndex=lambda k: camera, Clear=lambda: camera.calls.append("clear")
    )
    system = types.SimpleNamespace(GetCameras=lambda: cameras, ReleaseInstance=lambda: camera.calls.append("release"))
    names: dict[str, Any] = {"System": types.SimpleNamespace(GetInstance=lambda: system)}
    for name in "StreamBufferHandlingMode_NewestOnly PixelFormat_Mono12 AcquisitionMode_Continuous".split():
        names[name] = name
    for name in "TriggerMode_Off ExposureAuto_Off GainAuto_Off".split():
        names[name] = name
    for name, value in names.items():
        setattr(spin, name, value)
    monkeypatch.setitem(sys.modules, "PySpin", spin)
    return camera


def test_a_flir_camera_through_the_vendors_library(flir):
    config = CameraConfig(
        driver="spinnaker",
        source="21290000",
        shape=SHAPE,
        exposure_ms=5.0,
        options={"pixel_format": "Mono12", "roi": [8, 4, 64, 48], "gain": 3, "Gamma": 0.8},
    )
    flir.go.release()
    camera = opened(config)
    with camera:
        assert flir.TLStream.StreamBufferHandlingMode.value == "StreamBufferHandlingMode_NewestOnly"
        assert flir.PixelFormat.value == "PixelFormat_Mono12"
        assert flir.ExposureTime.value == 5000.0 and flir.ExposureAuto.value == "ExposureAuto_Off"
        assert (flir.OffsetX.value, flir.OffsetY.value, flir.Width.value, flir.Height.value) == (8, 4, 64, 48)
        assert flir.AcquisitionFrameRate.value == 24.0 and camera.frame_rate_hz == 23.5
        assert len(camera.notes) == 1 and camera.notes[0].startswith("Gamma = 0.8: refused")
        first = camera.read(PATIENCE_S)
        flir.go.release()
        second = camera.read(PATIENCE_S)
        assert (first.index, second.index) == (0, 1)
        assert second.time_s - first.time_s == pytest.approx(1 / 24, abs=1e-6)
        for _ in range(3):
            flir.go.release()
        frame = camera.read(PATIENCE_S)
        assert frame.index == 3 and camera.lost == 1  # the torn one
        assert pixels(frame).min() == pixels(frame).max() == 1300 >> 4
        flir.go.release()
        with pytest.raises(RigError, match=r"FLIR camera 21290000 is gone \(Stream has been aborted\)"):
            camera.read(PATIENCE_S)
    assert SpinImage.held == 0
    assert flir.calls == ["init", "begin", "end", "deinit", "clear", "release"]


def test_a_mosaic_of_colours_is_not_taken_for_grey(flir, monkeypatch):
    monkeypatch.setattr(SpinImage, "pixel_format", "BayerRG8")
    flir.go.release()
    with pytest.raises(
        InputError, match=r"^pixel format BayerRG8 is not read: set camera.options.pixel_format to Mono8"
    ):
        open_camera(CameraConfig(driver="spinnaker", source="21290000")).__enter__()
    assert SpinImage.held == 0 and flir.calls[-1] == "release"


def test_which_flir_cameras_are_there(flir):
    assert source_class("spinnaker").available() == ["21290000, Blackfly"]
    assert flir.calls == ["clear", "release"]
    with pytest.raises(InputError, match=r'no FLIR camera "99": give one of these serial numbers: 21290000'):
        open_camera(CameraConfig(driver="spinnaker", source="99")).__enter__()
    assert flir.calls[-1] == "release"


def test_the_unrelated_package_of_that_name_is_not_taken_for_the_vendors(monkeypatch):
    monkeypatch.setitem(sys.modules, "PySpin", types.ModuleType("PySpin"))
    with pytest.raises(InputError, match="the PySpin that is installed is another package"):
        open_camera(CameraConfig(driver="spinnaker")).__enter__()


def test_a_flir_camera_through_easypyspin(monkeypatch):
    made = []

    class VideoCapture:
        def __init__(self, index):
            self.index, self.set_to, self.plugged, self.number = index, {}, True, 0
            self.order: list[str] = []
            made.append(self)

        def isOpened(self):
            return self.plugged

        def set(self, number, value):
            self.set_to[number] = value
            return number != cv2.CAP_PROP_GAIN

        def set_pyspin_value(self, name, value):
            self.set_to[name] = value
            self.order.append(name)
            return True

        def get(self, number):
            return 22.0

        def read(self):
            time.sleep(0.01)
            self.number += 1
            return (self.plugged, np.full(SHAPE, self.number % 250, np.uint8) if self.plugged else None)

        def release(self):
            self.set_to["released"] = True

    easy = types.ModuleType("EasyPySpin")
    easy.VideoCapture = VideoCapture  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "EasyPySpin", easy)
    config = CameraConfig(
        driver="spinnaker",
        source="21290000",
        exposure_ms=2.0,
        options={"library": "EasyPySpin", "gain": 1, "Gamma": 0.8, "binning": 2, "roi": [8, 4, 64, 48]},
    )
    with opened(config) as camera:
        flir = made[0]
        assert flir.index == "21290000"  # a serial number is text there, an index a number
        assert flir.set_to[cv2.CAP_PROP_EXPOSURE] == 2000.0
        assert flir.set_to["Gamma"] == 0.8 and flir.set_to["PixelFormat"] == "Mono8"
        assert (flir.set_to["AcquisitionMode"], flir.set_to["TriggerMode"]) == ("Continuous", "Off")
        assert (flir.set_to["BinningVertical"], flir.set_to["OffsetX"], flir.set_to["OffsetY"]) == (2, 8, 4)
        sizes = [name for name in flir.order if name.startswith(("Binning", "Offset", "Width"))]
        assert sizes == ["BinningVertical", "OffsetX", "OffsetY", "Width", "OffsetX", "OffsetY"]
        assert camera.notes == ["gain = 1: refused"] and camera.frame_rate_hz == 22.0
        assert pixels(camera.read(PATIENCE_S)).shape == SHAPE
        flir.plugged = False
        with pytest.raises(RigError, match=r"is gone \(it was unplugged\)"):
            for _ in range(3):
                camera.read(PATIENCE_S)
    assert flir.set_to["released"]


# ---- Basler, on pylon's own camera emulation


@pytest.fixture
def pylon_emulation(monkeypatch):
    if importlib.util.find_spec("pypylon") is None:
        pytest.skip("pypylon is not installed")
    monkeypatch.setenv("PYLON_CAMEMU", "1")
    return "0815-0000"  # its serial number


def basler(serial, **settings) -> LatestFrames:
    options = {"TestImageSelector": "Testimage1", "roi": [0, 0, 64, 48], **settings.pop("options", {})}
    return opened(
        CameraConfig(driver="basler", source=serial, freeze_s=0.0, frame_rate_hz=50.0, options=options, **settings)
    )


def value_of(camera, feature):
    return camera._source._camera.GetNodeMap().GetNode(feature).Value


def test_a_basler_camera_bit_for_bit(pylon_emulation):
    ramp = (np.arange(64) + np.arange(48)[:, None]).astype(np.uint8)  # test image 1: a diagonal ramp
    with basler(pylon_emulation, shape=SHAPE, exposure_ms=2.0, flip="vertical") as camera:
        frames = [camera.read(PATIENCE_S) for _ in range(3)]
        assert camera.notes == [] and camera.frame_rate_hz == pytest.approx(50.0)
        assert "Basler" in camera.describe() and pylon_emulation in camera.describe()
        assert value_of(camera, "ExposureTime") == pytest.approx(2000.0)
    for frame in frames:
        np.testing.assert_array_equal(pixels(frame), ramp[::-1])
    assert frames[0].index < frames[1].index < frames[2].index
    assert frames[0].time_s < frames[1].time_s < frames[2].time_s


def test_a_basler_camera_of_twelve_bits_and_a_region(pylon_emulation):
    with basler(pylon_emulation, options={"roi": [16, 8, 32, 24]}) as camera:
        eight = pixels(camera.read(PATIENCE_S))
        assert (value_of(camera, "OffsetX"), value_of(camera, "OffsetY")) == (16, 8)
    with basler(pylon_emulation, options={"roi": [16, 8, 32, 24], "pixel_format": "Mono12"}) as camera:
        twelve = pixels(camera.read(PATIENCE_S))
    assert eight.shape == twelve.shape == (24, 32)
    assert np.ptp(eight) > 40
    np.testing.assert_array_equal(eight, twelve)  # the same picture with 16 times the numbers


@pytest.mark.parametrize("pixel_format", ["BayerRG8", "BGRA8Packed"])
def test_pixels_of_a_basler_camera_that_are_not_read(pylon_emulation, pixel_format):
    with pytest.raises(
        InputError, match=r"^pixel format B\S+8\S* is not read: set camera.options.pixel_format to Mono8"
    ):
        basler(pylon_emulation, options={"pixel_format": pixel_format}).__enter__()


def test_the_expected_shape_is_not_cut_out_of_a_larger_picture(pylon_emulation):
    with pytest.raises(InputError, match=r"48 × 64 pixels .* expects 40 × 60: set the camera to that"):
        basler(pylon_emulation, shape=(40, 60)).__enter__()


def test_what_a_basler_camera_refuses_is_noted(pylon_emulation):
    with basler(pylon_emulation, shape=SHAPE, options={"NoSuchFeature": 1, "ReverseX": True}) as camera:
        assert len(camera.notes) == 1 and camera.notes[0].startswith("NoSuchFeature = 1: refused")
        assert value_of(camera, "ReverseX") is True


def test_a_basler_camera_that_is_not_there(pylon_emulation):
    assert source_class("basler").available() == ["0815-0000, Emulation (BaslerCamEmu)"]
    with pytest.raises(InputError, match=r'no Basler camera "12345678": give one of these serial numbers: 0815-0000'):
        basler("12345678").__enter__()


# ---- Micro-Manager, on a core with a camera written in Python


@pytest.fixture
def core():
    unicore = pytest.importorskip("pymmcore_plus.experimental.unicore", reason="pymmcore-plus is not installed")

    class Camera(unicore.CameraDevice):
        def __init__(self):
            super().__init__()
            self.exposure_ms = 10.0
            self.plugged = True
            self.colour = False

        def get_exposure(self):
            return self.exposure_ms

        def set_exposure(self, exposure):
            self.exposure_ms = exposure

        def shape(self):
            return (*SHAPE, 3) if self.colour else SHAPE

        def dtype(self):
            return np.uint8

        def start_sequence(self, n, get_buffer):
            number = 0
            while self.plugged and (n is None or number < n):
                get_buffer(self.shape(), self.dtype())[:] = numbered(number, self.shape())
                number += 1
                time.sleep(0.01)
                yield {}

    made = unicore.UniMMCore()
    made.device = Camera()
    made.loadPyDevice("Cam", made.device)
    made.initializeDevice("Cam")
    made.setCameraDevice("Cam")
    yield made
    made.unloadAllDevices()


def numbered(number, shape=SHAPE):
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def micromanager(core, **settings):
    config = CameraConfig(driver="micromanager", **settings)
    return LatestFrames(source_class("micromanager")(config, core), config)


def test_a_micromanager_camera_bit_for_bit(core):
    with micromanager(core, exposure_ms=7.0, shape=SHAPE, options={"Foo": 3}) as camera:
        assert core.getExposure() == 7.0
        assert [note.split(":")[0] for note in camera.notes] == ["Foo = 3", "frame_rate_hz = 24"]
        seen = [camera.read(PATIENCE_S) for _ in range(5)]
    for frame in seen:
        np.testing.assert_array_equal(pixels(frame), numbered(frame.index))
    assert not core.isSequenceRunning()
    times = [frame.time_s for frame in seen]
    assert times == sorted(times)


def test_a_colour_micromanager_camera_has_red_first(core):
    core.device.colour = True
    with micromanager(core) as camera:
        frame = camera.read(PATIENCE_S)
    luma = numbered(frame.index, (*SHAPE, 3)) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(pixels(frame), luma, atol=1.0)


def test_a_micromanager_camera_that_stops(core):
    with micromanager(core) as camera:
        camera.read(PATIENCE_S)
        core.device.plugged = False
        with pytest.raises(RigError, match=r"Micro-Manager camera Cam is gone \(its sequence has ended\)"):
            while True:
                camera.read(PATIENCE_S)


def test_a_micromanager_device_or_file_that_is_not_there(core, tmp_path):
    with pytest.raises(InputError, match=r'no device "Dog": name one in camera.options.device, of Cam'):
        micromanager(core, options={"device": "Dog"}).__enter__()
    with pytest.raises(InputError, match=r"config_file is .*other.cfg, which is no file"):
        opened(CameraConfig(driver="micromanager", source=str(tmp_path / "other.cfg"))).__enter__()
    with pytest.raises(InputError, match=r"config_file is .*none.cfg, which is no file"):
        open_camera(
            CameraConfig(driver="micromanager", options={"config_file": str(tmp_path / "none.cfg")})
        ).__enter__()


# ---- GigE Vision and USB3 Vision, on Aravis' own fake device


@pytest.fixture
def aravis_fake():
    from microtwin_hardware.cameras import aravis_library

    try:
        aravis_library.load()
    except InputError as missing:
        pytest.skip(str(missing))
    switch = aravis_library._library()
    for name in ("arv_enable_interface", "arv_disable_interface"):
        getattr(switch, name).argtypes = [ctypes.c_char_p]
    switch.arv_enable_interface(b"Fake")
    yield "Fake_1"
    switch.arv_disable_interface(b"Fake")


@pytest.fixture
def no_network(aravis_fake):
    """Nobody is asked by broadcast, for whose answers one waits a second."""
    from microtwin_hardware.cameras import aravis_library

    switch = aravis_library._library()
    for name in ("GigEVision", "USB3Vision"):
        switch.arv_disable_interface(name.encode())
    yield
    for name in ("GigEVision", "USB3Vision"):
        switch.arv_enable_interface(name.encode())


@pytest.mark.parametrize(("pixel_format", "shape"), [("Mono8", (48, 64)), ("Mono8", (37, 51)), ("Mono16", (48, 64))])
def test_a_genicam_camera(aravis_fake, no_network, pixel_format, shape):
    config = CameraConfig(
        driver="aravis",
        source=aravis_fake,
        shape=shape,
        frame_rate_hz=50.0,
        exposure_ms=3.0,
        options={"pixel_format": pixel_format, "gain": 1, "NoSuchFeature": 1, "roi": [0, 0, shape[1], shape[0]]},
    )
    with opened(config) as camera:
        assert camera.frame_rate_hz == pytest.approx(50.0)
        assert len(camera.notes) == 1 and camera.notes[0].startswith("NoSuchFeature = 1: refused")
        frames = [camera.read(PATIENCE_S) for _ in range(4)]
    one, other = frames[0], frames[-1]
    assert pixels(one).shape == shape
    # The test pattern is a diagonal ramp that moves one pixel with every frame: any shear or shift of the rows shows.
    np.testing.assert_array_equal(pixels(one)[1:, :-1], pixels(one)[:-1, 1:])
    gap = other.index - one.index
    np.testing.assert_array_equal(pixels(one)[:, gap:], pixels(other)[:, :-gap])
    assert other.time_s > one.time_s


def test_a_genicam_camera_that_another_program_left_at_single_frames(aravis_fake, no_network, monkeypatch):
    from microtwin_hardware.cameras import aravis_library as arv

    call = arv.call

    def left_so(name, *arguments):
        made = call(name, *arguments)
        if name == "arv_camera_new":
            call("arv_camera_set_string", made, b"AcquisitionMode", b"SingleFrame")
        return made

    monkeypatch.setattr(arv, "call", left_so)
    ask = arv._library().arv_camera_get_string
    ask.restype, ask.argtypes = ctypes.c_char_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    with opened(CameraConfig(driver="aravis", source=aravis_fake, frame_rate_hz=50.0)) as camera:
        device: Any = camera._source
        assert ask(device._camera, b"AcquisitionMode", None) == b"Continuous"


def test_genicam_cameras_that_are_there_and_not(aravis_fake):
    found = source_class("aravis").available()
    assert [line for line in found if line.startswith("Fake_1, Aravis Fake")]
    with pytest.raises(InputError, match=r'no GenICam camera "12345" answers: give its IP address'):
        open_camera(CameraConfig(driver="aravis", source="12345")).__enter__()


def test_a_gige_camera_on_the_loopback_bit_for_bit_until_it_is_gone(aravis_fake):
    from emulated_rig.gige import GigeCamera

    images = pictures(4, (96, 128))
    try:
        server = GigeCamera((96, 128), address="127.0.0.1")
    except InputError as busy:
        pytest.skip(str(busy))
    ending = threading.Event()

    def publish():
        number = 65533  # so that the 16 bits of the counter wrap on the way
        while not ending.wait(0.03):
            server.publish(images[number % 4], number, number * 0.03)
            number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        with opened(CameraConfig(driver="aravis", source="127.0.0.1", frame_rate_hz=1 / 0.03)) as camera:
            frames = [camera.read(PATIENCE_S) for _ in range(8)]
            number = [k for k in range(4) if np.array_equal(pixels(frames[0]), images[k])]
            for frame in frames:
                np.testing.assert_array_equal(pixels(frame), images[(number[0] + frame.index - frames[0].index) % 4])
                span_s = frame.time_s - frames[0].time_s
                assert span_s == pytest.approx(0.03 * (frame.index - frames[0].index), abs=1e-6)
            ending.set()
            thread.join()
            with pytest.raises(RigError, match=r"no frame from GenICam camera .*127.0.0.1 for 0.3 s"):
                while True:
                    camera.read(0.3)
    finally:
        ending.set()
        thread.join()
        server.close()
