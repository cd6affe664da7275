"""Opening the rig, closing it, opening it again, and building the twin anew."""

import gc
import sys
import traceback

from microtwin.errors import InputError, RigError
from microtwin.panel import messages as m
from microtwin.panel.engine.driving import Driving
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.words import for_the_page

WARM_TICKS = 3  # with the first the twin compiles and the camera settles


class Opening:
    """The rig behind the interlock: there, or not and why."""

    def __init__(self, live: Live, driving: Driving):
        self._live, self._driving = live, driving

    def open(self) -> None:
        """Open what the options name.

        Raises:
            InputError, RigError: it does not open.
        """
        live = self._live
        live.phase, live.reason = "preparing", ""
        live.publish()
        _load()
        _collect()
        live.bench.open()
        self._warm_up(another_scene=True)

    def reopen(self, command: m.Reopen) -> None:
        """Once more, after it broke.

        Raises:
            InputError: it is open. RigError: it does not open.
        """
        if self._live.phase != "broken":
            raise InputError("the rig is open: there is nothing to reopen")
        try:
            self.open()
        except InputError as error:
            self.broke(str(error))

    def set_twin(self, command: m.SetTwin) -> None:
        """Another twin.

        Raises:
            InputError: there is none, or its settings cannot be used; what was open stays.
        """
        live = self._live
        if live.bench.twin is None:
            raise InputError(f"the backend is {live.bench.backend!r}: only the twin has such settings")
        self._driving.let_go()
        before, reason, live.phase, live.reason = live.phase, live.reason, "preparing", ""
        live.publish()
        _collect()
        try:
            another = live.bench.rebuild(command.settings)
        except InputError:
            live.phase, live.reason = before, reason
            raise
        self._warm_up(another)

    def broke(self, reason: str) -> None:
        """Field off and the rig left, so that it can be opened again."""
        live, reason = self._live, for_the_page(reason)
        self.close(reason)
        live.phase, live.reason = "broken", reason
        if not any(one["text"].endswith(reason) for one in live.notices.kept()[-2:]):  # a run has said it already
            live.notices.say(reason, "error")

    def close(self, reason: str) -> None:
        """Field off and the rig left, whatever the coils say."""
        live = self._live
        live.driving = False
        try:
            live.interlock.stop(reason)
        except RigError:
            pass
        except Exception:
            traceback.print_exc(file=sys.stderr)
        live.bench.close()
        live.interlock.put(None)

    def _warm_up(self, another_scene: bool) -> None:
        """The rig is there: its first frames are not shown."""
        live = self._live
        live.interlock.put(live.bench.rig)
        if another_scene:
            live.selection.clear()
            live.frame = None
            for _ in range(WARM_TICKS):
                live.take(live.interlock.rig.observe)
            gc.freeze()  # to collect all that is there now takes longer than a frame: leave it out from here on
        live.timing.restart()
        live.phase = "watching"


def _load() -> None:
    """What the end of a run needs: loading it then would hold up the heartbeat of open coils, as collecting does."""
    import matplotlib.backends.backend_agg  # noqa: F401
    import pyarrow.parquet  # noqa: F401


def _collect() -> None:
    """Collect garbage before a rig is opened: no other thread runs meanwhile, and open coils need their heartbeat."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
