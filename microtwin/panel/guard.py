"""What turns the field off when nobody holds the reins, also while the loop waits for a frame that does not come."""

import threading
from collections.abc import Callable

from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin.panel.dead_man import GONE, Operator
from microtwin.panel.hand import Hand
from microtwin.panel.interlock import Interlock

PERIOD_S = 0.05


class Guard:
    """A thread that looks every 50 ms, from entering to leaving.

    Args:
        by_hand: whether the field now follows the hand. paused: whether a run waits with the field off; nobody need be
            there then.
        on_error: hears what went wrong with turning the field off, and that the operator is gone.
    """

    def __init__(
        self,
        interlock: Interlock,
        operator: Operator,
        hand: Hand,
        *,
        by_hand: Callable[[], bool],
        paused: Callable[[], bool],
        on_error: Callable[[str], None],
    ):
        self._interlock, self._operator, self._hand = interlock, operator, hand
        self._by_hand, self._paused, self._on_error = by_hand, paused, on_error
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="panel-guard", daemon=True)

    def look(self) -> None:
        """Turn the field off if it must be."""
        interlock = self._interlock
        if interlock.stopped is not None:
            return
        on = interlock.applied.amplitude > 0
        if self._operator.gone and (on or not self._paused()):
            self._on_error(f"field off: {GONE}")
            interlock.stop(GONE)
        elif on and self._by_hand() and not self._hand.wish(interlock.stops).amplitude:
            interlock.command(RotatingField.off())

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            try:
                self.look()
            except RigError as error:
                self._on_error(str(error))

    def __enter__(self) -> "Guard":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        self._thread.join()
