"""The emulated rig in real time: its serial port and its camera, for a host in another process.

One loop owns the emulated clock and keeps it on the wall clock, in slices of 2 ms: bytes from the host, the board and
its world for 2 ms, bytes to the host. Frames are rendered in a second thread while the slices go on, and shown when the
latency that a real camera would have is over; a frame for which there is no time is left out.
"""

import contextlib
import json
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from emulated_rig.bench import EmulatedRig, Exposure
from emulated_rig.driven import WatchedCoils
from emulated_rig.pty_port import PtyPort

SLICE_S = 0.002
KEPT = 200_000  # slices whose lateness is remembered, 400 s
LINE_BYTES = 4096  # that may wait for the board's UART, as in the buffers of a USB port; a host with more has to wait
GIVE_UP_S = 0.25  # a host that stood still for longer finds the rig where it was: emulated time is not made up for
MOST_RENDERING = 2  # frames at once; more are left out
COMMANDS = ("unplug", "plug", "freeze", "thaw", "camera-gone", "report", "quit")


class CameraServer(Protocol):
    """What all cameras on loopback have in common."""

    @property
    def url(self) -> str: ...

    def publish(self, image: np.ndarray, index: int = 0, time_s: float = 0.0) -> None: ...

    def freeze(self, frozen: bool = True) -> None: ...

    def close(self) -> None: ...


class RealTime:
    """Paces a rig to the wall clock and joins it to a port and a camera, which it closes at the end.

    Args:
        rig: with ``latency_frames`` 0 and :class:`WatchedCoils`. latency_frames: after which a frame is shown.
        say: where reports go.
    """

    def __init__(
        self,
        rig: EmulatedRig,
        port: PtyPort,
        camera: CameraServer | None,
        *,
        latency_frames: int = 1,
        say: Callable[[str], Any] = print,
    ):
        if not isinstance(rig.coils, WatchedCoils):
            raise TypeError("give the rig coils=WatchedCoils.lab()")
        self.rig, self.coils, self.port, self.camera = rig, rig.coils, port, camera
        self.events: list[dict] = []
        self.reaction_ms: list[float] = []  # from the host's bytes to the first duty
        self.stop = threading.Event()
        self.orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._latency_s = latency_frames / rig.frame_rate_hz
        self._say = say
        self._late_ms: deque[float] = deque(maxlen=KEPT)
        self._render_ms: deque[float] = deque(maxlen=KEPT)
        self._rendering: deque[tuple[Exposure, Future]] = deque()
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="renderer")
        self._next_s = 0.0  # when the next frame is taken, rig's time
        self._wall_s = self._slipped_s = self._cpu_s = self._heard_s = 0.0
        self._frames = self._left_out = self._opened = self._edges = 0
        self._held = False
        self._begin()

    def run(self, seconds: float = float("inf"), each_second: Callable[[str], Any] | None = None) -> None:
        """Until ``stop`` is set, the order ``quit``, or so many seconds are over."""
        start_s = self.rig.time_s
        begun, cpu, told, number = time.monotonic(), time.process_time(), 1, 0
        try:
            while not self.stop.is_set() and self._wall_s < seconds:
                number += 1
                due = begun + number * SLICE_S
                if (wait := due - time.monotonic()) > 0:
                    time.sleep(wait)
                late = time.monotonic() - due
                if late > GIVE_UP_S:
                    begun += late
                    self._slipped_s += late
                self._late_ms.append(1e3 * late)
                self._slice(start_s + number * SLICE_S)
                self._wall_s, self._cpu_s = number * SLICE_S + self._slipped_s, time.process_time() - cpu
                while not self.orders.empty():
                    self.obey(self.orders.get())
                if each_second and self._wall_s >= told:
                    told += 1
                    each_second(self._line())
        finally:
            self.close()

    def close(self) -> None:
        self.port.close()
        self._renderer.shutdown(cancel_futures=True)
        if self.camera:
            self.camera.close()

    def obey(self, order: str) -> None:
        """One of :data:`COMMANDS`; anything else is answered with their list."""
        match order:
            case "unplug":
                self.port.unplug()
            case "plug":
                self.port.plug()
            case "freeze" | "thaw":
                if self.camera:
                    self.camera.freeze(order == "freeze")
            case "camera-gone":
                if self.camera:
                    self.camera.close()
                self.camera = None
            case "report":
                self._say(json.dumps(self.report()))
                return
            case "quit":
                self.stop.set()
                return
            case _:
                self._say(f"unknown order {order!r}: give {', '.join(COMMANDS)}")
                return
        self._note(order)

    def report(self) -> dict:
        """What happened so far. Times are the rig's, s; lateness is that of the slices behind the wall clock."""
        emulated = self.rig.time_s
        return {
            "emulated_s": emulated,
            "wall_s": self._wall_s,
            "slipped_s": self._slipped_s,
            "cores": self._cpu_s / max(self._wall_s, SLICE_S),
            "frames": self._frames,
            "frames_left_out": self._left_out,
            "late_ms": _percentiles(self._late_ms),
            "render_ms": _percentiles(self._render_ms),
            "bytes_to_duty_ms": _percentiles(self.reaction_ms),
            "last_driven_s": self.coils.last_driven_s if self.coils.intervals_s else None,
            "driven": self.coils.driven,
            "driven_s": self.coils.intervals_s,
            "opened": self.port.opened,
            "events": self.events,
        }

    def _begin(self) -> None:
        """Show the first frame before anybody looks; it also loads and compiles all that is needed."""
        taken = self.rig.next_frame()
        self._next_s = (taken.index + 1) / self.rig.frame_rate_hz
        if (image := self.rig.render(taken)) is not None and self.camera:
            self.camera.publish(image, taken.index, taken.time_s)
            self._frames += 1

    def _slice(self, time_s: float) -> None:
        data = self.port.receive(max(LINE_BYTES - self.rig.mega.unsent, 0))
        if self.port.opened > self._opened:  # which pulls the reset line, whatever the board was at
            self._opened = self.port.opened
            self.rig.mega.reset()
            self._note("opened")
        elif self._held and not self.port.is_open:
            self._note("closed")
        self._held = self.port.is_open
        if data:
            self._heard_s = self.rig.time_s
            self.rig.write(data)
        self.rig.advance_to(time_s)
        self.port.send(self.rig.read())
        for begin_s, _ in self.coils.intervals_s[self._edges :]:
            self.reaction_ms.append(1e3 * (begin_s - self._heard_s))
        self._edges = len(self.coils.intervals_s)
        self._see()

    def _see(self) -> None:
        """Take a frame when it is time, and show what is rendered and due."""
        if self.rig.time_s >= self._next_s:
            taken = self.rig.next_frame()
            self._next_s = (taken.index + 1) / self.rig.frame_rate_hz
            if len(self._rendering) < MOST_RENDERING:
                self._rendering.append((taken, self._renderer.submit(self._render, taken)))
            else:
                self._left_out += 1
        while self._rendering and self._rendering[0][1].done():
            taken, picture = self._rendering[0]
            if self.rig.time_s < taken.time_s + self._latency_s:
                return
            self._rendering.popleft()
            if self.camera and (image := picture.result()) is not None:
                self.camera.publish(image, taken.index, taken.time_s)
            self._frames += 1

    def _render(self, taken: Exposure) -> np.ndarray | None:
        begun = time.perf_counter()
        image = self.rig.render(taken)
        self._render_ms.append(1e3 * (time.perf_counter() - begun))
        return image

    def _note(self, what: str) -> None:
        self.events.append({"time_s": self.rig.time_s, "what": what})

    def _line(self) -> str:
        late = list(self._late_ms)[-round(1 / SLICE_S) :]
        pace = 1.0 - self._slipped_s / self._wall_s
        return (
            f"{self.rig.time_s:8.1f} s  real time ×{pace:.2f}  late {np.percentile(late, 95):.1f} ms (95 %)  "
            f"{self._cpu_s / self._wall_s:.2f} cores  {self._frames} frames, {self._left_out} left out"
        )


def take_orders(orders: queue.SimpleQueue[str]) -> None:
    """Hand every line of standard input on, from a thread of its own."""

    def listen() -> None:
        heard = b""
        with contextlib.suppress(OSError):  # in the background of a terminal, or closed
            while chunk := os.read(0, 4096):  # not sys.stdin, whose lock would still be held when the process ends
                *lines, heard = (heard + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        orders.put(line.decode(errors="replace").strip())

    threading.Thread(target=listen, name="orders", daemon=True).start()


def _percentiles(values) -> dict[str, float] | None:
    if not len(values):
        return None
    found = np.percentile(list(values), [50, 95, 99, 100])
    return dict(zip(("median", "p95", "p99", "max"), np.round(found, 3).tolist(), strict=True))
