"""What to say of a field that turns faster than the robot: rolling and spinning have limits of their own."""

import math
from collections.abc import Sequence

from microtwin.field import RotatingField
from microtwin.metrics import field_modes
from microtwin.panel.engine.live import Live
from microtwin.panel.engine.run_plan import RunPlan


def frequency_warning(
    frequency_hz: float | None, step_out_hz: float | None, spin_step_out_hz: float | None = None
) -> str | None:
    """A line if the robot will not follow a field this fast; None if it will, or if that is not known.

    Args:
        step_out_hz: of a robot that rolls. spin_step_out_hz: of one that spins; None for a controller that never does.
    """
    limits = [limit for limit in (step_out_hz, spin_step_out_hz) if limit]
    if not frequency_hz or not limits or frequency_hz <= min(limits):
        return None
    remedy = f"give {math.floor(min(limits))} Hz or less"
    if step_out_hz and frequency_hz > step_out_hz:
        what = f"the robot's step-out, {step_out_hz:.3g} Hz: it slips and becomes slower"
    else:
        what = f"step-out for spinning, {spin_step_out_hz:.3g} Hz: the robot slips whenever it spins beside the object"
    return f"{frequency_hz:g} Hz is above {what}; {remedy}"


def frequency_notice(live: Live, plans: Sequence[RunPlan]) -> None:
    """Warn of runs in a field that the robot will not follow in every mode that their controller uses."""
    bench = live.bench
    for hz, spins in sorted({(plan.frequency_hz, plan.spins) for plan in plans if plan.frequency_hz is not None}):
        words = frequency_warning(hz, bench.step_out_hz, bench.spin_step_out_hz if spins else None)
        if words:
            live.notices.say(words, "warning")


class SlipNotice:
    """Warns of what a hand wants, once for each mode until it is slow enough again in that mode."""

    def __init__(self, live: Live):
        self._live = live
        self._said: set[bool] = set()  # whether it spins

    def look(self, wanted: RotatingField) -> None:
        """The field that the hand wants now."""
        if not wanted.amplitude:
            return
        spins = bool(field_modes(wanted.gamma_rad))
        limit_hz = self._live.bench.spin_step_out_hz if spins else self._live.bench.step_out_hz
        if limit_hz is None or wanted.frequency_hz <= limit_hz:
            self._said.discard(spins)
            return
        if spins in self._said:
            return
        self._said.add(spins)
        above = f"{wanted.frequency_hz:g} Hz is above step-out for {'spinning' if spins else 'rolling'}"
        remedy = f"the robot slips; give {math.floor(limit_hz)} Hz or less"
        self._live.notices.say(f"{above}, {limit_hz:.3g} Hz: {remedy}", "warning")
