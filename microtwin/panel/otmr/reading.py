"""What a trained network reads from the OTMR page's picture; PyTorch is loaded beside the work, if it is there."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from microtwin.errors import InputError
from microtwin.perception.shipped import DEPTH, ZERO_SHOT, shipped

if TYPE_CHECKING:
    from microtwin.perception.estimator import Estimator

_WITH_POSE = 3  # the robot whose pose, too, a shipped checkpoint reads


class Reader:
    """Reads pose and depth with the checkpoint that was given, else with the shipped one that suits the robot.

    Args:
        checkpoint: a file, or the name of a shipped one; None for whichever suits.
    """

    def __init__(self, checkpoint: str | None) -> None:
        self._checkpoint = checkpoint
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="panel-otmr-torch")
        self._loaded: dict[Path, Future[Estimator]] = {}

    def begin(self, robot: int) -> Future["Estimator"]:
        """Have the robot's network loaded, which takes seconds the first time."""
        path = self._path(robot)
        if path not in self._loaded:
            self._loaded[path] = self._loading.submit(_load, path)
        return self._loaded[path]

    def read(self, image: np.ndarray, robot: int) -> dict[str, Any]:
        """What the network says of a (256, 256) uint8 crop; waits for it if it is still being loaded.

        Keys as of :meth:`microtwin.perception.estimator.Estimates.row`, and ``checkpoint``, its name.

        Raises:
            InputError: PyTorch or the checkpoint is missing, or it does not know the robot.
        """
        path = self._path(robot)
        estimator = self.begin(robot).result()
        if robot not in estimator.task.robots:
            known = ", ".join(map(str, estimator.task.robots))
            raise InputError(f"checkpoint {path.name} does not know robot {robot}: it was trained on {known}")
        return {"checkpoint": path.stem, **estimator(image[None]).row(0)}

    def _path(self, robot: int) -> Path:
        if self._checkpoint is not None:
            return Path(self._checkpoint)
        return shipped(ZERO_SHOT if robot == _WITH_POSE else DEPTH)


def _load(path: Path) -> "Estimator":
    from microtwin.perception import extra

    extra.require()
    import torch

    from microtwin.perception.estimator import Estimator

    torch.set_num_threads(1)
    estimator = Estimator.load(path)
    estimator(np.full((1, 256, 256), 110, np.uint8))  # the first answer takes longest
    return estimator
