"""Pushing every object that has a path, one after the other, each run recorded in a folder of its own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from microtwin.control.by_hand import ByHand
from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.panel.engine.cautious import Cautious, cautious
from microtwin.panel.engine.from_zero import FromZero
from microtwin.panel.engine.header import as_json
from microtwin.panel.engine.interlock import Stopped
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.recorder import Recorder
from microtwin.panel.engine.run_plan import RunPlan
from microtwin.panel.engine.slipping import SlipNotice
from microtwin.panel.messages import RunNow
from microtwin.recording import Trial
from microtwin.rig import Frame, LostError, Observation
from microtwin.run import Recording, run_trial

ENDS = "the run has ended"


class Running:
    """Runs a list of plans to their end, in the loop's thread.

    Args:
        obey: takes in the commands that have come; called with every frame. slips: hears what a hand wants.

    Attributes:
        by_hand: whether the field follows the hand now, as a run.
    """

    def __init__(self, live: Live, obey: Callable[[], None], slips: SlipNotice) -> None:
        self._live, self._obey, self._slips = live, obey, slips
        self.by_hand = False

    def push_all(self, plans: list[RunPlan], stops: int) -> None:
        """Push one after the other; a failure that is not merely a time limit ends it.

        Args:
            stops: how often the interlock had been stopped when this was asked for; a stop since then wins.

        Raises:
            RigError: the rig is broken; what was recorded is being saved.
        """
        live = self._live
        if not live.interlock.arm(stops):
            live.notices.say("not started: it was stopped meanwhile", "warning")
            return
        live.phase, live.paused = "running", False
        try:
            for turn, plan in enumerate(plans):
                if not self._push(plan, first=turn == 0):
                    left = len(plans) - turn - 1
                    if left:
                        live.notices.say(f"{left} more {'object was' if left == 1 else 'objects were'} not pushed")
                    return
        except Stopped as stop:
            live.notices.say(f"field off: {stop}")
        finally:
            live.phase, live.paused, self.by_hand = "watching", False, False
            with suppress(RigError):  # what ended the run tells more; if nothing did, the next tick says so
                live.interlock.stop(ENDS)  # counts as a stop: a key that is still held must be let go first

    def _push(self, plan: RunPlan, first: bool) -> bool:
        """One object; whether the next one may follow."""
        live, selection, say = self._live, self._live.selection, self._live.notices.say
        place = selection.objects[plan.number]
        if not first:
            selection.refresh(live.take(live.interlock.observe))
            if not place.found:
                say(f"object {plan.number + 1} is not found near its last place: select it again", "error")
                return False
        selection.activate(plan.number)
        rate_hz = live.interlock.frame_rate_hz
        controller = plan.controller(rate_hz)
        self.by_hand = plan.by_hand
        try:
            config = plan.config()  # now: a policy's file may change while it runs
            recorder = Recorder(live.out, plan.push.nodes_um, rate_hz, partial(self._on_saved, plan.number))
        except InputError as error:
            say(str(error), "error")
            return False
        begun = RunNow(
            folder=str(recorder.folder),
            controller=plan.start.controller,
            elapsed_s=0.0,
            limit_s=plan.push.limit_s,
            results=None,
        )
        live.run, facts = begun, {}
        clock = FromZero(
            cautious("the camera", lambda: live.take(live.interlock.observe)),
            cautious("the coils", live.command),
            rate_hz,
            cautious("the loop", self._holder(controller)),
        )
        follow = cautious("the tracker", clock.observer(self._follow))

        def on_frame(frame: Frame, seen: Observation, told: Any) -> None:
            if not facts:
                facts.update(self._facts(plan))
            live.run = {**begun, "elapsed_s": round(seen.time_s, 3)}
            recorder.see(frame, seen, told)
            live.publish(seen, told)

        recorder.start()
        live.files.append(recorder)
        live.recorded = recorder
        recorded = Recording(broken=True, reason="unfinished")
        try:
            watch = cautious("the recording", on_frame)
            recorded = run_trial(clock, follow, controller, time_limit_s=plan.push.limit_s, on_frame=watch)
        finally:
            facts["pauses"] = [{"at_s": round(at, 3), "lasted_s": round(lasted, 3)} for at, lasted in clock.pauses]
            recorder.finish(recorded, config | {"panel": facts})
        return self._judge(plan, recorded)

    def _holder(self, controller: Cautious):
        """What :class:`FromZero` asks with every frame: commands are taken in, the hand is heard, a pause is kept."""
        live = self._live

        def held(frame: Frame) -> bool:
            self._obey()
            if isinstance(controller.inner, ByHand):
                controller.inner.wish = live.hand.wish(live.interlock.stops)
                self._slips.look(controller.inner.wish)
            if not live.paused:
                return False
            if live.interlock.applied.amplitude:
                live.command(RotatingField.off())
            live.publish(self._follow(frame), controller)
            return True

        return held

    def _follow(self, frame: Frame) -> Observation:
        try:
            return self._live.selection.follow(frame)
        except InputError as error:  # at the first frame: nothing where a body was
            raise LostError(str(error)) from None

    def _facts(self, plan: RunPlan) -> dict[str, Any]:
        """What only a panel knows of a run."""
        selection, start = self._live.selection, asdict(plan.start)
        return {
            "object": plan.number + 1,
            "objects": len(selection.objects),
            "threshold_um": start["threshold_um"],
            "approach_um": start["approach_um"],
            "masks": {body: as_json(selection.mask(body)) for body in ("robot", "object")},
            "twin": self._live.bench.twin_settings(),
        }

    def _judge(self, plan: RunPlan, recorded: Recording) -> bool:
        """Say how it ended; whether the next one may follow."""
        live, which = self._live, f"object {plan.number + 1}"
        if recorded.success:
            return True
        if recorded.broken:
            live.notices.say(f"{which}: {recorded.reason}", "error")
            try:
                live.interlock.command(RotatingField.off())
            except RigError:  # it is gone, or refuses now whatever it is asked
                raise RigError(recorded.reason) from None
            return False
        if recorded.interrupted:
            live.notices.say(f"run ended: {recorded.reason}")
            return False
        if recorded.rows and recorded.rows[-1][1] >= plan.push.limit_s:
            live.notices.say(f"{which}: {recorded.reason}", "warning")
            return True
        live.notices.say(f"{which}: {recorded.reason}", "error")
        live.selection.drop_lost()
        return False

    def _on_saved(self, number: int, recorder: Recorder, trial: Trial | None, failure: str) -> None:
        """From the thread that saves."""
        live, name = self._live, recorder.folder.name
        if trial is None:
            live.notices.say(failure, "error")
            return
        if failure:
            live.notices.say(failure, "warning")
        how = f"finished in {trial.completion_time_s:.1f} s" if trial.success else "not finished"
        live.notices.say(f"object {number + 1}: {how}, error {trial.mae_um:.2f} µm: recorded as {name}")
