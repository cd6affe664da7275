"""What perception's networks need besides microtwin itself."""

from importlib.util import find_spec

from microtwin.errors import InputError

MODULES = ("torch", "torchvision", "sklearn", "tensorboard")


def require(*others: str) -> None:
    """Raises InputError unless the ``learn`` extra is installed, with the other modules that a command needs."""
    for name in (*MODULES, *others):
        if find_spec(name) is None:
            raise InputError(f"perception needs {name}, which is not installed: pip install 'microtwin[learn]'")
