"""A GigE Vision camera on 127.0.0.1: Aravis' fake camera, its frames filled with ours.

The library itself speaks GVCP and GVSP (the standard's control and stream protocols over UDP), so a receiver meets what
it meets on a real camera. Aravis is LGPL and loaded at run time (Debian: libaravis-0.8-0); no PyGObject.

The fake camera runs on a clock of its own, and asks for a picture when it is time to send one. Here it is kept
triggered, which makes it ask soon again, and the answer waits for the next published frame: a frame goes out when it is
taken. Meanwhile the camera answers no control packet: a receiver that reads a register while it streams waits for up to
a frame time. Registers as in Aravis' arvfakecamera.h.
"""

import ctypes
import socket
import threading
from functools import cache
from typing import Self

import numpy as np

from microtwin.errors import InputError

LIBRARY = "libaravis-0.8.so.0"
CONTROL_PORT = 3956  # of every GigE Vision camera: one to an address
WIDTH, HEIGHT, ACQUISITION, SENSOR_HEIGHT, SENSOR_WIDTH = 0x100, 0x104, 0x124, 0x118, 0x11C
X_OFFSET, Y_OFFSET, FRAME_PERIOD_US = 0x130, 0x134, 0x138
TRIGGER_MODE, TRIGGER_SOURCE, TRIGGER_SOFTWARE = 0x300, 0x304, 0x30C
PACKET_SIZE = 0x0D04  # bytes of a stream packet, in the low half
ASK_HZ = 200.0  # after a frame, for the next
PATIENCE_S = 0.2  # without a new frame, after which the old one is sent once more: a receiver ignores its number
FRAME_IDS = 65535  # a frame's number has 16 bits and is never 0

_Fill = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)


@cache
def aravis() -> ctypes.CDLL:
    """The library, with the signatures used here.

    Raises:
        InputError: it is not installed.
    """
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        raise InputError(f"{LIBRARY} is not there: apt-get install libaravis-0.8-0 for a GigE Vision camera") from None
    pointer, text, word = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32
    for name, result, arguments in (
        ("arv_gv_fake_camera_new", pointer, [text, text]),
        ("arv_gv_fake_camera_is_running", ctypes.c_int, [pointer]),
        ("arv_gv_fake_camera_get_fake_camera", pointer, [pointer]),
        ("arv_fake_camera_set_fill_pattern", None, [pointer, _Fill, pointer]),
        ("arv_fake_camera_write_register", ctypes.c_int, [pointer, word, word]),
        ("arv_fake_camera_read_register", ctypes.c_int, [pointer, word, ctypes.POINTER(word)]),
        ("arv_fake_camera_set_trigger_frequency", None, [pointer, ctypes.c_double]),
        ("arv_buffer_get_data", pointer, [pointer, ctypes.POINTER(ctypes.c_size_t)]),
        ("arv_buffer_set_frame_id", None, [pointer, ctypes.c_uint64]),
        ("arv_buffer_set_timestamp", None, [pointer, ctypes.c_uint64]),
        ("g_object_unref", None, [pointer]),
    ):
        call = getattr(library, name)
        call.restype, call.argtypes = result, arguments
    return library


class GigeCamera:
    """Serves the newest published frame as a GigE Vision camera would.

    Args:
        shape: rows and columns, up to 65535 each. address: of the network card, by number or name; ``lo`` is Linux's
            loopback. There can be one camera to an address: the control port is given by the standard.
        serial: the camera's, by which a receiver can tell it. packet_size: bytes; as jumbo frames by default.

    Raises:
        InputError: Aravis is not installed, the address is not there or already has a camera.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        frame_rate_hz: float = 24.0,
        address: str = "127.0.0.1",
        serial: str = "MICROTWIN1",
        packet_size: int = 9000,
    ):
        self.shape = shape
        self.address = address
        self._library = aravis()
        _check_free(address)
        self._camera = self._library.arv_gv_fake_camera_new(address.encode(), serial.encode())
        if not self._library.arv_gv_fake_camera_is_running(self._camera):
            self._library.g_object_unref(self._camera)
            raise InputError(f"no GigE Vision camera at {address}: name a network card or an address this machine has")
        self._device = self._library.arv_gv_fake_camera_get_fake_camera(self._camera)
        self._new = threading.Condition()
        self._image = np.zeros(shape, dtype=np.uint8)
        self._index, self._time_s = -1, 0.0  # a black picture, should nothing be published
        self._unsent = self._frozen = self._closing = False
        self._fill = _Fill(self._copy)  # kept here: the library holds no reference to it
        self._library.arv_fake_camera_set_fill_pattern(self._device, self._fill, None)
        self._library.arv_fake_camera_set_trigger_frequency(self._device, ASK_HZ)
        rows, columns = shape
        for register, value in (
            (SENSOR_WIDTH, columns),
            (SENSOR_HEIGHT, rows),
            (WIDTH, columns),
            (HEIGHT, rows),
            (FRAME_PERIOD_US, round(1e6 / frame_rate_hz)),
            (PACKET_SIZE, packet_size),
        ):
            self._write(register, value)
        self._trigger()

    @property
    def url(self) -> str:
        """What a receiver opens: the address. Discovery by broadcast does not work on the loopback."""
        return self.address

    def publish(self, image: np.ndarray, index: int = 0, time_s: float = 0.0) -> None:
        """Send a frame, numbered and time-stamped by its index and the rig's time."""
        with self._new:
            if not self._frozen:
                self._image = np.array(image, dtype=np.uint8)
            self._index, self._time_s, self._unsent = index, time_s, True
            self._new.notify()
        self._trigger()  # again: a receiver that sets a frame rate turns it off

    def freeze(self, frozen: bool = True) -> None:
        """A stuck camera: numbers and time stamps go on, the picture stays."""
        with self._new:
            self._frozen = frozen

    def close(self) -> None:
        """A camera that is gone: it neither sends nor answers."""
        camera, self._camera = self._camera, None
        with self._new:
            self._closing = True
            self._new.notify()
        if camera is not None:
            self._library.g_object_unref(camera)  # ends its thread

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _write(self, register: int, value: int) -> None:
        if self._camera is not None:
            self._library.arv_fake_camera_write_register(self._device, register, value)

    def _read(self, register: int) -> int:
        value = ctypes.c_uint32()
        self._library.arv_fake_camera_read_register(self._device, register, ctypes.byref(value))
        return value.value

    def _trigger(self) -> None:
        for register in (TRIGGER_MODE, TRIGGER_SOURCE, TRIGGER_SOFTWARE):
            self._write(register, 1)

    def _copy(self, buffer: int, data: int | None, exposure_us: int, gain: int, pixel_format: int) -> None:
        """Called by the camera's own thread before it sends; what it is given is an ArvBuffer."""
        with self._new:
            self._new.wait_for(lambda: self._unsent or self._closing, PATIENCE_S)
            self._unsent = False
            image, index, time_s = self._image, self._index, self._time_s
        left, top, columns, rows = (self._read(register) for register in (X_OFFSET, Y_OFFSET, WIDTH, HEIGHT))
        region = np.zeros((rows, columns), dtype=np.uint8)  # what the receiver asks for; nothing beyond the sensor
        inside = image[top : top + rows, left : left + columns]
        region[: inside.shape[0], : inside.shape[1]] = inside
        self._trigger()
        place = self._library.arv_buffer_get_data(buffer, ctypes.byref(ctypes.c_size_t()))
        ctypes.memmove(place, region.ctypes.data, region.nbytes)  # the library has made sure that it fits
        self._library.arv_buffer_set_frame_id(buffer, index % FRAME_IDS + 1)
        self._library.arv_buffer_set_timestamp(buffer, round(time_s * 1e9))


def _check_free(address: str) -> None:
    """The library would only warn and then never answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, CONTROL_PORT))
        except socket.gaierror:  # the name of a network card
            return
        except OSError as error:
            raise InputError(
                f"no GigE Vision camera at {address}, UDP port {CONTROL_PORT} ({error.strerror}): there is one "
                "already, or this machine has no such address"
            ) from None
