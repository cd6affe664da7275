"""How good predicted poses and depths are: the OTMR paper's measures, and errors in degrees and micrometres.

A robot's symmetry makes some poses one view, which no picture tells apart. So poses are scored twice: by their names,
as the paper's tables do, and, keys ending in ``_view``, with a name for the same view counted as the right one.
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose, rotation
from microtwin.otmr.symmetry import TOLERANCE_DEG, view_angle_deg

Scores = dict[str, float]
UNKNOWN = -1  # robot


def pose_scores(
    true_pitch: ArrayLike,
    true_roll: ArrayLike,
    pitch: ArrayLike,
    roll: ArrayLike,
    *,
    robot: ArrayLike | None = None,
) -> Scores:
    """Scores of n predicted poses, all arguments (n,), whole degrees.

    For each of ``pitch`` and ``roll``: accuracy; macro precision, recall and F1 over the classes that are true or
    predicted, 0 where one is undefined (scikit-learn's default); median and mean of the absolute error in degrees.
    ``pose_accuracy``: both right. ``axis_median_deg``, ``axis_mean_deg``: between the true and the predicted optical
    axis in the body's frame, the least over the robot's symmetries. Then all but these with ``_view``.

    Args:
        robot: numbers, for their symmetries; −1 is unknown, and has none, as all have if not given.

    Raises:
        InputError: no poses, arrays of different lengths, poses outside 0 to 90° or an unknown robot.
    """
    arrays = [np.asarray(a) for a in (true_pitch, true_roll, pitch, roll)]
    n = len(arrays[0])
    arrays.append(np.full(n, UNKNOWN) if robot is None else np.asarray(robot))
    _check(*arrays)
    rows, inverse = np.unique(np.stack(arrays, axis=1).astype(int), axis=0, return_inverse=True)
    apart = np.array([_apart_deg(*map(int, row)) for row in rows])[inverse.reshape(-1)]
    true, named = np.stack(arrays[:2]), np.stack(arrays[2:4])
    seen = np.where(apart <= TOLERANCE_DEG, true, named)  # another name of the right view is the right name
    axis = {"axis_median_deg": float(np.median(apart)), "axis_mean_deg": float(apart.mean())}
    return _named(true, named) | axis | {f"{key}_view": value for key, value in _named(true, seen).items()}


def depth_scores(true_um: ArrayLike, um: ArrayLike) -> Scores:
    """``mse_um2``, ``r2``, ``mae_um`` and Pearson's ``correlation`` of n depths, in µm or whatever unit both have.

    R² is 1 − Σ(error²)/Σ(deviation of the true depths from their mean)²: NaN if they are all the same; so is the
    correlation, and where all predictions are.

    Raises:
        InputError: no depths, arrays of different lengths, a depth that is not finite.
    """
    true, given = (np.asarray(a, dtype=float) for a in (true_um, um))
    _check(true, given)
    error = given - true
    spread, spread_given = true - true.mean(), given - given.mean()
    total, total_given = float(spread @ spread), float(spread_given @ spread_given)
    scale = math.sqrt(total) * math.sqrt(total_given)
    return {
        "mse_um2": float(np.mean(error**2)),
        "r2": 1.0 - float(error @ error) / total if total > 0 else math.nan,
        "mae_um": float(np.mean(np.abs(error))),
        "correlation": float(spread @ spread_given) / scale if scale > 0 else math.nan,
    }


def coverage(true: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of true values inside their intervals, ends included.

    Raises:
        InputError: no values, arrays of different lengths, a value that is not finite.
    """
    value, below, above = (np.asarray(a, dtype=float) for a in (true, low, high))
    _check(value, below, above)
    return float(np.mean((below <= value) & (value <= above)))


def _named(true: np.ndarray, named: np.ndarray) -> Scores:
    """Scores of (2, n) pitch and roll."""
    from sklearn.metrics import precision_recall_fscore_support

    scores: Scores = {}
    for name, right, given in zip(("pitch", "roll"), true, named, strict=True):
        precision, recall, f1, _ = precision_recall_fscore_support(right, given, average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
        error = np.abs(given - right)
        scores |= {
            f"{name}_accuracy": float(np.mean(error == 0)),
            f"{name}_precision": float(precision),
            f"{name}_recall": float(recall),
            f"{name}_f1": float(f1),
            f"{name}_median_deg": float(np.median(error)),
            f"{name}_mean_deg": float(np.mean(error)),
        }
    return scores | {"pose_accuracy": float(np.mean((true == named).all(axis=0)))}


@functools.lru_cache(maxsize=65536)
def _apart_deg(true_pitch: int, true_roll: int, pitch: int, roll: int, number: int) -> float:
    one, other = Pose(true_pitch, true_roll), Pose(pitch, roll)
    if number != UNKNOWN:
        return view_angle_deg(number, one, other)
    axes = [rotation(math.radians(pose.pitch_deg), math.radians(pose.roll_deg))[2] for pose in (one, other)]
    return math.degrees(2.0 * math.asin(min(0.5 * float(np.linalg.norm(axes[0] - axes[1])), 1.0)))


def _check(*arrays: np.ndarray) -> None:
    shapes = {array.shape for array in arrays}
    if len(shapes) > 1 or arrays[0].ndim != 1:
        raise InputError(f"scores of arrays {', '.join(map(str, sorted(shapes)))}: give one value for each image")
    if not arrays[0].size:
        raise InputError("scores of no images: give one or more")
    if not all(np.isfinite(array).all() for array in arrays):
        raise InputError("scores of values that are not finite: leave out images without labels")
