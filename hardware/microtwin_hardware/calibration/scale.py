"""Micrometres per pixel, from the lines of a stage micrometer or grating, or from a bead of known size.

A grating is the better ruler: many lines are averaged, and neither threshold nor focus moves them. On synthetic
gratings with blur, noise and uneven light it is right to 0.15 % with six lines, to 0.03 % from nine on. A bead has one
outline, whose place depends on both: on rendered 5 to 15 µm beads through the 20×, NA 0.4 objective it is right
to 4 % (2.5 % from 10 µm on) within 2 µm of focus, after what diffraction and the mask's blur put outside is taken off.
Without that it would be 6 to 20 % too small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from microtwin.errors import InputError
from microtwin.rig import Frame

FEWEST_LINES = 6  # fewer across the frame, and the peak is not clear of the background
CONTRAST = 8.0  # of the peak over the median of the spectrum: below it there is no grating
LOWER_HARMONIC = 0.25  # of the strongest peak's amplitude: such a peak at 1/2 or 1/3 of its frequency is the pitch
OUTSIDE_UM, OUTSIDE_PX = 0.35, 1.0  # how far a mask's outline lies outside the bead's own: diffraction, and its blur


@dataclass(frozen=True)
class Scale:
    """A measured scale.

    Attributes:
        um_per_px: µm per pixel. error_um_per_px: standard error over the frames, without what all frames share.
        angle_rad: of the grating's lines, counter-clockwise from +x, −π/2 to π/2; NaN for a bead.
        count: lines across the frame, or beads.
    """

    um_per_px: float
    error_um_per_px: float
    angle_rad: float
    count: float


def from_grating(frames: Sequence[Frame], pitch_um: float) -> Scale:
    """The scale from frames that show straight lines, ``pitch_um`` from one line to the next.

    Each frame's strongest spatial frequency, of any direction, is found by a Fourier transform under a window and
    followed between the bins to the top of its peak; where a line is much thinner than its pitch, the fundamental is
    taken and not a harmonic.

    Raises:
        InputError: no frames, a pitch ≤ 0, no lines in a frame, fewer than six.
    """
    _check(frames, pitch_um, "pitch of the grating")
    waves = np.array([_wave(_grey(frame)) for frame in frames])  # cycles per pixel: (down, right)
    waves *= np.where(waves @ waves[0] < 0, -1, 1)[:, None]  # a line has no direction: the same for all frames
    frequencies = np.hypot(*waves.T)
    scales = pitch_um * frequencies
    down, right = waves.mean(axis=0)
    along = math.remainder(math.atan2(-down, right) + math.pi / 2, math.pi)
    lines = frequencies.mean() * min(_grey(frames[0]).shape)
    return Scale(float(scales.mean()), _error(scales), along, float(lines))


def from_bead(frames: Sequence[Frame], diameter_um: float) -> Scale:
    """The scale from frames that show one or more beads of a known diameter; the median of all.

    Args:
        frames: with a guess of the scale that is right to a factor of two; it decides what size a bead can have.

    Raises:
        InputError: no frames, a diameter ≤ 0, no bead in a frame.
    """
    from microtwin.vision import detect

    _check(frames, diameter_um, "diameter of the bead")
    scales = []
    for frame in frames:
        seen = [one for one in detect(frame) if one.kind != "robot"]
        beads = [one for one in seen if one.kind == "cargo"] or seen
        if not beads:
            raise InputError("no bead in the picture: focus on its middle, with nothing else near it")
        radii_px = [one.radius_um / frame.um_per_px for one in beads]
        scales += [(0.5 * diameter_um + OUTSIDE_UM) / (radius - OUTSIDE_PX) for radius in radii_px]
    return Scale(float(np.median(scales)), _error(np.array(scales)), math.nan, len(scales) / len(frames))


def _check(frames: Sequence[Frame], length_um: float, words: str) -> None:
    if not frames:
        raise InputError("no frames to measure the scale in: give at least one")
    if not (math.isfinite(length_um) and length_um > 0):
        raise InputError(f"{words} is {length_um} µm: give a positive number")


def _grey(frame: Frame) -> np.ndarray:
    from microtwin.vision.background import grey_image

    return grey_image(frame)


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _wave(image: np.ndarray) -> np.ndarray:
    """(2,) frequency of the lines, cycles per pixel, down and to the right."""
    from scipy.optimize import minimize

    flat = _flat(image)
    rows, cols = flat.shape
    size = [2 * n for n in flat.shape]  # twice as fine as the bins
    amplitude = np.abs(np.fft.rfft2(flat, size))
    down, right = np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1])
    cycles = np.hypot(down[:, None] * rows, right[None, :] * cols)
    amplitude[cycles < 0.75 * FEWEST_LINES] = 0  # the lamp, and what the window leaves of the mean
    top = np.unravel_index(int(np.argmax(amplitude)), amplitude.shape)
    strongest = float(amplitude[top])
    if not strongest > CONTRAST * float(np.median(amplitude[amplitude > 0])):
        raise InputError("no lines in the picture: focus on the grating, and let it fill the frame")
    start = np.array([down[top[0]], right[top[1]]])

    def height(wave: np.ndarray) -> float:
        down_rad, across_rad = 2 * math.pi * wave[0] * np.arange(rows), 2 * math.pi * wave[1] * np.arange(cols)
        cosine, sine = (flat @ np.stack([np.cos(across_rad), np.sin(across_rad)], axis=1)).T
        return -float(abs(np.exp(-1j * down_rad) @ (cosine - 1j * sine)))

    def climbed(wave: np.ndarray) -> tuple[np.ndarray, float]:
        step = np.diag([0.5 / rows, 0.5 / cols])
        simplex = np.vstack([wave, wave + step[0], wave + step[1]])
        found = minimize(
            height, wave, method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 3e-7, "fatol": 1e-9 * strongest},
        )  # fmt: skip
        return found.x, -float(found.fun)

    wave, strength = climbed(start)
    for part in (3, 2):
        if -height(wave / part) > LOWER_HARMONIC * strength:
            wave, _ = climbed(wave / part)
            break
    if np.hypot(*(wave * flat.shape)) < FEWEST_LINES:
        raise InputError(f"fewer than {FEWEST_LINES} lines in the picture: take a finer grating")
    return wave


def _flat(image: np.ndarray) -> np.ndarray:
    """The image over its own lamp (a quadratic surface), windowed to nothing at the edges."""
    from scipy.signal.windows import blackmanharris

    rows, cols = image.shape
    v, u = np.linspace(-1, 1, rows)[:, None], np.linspace(-1, 1, cols)[None, :]
    terms = [np.ones((rows, cols)), v + 0 * u, u + 0 * v, v * v + 0 * u, v * u, u * u + 0 * v]
    step = max(1, min(rows, cols) // 128)
    sample = np.stack([term[::step, ::step].ravel() for term in terms], axis=1)
    lamp, *_ = np.linalg.lstsq(sample, image[::step, ::step].ravel().astype(float), rcond=None)
    level = sum(part * term for part, term in zip(lamp, terms, strict=True))
    value = image / np.maximum(level, 1.0) - 1.0
    return value * blackmanharris(rows)[:, None] * blackmanharris(cols)[None, :]
