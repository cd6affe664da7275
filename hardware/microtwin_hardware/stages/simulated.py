"""A stage that is not there: for tests, demonstrations and rigs without one."""

import math
import time
from collections.abc import Callable
from typing import Self

from microtwin_hardware.config import StageConfig
from microtwin_hardware.stages.travel import Travel, check_known, number

OPTIONS = ("min_um", "max_um", "start_um", "speed_um_s", "settle_ms")


class SimulatedStage:
    """Moves at a finite speed, then settles.

    Options: ``min_um``, ``max_um``, ``start_um``, ``speed_um_s``, ``settle_ms``.

    Args:
        config: of the stage. clock: seconds. sleep: waits so many seconds of that clock.

    Raises:
        InputError: an unknown option, or a value that a stage cannot have.
    """

    def __init__(
        self,
        config: StageConfig | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        options = config.options if config else {}
        check_known(options, OPTIONS)
        self.travel = Travel(number(options, "min_um", 0.0), number(options, "max_um", 100.0))
        self.speed_um_s = number(options, "speed_um_s", 1000.0, low=1e-3)
        self.settle_s = number(options, "settle_ms", 10.0, low=0.0) / 1000.0
        self._clock, self._sleep = clock, sleep
        self._from_um = self._to_um = self.travel.check(number(options, "start_um", self.travel.min_um))
        self._began_s = clock()

    @property
    def position_um(self) -> float:
        """Where it is at this moment, on the way too."""
        way_um = self._to_um - self._from_um
        gone_um = min(abs(way_um), self.speed_um_s * (self._clock() - self._began_s))
        return self._from_um + math.copysign(gone_um, way_um)

    @property
    def travel_um(self) -> tuple[float, float]:
        return self.travel.min_um, self.travel.max_um

    def head_for(self, z_um: float) -> None:
        """Set out for there from wherever it is now.

        Raises:
            InputError: outside the travel; it goes on as before.
        """
        target_um = self.travel.check(z_um)
        self._from_um, self._to_um, self._began_s = self.position_um, target_um, self._clock()

    def move_to(self, z_um: float) -> None:
        """The same, and wait until it has settled.

        Raises:
            InputError: outside the travel; it goes on as before.
        """
        self.head_for(z_um)
        arrival_s = self._began_s + abs(self._to_um - self._from_um) / self.speed_um_s + self.settle_s
        while (left_s := arrival_s - self._clock()) > 0:
            self._sleep(left_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        pass
