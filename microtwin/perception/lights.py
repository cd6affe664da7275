"""Renderings before the camera: intensities of turned robots at many depths, from which a training draws its images.

The waves of a sequence cost a hundred times what a network needs to learn from an image, and the camera costs nothing.
So light is rendered once, on the grid of the propagation and with no in-plane angle, and the camera's part (in-plane
angle, place, blur, lamp, noise: :mod:`microtwin.perception.camera`) is drawn anew every time it is looked at.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from microtwin.otmr.plan import Sequence

LIGHT = 144  # pixels of GRID_UM: a crop's 128, and what a shift brings in


@dataclass(frozen=True, eq=False)
class Lights:
    """n intensities and what they show.

    Attributes:
        light: (n, LIGHT, LIGHT) float16 over the background, pixels of GRID_UM, the outline's middle in the middle.
        pitch_deg, roll_deg: (n,) int16, the label.
        depth_um: (n,) float32.
        robot: (n,) int16. sequence: (n,) int32, running number of the plan.
    """

    light: np.ndarray
    pitch_deg: np.ndarray
    roll_deg: np.ndarray
    depth_um: np.ndarray
    robot: np.ndarray
    sequence: np.ndarray

    def __len__(self) -> int:
        return len(self.light)

    def take(self, which: np.ndarray) -> "Lights":
        """Those of the indices, or of a mask."""
        return Lights(*(getattr(self, field.name)[which] for field in fields(self)))

    @classmethod
    def together(cls, parts: Iterable["Lights"]) -> "Lights":
        """All of them, in their order."""
        parts = list(parts)
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class _Job:
    sequence: Sequence
    seed: int
    randomise: Any
    shape: float


def render_lights(
    sequences: Iterable[Sequence],
    randomise: Any,
    seed: int,
    run: Callable[[Callable[[Any], Any], Iterable[Any]], Generator[Any, None, None]],
    shape: float = 0.0,
) -> Generator[Lights, None, None]:
    """The light of each sequence of a plan (:meth:`microtwin.otmr.plan.Plan.items`), as they are done.

    A sequence's depths are drawn evenly over the sweep: what a film would show, with nothing shown twice. Its light is
    the same for the same seed, whatever else is rendered.

    Args:
        randomise: whose ``draw(rng)`` gives a sequence's nuisance.
        run: where it is rendered (:func:`microtwin.otmr.workers.in_processes`).
        shape: how far sizes are off the catalogue's (:func:`microtwin.robots.varied.varied`).
    """
    return run(_light, (_Job(sequence, seed, randomise, shape) for sequence in sequences))


def _light(job: _Job) -> Lights:
    """One sequence's: what a worker does."""
    import cv2

    from microtwin.otmr.render import depth_limits_um, intensities, orientation
    from microtwin.robots.catalogue import robot
    from microtwin.robots.varied import varied

    cv2.setNumThreads(1)
    sequence, body = job.sequence, robot(job.sequence.robot)
    streams = sequence.streams(job.seed)
    mesh = varied(sequence.robot, job.shape, streams[2])
    draw = replace(job.randomise.draw(streams[1]), in_plane_deg=0.0)
    turn = orientation(sequence.pose, draw)
    low, high = depth_limits_um(mesh, turn, draw, body.depth_range_um)
    n = sequence.images
    depths_um = low + (high - low) * (np.arange(n) + streams[0].uniform(size=n)) / n
    pictures, _ = intensities(mesh, turn, depths_um, draw, rings=3)
    light = np.stack([_framed(picture) for picture in pictures])

    def all_of(value: int, dtype: type) -> np.ndarray:
        return np.full(n, value, dtype=dtype)

    return Lights(
        light,
        all_of(sequence.pose.pitch_deg, np.int16),
        all_of(sequence.pose.roll_deg, np.int16),
        depths_um.astype(np.float32),
        all_of(sequence.robot, np.int16),
        all_of(sequence.number, np.int32),
    )


def _framed(picture: np.ndarray) -> np.ndarray:
    """(LIGHT, LIGHT) float16: a square picture cut to that, or set into the empty background."""
    spare = LIGHT - len(picture)
    if spare > 0:
        before, after = spare // 2, spare - spare // 2
        picture = np.pad(picture, ((before, after), (before, after)), constant_values=1.0)
    first = (len(picture) - LIGHT) // 2
    return picture[first : first + LIGHT, first : first + LIGHT].astype(np.float16)
