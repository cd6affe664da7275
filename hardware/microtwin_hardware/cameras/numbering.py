"""Number and time of every frame, from whatever the device tells: a counter, a clock, both or neither."""

FOLLOW, LEARN = 0.2, 0.02  # shares of a lateness by which the expected moment, and the frame time, follow
AHEAD = 3  # so many may have been told as lost but then came: they make up for as many that are
PULL = 0.2  # the frame time may be so far from the camera's setting, as a fraction


class Numbering:
    """Turns stamps of a device into a running number, of which a gap means lost frames, and seconds since opening.

    With a counter of the device the number follows it. Without one, a frame more than half a frame time later than
    expected counts as one after a gap. What is expected follows the frames through a loop of second order, as a
    receiver recovers a clock: jitter is averaged out, and a camera some per cent slower than it is set loses nothing by
    that. Where only the arrival is known, the gap is told with the next frame, and not if that is early: then the host
    was held up and nothing is lost.

    Time is the device's own clock, set so that its first stamp is the moment that frame arrived; else the arrival.

    Args:
        frame_rate_hz: as the camera is set. opened_s: zero of the time that comes out, on the host's clock.
    """

    def __init__(self, frame_rate_hz: float, opened_s: float):
        self._set_period_s = self._period_s = 1.0 / frame_rate_hz
        self._opened_s = opened_s
        self._index = -1
        self._counter: int | None = None
        self._device_s: float | None = None
        self._shift_s = 0.0
        self._time_s = 0.0
        self._expected_s = 0.0
        self._missing = 0  # frames that may yet come; negative: told as lost but then came

    def stamp(self, counter: int | None, device_s: float | None, arrived_s: float) -> tuple[int, float]:
        """Number and time (s since opening) of the next frame; the number grows, the time never goes back.

        Args:
            counter, device_s: of the device, None if it has none. arrived_s: on the host's clock.
        """
        time_s = self._time(device_s, arrived_s - self._opened_s)
        only_arrival = counter is None and device_s is None
        skipped = self._skipped(time_s, self._missing + AHEAD if only_arrival else 0)
        if counter is not None and self._counter is not None and counter > self._counter:
            step = counter - self._counter
        elif only_arrival:
            told = max(self._missing, 0) if skipped >= 0 else 0
            self._missing += skipped - told
            step = 1 + told
        else:  # a clock of its own, or a counter that has wrapped or begun again
            step = 1 + skipped
        self._index += step
        self._counter = counter
        return self._index, time_s

    def _time(self, device_s: float | None, arrived_s: float) -> float:
        time_s = arrived_s
        if device_s is not None:
            if self._device_s is None or device_s < self._device_s:  # the first, or the clock has begun again
                self._shift_s = arrived_s - device_s
            time_s = device_s + self._shift_s
        self._device_s = device_s
        self._time_s = max(self._time_s, time_s)
        return self._time_s

    def _skipped(self, time_s: float, early: int) -> int:
        """Whole frame times by which a frame is late; negative if it is early, by no more than ``early``."""
        if self._index < 0:
            self._expected_s = time_s + self._period_s
            return 0
        late_s = time_s - self._expected_s
        skipped = max(-early, round(late_s / self._period_s))
        rest_s = late_s - skipped * self._period_s
        faster = rest_s < -0.5 * self._period_s  # much faster than it is set: go by its own pace
        self._expected_s = time_s - rest_s + (1.0 if faster else FOLLOW) * rest_s
        period_s = self._period_s + LEARN * rest_s
        self._period_s = min(max(period_s, (1 - PULL) * self._set_period_s), (1 + PULL) * self._set_period_s)
        self._expected_s += self._period_s
        return skipped
