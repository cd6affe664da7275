"""The checkpoints that come with the package, in ``assets/perception``."""

import importlib.resources
from pathlib import Path

DEPTH = "depth_all.pt"  # reads the depth of all 18 robots; taught by renderings of seed 7: test it on other seeds'
ZERO_SHOT = "robot_03_zero_shot.pt"  # pose and depth of robot 3, taught by renderings alone
FEW_SHOT = "robot_03_few_shot.pt"  # the same, adapted to twelve real crops
SHIPPED = tuple(name.removesuffix(".pt") for name in (DEPTH, ZERO_SHOT, FEW_SHOT))


def named(path: Path) -> Path:
    """The path, or the shipped checkpoint's where it is only the name of one and no file."""
    return shipped(f"{path}.pt") if str(path) in SHIPPED and not path.exists() else path


def shipped(name: str) -> Path:
    """Where one is, whether it is there or not: in an installed package, or in the source tree's assets."""
    packaged = Path(str(importlib.resources.files("microtwin"))) / "assets" / "perception"
    folder = packaged if packaged.is_dir() else Path(__file__).parents[2] / "assets" / "perception"
    return folder / name
