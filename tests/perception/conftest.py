"""Small labelled data in no time: pictures that tell pose and depth at a glance, in memory and on disk."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from microtwin.otmr.generate import Drawn, generate
from microtwin.otmr.plan import Plan, Task
from microtwin.otmr.pose import Pose
from microtwin.perception.examples import Examples
from microtwin.perception.labels import Kind

UM_PER_PX = 0.055
TOY_POSES = (Pose(0, 0), Pose(30, 0), Pose(30, 45), Pose(60, 45))


def picture(pose: Pose, depth_um: float, rng: np.random.Generator, size: int = 256) -> np.ndarray:
    """(size, size) uint8: a ring as wide as pitch says, a spot as large as roll says, both as strong as depth says.

    It looks the same after any turn in the plane, and the lamp's brightness differs from picture to picture.
    """
    across = UM_PER_PX * 256 / size * (np.arange(size) - (size - 1) / 2)
    off = rng.normal(0.0, 0.15, 2)
    r = np.hypot(across[None, :] - off[0], across[:, None] - off[1])
    ring = np.exp(-(((r - 2.0 - pose.pitch_deg / 30) / 0.4) ** 2))
    spot = np.exp(-((r / (0.4 + pose.roll_deg / 45)) ** 2))
    strength = 0.5 + 0.05 * depth_um
    light = rng.uniform(90, 130) * (1 - strength * ring + strength * spot)
    return np.clip(np.round(light + rng.normal(0.0, 2.0, r.shape)), 0, 255).astype(np.uint8)


def draw(sequence, randomise, streams) -> Drawn:
    """For :func:`microtwin.otmr.generate.generate`, instead of the optics."""
    depths_um = streams[0].uniform(-5.0, 5.0, sequence.images)
    drawn = randomise.draw(streams[1])
    images = np.array([picture(sequence.pose, depth, streams[2]) for depth in depths_um])
    return Drawn(images, depths_um, np.zeros((sequence.images, 2)), drawn.row(), 95)


@pytest.fixture(scope="session")
def toy_set(tmp_path_factory) -> Callable[..., Path]:
    """A generated data set of toy pictures, 256 × 256 pixels, by its plan; made once. Not to be written to.

    Robots 2, 4, 5 and 6 have 25 poses, robot 3 has 40; the others lie flat: a sequence of theirs is one of the depth
    task.
    """
    made: dict[str, Path] = {}

    def of(task: Task = "both", robots=(2, 8), images_per_sequence=2, sequences=2, seed=3) -> Path:
        plan = Plan(task, robots, images_per_sequence, sequences, seed)
        key = repr(plan.config())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("toy") / "set"
            generate(plan, made[key], draw=draw)
        return made[key]

    return of


@pytest.fixture
def toy_examples() -> Callable[..., Examples]:
    """Toy pictures in memory: poses × sequences × frames of one robot, depths in µm."""

    def of(
        sequences: int = 5,
        frames: int = 4,
        size: int = 32,
        *,
        poses=TOY_POSES,
        kind: Kind = "pose",
        robot: int = 3,
        seed: int = 0,
    ) -> Examples:
        rng = np.random.default_rng(seed)
        labels = [(pose, k) for pose in poses for k in range(sequences) for _ in range(frames)]
        depths = rng.uniform(-5.0, 5.0, len(labels))
        pitch = np.array([pose.pitch_deg for pose, _ in labels], dtype=np.int16)
        roll = np.array([pose.roll_deg for pose, _ in labels], dtype=np.int16)
        return Examples(
            images=np.array([picture(pose, depth, rng, size) for (pose, _), depth in zip(labels, depths, strict=True)]),
            pitch_deg=pitch,
            roll_deg=roll,
            depth=depths.astype(np.float32),
            depth_unit="um",
            robot=np.full(len(labels), robot, dtype=np.int16),
            sequence=np.repeat(np.arange(len(poses) * sequences, dtype=np.int32), frames),
            paths=[f"{pose.name}_{k:05d}_{n % frames:05d}.jpg" for n, (pose, k) in enumerate(labels)],
            kind=kind,
        )

    return of


@pytest.fixture
def write_picture() -> Callable[..., bytes]:
    """Writes a toy picture into a file, JPEG or PNG by its name, and gives its bytes."""

    def write(path: Path, pose: Pose = TOY_POSES[0], depth_um: float = 0.0, seed: int = 0) -> bytes:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = picture(pose, depth_um, np.random.default_rng(seed))
        data = cv2.imencode(path.suffix, image)[1].tobytes()
        path.write_bytes(data)
        return data

    return write


@pytest.fixture
def frame() -> Callable[..., tuple[np.ndarray, tuple[int, int]]]:
    """A full frame of 488 × 678 pixels with one toy robot in it, and the (row, column) of its middle."""

    def of(row: int = 200, column: int = 400, seed: int = 0) -> tuple[np.ndarray, tuple[int, int]]:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:488, :678]
        r = UM_PER_PX * np.hypot(x - column, y - row)
        light = 110 * (1 - 0.6 * np.exp(-(((r - 3.0) / 0.4) ** 2)) + 0.5 * np.exp(-((r / 0.6) ** 2)))
        return np.clip(np.round(light + rng.normal(0, 1.5, r.shape)), 0, 255).astype(np.uint8), (row, column)

    return of
