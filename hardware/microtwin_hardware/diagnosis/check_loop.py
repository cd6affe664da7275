"""How late the loop is: with the field off from frame to coils, and with a robot from exposure to motion."""

import time

import numpy as np

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.rig import Camera, Coils, LostError, Rig, RigError
from microtwin_hardware.calibration.follow import RobotFollower
from microtwin_hardware.calibration.legs import Locate
from microtwin_hardware.diagnosis.delay import loop_delay_s
from microtwin_hardware.diagnosis.findings import Finding

LATEST_FRAMES = 4.0  # controllers make up for less


def check_loop(coils: Coils, camera: Camera, timeout_s: float, ticks: int = 48) -> list[Finding]:
    """From a frame in hand to the coils' answer, with the field off: what link and computer add to every tick."""
    waits = []
    for _ in range(ticks):
        camera.read(timeout_s)
        begun = time.perf_counter()
        coils.apply(RotatingField.off())
        waits.append(time.perf_counter() - begun)
    middle, late = 1e3 * float(np.median(waits)), 1e3 * float(np.quantile(waits, 0.95))
    ok = late < 1e3 / camera.frame_rate_hz
    advice = "more than a frame: see the coils' round trip"
    return [Finding.judged("loop", "frame to coils", f"{middle:.1f} ms, 95 % within {late:.1f} ms", ok, advice)]


def check_delay(rig: Rig, locate: Locate | None = None) -> list[Finding]:
    """The whole loop's delay, from a robot that is rolled to and fro."""
    try:
        delays = loop_delay_s(rig, locate or RobotFollower())
    except InputError as error:
        return [Finding("loop", "exposure to motion", "left out", None, str(error))]
    except (RigError, LostError) as error:
        return [Finding.of("loop", "exposure to motion", error)]
    delay, spread = float(np.median(delays)), float(np.ptp(delays))
    frames = delay * rig.frame_rate_hz
    advice = "more than controllers make up for: a faster link, a shorter exposure, fewer buffers"
    words = f"{1e3 * delay:.0f} ms ({frames:.1f} frames), spread {1e3 * spread:.0f} ms"
    return [Finding.judged("loop", "exposure to motion", words, frames < LATEST_FRAMES, advice)]
