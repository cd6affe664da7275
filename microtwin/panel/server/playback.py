"""Where a recording is in its time, and the packets that show it (:mod:`microtwin.panel.packet`)."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from microtwin.errors import InputError
from microtwin.panel.packet import pack
from microtwin.panel.server.recorded import Part, Recorded
from microtwin.panel.server.recorded_picture import Pictures

SLOWEST, FASTEST = 0.1, 16.0
KEEP_ALIVE_S = 0.2  # without anything new, the last packet goes out again
SHORTEST_S = 1 / 30  # between packets, however fast it plays


class Replay:
    """One run, played to one browser. Opening reads files: do it in a thread. All else belongs to the event loop.

    Args:
        folder: of the run. trial: number of the trial to begin with; None for the first.
        clock: monotonic time, s.

    Attributes:
        trials: the trials' numbers. trial: the one that plays. speed: 1 is the rig's own.
        running: it plays; false in a pause and at the end.

    Raises:
        InputError: the folder holds no run that can be shown, or no such trial.
    """

    def __init__(self, folder: Path, trial: int | None = None, *, clock: Callable[[], float] = time.monotonic):
        self._run = Recorded(folder)
        self.trials = tuple(part.trial for part in self._run.parts)
        self._part = self._run.part(self.trials[0] if trial is None else trial)
        self._pictures = Pictures(self._run)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="panel-replay")
        self._changed = asyncio.Event()
        self._clock = clock
        self._from_s, self._since = 0.0, clock()
        self._moving, self._speed, self._sent = True, 1.0, 0

    @property
    def trial(self) -> int:
        return self._part.trial

    @property
    def note(self) -> str:
        """What is not shown as it was recorded, in words; else empty."""
        return self._pictures.note

    @property
    def duration_s(self) -> float:
        """Of the trial that plays."""
        return float(self._part.times_s[-1])

    @property
    def position_s(self) -> float:
        """Since the trial's first frame."""
        gone = (self._clock() - self._since) * self._speed if self._moving else 0.0
        return min(self._from_s + gone, self.duration_s)

    @property
    def running(self) -> bool:
        return self._moving and self.position_s < self.duration_s

    @property
    def speed(self) -> float:
        return self._speed

    def play(self) -> None:
        """Go on; from the start after the end."""
        self._set(0.0 if self.position_s >= self.duration_s else self.position_s, moving=True)

    def pause(self) -> None:
        self._set(self.position_s, moving=False)

    def seek(self, position_s: float) -> None:
        """Go to a moment of the trial; beyond its ends, to the end."""
        if math.isfinite(position_s):
            self._set(min(max(position_s, 0.0), self.duration_s))

    def set_speed(self, speed: float) -> None:
        """Simulated seconds to a second, 0.1 to 16."""
        if math.isfinite(speed):
            position_s, self._speed = self.position_s, min(max(speed, SLOWEST), FASTEST)
            self._set(position_s)

    def choose(self, trial: int) -> None:
        """Play another trial from its start.

        Raises:
            InputError: there is no such trial.
        """
        self._part = self._run.part(trial)
        self._set(0.0, moving=True)

    def hear(self, words: str) -> None:
        """Do what the browser says; nothing if it is not understood."""
        word, _, rest = words.partition(" ")
        with contextlib.suppress(ValueError, OverflowError, InputError):
            if word == "play":
                self.play()
            elif word == "pause":
                self.pause()
            elif word == "seek":
                self.seek(float(rest))
            elif word == "speed":
                self.set_speed(float(rest))
            elif word == "trial":
                self.choose(int(rest))

    async def packets(self) -> AsyncGenerator[bytes, None]:
        """The packet of the moment, whenever one is asked for and due; never ends. At the end the last one repeats."""
        before, packet = None, b""
        while True:
            self._changed.clear()
            now = self._part, self._index(), self.running
            if now != before:
                packet = await asyncio.get_running_loop().run_in_executor(self._worker, self._packet, *now)
                before = now
            yield packet
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._until_next_s())

    def close(self) -> None:
        """Let go of the video and end the thread, after what it does now."""
        with contextlib.suppress(RuntimeError):  # closed before
            self._worker.submit(self._pictures.close)
        self._worker.shutdown(wait=False)

    def _set(self, position_s: float, moving: bool | None = None) -> None:
        self._from_s, self._since = position_s, self._clock()
        self._moving = self._moving if moving is None else moving
        self._changed.set()

    def _index(self) -> int:
        return max(int(self._part.times_s.searchsorted(self.position_s + 1e-9, side="right")) - 1, 0)

    def _until_next_s(self) -> float:
        """To the next frame, by the clock."""
        if not self.running:
            return KEEP_ALIVE_S
        position_s, times = self.position_s, self._part.times_s
        due_s = float(times[min(self._index() + 1, len(times) - 1)])
        return min(max((due_s - position_s) / self._speed, SHORTEST_S), KEEP_ALIVE_S)

    def _packet(self, part: Part, index: int, running: bool) -> bytes:
        self._sent += 1
        jpeg = self._pictures.jpeg(part, index)
        header = self._run.header(part, index)
        header["seq"], header["wall_s"], header["size"] = self._sent, time.time(), self._pictures.size
        header["state"] = "running" if running else "paused"
        return pack(header, jpeg)
