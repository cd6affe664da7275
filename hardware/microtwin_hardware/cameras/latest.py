"""Any camera driver as a camera of the rig contract: the newest frame, numbered, timed, and guarded against faults."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from microtwin.errors import InputError
from microtwin.rig import Frame, RigError
from microtwin_hardware.cameras.freeze import FreezeWatch
from microtwin_hardware.cameras.grey import to_grey
from microtwin_hardware.cameras.numbering import Numbering
from microtwin_hardware.cameras.source import Grab, Source
from microtwin_hardware.config import CameraConfig

START_S = 5.0  # a camera has this long for its first frame, or its time-out if that is longer
SLICE_S = 0.2  # longest wait inside a driver, and so how soon the thread sees that it shall end
END_S = 3.0  # a driver that hangs is left behind after this; its thread is a daemon
_FLIPS = {"none": np.s_[:, :], "horizontal": np.s_[:, ::-1], "vertical": np.s_[::-1, :], "both": np.s_[::-1, ::-1]}


@dataclass(frozen=True)
class _Arrival:
    grab: Grab
    index: int
    time_s: float
    arrived_s: float


class LatestFrames:
    """A camera of which a reader always gets the newest frame.

    A thread takes every frame out of the driver and keeps the last one, so that no queue grows behind a slow reader.
    Opening waits for the first frame and checks its shape. What was closed can be opened again.

    Args:
        source: the driver. config: of the camera. clock: the host's, s; arrival times and freezing go by it.

    Attributes:
        frame_rate_hz: as the device says it is set, else as configured. um_per_px: as configured.
        dropped: frames since the first read that were never handed out. lost: those among them that never arrived.
        shape: rows and columns; None while it is not open.
    """

    def __init__(self, source: Source, config: CameraConfig, *, clock: Callable[[], float] = time.monotonic):
        self.um_per_px = config.um_per_px
        self.frame_rate_hz = config.frame_rate_hz
        self.dropped = self.lost = 0
        self.shape: tuple[int, int] | None = None
        self._source, self._config, self._clock = source, config, clock
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._begin_again()

    def _begin_again(self) -> None:
        self.dropped = self.lost = 0
        self._ending = threading.Event()
        self._freeze = FreezeWatch(self._config.freeze_s)
        self._newest: _Arrival | None = None
        self._last_index = -1
        self._reading = False
        self._failure = ""
        self._handed_out_s = float("nan")

    @property
    def notes(self) -> list[str]:
        """What the device refused of the settings, one line each."""
        return list(self._source.notes)

    @property
    def age_s(self) -> float:
        """Seconds since the frame that was handed out last arrived at the host; NaN before the first."""
        return self._clock() - self._handed_out_s

    def describe(self) -> str:
        """Which device this is, in a few words."""
        return self._source.describe()

    def __enter__(self) -> Self:
        if self._thread and self._thread.is_alive():
            raise InputError(f"{self.describe()} is open, or still closing: close it first, or wait a moment")
        self._begin_again()
        try:
            self._source.open()
        except BaseException as error:
            self._close_source()
            if isinstance(error, InputError) or not isinstance(error, Exception):
                raise
            raise InputError(
                f"{self.describe()} cannot be opened ({_reason(error)}): check cable and power, and that no other "
                "program has it"
            ) from None
        self.frame_rate_hz = self._source.frame_rate_hz or self._config.frame_rate_hz
        work = Numbering(self.frame_rate_hz, self._clock()), self._freeze, self._ending
        self._thread = threading.Thread(target=self._take_all, args=work, name="microtwin camera", daemon=True)
        self._thread.start()
        try:
            self._await_first()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def close(self) -> None:
        """End the thread and release the device; never raises, harmless if it is not open."""
        self._ending.set()
        if self._thread:
            self._thread.join(END_S)
        self.shape = None

    def read(self, timeout_s: float) -> Frame:
        """The newest frame that was not handed out yet, or the next one.

        Raises:
            RigError: none came in time, the picture is frozen, its shape has changed, the camera is gone.
        """
        expected = self.shape
        if expected is None:
            raise RigError(f"{self.describe()} is not open: use it as a context manager")
        with self._changed:
            self._reading = True
            self._changed.wait_for(lambda: self._newest or self._failure or self._freeze.frozen, timeout_s)
            if self._freeze.frozen:
                raise RigError(f"{self.describe()} {self._freeze.words()}")
            if self._newest is None:
                late = (
                    f"no frame from {self.describe()} for {timeout_s:g} s: check cable and power, and its trigger mode"
                )
                raise RigError(self._failure or late)
            newest, self._newest = self._newest, None
            self._handed_out_s = newest.arrived_s
        try:
            image = to_grey(newest.grab.image, newest.grab.bits)
        except InputError as error:
            raise RigError(f"{self.describe()}: {error}") from None
        if image.shape != expected:
            raise RigError(
                f"{self.describe()} now gives {image.shape[0]} × {image.shape[1]} pixels instead of {expected[0]} × "
                f"{expected[1]}: leave its settings alone during a run, and start again"
            )
        image = np.ascontiguousarray(image[_FLIPS[self._config.flip]])
        return Frame(newest.index, newest.time_s, image, self.um_per_px)

    def _await_first(self) -> None:
        patience_s = max(START_S, self._config.timeout_s)
        with self._changed:
            self._changed.wait_for(lambda: self._newest or self._failure, patience_s)
            if self._newest is None:
                raise InputError(
                    self._failure
                    or f"{self.describe()} is open but gave no frame for {patience_s:g} s: check its trigger mode, "
                    "cable and bandwidth"
                )
            first = self._newest.grab
        rows, columns = to_grey(first.image, first.bits).shape
        expected = self._config.shape
        if expected and (rows, columns) != expected:
            raise InputError(
                f"{self.describe()} gives {rows} × {columns} pixels (rows × columns), the configuration expects "
                f"{expected[0]} × {expected[1]}: set the camera to that (camera.options.roi), or "
                f"camera.shape = [{rows}, {columns}] after measuring um_per_px again"
            )
        self.shape = rows, columns

    def _take_all(self, numbering: Numbering, freeze: FreezeWatch, ending: threading.Event) -> None:
        """The thread: whatever the driver has, until it fails or shall end. It is the one that closes the driver."""
        try:
            while not ending.is_set():
                try:
                    grab = self._source.grab(SLICE_S)
                except TimeoutError:
                    continue
                arrived_s = self._clock()
                freeze.see(grab.image, arrived_s)
                self._keep(_Arrival(grab, *numbering.stamp(grab.index, grab.time_s, arrived_s), arrived_s))
        except Exception as error:  # every vendor has its own
            gone = f"{self.describe()} is gone ({_reason(error)}): check cable and power, then start again"
            with self._changed:
                self._failure = str(error) if isinstance(error, RigError | InputError) else gone
                self._changed.notify_all()
        finally:
            self._close_source()

    def _keep(self, arrival: _Arrival) -> None:
        with self._changed:
            if self._reading:
                lost = arrival.index - self._last_index - 1
                self.lost += lost
                self.dropped += lost + (self._newest is not None)
            self._last_index = arrival.index
            self._newest = arrival
            self._changed.notify_all()

    def _close_source(self) -> None:
        with contextlib.suppress(Exception):  # whatever is gone cannot be closed
            self._source.close()


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
