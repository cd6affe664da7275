"""How well a pose label can be read at all from bodies that lean off it: the Bayes limit of Table II.

A sequence of the data set is drawn in its label's pose and then leans by a random few degrees
(``Randomisation.lean_deg``), while robot 3's classes are 5° apart. Whoever reads the orientation off a picture without
any error, up to the free in-plane angle and the robot's symmetry, still has to guess the label: the pose most likely
to have leaned there. No network does better on sequences it has not seen.
"""

import math

import numpy as np

from microtwin.otmr.pose import POSES, rotation
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.render import lean_of
from microtwin.robots.catalogue import robot, rotations


def decided(number: int, lean_deg: float, draws: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn, every pose of the robot equally often, and the best guesses of whoever sees the orientation.

    Returns:
        (n, 2) true pitch and roll, (n, 2) guessed, degrees: pitch and roll each by its own marginal probability.

    Raises:
        InputError: a lean that nothing has.
    """
    poses = POSES[number]
    labels = np.array([(pose.pitch_deg, pose.roll_deg) for pose in poses])
    turns = [rotation(math.radians(pitch), math.radians(roll)) for pitch, roll in labels]
    if lean_deg == 0:
        return (twice := np.repeat(labels, draws, axis=0)), twice
    views = np.einsum("gij,pj->pgi", rotations(robot(number)), np.array([turn[2] for turn in turns]))
    rng, randomise = np.random.default_rng(seed), Randomisation(lean_deg=lean_deg)
    true, guessed = [], []
    for label, turn in zip(labels, turns, strict=True):
        drawn = [randomise.draw(rng) for _ in range(draws)]
        seen = np.array([(lean_of(one.lean_x_deg, one.lean_y_deg) @ turn)[2] for one in drawn])
        apart_deg = np.degrees(np.arccos(np.clip(np.einsum("ni,pgi->npg", seen, views), -1, 1)))
        likely = np.exp(-0.5 * (apart_deg / lean_deg) ** 2).sum(axis=2)
        true.append(np.tile(label, (draws, 1)))
        guessed.append(np.column_stack([_most_likely(likely, labels[:, part]) for part in (0, 1)]))
    return np.concatenate(true), np.concatenate(guessed)


def _most_likely(likely: np.ndarray, angles_deg: np.ndarray) -> np.ndarray:
    """(n,) the angle with the largest sum of (n, poses) probabilities over the poses that have it."""
    values = np.unique(angles_deg)
    return values[np.stack([likely[:, angles_deg == value].sum(axis=1) for value in values]).argmax(axis=0)]
