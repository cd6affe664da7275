"""What a camera delivers: size, light, rate, dropped frames and their age."""

import time
from collections.abc import Callable

import numpy as np

from microtwin.rig import Camera, RigError
from microtwin_hardware.config import CameraConfig
from microtwin_hardware.diagnosis.findings import Finding

RATE = 0.05  # share by which the frame rate may be off
DROPPED = 0.02
WATCHED_S = 3.0


def check_camera(
    camera: Camera, config: CameraConfig, clock: Callable[[], float] = time.monotonic, frames: int | None = None
) -> list[Finding]:
    """Size, light, frame rate, dropped frames and age of what a camera delivers within three seconds."""
    found = [Finding("camera", "note", note) for note in getattr(camera, "notes", [])]
    count = frames or max(12, int(WATCHED_S * camera.frame_rate_hz))
    arrivals, ages, stamps, repeated = [], [], [], 0
    image = np.empty((0, 0))
    try:
        for _ in range(count):
            frame = camera.read(config.timeout_s)
            assert frame.image is not None
            repeated += np.array_equal(frame.image, image)
            image = frame.image
            arrivals.append(clock())
            ages.append(float(getattr(camera, "age_s", float("nan"))))
            stamps.append((frame.time_s, frame.index))
    except RigError as error:
        return [*found, Finding.of("camera", "picture", error)]
    found.append(Finding("camera", "size", f"{image.shape[0]} × {image.shape[1]} pixels (rows × columns)", True))
    found.append(_light(image))
    times, numbers = np.array(stamps).T
    rate = float(np.polyfit(times, numbers, 1)[0])  # as taken, dropped ones too
    near = abs(rate / config.frame_rate_hz - 1) < RATE
    words = f"{rate:.2f} Hz of {config.frame_rate_hz:g}"
    advice = f"set camera.frame_rate_hz = {rate:.3g}"
    if rate < config.frame_rate_hz:
        advice += ", or a shorter exposure or smaller picture to reach it"
    found.append(Finding.judged("camera", "frame rate", words, near, advice))
    advice = "a USB 3 port of its own, a shorter exposure or smaller picture; close other programs"
    step = float(np.median(np.diff(numbers)))
    if step > 1:
        advice += f"; or set camera.frame_rate_hz = {rate / step:.3g}, the rate of what arrives"
    few = camera.dropped <= DROPPED * count
    words = f"{camera.dropped} of {camera.dropped + count}"
    found.append(Finding.judged("camera", "dropped", words, few, advice))
    if config.freeze_s and repeated:
        words = f"{repeated} of {count} are as the one before"
        advice = "the camera is slower than it says: a lower camera.frame_rate_hz, or a shorter exposure"
        found.append(Finding("camera", "new pictures", words, False, advice))
    if len(arrivals) > 2:
        waits = 1e3 * np.diff(arrivals)
        found.append(
            Finding("camera", "from frame to frame", f"{np.median(waits):.1f} ms, at most {waits.max():.1f} ms")
        )
    if np.isfinite(ages).any():
        found.append(Finding("camera", "from arrival to use", f"{1e3 * float(np.nanmedian(ages)):.1f} ms"))
    return found


def _light(image: np.ndarray) -> Finding:
    mean, white = float(image.mean()), float(np.mean(image >= 254))
    dark, bright = mean < 30, white > 0.01
    advice = "more light, or a longer exposure" if dark else "less light, or a shorter exposure" if bright else ""
    return Finding("camera", "light", f"mean grey {mean:.0f} of 255, {100 * white:.1f} % white", not advice, advice)
