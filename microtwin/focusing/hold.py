"""The loop that holds a depth, on any rig with a stage; and the question whether that stage moves the right way."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from microtwin.errors import InputError
from microtwin.perception.focus import FocusController, Sight
from microtwin.rig import FocusRig, Frame, LostError, RigError, Stage

PROBE_UM = 1.0  # a move that every estimator sees, and no sample minds
PROBE_FRAMES = 8  # looked at in each place, after the move has had time to arrive
PROBE_PATIENCE = 48  # frames without a robot in them before the probe gives up
LEAST_GAIN, MOST_GAIN = 0.3, 3.0  # of the depth read over the way moved

COLUMNS = (
    "frame",
    "time_s",
    "stage_um",  # when the frame was taken
    "asked_um",  # where it was sent when the frame had arrived; NaN where it was left alone
    "read_um",  # the depth read from the frame, NaN where the robot was lost
    "read_sd_um",
    "drift_um_s",  # the filter's
    "wait_ms",  # from the frame in hand to the stage's command
    "true_um",  # the depth when the frame was taken; NaN on a rig that does not know
)


@dataclass
class Hold:
    """What a run did, a row a frame in the order of :data:`COLUMNS`, and why it ended early, if it did."""

    rows: list[tuple] = field(default_factory=list)
    interrupted: bool = False
    broken: bool = False
    reason: str = ""

    def table(self) -> pd.DataFrame:
        """The rows with their names and units."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def stage_of(rig: FocusRig) -> Stage:
    """The rig's stage.

    Raises:
        InputError: it has none.
    """
    if rig.stage is None:
        raise InputError("this rig has no stage: describe it under [stage] in its TOML file, see docs/hardware.md")
    return rig.stage


def hold(
    rig: FocusRig,
    controller: FocusController,
    *,
    seconds: float,
    on_frame: Callable[[Frame, FocusController], None] | None = None,
) -> Hold:
    """Hold the controller's depth for ``seconds`` of the rig's time; the rig is entered already.

    Ctrl-C and a rig that no longer answers end it with everything recorded so far. The stage stays where it is then.
    """
    stage, run, begun_s = stage_of(rig), Hold(), math.nan
    try:
        while True:
            frame = rig.observe()
            seen_s = time.perf_counter()
            begun_s = frame.time_s if math.isnan(begun_s) else begun_s
            asked_um = controller.act(frame, stage.position_um)
            if asked_um is not None:
                stage.head_for(asked_um)
            wait_ms = 1000 * (time.perf_counter() - seen_s)
            run.rows.append(_row(frame, begun_s, asked_um, controller, wait_ms))
            if on_frame:
                on_frame(frame, controller)
            if frame.time_s - begun_s >= seconds:
                break
    except KeyboardInterrupt:
        run.interrupted, run.reason = True, "stopped by hand"
    except RigError as error:
        run.broken, run.reason = True, str(error)
    return run


def probe(rig: FocusRig, sight: Sight) -> float:
    """Move the stage up, down again, and look: µm of depth per µm of stage, about 1.

    A stage that moves the wrong way would run away from the target instead of towards it. The two ways cancel a steady
    drift. It ends where it began.

    Raises:
        InputError: the depth does not follow, or it follows upside down; no robot is in view. RigError: the rig does
            not answer.
    """
    stage = stage_of(rig)
    low, high = stage.travel_um
    home_um = stage.position_um
    up = 1.0 if home_um + PROBE_UM <= high else -1.0
    if not low <= home_um + up * PROBE_UM <= high:
        raise InputError(f"the stage can go from {low:g} to {high:g} µm: it needs {PROBE_UM:g} µm to hold a depth")
    seen = []
    try:
        for place_um in (home_um, home_um + up * PROBE_UM, home_um):
            stage.move_to(place_um)
            seen.append(_looked(rig, sight))
    except InputError:
        stage.move_to(home_um)
        raise
    gain = up * (seen[1] - (seen[0] + seen[2]) / 2) / PROBE_UM
    if gain < -LEAST_GAIN:
        raise InputError(
            "the stage moves the depth the wrong way: set direction = -1 under [stage] (or 1, if it is -1)"
        )
    if not LEAST_GAIN <= gain <= MOST_GAIN:
        raise InputError(
            f"the depth read follows the stage by {gain:.2f} µm per µm: check that the stage moves the focus, that "
            "its unit is µm, and that the checkpoint knows this robot"
        )
    return gain


def _looked(rig: FocusRig, sight: Sight) -> float:
    """Median depth of some frames that were taken after now."""
    depths: list[float] = []
    lost = ""
    for count in range(PROBE_PATIENCE):
        frame = rig.observe()
        if count < PROBE_FRAMES // 2:  # still of before
            continue
        try:
            depths.append(sight(frame).depth_um)
        except LostError as error:
            lost = str(error)
        if len(depths) == PROBE_FRAMES:
            return float(np.median(depths))
    raise InputError(f"{lost}; bring the robot into view and into focus, then start again")


def _row(frame, begun_s, asked_um, controller, wait_ms) -> tuple:
    return (
        frame.index,
        frame.time_s - begun_s,
        controller.stage_um,
        math.nan if asked_um is None else asked_um,
        controller.reading.depth_um,
        controller.reading.sd_um,
        controller.drift.rate_um_s,
        wait_ms,
        getattr(frame, "depth_um", math.nan),
    )
