"""Real coils, a real camera and its focus behind the rig contract: what ``backend="hardware"`` opens."""

import atexit
import logging
import math
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from microtwin import signals
from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.rig import COILS, Camera, CoilReading, Coils, Frame, Stage

_LOG = logging.getLogger(__name__)
REMEMBERED = 10_000  # ticks whose latency is kept


class HardwareRig:
    """Coils, camera and stage as one rig, in the camera's axes and with its clock, which begins with the first frame.

    Entering it opens the camera before the coils, so that nothing is energised without a picture; leaving it, an
    exception, SIGINT and SIGTERM turn the field off. Ctrl-C and SIGTERM end a run alike: with everything recorded.

    Args:
        coils, camera: opened and closed with the rig.
        stage: the same; None where the focus is not driven. Only :mod:`microtwin.focusing.hold` moves it.
        rotation_rad: heading seen in the image minus heading commanded.
        timeout_s: a frame that takes longer means the camera is gone.
        step_out_hz: highest frequency that the robot follows, as it was measured; None if it was not.

    Attributes:
        latency_s: how long the last frame had been in the computer when it was handed out; None if the camera does
            not say. What exposure and transfer took comes before it.
        waits_s: of the last ticks, from a frame in hand to the coils' answer: tracking, control and the link.
    """

    def __init__(
        self,
        coils: Coils,
        camera: Camera,
        *,
        stage: Stage | None = None,
        rotation_rad: float = 0.0,
        timeout_s: float = 1.0,
        step_out_hz: float | None = None,
    ):
        if not math.isfinite(rotation_rad):
            raise InputError(f"camera–field rotation is {rotation_rad}: give an angle")
        self.coils, self.camera, self.stage = coils, camera, stage
        self.step_out_hz = step_out_hz
        self.latency_s: float | None = None
        self.waits_s: deque[float] = deque(maxlen=REMEMBERED)
        self._rotation_rad, self._timeout_s = rotation_rad, timeout_s
        self._stack = ExitStack()
        self._began_s: float | None = None
        self._seen_s = math.nan

    @property
    def frame_rate_hz(self) -> float:
        return self.camera.frame_rate_hz

    @property
    def dropped(self) -> int:
        """Frames so far that nobody read."""
        return self.camera.dropped

    def coil_reading(self) -> CoilReading | None:
        """The currents, A; None from coils that do not measure them.

        Raises:
            RigError: the coils do not answer.
        """
        currents_a = self.coils.currents_a()
        return None if currents_a is None else CoilReading(COILS, tuple(np.asarray(currents_a).tolist()), "A")

    def command(self, field: RotatingField) -> RotatingField:
        """Apply a field given in the image's axes; what is really applied, in the same axes.

        Raises:
            RigError: the coils do not answer, or have switched themselves off.
        """
        applied = self.coils.apply(replace(field, alpha_rad=field.alpha_rad - self._rotation_rad))
        if field.amplitude:
            self.waits_s.append(time.monotonic() - self._seen_s)
        return replace(applied, alpha_rad=applied.alpha_rad + self._rotation_rad)

    def observe(self) -> Frame:
        """The next frame, its time counted from the first one.

        Raises:
            RigError: none came in time, or the picture is frozen.
        """
        frame = self.camera.read(self._timeout_s)
        self._seen_s = time.monotonic()
        age_s = getattr(self.camera, "age_s", math.nan)
        self.latency_s = age_s if math.isfinite(age_s) else None
        if self._began_s is None:
            self._began_s = frame.time_s
        return replace(frame, time_s=frame.time_s - self._began_s)

    def __enter__(self) -> Self:
        self._began_s = None
        with ExitStack() as stack:
            stack.enter_context(self.camera)
            if self.stage is not None:
                stack.enter_context(self.stage)
            stack.enter_context(self.coils)
            stack.enter_context(signals.as_ctrl_c())
            self._stack = stack.pop_all()
        for note in [*getattr(self.coils, "notes", ()), *getattr(self.camera, "notes", ())]:
            _LOG.warning("%s", note)
        atexit.register(self.__exit__)  # who never leaves: a camera's thread must not outlive the interpreter
        return self

    def __exit__(self, *exception) -> None:
        atexit.unregister(self.__exit__)
        with self._stack, suppress(RigError):
            self.coils.off()


def open_hardware(config: str | Path | None = None, dry_run: bool = False) -> HardwareRig:
    """The rig that a TOML file describes, not entered yet.

    With ``dry_run`` its coils only print what they would send, and its stage is left out.

    Raises:
        InputError: no file named, a value in it that cannot be used, a driver that is not installed.
    """
    from microtwin_hardware.cameras import open_camera
    from microtwin_hardware.coils import open_coils
    from microtwin_hardware.coils.dry import DryCoils
    from microtwin_hardware.config import load
    from microtwin_hardware.stages import open_stage

    if config is None:
        raise InputError("backend hardware has no settings: give --config rig.toml; microtwin calibrate-rig writes one")
    settings = load(Path(config))
    dry = dry_run and settings.coils.profile != "none"
    coils = DryCoils(settings.coils) if dry else open_coils(settings.coils)
    return HardwareRig(
        coils,
        open_camera(settings.camera),
        stage=None if dry_run else open_stage(settings.stage),
        rotation_rad=math.radians(settings.camera.rotation_deg),
        timeout_s=settings.camera.timeout_s,
        step_out_hz=settings.robot.step_out_hz or None,
    )
