"""How far a network's word is to be trusted, measured on images that it was not trained on.

Class probabilities: a temperature for the logits of pitch and one for those of roll, which make the held-out poses
likeliest (Guo et al., ICML 2017). Depth: a factor on the standard deviation, the conformal quantile of |error|/σ, with
which 90 % intervals cover 90 % of held-out images (Lei et al., J. Am. Stat. Assoc. 113 (2018) 1094).
"""

import math
from dataclasses import asdict, dataclass

import numpy as np

from microtwin.errors import InputError
from microtwin.perception.loss import LOG_VARIANCES
from microtwin.perception.task import Task

LEVEL = 0.9
QUANTILE = 1.6448536269514722  # of the normal distribution at (1 + LEVEL)/2: half a 90 % interval in σ
LIMITS = (0.05, 20.0)  # of temperatures


@dataclass(frozen=True)
class Calibration:
    """Attributes:
    pitch_temperature, roll_temperature: logits are divided by these.
    depth_factor: standard deviations are multiplied by it.
    images: how many it was measured on; 0 is none at all.
    """

    pitch_temperature: float = 1.0
    roll_temperature: float = 1.0
    depth_factor: float = 1.0
    images: int = 0

    def __post_init__(self) -> None:
        for name in ("pitch_temperature", "roll_temperature", "depth_factor"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise InputError(f"calibration with {name} {value}: calibrate again")

    def to_json(self) -> dict:
        return asdict(self)


def log_posterior(
    task: Task, outputs: np.ndarray, *, pitch_temperature: float = 1.0, roll_temperature: float = 1.0
) -> np.ndarray:
    """(n, p) log probabilities of the poses that exist: p(pitch, roll) ∝ p(pitch)·p(roll) on them, 0 elsewhere."""
    outputs = np.asarray(outputs, dtype=float)
    index = task.pose_indices
    pitch = outputs[:, task.slices["pitch"]] / pitch_temperature
    roll = outputs[:, task.slices["roll"]] / roll_temperature
    joint = pitch[:, index[:, 0]] + roll[:, index[:, 1]]
    joint -= joint.max(axis=1, keepdims=True)
    return joint - np.log(np.exp(joint).sum(axis=1, keepdims=True))


def depth_and_sd(task: Task, outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) depths and their standard deviations before calibration, in the task's unit."""
    mean, log_variance = np.asarray(outputs, dtype=float)[:, task.slices["depth"]].T
    sd = np.exp(0.5 * np.clip(log_variance, *LOG_VARIANCES))
    return task.depth_mean + task.depth_sd * mean, task.depth_sd * sd


def calibrate(
    task: Task, outputs: np.ndarray, pitch_deg: np.ndarray, roll_deg: np.ndarray, depth: np.ndarray
) -> Calibration:
    """From a network's raw outputs (n, task.n_outputs) on held-out images, and their labels; n = 0 changes nothing."""
    found = {}
    if not len(outputs):
        return Calibration()
    if task.has_pose:
        found |= _temperatures(task, outputs, np.asarray(pitch_deg), np.asarray(roll_deg))
    if task.has_depth:
        found["depth_factor"] = _factor(task, outputs, np.asarray(depth, dtype=float))
    return Calibration(**found, images=len(outputs))


def _temperatures(task: Task, outputs: np.ndarray, pitch_deg: np.ndarray, roll_deg: np.ndarray) -> dict[str, float]:
    from scipy.optimize import minimize

    index = {(pose.pitch_deg, pose.roll_deg): k for k, pose in enumerate(task.poses)}
    truth = np.array([index.get((int(p), int(r)), -1) for p, r in zip(pitch_deg, roll_deg, strict=True)])
    rows = np.flatnonzero(truth >= 0)
    names = ("pitch_temperature", "roll_temperature")
    # as if one image more had shown the second likeliest pose (Laplace's rule of succession): else images that are all
    # read right, a few or many, would make it certain
    if not rows.size:
        return dict.fromkeys(names, 1.0)
    known, places = np.asarray(outputs)[rows], np.arange(rows.size)

    def surprise(logs: np.ndarray) -> float:
        pitch_temperature, roll_temperature = np.exp(logs)
        posterior = log_posterior(task, known, pitch_temperature=pitch_temperature, roll_temperature=roll_temperature)
        second = np.partition(posterior, -2, axis=1)[:, -2].mean() if len(task.poses) > 1 else 0.0
        return -float((posterior[places, truth[rows]].sum() + second) / (rows.size + 1))

    bound = (math.log(LIMITS[0]), math.log(LIMITS[1]))
    simplex = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])  # scipy's own has no width at zero
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-9}
    best = minimize(surprise, np.zeros(2), method="Nelder-Mead", bounds=[bound] * 2, options=options)
    return dict(zip(names, np.exp(best.x).tolist(), strict=True))


def _factor(task: Task, outputs: np.ndarray, depth: np.ndarray) -> float:
    mean, sd = depth_and_sd(task, outputs)
    ratios = np.sort((np.abs(depth - mean) / sd)[np.isfinite(depth)])
    if not ratios.size:
        return 1.0
    rank = min(math.ceil((ratios.size + 1) * LEVEL), ratios.size)  # the finite-sample quantile of split conformal
    return max(float(ratios[rank - 1]), 1e-6) / QUANTILE
