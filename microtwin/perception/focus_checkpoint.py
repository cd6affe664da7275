"""Which trained network a focus loop looks through."""

from pathlib import Path

from microtwin.errors import InputError
from microtwin.perception import extra
from microtwin.perception.shipped import DEPTH, shipped


def depth_estimator(path: Path | None, robot: int):
    """An :class:`~microtwin.perception.estimator.Estimator` that reads a robot's depth in µm; None for the shipped one.

    Its first answer, which takes longest, is behind it. PyTorch is left with one thread: a single image gains little
    from a second one, and waiting for it on a busy machine costs hundreds of milliseconds.

    Raises:
        InputError: PyTorch is missing, no such file, no checkpoint, one that reads no depth, or not this robot's.
    """
    extra.require()
    import numpy as np
    import torch

    from microtwin.otmr.framing import CROP
    from microtwin.perception.estimator import Estimator

    if path is None and not shipped(DEPTH).is_file():
        raise InputError(
            "no checkpoint came with this package: give --checkpoint FILE; microtwin train depth makes one"
        )
    estimator = Estimator.load(path or shipped(DEPTH))
    task, name = estimator.task, (path or shipped(DEPTH)).name
    if not task.has_depth:
        raise InputError(f"checkpoint {name} reads {task.kind}, no depth: give one of microtwin train depth or joint")
    if task.depth_unit != "um":
        raise InputError(f"checkpoint {name} reads depths on a scale of 0 to 1: give one trained on depths in µm")
    if robot not in task.robots:
        known = ", ".join(map(str, task.robots))
        raise InputError(f"checkpoint {name} does not know robot {robot}: it was trained on {known}")
    torch.set_num_threads(1)
    estimator(np.full((1, *CROP), 110, np.uint8))
    return estimator
