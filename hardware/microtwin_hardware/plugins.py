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
        loaded = import_module(module)
    except ImportError as error:
        raise InputError(
            f'{key} is "{name}": {module} cannot be imported ({error}); install it or correct the name'
        ) from None
    except Exception as error:  # whatever a module does while it loads
        raise InputError(f'{key} is "{name}": {module} does not load ({error!r}); mend it') from error
    try:
        return getattr(loaded, attribute)
    except AttributeError:
        raise InputError(f'{key} is "{name}": {module} has no {attribute}; correct the name') from None
