"""What turns the field off when nobody holds the reins, also while the loop waits for a frame that does not come."""

import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress

from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin.panel.engine.dead_man import GONE, Operator
from microtwin.panel.engine.hand import Hand
from microtwin.panel.engine.interlock import Interlock

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
        on = interlock.applied.amplitude > 0
        if interlock.stopped is not None:
            if on:  # a stop that the coils did not answer, as has been said
                with suppress(RigError):
                    interlock.command(RotatingField.off())
        elif self._operator.gone and (on or not self._paused()):
            self._on_error(f"field off: {GONE}")
            interlock.stop(GONE)
        elif on and self._by_hand() and not self._hand.wish(interlock.stops).amplitude:
            interlock.command(RotatingField.off())

    def _run(self) -> None:
        said = ""
        while not self._ended.wait(PERIOD_S):
            try:
                self.look()
            except Exception as error:  # whatever it is, the next look may be the one that turns the field off
                if not isinstance(error, RigError):
                    traceback.print_exc(file=sys.stderr)
                if str(error) != said:
                    said = str(error)
                    self._on_error(said)

    def __enter__(self) -> "Guard":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._ended.set()
        self._thread.join()
