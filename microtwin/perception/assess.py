"""What a checkpoint is worth on labelled images."""

import csv
from pathlib import Path

import numpy as np

from microtwin import files
from microtwin.errors import InputError
from microtwin.perception.estimator import Estimates, Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.labels import Kind
from microtwin.perception.scores import Scores, coverage, depth_scores, pose_scores

PREDICTIONS = "predictions.csv"
LEAST = 3  # images of a sequence that can correlate with anything


def check(estimator: Estimator, examples: Examples, kind: Kind, *, other_robots: bool = False) -> None:
    """Raises InputError, one line, when a checkpoint cannot be asked about these images.

    Args:
        kind: what is asked. other_robots: robots that it was not trained on may be among them.
    """
    task = estimator.task
    if examples.size != estimator.size:
        raise InputError(f"images of {examples.size} px for a network of {estimator.size}: prepare them at that size")
    odd = sorted({int(n) for n in examples.robot if n > 0} - set(task.robots))
    if odd and task.robots and not other_robots:
        raise InputError(
            f"images of robot {_listed(odd)}, and the checkpoint was trained on {_listed(task.robots)}: "
            "give images of these, or --other-robots to see how it does on others"
        )
    if kind != "depth":
        task.check(examples)


def assess(examples: Examples, said: Estimates, task_unit: str | None) -> Scores:
    """Scores of what was said of labelled images; of the poses, of the depths, or of both, as it has them.

    Depths in different units, as µm and the published 0 to 1 within each sequence, can only be correlated.
    ``correlation_within`` is the mean of the correlations within the sequences, weighted by their images: what is
    comparable where depths are scaled by sequence.

    Raises:
        InputError: an image has no label of what was said.
    """
    scores: Scores = {"images": float(len(examples))}
    if said.pitch_deg is not None and said.roll_deg is not None:
        scores |= pose_scores(
            examples.pitch_deg, examples.roll_deg, said.pitch_deg, said.roll_deg, robot=examples.robot
        )
    if said.depth_um is not None and said.depth_low_um is not None and said.depth_high_um is not None:
        found = depth_scores(examples.depth, said.depth_um)
        if examples.depth_unit != task_unit:
            found = {"correlation": found["correlation"]}
        elif task_unit == "um":
            found["coverage_90"] = coverage(examples.depth, said.depth_low_um, said.depth_high_um)
        else:
            found = {name.replace("_um2", "_scaled").replace("_um", "_scaled"): v for name, v in found.items()}
            found["coverage_90"] = coverage(examples.depth, said.depth_low_um, said.depth_high_um)
        scores |= found | {"correlation_within": _within(examples.sequence, examples.depth, said.depth_um)}
    return scores


def write_predictions(path: Path, examples: Examples, said: Estimates) -> None:
    """A row an image: file, robot, true values, what was said."""
    columns: dict[str, np.ndarray] = {"file": np.array(examples.paths), "robot": examples.robot}
    if said.pitch_deg is not None:
        columns |= {"true_pitch": examples.pitch_deg, "true_roll": examples.roll_deg}
    if said.depth_um is not None:
        columns[f"true_depth_{examples.depth_unit}"] = examples.depth
    columns |= said.columns()
    with files.whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(
            [f"{value:.6g}" if isinstance(value, float | np.floating) else value for value in row]
            for row in zip(*columns.values(), strict=True)
        )


def _within(sequences: np.ndarray, true: np.ndarray, given: np.ndarray) -> float:
    """Mean correlation within the sequences of three images or more, by their images; NaN if there are none."""
    found, weights = [], []
    for number in np.unique(sequences):
        rows = np.flatnonzero(sequences == number)
        if rows.size >= LEAST and np.ptp(true[rows]) > 0 and np.ptp(given[rows]) > 0:
            found.append(float(np.corrcoef(true[rows], given[rows])[0, 1]))
            weights.append(rows.size)
    return float(np.average(found, weights=weights)) if found else float("nan")


def _listed(numbers) -> str:
    return ", ".join(map(str, numbers))
