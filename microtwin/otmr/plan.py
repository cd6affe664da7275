"""What a data set will hold: an ordered list of sequences, a pure function of the settings.

A sequence is one robot in one pose, followed through one depth trajectory; it is what one worker draws in one go. Its
random numbers come from (seed, which tree, robot, pose, index) alone, so its bytes depend neither on the number of
workers, nor on their order, nor on which other robots were asked for.
"""

import operator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr import layout
from microtwin.otmr.pose import POSES, Pose
from microtwin.otmr.randomisation import Randomisation
from microtwin.robots import catalogue

Task = Literal["pose", "depth", "both"]
ROBOTS = tuple(range(1, 19))


@dataclass(frozen=True, order=True)
class Sequence:
    """One robot, one pose, one depth trajectory.

    Attributes:
        kind: which tree it is written to: ``pose`` is Image_Pose, ``depth`` is Image_Depth.
        robot: number, 1 to 18.
        robot_folder: the name of its folder in OTMR.
        pose: the class it is drawn in.
        index: which of the sequences of that pose.
        number: which of the robot's, in file names and in the table: no two poses share a video.
        images: how many.
    """

    kind: Literal["pose", "depth"]
    robot: int
    robot_folder: str
    pose: Pose
    index: int
    number: int
    images: int

    @property
    def key(self) -> str:
        """A name for it, unique in a plan: ``pose_03_P30_R5_00001``."""
        return f"{self.kind}_{self.robot:02d}_{self.pose.name}_{self.index:05d}"

    @property
    def folder(self) -> Path:
        """Where its images are, from the data set's folder."""
        if self.kind == "pose":
            return layout.pose_folder("", self.robot_folder, self.pose)
        return layout.depth_folder("", self.robot_folder)

    def image_name(self, frame: int) -> str:
        return layout.image_name(self.robot_folder, self.number, frame)

    @property
    def trajectory(self) -> Literal["continuous", "stepwise"]:
        """They alternate; OTMR has both (Fig. 6 of its paper)."""
        return "stepwise" if self.index % 2 else "continuous"

    def streams(self, seed: int) -> list[np.random.Generator]:
        """Three independent generators: for the depths, the drawn parameters, and the images."""
        place = (("pose", "depth").index(self.kind), self.robot, self.pose.pitch_deg, self.pose.roll_deg, self.index)
        return [np.random.default_rng(s) for s in np.random.SeedSequence(seed, spawn_key=place).spawn(3)]


@dataclass(frozen=True)
class Plan:
    """The settings of a data set.

    Attributes:
        task: ``pose`` has a folder per pose; ``depth`` a folder per robot, robots lying as drawn (P0_R0), with depths
            in µm; ``both`` has the pose robots' poses with a depth file each, and the other robots as for ``depth``.
        robots: numbers; none means all that have the task: 1 to 6 for ``pose``, 1 to 18 otherwise.
        images_per_sequence: images, and depths, of each sequence.
        sequences: sequences of each pose, or of each robot in Image_Depth.
        seed: 0 or more.
        randomise: what is drawn once per sequence.

    Raises:
        InputError: a robot that is unknown, given twice or without poses; fewer than one image or sequence.
    """

    task: Task = "pose"
    robots: tuple[int, ...] = ()
    images_per_sequence: int = 20
    sequences: int = 2
    seed: int = 0
    randomise: Any = field(default_factory=Randomisation)  # anything whose draw(rng) gives a Draw

    def __post_init__(self) -> None:
        if self.task not in ("pose", "depth", "both"):
            raise InputError(f"task is {self.task!r}: give pose, depth or both")
        limits = {"images per sequence": layout.LARGEST, "sequences": layout.LARGEST // max(map(len, POSES.values()))}
        for name, most in limits.items():
            value = operator.index(getattr(self, name.replace(" ", "_")))
            if not 1 <= value <= most:
                raise InputError(f"{name} is {value}: give 1 to {most}, for file names to have room")
        if operator.index(self.seed) < 0:
            raise InputError(f"seed is {self.seed}: give 0 or more")
        for robot in self.robots:
            if robot not in ROBOTS:
                raise InputError(f"robot {robot} is unknown: give numbers from {ROBOTS[0]} to {ROBOTS[-1]}")
            if self.task == "pose" and robot not in POSES:
                raise InputError(f"robot {robot} has no poses: give robots from {', '.join(map(str, POSES))}")
        if len(set(self.robots)) < len(self.robots):
            twice = next(robot for robot in self.robots if self.robots.count(robot) > 1)
            raise InputError(f"robot {twice} is given twice: give each robot once")
        robots = sorted(self.robots) or (POSES if self.task == "pose" else ROBOTS)
        object.__setattr__(self, "robots", tuple(robots))  # so that every way to say it is the same data set

    def items(self) -> list[Sequence]:
        """Every sequence, folder by folder, in the order of their file names."""
        known = catalogue.records()
        found = []
        for robot in self.robots:
            kind, poses = self._folders(robot)
            name = known[robot]["folder"]
            for number in range(len(poses) * self.sequences):
                rank, index = divmod(number, self.sequences)
                found.append(Sequence(kind, robot, name, poses[rank], index, number, self.images_per_sequence))
        return found

    def config(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        return {
            "task": self.task,
            "robots": list(self.robots),
            "images_per_sequence": self.images_per_sequence,
            "sequences": self.sequences,
            "seed": self.seed,
            "randomise": asdict(self.randomise),
        }

    def _folders(self, robot: int) -> tuple[Literal["pose", "depth"], tuple[Pose, ...]]:
        if self.task != "depth" and robot in POSES:
            return "pose", POSES[robot]
        return "depth", (Pose(),)
