"""A driver of one's own, named ``package.module:Class`` in the rig's file."""

from importlib import import_module
from typing import Any

from microtwin.errors import InputError


def named_class(name: str, key: str) -> Any:
    """The class of that name.

    Args:
        name: ``package.module:Class``. key: where it was written, for the message.

    Raises:
        InputError: no such module, it does not load, or it has no such class.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise InputError(
            f'{key} is "{name}": {module} cannot be imported ({error}); install it or correct the name'
        ) from None
    except AttributeError:
        raise InputError(f'{key} is "{name}": {module} has no {attribute}; correct the name') from None
