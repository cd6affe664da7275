"""Aravis' C library (LGPL) by ctypes: the calls that the driver makes, and its errors as Python's."""

import ctypes
import ctypes.util
from functools import cache
from typing import Any

from microtwin.errors import InputError

_P, _TEXT, _INT, _REAL = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_double
_ERR = ctypes.POINTER(_P)
_CALLS: tuple[tuple[str, Any, list], ...] = (
    ("arv_update_device_list", None, []),
    ("arv_get_n_devices", ctypes.c_uint, []),
    ("arv_get_device_id", _TEXT, [ctypes.c_uint]),
    ("arv_get_device_address", _TEXT, [ctypes.c_uint]),
    ("arv_get_device_protocol", _TEXT, [ctypes.c_uint]),
    ("arv_get_device_vendor", _TEXT, [ctypes.c_uint]),
    ("arv_get_device_model", _TEXT, [ctypes.c_uint]),
    ("arv_get_device_serial_nbr", _TEXT, [ctypes.c_uint]),
    ("arv_camera_new", _P, [_TEXT, _ERR]),
    ("arv_camera_get_device", _P, [_P]),
    ("arv_camera_get_model_name", _TEXT, [_P, _ERR]),
    ("arv_camera_set_pixel_format_from_string", None, [_P, _TEXT, _ERR]),
    ("arv_camera_set_acquisition_mode", None, [_P, _INT, _ERR]),
    ("arv_camera_set_region", None, [_P, _INT, _INT, _INT, _INT, _ERR]),
    ("arv_camera_set_binning", None, [_P, _INT, _INT, _ERR]),
    ("arv_camera_set_exposure_time", None, [_P, _REAL, _ERR]),
    ("arv_camera_set_exposure_time_auto", None, [_P, _INT, _ERR]),
    ("arv_camera_set_gain", None, [_P, _REAL, _ERR]),
    ("arv_camera_set_gain_auto", None, [_P, _INT, _ERR]),
    ("arv_camera_set_frame_rate", None, [_P, _REAL, _ERR]),
    ("arv_camera_get_frame_rate", _REAL, [_P, _ERR]),
    ("arv_camera_set_string", None, [_P, _TEXT, _TEXT, _ERR]),
    ("arv_camera_set_integer", None, [_P, _TEXT, ctypes.c_int64, _ERR]),
    ("arv_camera_set_float", None, [_P, _TEXT, _REAL, _ERR]),
    ("arv_camera_set_boolean", None, [_P, _TEXT, _INT, _ERR]),
    ("arv_camera_is_gv_device", _INT, [_P]),
    ("arv_camera_gv_set_stream_options", None, [_P, _INT]),
    ("arv_gv_device_is_controller", _INT, [_P]),
    ("arv_camera_get_payload", ctypes.c_uint, [_P, _ERR]),
    ("arv_camera_create_stream", _P, [_P, _P, _P, _ERR]),
    ("arv_camera_start_acquisition", None, [_P, _ERR]),
    ("arv_camera_stop_acquisition", None, [_P, _ERR]),
    ("arv_stream_push_buffer", None, [_P, _P]),
    ("arv_stream_timeout_pop_buffer", _P, [_P, ctypes.c_uint64]),
    ("arv_stream_try_pop_buffer", _P, [_P]),
    ("arv_buffer_new_allocate", _P, [ctypes.c_size_t]),
    ("arv_buffer_get_status", _INT, [_P]),
    ("arv_buffer_get_data", _P, [_P, ctypes.POINTER(ctypes.c_size_t)]),
    ("arv_buffer_get_image_width", _INT, [_P]),
    ("arv_buffer_get_image_height", _INT, [_P]),
    ("arv_buffer_get_image_pixel_format", ctypes.c_uint32, [_P]),
    ("arv_buffer_get_frame_id", ctypes.c_uint64, [_P]),
    ("arv_buffer_get_timestamp", ctypes.c_uint64, [_P]),
    ("g_object_set", None, [_P, _TEXT]),  # what follows is variadic, which some systems pass otherwise
    ("g_object_unref", None, [_P]),
    ("g_error_free", None, [_P]),
)


class _Error(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", _INT), ("message", _TEXT))


@cache
def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("aravis-0.8")
    try:
        library = ctypes.CDLL(name or "libaravis-0.8.so.0")
        for call, result, arguments in _CALLS:
            function = getattr(library, call)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise InputError(
            f"Aravis 0.8 is not installed ({error}): apt install libaravis-0.8-0, or on macOS brew install aravis"
        ) from None
    return library


def load() -> None:
    """Find the library, so that it is missed before anything else.

    Raises:
        InputError: it is not installed, or too old.
    """
    _library()


def call(name: str, *arguments: Any) -> Any:
    """Call ``name`` of the library; where it takes a GError, that is added and comes back as an exception.

    Raises:
        RuntimeError: the library says what went wrong.
    """
    function = getattr(_library(), name)
    if not function.argtypes or function.argtypes[-1] is not _ERR:
        return function(*arguments)
    error = _P()
    result = function(*arguments, ctypes.byref(error))
    if error.value:
        message = ctypes.cast(error, ctypes.POINTER(_Error)).contents.message
        _library().g_error_free(error)
        raise RuntimeError((message or b"unknown error").decode(errors="replace"))
    return result


def pixels(buffer: int) -> bytes:
    """A copy of what a buffer holds."""
    size = ctypes.c_size_t()
    place = _library().arv_buffer_get_data(buffer, ctypes.byref(size))
    return ctypes.string_at(place, size.value)


def enlarge_socket(stream: int, size: int) -> None:
    """Ask for so many bytes of receive buffer; the system may grant less (Linux: net.core.rmem_max)."""
    fixed = _INT(0)  # ARV_GV_STREAM_SOCKET_BUFFER_FIXED
    _library().g_object_set(stream, b"socket-buffer", fixed, _TEXT(b"socket-buffer-size"), _INT(size), _P())
