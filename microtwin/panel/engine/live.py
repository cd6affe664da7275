"""What watching, driving and running share: the rig behind its interlock, what is seen of it, and the packets."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.panel.engine import header
from microtwin.panel.engine.bench import Bench
from microtwin.panel.engine.dead_man import Operator
from microtwin.panel.engine.hand import Hand
from microtwin.panel.engine.interlock import Interlock
from microtwin.panel.engine.notice_board import NoticeBoard
from microtwin.panel.engine.outline import mask_outlines
from microtwin.panel.engine.recorder import Recorder
from microtwin.panel.engine.selection import Selection
from microtwin.panel.engine.timing import Timing
from microtwin.panel.engine.uplink import Uplink
from microtwin.panel.messages import Body, Point, RunNow, State
from microtwin.rig import CoilReading, Frame, Observation

COILS_EVERY = 6  # ticks between questions to the coils: each costs some milliseconds on a board
OUTLINE_EVERY = 3  # ticks between outlines of a mask


class Live:
    """See the module; used by the loop's thread alone but for ``interlock``, ``operator``, ``hand`` and ``notices``.

    Attributes:
        phase, reason: what goes on, and why it is broken. driving, paused: by hand without a run; a run with the field
            off. frame: the last one. shown: whose mask is outlined.
        run, recorded: the run that goes on, or the last one, and its files. files: of all runs not saved yet.
    """

    def __init__(self, bench: Bench, out: Path, uplink: Uplink):
        self.bench, self.out, self.uplink = bench, out, uplink
        self.notices = NoticeBoard()
        self.interlock, self.operator, self.hand = Interlock(), Operator(), Hand()
        self.selection = Selection(self.notices.say)
        self.timing = Timing()
        self.phase: State = "preparing"
        self.reason = ""
        self.driving = self.paused = False
        self.frame: Frame | None = None
        self.shown: Body | None = None
        self.run: RunNow | None = None
        self.recorded: Recorder | None = None
        self.files: list[Recorder] = []
        self._seq = self._ticks = 0
        self._wall_s = 0.0
        self._coils: CoilReading | None = None
        self._outlines: list[list[Point]] = []
        self._blank = np.full(header.BLANK_SIZE[::-1], 96, np.uint8)

    @property
    def state(self) -> State:
        if self.phase == "running":
            return "paused" if self.paused else "running"
        if self.phase == "watching":
            self.files = [one for one in self.files if one.busy]
            return "driving" if self.driving else "saving" if self.files else "watching"
        return self.phase

    @property
    def picture(self) -> Frame:
        """The last frame.

        Raises:
            InputError: there was none yet.
        """
        if self.frame is None:
            raise InputError("there is no picture yet: wait a moment")
        return self.frame

    def take(self, observe: Callable[[], Frame]) -> Frame:
        """The next frame, with the clock stopped.

        Raises:
            RigError: none came. Stopped: it was stopped, if ``observe`` is the interlock's.
        """
        frame = observe()
        self.timing.tick()
        self._wall_s, self.frame = time.time(), frame
        self._ticks += 1
        return frame

    def command(self, field: RotatingField) -> RotatingField:
        """A field to the coils, with the clock stopped; as of the interlock."""
        applied = self.interlock.command(field)
        self.timing.answered()
        return applied

    def publish(self, seen: Observation | None = None, controller: Any = None) -> None:
        """Offer a packet; ``seen`` and ``controller`` of a run.

        Raises:
            RigError: the coils do not answer.
        """
        live, selection, watched = self.phase not in ("preparing", "broken"), self.selection, self.bench.watched
        if live and self._ticks % COILS_EVERY == 0:
            self._coils = self.bench.coil_reading()
        view, frame = selection.view, self.frame if selection.view else None
        run = header.NOT_PUSHED
        if seen is not None and view is not None:
            run = header.pushed(view, selection.objects[selection.active], seen, controller)
        latency_s = watched.latency_s if watched else None
        parts = header.seen_from(view, frame, selection) | run
        parts |= {
            "wall_s": self._wall_s,
            "backend": self.bench.backend,
            "state": self.state,
            "reason": self.reason,
            "field": header.in_degrees(self.interlock.applied),
            "coils": header.in_words(self._coils),
            "latency_ms": round(1e3 * (latency_s or 0.0), 2),
            "wait_ms": round(self.timing.wait_ms, 3),
            "dropped": watched.dropped if watched else 0,
            "jitter_ms": round(self.timing.jitter_ms(self.bench.period_s), 3),
            "ticks_per_s": round(self.timing.ticks_per_s, 2),
            "mask": self._mask_outlines(),
            "shown": self.shown,
            "masks": {body: header.as_json(selection.mask(body)) for body in ("robot", "object")},
            "twin": self.bench.twin_settings(),
            "step_out_hz": self.bench.step_out_hz,
            "notices": self.notices.kept(),
            "run": self.run and self.recorded and {**self.run, "results": self.recorded.results},
        }
        self._seq += 1
        image = frame.image if frame is not None and frame.image is not None else self._blank
        self.uplink.offer(header.make(self._seq, **parts), image)

    def _mask_outlines(self) -> list[list[Point]]:
        if self.shown is None or self.frame is None or self.frame.image is None:
            self._outlines = []
        elif self._ticks % OUTLINE_EVERY == 0 or not self._outlines:
            try:
                self._outlines = mask_outlines(self.frame.image, self.selection.mask(self.shown))
            except InputError:  # settings from the page, checked there
                self._outlines = []
        return self._outlines
