"""Depth as OTMR labels it, the height of focus it stands for, and how it runs through a recorded sequence.

A label is stage travel in µm, zero where the body's origin is in focus. Oil under the cover glass and water
over it make paraxial focus move by n_w/n_oil = 0.88 µm per µm of travel. The set's two published scales disagree. By
the bar in its pictures (0.055 µm per pixel) the fringes ask for light of 0.30 µm, and a sweep of 12 µm would leave a
body 6 µm tall far out of focus at both ends, where the paper keeps within its height. Both agree if a µm of the bar is
1.8 µm of stage, so that is what it counts here (docs/decisions/0010). The sequences are those of Fig. 6 of the OTMR
paper ("A Dataset and Benchmarks for Deep Learning-Based Optical Microrobot Pose and Depth Perception"): a piezo stage
that sweeps smoothly up and down, or stands on plateaus and jumps.
"""

import math

import numpy as np

from microtwin.errors import InputError
from microtwin.optics import Microscope

# Larger labels look further towards the objective, where a body has focused the lamp: bright spots in dark halos.
SIGN = -1.0
STAGE_PER_BAR = 1.8  # µm of stage travel in a µm of the pictures' scale bar, 0.54 µm light over the fitted 0.30

_SWEEPS = (1.0, 2.5)  # down and up again, in one continuous sequence
_PLATEAU = (4.0, 10.0)  # images on one level of a stepwise sequence
_LEVELS = 12  # of a short one, at least: depths matter more than how long it rests


def focus_um(depth_um: float, reference_um: float, microscope: Microscope) -> float:
    """Height in focus (µm, world z) at one depth; ``reference_um`` is the height in focus at depth 0."""
    return reference_um + SIGN * microscope.focus_height(depth_um / STAGE_PER_BAR)


def depth_of(height_um: float, reference_um: float, microscope: Microscope) -> float:
    """The depth label (µm) that puts a height in focus: the inverse of :func:`focus_um`."""
    return SIGN * STAGE_PER_BAR * microscope.stage_travel(height_um - reference_um)


def continuous(n: int, depth_range_um: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) depths of smooth sweeps, from −range/2 to range/2: a rounded triangle wave of slowly changing speed.

    Neighbours differ by at most 9 ranges/n.

    Raises:
        InputError: fewer than one image, a range that is not positive.
    """
    _check(n, depth_range_um)
    t = np.linspace(0.0, 1.0, n)
    sweeps, start, uneven, when = rng.uniform(*_SWEEPS), rng.uniform(), rng.uniform(0.0, 0.25), rng.uniform()
    # its speed, sweeps·(1 + uneven·cos), never turns round
    phase = start + sweeps * (
        t + uneven / (2 * math.pi) * (np.sin(2 * math.pi * (t + when)) - math.sin(2 * math.pi * when))
    )
    rounded = 0.97
    return 0.5 * depth_range_um * np.arcsin(rounded * np.sin(2 * math.pi * phase)) / math.asin(rounded)


def stepwise(n: int, depth_range_um: float, rng: np.random.Generator) -> np.ndarray:
    """(n,) depths of a staircase over the whole range and back, from −range/2 to range/2, upwards or downwards first.

    Raises:
        InputError: fewer than one image, a range that is not positive.
    """
    _check(n, depth_range_um)
    levels = max(round(n / rng.uniform(*_PLATEAU)), min(n, _LEVELS), 2)
    first = levels // 2 + 1
    there, back = np.linspace(-0.5, 0.5, first), np.linspace(0.5, -0.5, max(levels - first + 1, 1))[1:]
    heights = depth_range_um * rng.choice([-1.0, 1.0]) * np.concatenate([there, back])
    stays = np.cumsum(rng.uniform(0.6, 1.4, len(heights)))
    moment = (np.arange(n) + 0.5) / n * stays[-1]
    return heights[np.searchsorted(stays, moment)]


def _check(n: int, depth_range_um: float) -> None:
    if n != int(n) or n < 1:
        raise InputError(f"{n} images in a sequence: give 1 or more")
    if not (math.isfinite(depth_range_um) and depth_range_um > 0):
        raise InputError(f"depth range is {depth_range_um} µm: give a positive number")
