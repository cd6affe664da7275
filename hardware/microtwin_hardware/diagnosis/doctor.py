"""What is connected, does each link work, and how late is the loop: findings in plain words, each with what to do.

Nothing is energised unless it is asked for; each test takes coils and cameras of the rig contract.
"""

import math
from collections.abc import Callable
from contextlib import ExitStack

from microtwin.errors import InputError
from microtwin.rig import Camera, Coils, RigError
from microtwin_hardware.config import RigConfig, StageConfig
from microtwin_hardware.diagnosis.findings import Finding

Say = Callable[[str], None]


def list_all(config: RigConfig | None = None, say: Say = lambda words: None) -> list[Finding]:
    """Ports and cameras that are plugged in; the port of ``config`` is left for :func:`examine`."""
    from microtwin_hardware.diagnosis import listing

    say("asking the serial ports")
    found = listing.ports(busy=config.coils.port if config else "")
    say("looking for cameras")
    return found + listing.cameras(expected=config is None)


def examine(
    config: RigConfig,
    *,
    energise: bool = False,
    coils: Coils | None = None,
    camera: Camera | None = None,
    say: Say = lambda words: None,
) -> list[Finding]:
    """Test every link of a rig, one after the other; one that does not open leaves the others to be tested.

    Args:
        energise: also switch the field on: a weak pulse on every axis, and the loop's delay with a robot, if one is
            in view.
        coils, camera: not entered yet; those of ``config`` if None.
        say: hears what comes next.
    """
    from microtwin_hardware.diagnosis import check_camera, check_coils, check_loop
    from microtwin_hardware.rig import HardwareRig

    found: list[Finding] = []
    with ExitStack() as stack:
        say("camera")
        eye = _opened(stack, found, "camera", lambda: camera or _camera(config))
        if eye:
            found += check_camera.check_camera(eye, config.camera)
            eye = None if found[-1].ok is False and found[-1].test == "picture" else eye
        say("coils")
        if config.coils.profile == "none" and coils is None:
            hands = None
        elif config.coils.profile != "microtwin" and not energise:
            found.append(
                Finding("coils", "all", "left out", None, "the lab's firmware is told by a weak pulse: give --energise")
            )
            hands = None
        else:
            hands = _opened(stack, found, "coils", lambda: coils or _coils(config))
        if hands:
            try:
                found += check_coils.check_link(hands)
                found += check_coils.check_idle(hands)
                if energise:
                    say("a weak pulse on every axis")
                    found += check_coils.check_axes(hands)
            except RigError as error:
                found.append(Finding.of("coils", "answer", error))
                hands = None
        if hands and eye:
            try:
                say("loop")
                found += check_loop.check_loop(hands, eye, config.camera.timeout_s)
                if energise:
                    say("a robot, to and fro")
                    rotation_rad = math.radians(config.camera.rotation_deg)
                    rig = HardwareRig(hands, eye, rotation_rad=rotation_rad)
                    found += check_loop.check_delay(rig)
            except RigError as error:
                found.append(Finding.of("loop", "answer", error))
    return found + _stage(config.stage)


def _camera(config: RigConfig) -> Camera:
    from microtwin_hardware.cameras import open_camera

    return open_camera(config.camera)


def _coils(config: RigConfig) -> Coils:
    from microtwin_hardware.coils import open_coils

    return open_coils(config.coils)


def _opened(stack: ExitStack, found: list[Finding], link: str, make: Callable):
    try:
        return stack.enter_context(make())
    except (InputError, RigError) as error:
        found.append(Finding.of(link, "open", error))
        return None


def _stage(config: StageConfig) -> list[Finding]:
    from microtwin_hardware.stages import open_stage

    try:
        stage = open_stage(config)
        if stage is None:
            return []
        with stage:
            return [Finding("stage", "position", f"{stage.position_um:.2f} µm", True)]
    except (InputError, RigError) as error:
        return [Finding.of("stage", "open", error)]
