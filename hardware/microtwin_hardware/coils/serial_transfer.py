"""The framing of the lab's firmware: what the SerialTransfer library for Arduino speaks.

``7E | id | overhead | length | payload | CRC-8 | 81``. Consistent-overhead stuffing takes every 7E out of the payload:
the overhead byte is the place of the first, each 7E is replaced by the distance to the next, and the last one by 0. The
CRC (polynomial 0x9B, start 0, not reflected) is of the stuffed payload.
"""

import struct

START, STOP = 0x7E, 0x81
LONGEST = 254
_NONE = 0xFF  # overhead byte of a payload without a 7E


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value << 1) ^ (0x9B if value & 0x80 else 0)
            value &= 0xFF
        table.append(value)
    return table


_CRC = _crc_table()


def crc8(data: bytes | bytearray) -> int:
    """CRC-8 with polynomial 0x9B; 0xEA for ``b"123456789"``."""
    crc = 0
    for byte in data:
        crc = _CRC[crc ^ byte]
    return crc


def packet(payload: bytes, packet_id: int = 0) -> bytes:
    """One frame around 1 to 254 bytes.

    Raises:
        ValueError: an empty payload, or one that is too long.
    """
    if not 1 <= len(payload) <= LONGEST:
        raise ValueError(f"payload of {len(payload)} bytes: 1 to {LONGEST} fit")
    stuffed = bytearray(payload)
    places = [place for place, byte in enumerate(payload) if byte == START]
    for place, following in zip(places, [*places[1:], None], strict=False):
        stuffed[place] = 0 if following is None else following - place
    head = bytes([START, packet_id, places[0] if places else _NONE, len(stuffed)])
    return head + bytes(stuffed) + bytes([crc8(stuffed), STOP])


def floats(values: tuple[float, ...]) -> bytes:
    """One frame around little-endian float32."""
    return packet(struct.pack(f"<{len(values)}f", *values))


class Receiver:
    """Finds the payloads in a stream of bytes that may begin anywhere."""

    def __init__(self):
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Payloads that ``data`` completes, in order."""
        held, payloads = self._held + data, []
        while (start := held.find(START)) >= 0:
            held = held[start:]
            if len(held) < 4:
                break
            end = 4 + held[3]
            if len(held) < end + 2:
                if 1 <= held[3] <= LONGEST:
                    break  # the rest is still to come
                held = held[1:]
                continue
            payload = _payload(held[: end + 2])
            if payload is not None:
                payloads.append(payload)
            held = held[end + 2 if payload is not None else 1 :]  # a 7E that began nothing may hide one that did
        else:
            held = b""
        self._held = held
        return payloads


def _payload(frame: bytes) -> bytes | None:
    place, stuffed = frame[2], bytearray(frame[4:-2])
    if frame[-1] != STOP or frame[-2] != crc8(stuffed) or not stuffed:
        return None
    if place == _NONE:
        return bytes(stuffed)
    while place < len(stuffed):
        step = stuffed[place]
        stuffed[place] = START
        if not step:
            return bytes(stuffed)
        place += step
    return None
