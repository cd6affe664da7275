"""Measures what a rig's TOML file cannot know by itself, and writes it there: scale, camera's angle, step-out.

Everything is measured before anything is written; an error or Ctrl-C leaves the file as it was and the field off. Only
the measured values change; the file as it was before is kept beside it as ``.bak``.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from microtwin import files
from microtwin.errors import InputError
from microtwin.rig import Camera, Frame, Rig, RigError
from microtwin_hardware.calibration.follow import RobotFollower
from microtwin_hardware.calibration.legs import Locate, View
from microtwin_hardware.calibration.rolling import CameraAngle, measure_angle
from microtwin_hardware.calibration.scale import Scale, from_bead, from_grating
from microtwin_hardware.calibration.step_out import StepOut, sweep
from microtwin_hardware.config import RigConfig, save
from microtwin_hardware.toml_text import with_changes

FRAMES = 10
OTHER_OBJECTIVE = 1.2  # a scale that is off by more than this factor deserves a word
_FLIPPED = {"none": (0, 0), "horizontal": (1, 0), "vertical": (0, 1), "both": (1, 1)}

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Measured:
    """What was measured; None for what was not.

    Attributes:
        frame: one that the scale was measured in. changes: new values by ``table.key``. notes: their comments.
    """

    scale: Scale | None = None
    angle: CameraAngle | None = None
    step_out: StepOut | None = None
    frame: Frame | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def measure(
    config: RigConfig,
    *,
    grating_um: float | None = None,
    bead_um: float | None = None,
    roll: bool = False,
    step_out: bool = False,
    frequency_hz: float = 8.0,
    highest_hz: float = 150.0,
    open_camera: Callable[[RigConfig], Camera] | None = None,
    open_rig: Callable[[RigConfig], Rig] | None = None,
    locate: Locate | None = None,
    on_progress: Progress = lambda words, part: None,
    say: Callable[[str], None] = lambda words: None,
) -> Measured:
    """Measure what is asked for, each with the results of those before it.

    Args:
        grating_um, bead_um: pitch, from one line to the next, or diameter; give one of them.
        open_camera, open_rig: the rig has no rotation of its own; the settings' devices if None.
        locate: finds the robot in a frame; a :class:`RobotFollower` if None.
        on_progress: hears what is going on and how much of it is done, 0 to 1. say: hears every result.

    Raises:
        InputError: nothing to measure, or settings and pictures that cannot be used. RigError: a device stopped
            answering, the robot does not roll, the picture is mirrored. LostError: the robot is no longer seen.
    """
    if grating_um is not None and bead_um is not None:
        raise InputError(
            f"grating of {grating_um:g} µm and bead of {bead_um:g} µm: give one of them, the grating is better"
        )
    if grating_um is None and bead_um is None and not roll and not step_out:
        raise InputError("nothing to measure: give --grating-um 10, --bead-um 10, --roll or --step-out")
    done, changes, notes = Measured(), {}, {}
    today = date.today().isoformat()
    if grating_um is not None or bead_um is not None:
        with (open_camera or _camera)(config) as camera:
            frames = []
            for k in range(FRAMES):
                frames.append(camera.read(config.camera.timeout_s))
                on_progress("taking frames", (k + 1) / FRAMES)
        words = f"{grating_um:g} µm grating" if grating_um else f"{bead_um:g} µm bead"
        scale = from_grating(frames, grating_um) if grating_um is not None else from_bead(frames, bead_um or 0.0)
        done = replace(done, scale=scale, frame=frames[-1])
        changes["camera.um_per_px"] = float(f"{scale.um_per_px:.6g}")
        notes["camera.um_per_px"] = f"µm per pixel; {words}, {today}"
        say(f"scale {scale.um_per_px:.5g} µm per pixel from a {words}")
        factor = scale.um_per_px / config.camera.um_per_px
        if max(factor, 1 / factor) > OTHER_OBJECTIVE:
            say(f"that is {factor:.2f} times what the file had: the same objective? A pitch goes from line to line")
    if roll or step_out:
        with (open_rig or _rig)(config) as rig:
            find = locate or RobotFollower()
            view = View(math.radians(config.camera.rotation_deg))
            if roll:
                angle = measure_angle(
                    rig, find, frequency_hz=frequency_hz, on_progress=lambda part: on_progress("rolling", part)
                )
                if angle.mirrored:
                    flip = _flip_more(config.camera.flip, angle.flip)
                    raise RigError(
                        f'the picture is mirrored against the field: set camera.flip = "{flip}" (or, if writing on the '
                        "sample reads right, turn one axis round in coils.polarity), then measure again"
                    )
                view = angle.view
                done = replace(done, angle=angle)
                degrees, error = math.degrees(angle.rotation_rad), math.degrees(angle.error_rad)
                changes["camera.rotation_deg"] = round(degrees, 2)
                notes["camera.rotation_deg"] = f"degrees, heading seen minus commanded; ± {error:.2f}, rolled {today}"
                say(f"camera's angle {degrees:+.2f}° ± {error:.2f}°; the robot rolls at {angle.speed_um_s:.1f} µm/s")
            if step_out:
                found = sweep(
                    rig, find, highest_hz=highest_hz, view=view, on_progress=lambda part: on_progress("sweeping", part)
                )
                done = replace(done, step_out=found)
                changes["robot.step_out_hz"] = round(found.frequency_hz, 1)
                notes["robot.step_out_hz"] = f"Hz, the highest that was followed; swept {today}"
                more = "" if math.isfinite(found.slipped_hz) else ", the highest that was tried"
                say(f"step-out {found.frequency_hz:.1f} Hz{more}; {found.um_per_turn:.2f} µm per turn below it")
    return replace(done, changes=changes, notes=notes)


def write(path: Path, measured: Measured) -> tuple[Path, Path]:
    """Change the measured values in the file; returns where the old file and the picture are.

    Raises:
        InputError: the file system refuses; the file is then as it was.
    """
    from microtwin_hardware.calibration.picture import draw

    backup, picture = path.with_name(path.name + ".bak"), path.with_name(path.stem + "-calibration.png")
    with files.uninterrupted():
        old = path.read_bytes()
        new = with_changes(old.decode("utf-8-sig"), measured.changes, measured.notes)
        with files.whole(picture) as temporary:
            draw(measured, temporary)
        with files.whole(backup) as temporary:
            temporary.write_bytes(old)
        with files.whole(path) as temporary:
            temporary.write_text(new, encoding="utf-8", newline="\n")
    return backup, picture


def begin(path: Path) -> None:
    """Write a file of defaults to start from.

    Raises:
        InputError: it cannot be written.
    """
    save(RigConfig(), path)


def _flip_more(flip: str, further: str) -> str:
    both = tuple(a ^ b for a, b in zip(_FLIPPED[flip], _FLIPPED[further], strict=True))
    return next(name for name, flips in _FLIPPED.items() if flips == both)


def _camera(config: RigConfig) -> Camera:
    from microtwin_hardware.cameras import open_camera

    return open_camera(config.camera)


def _rig(config: RigConfig) -> Rig:
    from microtwin_hardware.coils import open_coils
    from microtwin_hardware.rig import HardwareRig

    coils, camera = open_coils(config.coils), _camera(config)
    return HardwareRig(coils, camera, timeout_s=config.camera.timeout_s)
