"""The one control loop, for any rig, observer and controller."""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd

from microtwin.field import RotatingField
from microtwin.rig import Controller, Frame, LostError, Observation, Observer, Rig, RigError


@dataclass
class Recording:
    """What one trial did, frame by frame.

    Attributes:
        success: the controller finished before the time limit.
        interrupted: the loop was stopped from outside.
        rows: one tuple per frame, in the order of :data:`COLUMNS`.
        reason: why it did not succeed; empty if it did.
        broken: the rig stopped answering.
    """

    success: bool = False
    interrupted: bool = False
    rows: list[tuple] = field(default_factory=list)
    reason: str = ""
    broken: bool = False

    def table(self) -> pd.DataFrame:
        """The rows with their names and units; one row per frame."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


COLUMNS = (
    "frame",
    "time_s",
    "robot_x_um",
    "robot_y_um",
    "object_x_um",
    "object_y_um",
    "alpha_rad",
    "gamma_rad",
    "frequency_hz",
    "amplitude",
    "mode",
    "goal_index",
)


def run_trial(
    rig: Rig,
    observer: Observer,
    controller: Controller,
    *,
    time_limit_s: float,
    on_frame: Callable[[Frame, Observation, Controller], None] | None = None,
) -> Recording:
    """Close the loop until the controller is done or ``time_limit_s`` of the rig's time have passed.

    The field goes off at the end, whatever ends it. Ctrl-C, an observer that has lost a body, and a rig that no longer
    answers end the trial with everything recorded so far and the reason.
    """
    recording = Recording()
    try:
        while True:
            frame = rig.observe()
            observation = observer(frame)
            wanted = controller.act(observation)
            applied = rig.command(wanted)
            recording.rows.append(_row(observation, applied, controller))
            if on_frame:
                on_frame(frame, observation, controller)
            if controller.done:
                recording.success = True
                break
            if observation.time_s >= time_limit_s:
                recording.reason = f"not finished after {time_limit_s:g} s"
                break
    except KeyboardInterrupt as stop:
        recording.interrupted, recording.reason = True, str(stop) or "stopped by hand"
    except LostError as error:
        recording.reason = str(error)
    except RigError as error:
        recording.broken, recording.reason = True, str(error)
    finally:
        with contextlib.suppress(RigError):  # whoever no longer answers has a watchdog of its own
            rig.command(RotatingField.off())
    return recording


def _row(seen: Observation, applied: RotatingField, controller: Controller) -> tuple:
    return (
        seen.index,
        seen.time_s,
        float(seen.robot_um[0]),
        float(seen.robot_um[1]),
        float(seen.object_um[0]),
        float(seen.object_um[1]),
        math.remainder(applied.alpha_rad, 2 * math.pi),
        applied.gamma_rad,
        applied.frequency_hz,
        applied.amplitude,
        controller.mode,
        controller.goal_index,
    )
