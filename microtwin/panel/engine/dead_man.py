"""Whether the operator's browser still shows signs of life: the dead man's switch."""

import math
import time
from collections.abc import Callable

from microtwin.panel.messages import OPERATOR_GONE_S

GONE = f"the operator's browser was not heard for {OPERATOR_GONE_S:g} s"


class Operator:
    """Hears signs of life, from any thread.

    Args:
        clock: s; monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._heard_s = -math.inf

    def heard(self) -> None:
        self._heard_s = self._clock()

    @property
    def gone(self) -> bool:
        return self._clock() - self._heard_s > OPERATOR_GONE_S
