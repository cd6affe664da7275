"""The framing of the ``microtwin_mega`` protocol: COBS between zeros, with a CRC-16 (hardware/firmware/PROTOCOL.md).

COBS takes every zero out of a packet (Cheshire & Baker, IEEE/ACM Trans. Netw. 7 (1999) 159), so that a zero always ends
one and a receiver that lost its place finds it again at the next.
"""

import binascii

LONGEST = 254  # coded bytes between two zeros: all that any message needs, so that noise cannot fill the memory


def crc16(message: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, nothing reflected; 0x29B1 for ``b"123456789"``."""
    return binascii.crc_hqx(message, 0xFFFF)


def cobs(data: bytes) -> bytes:
    """The same bytes without a zero among them: each run up to a zero led by its length + 1, at most 254 bytes long."""
    coded = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            coded += b"\xff" + run[:254]
            run = run[254:]
        coded += bytes([len(run) + 1]) + run
    return bytes(coded)


def uncobs(coded: bytes) -> bytes:
    """What :func:`cobs` was given.

    Raises:
        ValueError: a zero inside, or a run that is longer than what is left.
    """
    data, place = bytearray(), 0
    while place < len(coded):
        length = coded[place]
        run = coded[place + 1 : place + length]
        if not length or len(run) != length - 1 or 0 in run:
            raise ValueError("not COBS")
        data += run
        place += length
        if length < 255 and place < len(coded):
            data.append(0)
    return bytes(data)


def packet(message: bytes) -> bytes:
    """``00 | COBS(message | CRC, low byte first) | 00``."""
    return b"\0" + cobs(message + crc16(message).to_bytes(2, "little")) + b"\0"


class Receiver:
    """Finds the messages in a stream of bytes that may begin anywhere and carry anything between packets.

    Attributes:
        bad: packets thrown away so far, for a wrong CRC or because they do not decode.
    """

    def __init__(self):
        self.bad = 0
        self._open = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Messages that ``data`` completes, in order, without their CRC."""
        *ended, rest = data.split(b"\0")
        messages = []
        for part in ended:
            coded = bytes(self._open) + part
            self._open.clear()
            if coded:
                messages += self._message(coded)
        self._open += rest[: LONGEST + 1 - len(self._open)]  # one too many is kept, so that it is seen to be too long
        return messages

    def _message(self, coded: bytes) -> list[bytes]:
        try:
            data = uncobs(coded) if len(coded) <= LONGEST else b""
        except ValueError:
            data = b""
        if len(data) < 3 or crc16(data[:-2]) != int.from_bytes(data[-2:], "little"):
            self.bad += 1
            return []
        return [data[:-2]]
