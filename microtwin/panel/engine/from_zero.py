"""A run's own time: it counts from 0, and stands still while the run is paused."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from microtwin.field import RotatingField
from microtwin.rig import Frame, Observation, Observer

Pause = tuple[float, float]  # when, in the run's time, and how long, in the rig's, s


class FromZero:
    """A rig for :func:`microtwin.run.run_trial` whose first frame is number 0 at 0 s.

    Frames that ``held`` keeps are not handed on. The first one after them follows the last one before them by one
    frame time, so that neither the time limit nor the controller sees a pause. Other gaps (dropped frames) stay.

    Args:
        observe, command: of the rig, as in :class:`microtwin.rig.Rig`. frame_rate_hz: the rig's.
        held: hears every frame first; whether the run is paused.

    Attributes:
        raw: the last frame handed on, with the rig's own time. pauses: those that have ended.
    """

    def __init__(
        self,
        observe: Callable[[], Frame],
        command: Callable[[RotatingField], RotatingField],
        frame_rate_hz: float,
        held: Callable[[Frame], bool],
    ):
        self.frame_rate_hz = frame_rate_hz
        self.raw: Frame | None = None
        self.pauses: list[Pause] = []
        self._observe, self._command, self._held = observe, command, held
        self._index, self._time_s = 0, 0.0  # of the rig, at the run's 0

    def command(self, field: RotatingField) -> RotatingField:
        return self._command(field)

    def observe(self) -> Frame:
        frame, paused = self._observe(), False
        while self._held(frame):
            frame, paused = self._observe(), True
        if self.raw is None:
            self._index, self._time_s = frame.index, frame.time_s
        elif paused:
            gone_s = frame.time_s - self.raw.time_s - 1.0 / self.frame_rate_hz
            self.pauses.append((self.raw.time_s - self._time_s, gone_s))
            self._time_s += gone_s
            self._index += frame.index - self.raw.index - 1
        self.raw = frame
        return replace(frame, index=frame.index - self._index, time_s=frame.time_s - self._time_s)

    def observer(self, follow: Callable[[Frame], Observation]) -> Observer:
        """``follow``, which must hear the rig's own time in every frame, as an observer of this rig's frames."""

        def see(frame: Any) -> Observation:
            assert self.raw is not None
            return replace(follow(self.raw), index=frame.index, time_s=frame.time_s)

        return see

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.command(RotatingField.off())
