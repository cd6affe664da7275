"""GigE Vision and USB3 Vision cameras of any maker through Aravis, an open implementation of both standards.

``camera.source`` is an IP address or host name, which is asked directly; or an id, serial number or index among the
cameras that answer a broadcast. Large packets make it lighter: an MTU of 9000 on that network card.
"""

from contextlib import suppress

import numpy as np

from microtwin.errors import InputError
from microtwin_hardware.cameras import aravis_library as arv
from microtwin_hardware.cameras.features import Features, features
from microtwin_hardware.cameras.source import Grab
from microtwin_hardware.cameras.vendor import attempt, unread
from microtwin_hardware.config import CameraConfig

BUFFERS = 8
SUCCESS = 0
OFF = 0  # of ArvAuto
CONTINUOUS = 0  # of ArvAcquisitionMode
PACKET_SOCKET_DISABLED = 1
SOCKET_BYTES = 1 << 25  # several frames: a burst of packets must not overrun the socket before the thread wakes
PIXELS = {0x01080001: ("u1", 8), 0x01100003: ("<u2", 10), 0x01100025: ("<u2", 14), 0x01100005: ("<u2", 12)}
PIXELS[0x01100007] = ("<u2", 16)  # Mono8, Mono10, Mono14, Mono12, Mono16 of the pixel format naming convention


class AravisSource:
    """A :class:`microtwin_hardware.cameras.source.Source` on an Aravis camera.

    Raises:
        InputError: Aravis is missing, no such camera.
    """

    def __init__(self, config: CameraConfig):
        self.frame_rate_hz: float | None = None
        self.notes: list[str] = []
        self._config = config
        self._camera = self._stream = None
        self._gige = False
        self._model = ""

    def describe(self) -> str:
        return f"GenICam camera {self._model}{self._config.source}"

    def open(self) -> None:
        wanted = features(self._config)
        arv.load()
        self.notes.clear()
        try:
            self._camera = arv.call("arv_camera_new", _address(self._config.source).encode())
        except RuntimeError as error:
            raise InputError(
                f'no GenICam camera "{self._config.source}" ({error}): check its address, that this network card is in '
                "the same subnet, and that no other program has it"
            ) from None
        camera = self._camera
        self._model = f"{(arv.call('arv_camera_get_model_name', camera) or b'').decode(errors='replace')} ".lstrip()
        self._set_up(wanted)
        with suppress(RuntimeError):  # a camera without that feature
            self.frame_rate_hz = arv.call("arv_camera_get_frame_rate", camera) or None
        self._gige = bool(arv.call("arv_camera_is_gv_device", camera))
        if self._gige:
            # Root would get a raw packet socket, whose blocks are handed over only every few ms.
            arv.call("arv_camera_gv_set_stream_options", camera, PACKET_SOCKET_DISABLED)
        payload = arv.call("arv_camera_get_payload", camera)
        self._stream = arv.call("arv_camera_create_stream", camera, None, None)
        if self._gige:
            arv.enlarge_socket(self._stream, SOCKET_BYTES)
        for _ in range(BUFFERS):
            arv.call("arv_stream_push_buffer", self._stream, arv.call("arv_buffer_new_allocate", payload))
        arv.call("arv_camera_start_acquisition", camera)

    def _set_up(self, wanted: Features) -> None:
        def put(what: str, name: str, *values: object, needed: bool = True) -> None:
            attempt(self.notes if needed else [], what, lambda: arv.call(name, self._camera, *values))

        config = self._config
        put(
            f"PixelFormat = {wanted.pixel_format}",
            "arv_camera_set_pixel_format_from_string",
            wanted.pixel_format.encode(),
        )
        if wanted.binning:
            put(f"binning = {wanted.binning}", "arv_camera_set_binning", wanted.binning, wanted.binning)
        if wanted.roi:
            put(f"roi = {list(wanted.roi)}", "arv_camera_set_region", *wanted.roi)
        put("AcquisitionMode = Continuous", "arv_camera_set_acquisition_mode", CONTINUOUS)
        if config.exposure_ms is not None:
            put("ExposureAuto = Off", "arv_camera_set_exposure_time_auto", OFF, needed=False)
            put(
                f"ExposureTime = {1000 * config.exposure_ms:g}",
                "arv_camera_set_exposure_time",
                1000.0 * config.exposure_ms,
            )
        if wanted.gain is not None:
            put("GainAuto = Off", "arv_camera_set_gain_auto", OFF, needed=False)
            put(f"Gain = {wanted.gain:g}", "arv_camera_set_gain", wanted.gain)
        put(f"AcquisitionFrameRate = {config.frame_rate_hz:g}", "arv_camera_set_frame_rate", config.frame_rate_hz)
        for name, value in wanted.own.items():
            kind = {bool: "boolean", int: "integer", float: "float"}.get(type(value), "string")
            put(
                f"{name} = {value}",
                f"arv_camera_set_{kind}",
                name.encode(),
                str(value).encode() if kind == "string" else value,
            )

    def grab(self, timeout_s: float) -> Grab:
        buffer = arv.call("arv_stream_timeout_pop_buffer", self._stream, max(1, round(1e6 * timeout_s)))
        if not buffer:
            if not self._in_control():
                raise RuntimeError("it no longer answers")
            raise TimeoutError
        try:
            if arv.call("arv_buffer_get_status", buffer) != SUCCESS:
                raise TimeoutError  # packets are missing: counts as lost by the device's number
            code = arv.call("arv_buffer_get_image_pixel_format", buffer)
            if code not in PIXELS:
                raise unread(f"{code:#010x}")
            kind, bits = PIXELS[code]
            columns = arv.call("arv_buffer_get_image_width", buffer)
            rows = arv.call("arv_buffer_get_image_height", buffer)
            image = np.frombuffer(arv.pixels(buffer), kind, rows * columns).reshape(rows, columns)
            stamp_ns = arv.call("arv_buffer_get_timestamp", buffer)
            return Grab(image, stamp_ns / 1e9 or None, arv.call("arv_buffer_get_frame_id", buffer), bits)
        finally:
            arv.call("arv_stream_push_buffer", self._stream, buffer)

    def _in_control(self) -> bool:
        """False once a GigE Vision camera has missed its heartbeats."""
        return not self._gige or bool(
            arv.call("arv_gv_device_is_controller", arv.call("arv_camera_get_device", self._camera))
        )

    def close(self) -> None:
        camera, self._camera = self._camera, None
        stream, self._stream = self._stream, None
        if camera and stream:
            with suppress(RuntimeError):
                arv.call("arv_camera_stop_acquisition", camera)
        for thing in (stream, camera):
            if thing:
                arv.call("g_object_unref", thing)

    @staticmethod
    def available() -> list[str]:
        """Cameras that answer a broadcast within a second; those behind a router, or on the loopback, do not."""
        arv.load()
        arv.call("arv_update_device_list")
        found = []
        for index in range(arv.call("arv_get_n_devices")):
            gige = arv.call("arv_get_device_protocol", index) == b"GigEVision"
            where = arv.call("arv_get_device_address" if gige else "arv_get_device_id", index)
            parts = [arv.call(f"arv_get_device_{what}", index) or b"" for what in ("vendor", "model", "serial_nbr")]
            found.append(f"{where.decode()}, {b' '.join(parts).decode(errors='replace')}")
        return found


def _address(source: str) -> str:
    """What Aravis opens: an address as it is; anything else is first looked for among those who answer."""
    if "." in source:
        return source
    arv.call("arv_update_device_list")
    count = arv.call("arv_get_n_devices")
    for index in range(count):
        if source.encode() in [arv.call(f"arv_get_device_{what}", index) for what in ("id", "serial_nbr", "model")]:
            return arv.call("arv_get_device_id", index).decode()
    if source.isdecimal() and int(source) < count:
        return arv.call("arv_get_device_id", int(source)).decode()
    raise InputError(
        f'no GenICam camera "{source}" answers: give its IP address, such as "192.168.0.10", and check cable and power'
    )
