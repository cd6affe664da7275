"""Network cameras on 127.0.0.1: a lossless stream and motion JPEG, as OpenCV's VideoCapture reads them.

One thread serves all clients and never waits for one of them: who is still busy with a frame gets the newest when done,
and what came between is dropped for that client. What lies in the kernel's buffers of a client that does not read
(a few MB on Linux) is old by then; a reader that wants the newest frame reads all the time.

Formats: YUV4MPEG2 (yuv4mpeg(5) of mjpegtools) with colour space ``mono``, of which every pixel arrives as it was;
``multipart/x-mixed-replace`` over HTTP with one JPEG per part.
"""

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

import cv2
import numpy as np

from microtwin.errors import InputError

JPEG_QUALITY = 95  # with a camera's noise the error is then about the noise itself
BOUNDARY = b"frame"
SEND_BUFFER_BYTES = 1 << 18  # the less the kernel holds, the newer is what a slow client gets


@dataclass
class _Client:
    """``waiting``: what is still to be sent; ``seen``: number of the newest frame that was begun."""

    socket: socket.socket
    waiting: memoryview = field(default_factory=lambda: memoryview(b""))
    seen: int = 0
    greeted: bool = False
    asked: bytes = b""


class FrameServer:
    """Serves the newest published frame to whoever connects.

    Args:
        shape: rows and columns of every frame. frame_rate_hz: as it is announced. port: 0 for any free one.
    """

    scheme = "tcp"

    def __init__(self, shape: tuple[int, int], frame_rate_hz: float = 24.0, port: int = 0):
        self.shape = shape
        self.frame_rate_hz = frame_rate_hz
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # clients inherit it
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen()
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._lock = threading.Lock()
        self._image: np.ndarray | None = None
        self._number = 0
        self._frozen = self._closing = False
        self._encoded: tuple[int, bytes] = (0, b"")
        self._clients: list[_Client] = []
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._serve, name=f"{type(self).__name__}:{self.port}", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def publish(self, image: np.ndarray, index: int = 0, time_s: float = 0.0) -> None:
        """Make an image the newest frame; ``index`` and ``time_s`` have no place in these formats.

        Raises:
            InputError: another shape than was announced.
        """
        if image.shape != self.shape:
            raise InputError(f"picture is {image.shape}, the stream {self.shape}: give what was announced")
        with self._lock:
            if self._image is None or not self._frozen:
                self._image = np.array(image, dtype=np.uint8)
            self._number += 1
        self._ring()

    def freeze(self, frozen: bool = True) -> None:
        """A stuck camera: frames go on at the same pace and all show the last picture."""
        with self._lock:
            self._frozen = frozen

    def close(self) -> None:
        """A camera that is gone: every connection ends and no other is taken."""
        self._closing = True
        self._ring()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def greeting(self, asked: bytes) -> bytes | None:
        """What a client hears first, given what it has said so far; None to wait for more of that."""
        raise NotImplementedError

    def encode(self, image: np.ndarray) -> bytes:
        raise NotImplementedError

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # closed already
            self._wake.send(b"\0")

    def _serve(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        while not self._closing:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    with contextlib.suppress(BlockingIOError):
                        self._woken.recv(4096)
                elif isinstance(key.data, _Client):
                    self._hear(key.data)
            for client in list(self._clients):
                self._feed(client)
        for client in list(self._clients):
            self._drop(client)
        self._selector.close()
        for end in (self._listener, self._wake, self._woken):
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it hung up again
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = _Client(connection)
            self._clients.append(client)
            self._selector.register(connection, selectors.EVENT_READ, client)

    def _hear(self, client: _Client) -> None:
        try:
            said = client.socket.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said:
            client.asked = (client.asked + said)[-65536:]
        else:
            self._drop(client)

    def _feed(self, client: _Client) -> None:
        if not client.greeted:
            greeting = self.greeting(client.asked)
            if greeting is None:
                return
            client.waiting, client.greeted = memoryview(greeting), True
        try:
            while client.waiting or self._newer(client):
                client.waiting = client.waiting[client.socket.send(client.waiting) :]
            events = selectors.EVENT_READ
        except BlockingIOError:
            events = selectors.EVENT_READ | selectors.EVENT_WRITE
        except OSError:
            self._drop(client)
            return
        self._selector.modify(client.socket, events, client)

    def _newer(self, client: _Client) -> bool:
        """Load the newest frame, if this client was not given it yet."""
        with self._lock:
            number, image = self._number, self._image
        if image is None or number == client.seen:
            return False
        if self._encoded[0] != number:  # once for all clients
            self._encoded = (number, self.encode(image))
        client.waiting, client.seen = memoryview(self._encoded[1]), number
        return True

    def _drop(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._selector.unregister(client.socket)
            client.socket.close()


class Y4mServer(FrameServer):
    """A lossless grey stream; read it with ``VideoCapture("tcp://127.0.0.1:PORT")``."""

    def greeting(self, asked: bytes) -> bytes:
        rate = Fraction(self.frame_rate_hz).limit_denominator(1001)
        rows, columns = self.shape
        header = f"YUV4MPEG2 W{columns} H{rows} F{rate.numerator}:{rate.denominator} Ip A1:1 Cmono\n"
        return header.encode()

    def encode(self, image: np.ndarray) -> bytes:
        return b"FRAME\n" + image.tobytes()


class MjpegServer(FrameServer):
    """Motion JPEG over HTTP, as network cameras send it; a browser shows it too."""

    scheme = "http"

    @property
    def url(self) -> str:
        return super().url + "/"

    def greeting(self, asked: bytes) -> bytes | None:
        if b"\r\n\r\n" not in asked:
            return None
        return (
            b"HTTP/1.0 200 OK\r\nCache-Control: no-store\r\nConnection: close\r\n"
            b"Content-Type: multipart/x-mixed-replace; boundary=" + BOUNDARY + b"\r\n\r\n--" + BOUNDARY + b"\r\n"
        )

    def encode(self, image: np.ndarray) -> bytes:
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        # the boundary comes right after the picture: a reader need not wait for the next one to know that it is whole
        return (
            b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            + jpeg
            + b"\r\n--"
            + BOUNDARY
            + b"\r\n"
        )
