"""What training needs besides microtwin itself."""

from importlib.metadata import version
from importlib.util import find_spec

from microtwin.errors import InputError

MODULES = ("torch", "stable_baselines3", "sb3_contrib", "tensorboard")


def require() -> None:
    """Raises InputError unless the ``learn`` extra is installed."""
    for name in MODULES:
        if find_spec(name) is None:
            raise InputError("learning needs torch and stable-baselines3: pip install 'microtwin[learn]'")


def versions() -> dict[str, str]:
    """Of what a training depends on, besides what every run does."""
    return {name: version(name) for name in ("torch", "stable-baselines3", "sb3-contrib", "gymnasium")}
