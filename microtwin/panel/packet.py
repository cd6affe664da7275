"""A header and its picture as one run of bytes: length of the header (4 bytes, big-endian), JSON, JPEG."""

import json
import struct
from collections.abc import Mapping
from typing import Any

_LENGTH = struct.Struct(">I")


def pack(header: Mapping[str, Any], jpeg: bytes) -> bytes:
    """The bytes of a packet.

    Raises:
        ValueError: a number that JSON does not have (NaN, infinity): the header must say None.
    """
    text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTH.pack(len(text)) + text + jpeg


def unpack(packet: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and JPEG of a packet."""
    (length,) = _LENGTH.unpack_from(packet)
    end = _LENGTH.size + length
    return json.loads(packet[_LENGTH.size : end]), packet[end:]
