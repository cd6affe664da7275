"""Driving by hand without a run: the field is what the hand wants, as long as it wants it."""

from collections.abc import Callable

from microtwin.errors import InputError
from microtwin.panel.engine.interlock import Stopped
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.slipping import SlipNotice


class Driving:
    """Follows the hand, in the loop's thread.

    Args:
        slips: hears what the hand wants. stop: turns the field off for a reason that people are told.
    """

    def __init__(self, live: Live, slips: SlipNotice, stop: Callable[[str], None]):
        self._live, self._slips, self._stop = live, slips, stop
        self._barred_said = False

    def follow(self) -> None:
        """Command what the hand wants now, or nothing once it has let go.

        Raises:
            RigError: the coils do not answer.
        """
        live = self._live
        stops = live.interlock.stops
        wish = live.hand.wish(stops)
        if wish.amplitude and not live.operator.gone:
            if not live.driving:
                live.driving = live.interlock.arm(stops)  # not those of another wish, heard since
            if live.driving:
                try:
                    live.command(wish)
                    self._slips.look(wish)
                except Stopped:
                    live.driving = False
                except InputError as error:  # coils that cannot make this field
                    live.driving = False
                    self._stop(str(error))
        elif live.driving:
            self.let_go()
        if live.hand.barred and not self._barred_said:
            live.notices.say("let go of the key, then press it again: the field was stopped", "warning")
        self._barred_said = live.hand.barred

    def let_go(self) -> None:
        """No field any more; harmless when nobody drives.

        Raises:
            RigError: the coils do not answer.
        """
        live = self._live
        if live.driving:
            live.driving = False
            live.interlock.disarm()
