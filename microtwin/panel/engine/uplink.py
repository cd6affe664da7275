"""The newest packet, on its way to the server: whoever is slow there never slows the loop here."""

import sys
import threading
import traceback
from multiprocessing.connection import Connection

import cv2
import numpy as np

from microtwin.panel.messages import Header
from microtwin.panel.packet import pack

QUALITY = 85
FLUSH_S = 1.0  # a server that hangs is not waited for any longer at the end


class Uplink:
    """A thread that encodes and sends what is in a slot for one packet, from entering to leaving.

    Attributes:
        gone: nobody listens at the other end any more.
    """

    def __init__(self, connection: Connection):
        self.gone = False
        self._connection = connection
        self._changed = threading.Condition()
        self._slot: tuple[Header, np.ndarray] | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="panel-uplink", daemon=True)

    def offer(self, header: Header, image: np.ndarray) -> None:
        """Send this as soon as the one before is out, unless a newer one comes first. Neither may change any more."""
        with self._changed:
            self._slot = header, image
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._slot is not None or self._ending)
                slot, self._slot = self._slot, None
            if slot is None:
                return
            try:
                header, image = slot
                packet = pack(header, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
            except Exception:  # a header that JSON cannot say: the next one may do, the loop goes on
                traceback.print_exc(file=sys.stderr)
                continue
            try:
                self._connection.send_bytes(packet)
            except OSError:
                self.gone = True
                return

    def __enter__(self) -> "Uplink":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(FLUSH_S)
