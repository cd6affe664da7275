"""The engine's loop: watching, driving by hand, running; and the commands that come meanwhile."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from microtwin.errors import InputError, RigError
from microtwin.panel import messages as m
from microtwin.panel.engine.bench import Bench
from microtwin.panel.engine.driving import Driving
from microtwin.panel.engine.guard import Guard
from microtwin.panel.engine.interlock import Stopped
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.object_paths import ObjectPaths
from microtwin.panel.engine.opening import Opening
from microtwin.panel.engine.orders import Orders
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.running import Running
from microtwin.panel.engine.slipping import SlipNotice, frequency_notice
from microtwin.panel.engine.uplink import Uplink

IDLE_S = 0.2  # between packets while there is no rig


class Loop:
    """Everything the engine does, but the pipe.

    Args:
        bench: closed. out: folder of runs. uplink: where packets go; entered by the caller.
    """

    def __init__(self, bench: Bench, out: Path, uplink: Uplink):
        self.live = live = Live(bench, out, uplink)
        self._ending = threading.Event()
        slips = SlipNotice(live)
        self._driving = Driving(live, slips, self._stop)
        self._rig = Opening(live, self._driving)
        self._paths = paths = ObjectPaths(live)
        selection = live.selection
        self._orders = Orders(
            live,
            {
                m.Detect: lambda c, _: selection.detect(live.picture),
                m.SelectRobot: lambda c, _: selection.select_robot(live.picture, c.at_px),
                m.SelectObject: lambda c, _: selection.select_object(live.picture, c.at_px, c.add),
                m.SetMask: lambda c, _: selection.set_mask(c.body, c.settings, live.picture),
                m.ShowMask: lambda c, _: setattr(live, "shown", c.body),
                m.Draw: lambda c, _: paths.draw(c),
                m.LoadPath: lambda c, _: self._load_path(c),
                m.SavePath: lambda c, _: paths.save(c),
                m.ClearPath: lambda c, _: paths.clear(c),
                m.Start: self._start,
                m.Pause: lambda c, _: self._pause(c),
                m.SetTwin: lambda c, _: self._rig.set_twin(c),
                m.Disturb: lambda c, _: live.notices.say(bench.knock()),
                m.Reopen: lambda c, _: self._rig.reopen(c),
            },
        )
        self._running = Running(live, self._orders.obey, slips)

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
            self._orders.add(command)

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
            live.notices.say(f"field off: {reason}")

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
            self._carefully(self._rig.open)
            while not self._ending.is_set() and not live.uplink.gone:
                self._carefully(self._idle if live.phase == "broken" else self._tick)
            self._rig.close("the panel is closed")
            live.phase = "saving" if live.files else live.phase
            self._carefully(live.publish)
            for one in live.files:
                one.wait()

    def _carefully(self, step: Callable[[], None]) -> None:
        """A step of the loop, which outlives whatever goes wrong in it."""
        try:
            step()
        except Stopped as stop:
            self.live.notices.say(f"field off: {stop}")
        except KeyboardInterrupt:
            self.end("interrupted")
        except (RigError, InputError) as error:
            self._rig.broke(str(error))
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._rig.broke(f"{type(error).__name__}: {error}: see the terminal, then press Open again")

    def _tick(self) -> None:
        live = self.live
        frame = live.take(live.interlock.rig.observe)
        live.selection.see(frame)
        self._driving.follow()
        live.publish()
        self._orders.obey()

    def _idle(self) -> None:
        self.live.publish()
        deadline_s = time.monotonic() + IDLE_S
        while self._orders.empty and not self._ending.wait(0.02) and time.monotonic() < deadline_s:
            pass
        self._orders.obey()

    def _load_path(self, command: m.LoadPath) -> None:
        self._driving.let_go()  # fitting a shape may take a second: a rig's watchdog would trip on a field meanwhile
        self._paths.load(command)

    # runs

    def _start(self, start: m.Start, stops: int) -> None:
        live, selection = self.live, self.live.selection
        if selection.robot is None or not selection.objects:
            raise InputError("select the robot and an object first: click on them, or detect")
        if all(one.nodes_um is None for one in selection.objects):
            raise InputError("no object has a path: draw or load one first")
        self._driving.let_go()
        live.phase = "preparing"
        live.publish()
        try:
            plans = [
                RunPlan.of(start, number, place, live.bench)
                for number, place in enumerate(selection.objects)
                if place.nodes_um is not None
            ]
            frequency_notice(live, plans)
            self._paths.look_again()
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
