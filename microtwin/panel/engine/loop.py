"""The engine's loop: watching, driving by hand, running; and the commands that come meanwhile."""

import gc
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from microtwin.errors import InputError, RigError
from microtwin.panel import messages as m
from microtwin.panel.engine.bench import Bench
from microtwin.panel.engine.guard import Guard
from microtwin.panel.engine.interlock import Stopped
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.object_paths import ObjectPaths
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.running import Running, frequency_notice
from microtwin.panel.engine.uplink import Uplink

IDLE_S = 0.2  # between packets while there is no rig
WARM_TICKS = 3  # with the first the twin compiles and the camera settles
WHILE_RUNNING = (m.Pause, m.SetMask, m.ShowMask, m.Disturb, m.SavePath)
WITHOUT_RIG = (m.Reopen, m.SetTwin, m.Pause, m.ShowMask)


class Loop:
    """Everything the engine does, but the pipe.

    Args:
        bench: closed. out: folder of runs. uplink: where packets go; entered by the caller.
    """

    def __init__(self, bench: Bench, out: Path, uplink: Uplink):
        self.live = Live(bench, out, uplink)
        self._commands: queue.SimpleQueue[tuple[m.Command, int]] = queue.SimpleQueue()
        self._ending = threading.Event()
        self._running = Running(self.live, self._obey)
        self._barred_said = False
        paths = ObjectPaths(self.live)
        self._do: dict[type, Callable[[Any], None]] = {
            m.Detect: lambda _: self.live.selection.detect(self.live.picture),
            m.SelectRobot: lambda c: self.live.selection.select_robot(self.live.picture, c.at_px),
            m.SelectObject: lambda c: self.live.selection.select_object(self.live.picture, c.at_px, c.add),
            m.SetMask: lambda c: self.live.selection.set_mask(c.body, c.settings, self.live.picture),
            m.ShowMask: self._show_mask,
            m.Draw: paths.draw,
            m.LoadPath: paths.load,
            m.SavePath: paths.save,
            m.ClearPath: paths.clear,
            m.Pause: self._pause,
            m.SetTwin: self._set_twin,
            m.Disturb: lambda _: self.live.notices.say(bench.knock()),
            m.Reopen: self._reopen,
        }

    # from other threads

    def hear(self, command: m.Command) -> None:
        """Take a command: what is urgent is done here and now, all else waits for the loop."""
        live = self.live
        if isinstance(command, m.Alive):
            live.operator.heard()
        elif isinstance(command, m.Drive):
            try:
                live.hand.hear(command, live.interlock.stops, live.interlock.stopped_s)
            except InputError as error:
                live.notices.say(str(error), "warning")
        elif isinstance(command, m.Stop):
            self._stop(command.reason)
        elif isinstance(command, m.Quit):
            self.end("the panel is closed")
        else:
            self._commands.put((command, live.interlock.stops))

    def end(self, reason: str) -> None:
        """Field off; the loop saves what runs and ends."""
        self._ending.set()
        self._stop(reason)

    def _stop(self, reason: str) -> None:
        live = self.live
        was_on = live.interlock.stopped is None
        try:
            live.interlock.stop(reason)
        except RigError as error:
            live.notices.say(f"stopped, but {error}", "error")
        if was_on and live.phase != "running":  # a run says so itself
            live.notices.say(f"stopped: {reason}")

    # the loop

    def run(self) -> None:
        """Until it is ended. The rig is closed and everything saved then."""
        live = self.live
        guard = Guard(
            live.interlock,
            live.operator,
            live.hand,
            by_hand=lambda: live.driving or self._running.by_hand,
            paused=lambda: live.paused,
            on_error=lambda text: live.notices.say(text, "error"),
        )
        with guard:
            self._carefully(self._open)
            while not self._ending.is_set() and not live.uplink.gone:
                self._carefully(self._idle if live.phase == "broken" else self._tick)
            self._close("the panel is closed")
            live.phase = "saving" if live.files else live.phase
            self._carefully(live.publish)
            for one in live.files:
                one.wait()

    def _carefully(self, step: Callable[[], None]) -> None:
        """A step of the loop, which outlives whatever goes wrong in it."""
        try:
            step()
        except Stopped as stop:
            self.live.notices.say(f"stopped: {stop}")
        except KeyboardInterrupt:
            self.end("interrupted")
        except (RigError, InputError) as error:
            self._broke(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._broke(f"{type(error).__name__}: {error}: see the terminal, and reopen")

    def _tick(self) -> None:
        live = self.live
        frame = live.take(live.interlock.rig.observe)
        live.selection.see(frame)
        self._drive()
        live.publish()
        self._obey()

    def _idle(self) -> None:
        self.live.publish()
        deadline_s = time.monotonic() + IDLE_S
        while self._commands.empty() and not self._ending.wait(0.02) and time.monotonic() < deadline_s:
            pass
        self._obey()

    def _drive(self) -> None:
        """Without a run the field is what the hand wants, as long as it wants it."""
        live = self.live
        stops = live.interlock.stops
        wish = live.hand.wish(stops)
        if wish.amplitude and not live.operator.gone:
            if not live.driving:
                live.driving = live.interlock.arm(stops)  # not those of another wish, heard since
            if live.driving:
                try:
                    live.command(wish)
                except Stopped:
                    live.driving = False
                except InputError as error:  # coils that cannot make this field
                    live.driving = False
                    self._stop(str(error))
        elif live.driving:
            self._let_go()
        if live.hand.barred and not self._barred_said:
            live.notices.say("let go of the key, then press it again: the field was stopped", "warning")
        self._barred_said = live.hand.barred

    def _let_go(self) -> None:
        self.live.driving = False
        self.live.interlock.disarm()

    def _broke(self, reason: str) -> None:
        """Field off and the rig left, so that it can be opened again."""
        live = self.live
        self._close(reason)
        live.phase, live.reason = "broken", reason
        if not any(one["text"].endswith(reason) for one in live.notices.kept()[-2:]):  # a run has said it already
            live.notices.say(reason, "error")

    def _close(self, reason: str) -> None:
        """Field off and the rig left, whatever the coils say."""
        live = self.live
        live.driving = False
        try:
            live.interlock.stop(reason)
        except RigError:
            pass
        except Exception:
            traceback.print_exc(file=sys.stderr)
        live.bench.close()
        live.interlock.put(None)

    # commands

    def _obey(self) -> None:
        """Do what was asked for meanwhile; what cannot be done is said in words."""
        live = self.live
        while not self._commands.empty():
            command, stops = self._commands.get()
            name = type(command).__name__
            try:
                if live.phase == "running" and not isinstance(command, WHILE_RUNNING):
                    raise InputError(f"{_WORDS.get(name, name)}: not while a run goes on, stop it first")
                if live.phase == "broken" and not isinstance(command, WITHOUT_RIG):
                    raise InputError(f"{_WORDS.get(name, name)}: the rig is not open, reopen it first")
                if isinstance(command, m.Start):
                    self._start(command, stops)
                elif type(command) in self._do:
                    self._do[type(command)](command)
                else:
                    raise InputError(f"{name}: no such command")
            except InputError as error:
                live.notices.say(str(error), "warning")
            except (TypeError, ValueError, IndexError) as error:  # not what the pages send
                traceback.print_exc(file=sys.stderr)
                live.notices.say(f"{_WORDS.get(name, name)}: {error}", "error")

    def _show_mask(self, command: m.ShowMask) -> None:
        self.live.shown = command.body

    def _start(self, start: m.Start, stops: int) -> None:
        live, selection = self.live, self.live.selection
        if selection.robot is None or not selection.objects:
            raise InputError("select the robot and an object first: click on them, or detect")
        if all(one.nodes_um is None for one in selection.objects):
            raise InputError("no object has a path: draw or load one first")
        if live.driving:
            self._let_go()
        live.phase = "preparing"
        live.publish()
        try:
            plans = [
                RunPlan.of(start, number, place, live.bench)
                for number, place in enumerate(selection.objects)
                if place.nodes_um is not None
            ]
            frequency_notice(live, plans)
        finally:
            live.phase = "watching"
            live.timing.restart()
        if live.operator.gone:  # asked last: to load a policy takes seconds
            raise InputError("not started: the operator's browser is not heard")
        self._running.push_all(plans, stops)

    def _pause(self, command: m.Pause) -> None:
        live = self.live
        if live.phase != "running":
            raise InputError("nothing to pause: no run goes on")
        if not command.paused and live.operator.gone:
            raise InputError("not resumed: the operator's browser is not heard")
        live.paused = command.paused

    # the rig

    def _open(self) -> None:
        live = self.live
        live.phase, live.reason = "preparing", ""
        live.publish()
        _load()
        _collect()
        live.bench.open()
        self._opened(another_scene=True)

    def _opened(self, another_scene: bool) -> None:
        """The rig is there: warm it up behind the interlock."""
        live = self.live
        live.interlock.put(live.bench.rig)
        if another_scene:
            live.selection.clear()
            live.frame = None
            for _ in range(WARM_TICKS):
                live.take(live.interlock.rig.observe)
            gc.freeze()  # to collect all that is there now takes longer than a frame: leave it out from here on
        live.timing.restart()
        live.phase = "watching"

    def _reopen(self, command: m.Reopen) -> None:
        if self.live.phase != "broken":
            raise InputError("the rig is open: there is nothing to reopen")
        try:
            self._open()
        except InputError as error:
            self._broke(str(error))

    def _set_twin(self, command: m.SetTwin) -> None:
        live = self.live
        if live.bench.twin is None:
            raise InputError(f"the backend is {live.bench.backend!r}: only the twin has such settings")
        if live.driving:
            self._let_go()
        before, reason, live.phase, live.reason = live.phase, live.reason, "preparing", ""
        live.publish()
        _collect()
        try:
            another = live.bench.rebuild(command.settings)
        except InputError:
            live.phase, live.reason = before, reason
            raise
        self._opened(another)


def _load() -> None:
    """What the end of a run needs: loading it then would hold up the heartbeat of open coils, as collecting does."""
    import matplotlib.backends.backend_agg  # noqa: F401
    import pyarrow.parquet  # noqa: F401


def _collect() -> None:
    """Collect garbage before a rig is opened: no other thread runs meanwhile, and open coils need their heartbeat."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


_WORDS = {
    "Detect": "detecting",
    "SelectRobot": "selecting",
    "SelectObject": "selecting",
    "SetMask": "setting a mask",
    "Draw": "drawing a path",
    "LoadPath": "loading a path",
    "SavePath": "saving a path",
    "ClearPath": "clearing a path",
    "Start": "starting",
    "SetTwin": "changing the twin",
    "Disturb": "disturbing",
    "Reopen": "reopening",
}
