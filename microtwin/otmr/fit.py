"""A robot's pose in a real crop, found by rendering until the picture agrees (analysis by synthesis).

The lean off the label is a rotation vector in the image's plane, at most ``limit_deg`` long; with the in-plane angle it
makes every orientation near the label. Starts cover that disc; the best are followed by Nelder and Mead's simplex, in
which every orientation is rendered anew and laid over the crop at its best place, in-plane angle and height of focus
(:mod:`microtwin.otmr.match`). What is shared by a robot's crops, optics or sizes, is fitted to all of them together.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from microtwin.errors import InputError
from microtwin.otmr.draw import Draw
from microtwin.otmr.fabrication import Mesh
from microtwin.otmr.match import Placement, Stack, Target, places, refined
from microtwin.otmr.render import lean_of

LIMIT_DEG = 20.0
_BEYOND_UM = 2.0  # how far above and below the body focus may lie: OTMR kept within its height
_ANGLES_RAD = np.radians(np.arange(0.0, 360.0, 10.0))
_NEAR_UM = np.arange(-0.9, 0.91, 0.3)
_RINGS_DEG = ((0.0, 1), (8.0, 6), (16.0, 8))  # of starting leans, and how many on each
_FOLLOWED = 3
_STEP_DEG = 4.5
_NO_BODY = 1e6  # loss of values that are out of bounds or make no body


@dataclass(frozen=True)
class Fit:
    """A crop's robot: how far it leans off its label about the image's x and y, and how the picture lies."""

    lean_deg: tuple[float, float]
    placement: Placement

    @property
    def score(self) -> float:
        return self.placement.score


def fit_turn(
    target: Target, mesh: Mesh, label: np.ndarray, optics: Draw, limit_deg: float = LIMIT_DEG, quick: bool = False
) -> Fit:
    """The best fit of all starts.

    Args:
        target: the crop.
        mesh: (V, 3) µm, (F, 3), in the body's frame.
        label: (3, 3) the orientation that the crop's label says (microtwin.otmr.pose.rotation).
        optics: everything but the robot's lean, in-plane angle, place and depth.
        limit_deg: largest lean.
        quick: half as many starts, and only the best is followed.
    """
    extent = np.asarray(mesh[0]) @ label[2]
    heights_um = np.arange(extent.min() - _BEYOND_UM, extent.max() + _BEYOND_UM, 0.35)
    tried = []
    for reach, count in _RINGS_DEG[: 2 if quick else None]:
        for direction in 2 * math.pi * np.arange(count) / count:
            lean = (min(reach, limit_deg) * math.cos(direction), min(reach, limit_deg) * math.sin(direction))
            stack = Stack.of(mesh, lean_of(*lean) @ label, heights_um, optics)
            starts = places(target, stack, _ANGLES_RAD, most=2)
            tried += [Fit(lean, refined(target, stack, start, 60)) for start in starts]
    if not tried:
        raise InputError("the crop's robot lies far from its middle: give a crop centred on it (microtwin.vision.roi)")
    tried.sort(key=lambda fit: -fit.score)
    followed = [follow(target, mesh, label, optics, start, limit_deg) for start in tried[: 1 if quick else _FOLLOWED]]
    return max(followed, key=lambda fit: fit.score)


def follow(
    target: Target,
    mesh: Mesh,
    label: np.ndarray,
    optics: Draw,
    start: Fit,
    limit_deg: float = LIMIT_DEG,
    evaluations: int = 20,
) -> Fit:
    """The best fit near ``start``: a simplex over the lean."""
    best = again(target, mesh, label, optics, start)

    def loss(u: np.ndarray) -> float:
        nonlocal best
        lean = (start.lean_deg[0] + _STEP_DEG * u[0], start.lean_deg[1] + _STEP_DEG * u[1])
        if math.hypot(*lean) > limit_deg:
            return 1.0
        found = again(target, mesh, label, optics, Fit(lean, best.placement))
        best = max(best, found, key=lambda fit: fit.score)
        return -found.score

    simplex = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    minimize(loss, np.zeros(2), method="Nelder-Mead", options={"maxfev": evaluations, "initial_simplex": simplex})
    return best


def again(target: Target, mesh: Mesh, label: np.ndarray, optics: Draw, start: Fit) -> Fit:
    """The same lean laid over the crop anew: after a change of optics or mesh."""
    stack = Stack.of(mesh, lean_of(*start.lean_deg) @ label, start.placement.height_um + _NEAR_UM, optics, rings=2)
    return replace(start, placement=refined(target, stack, start.placement, 50))


def fit_shared(
    score: Callable[[dict[str, float]], float],
    start: dict[str, float],
    steps: dict[str, float],
    bounds: dict[str, tuple[float, float]],
    evaluations: int,
) -> dict[str, float]:
    """Values that all crops share, to the highest ``score``: Nelder and Mead's simplex in units of ``steps``.

    A value out of its bounds, or one of which no body can be made (InputError), scores nothing.
    """
    names: Sequence[str] = list(steps)
    best = (-math.inf, dict(start))

    def loss(u: np.ndarray) -> float:
        nonlocal best
        values = start | {name: float(start[name] + k * steps[name]) for name, k in zip(names, u, strict=True)}
        if any(not low <= values[name] <= high for name, (low, high) in bounds.items()):
            return _NO_BODY
        try:
            found = score(values)
        except InputError:
            return _NO_BODY
        if found > best[0]:
            best = (found, values)
        return -found

    simplex = np.vstack([np.zeros(len(names)), np.eye(len(names))])
    options = {"maxfev": evaluations, "adaptive": True, "initial_simplex": simplex}
    minimize(loss, np.zeros(len(names)), method="Nelder-Mead", options=options)
    return best[1]


def mean_score(fits: Iterable[Fit]) -> float:
    return float(np.mean([fit.score for fit in fits]))
