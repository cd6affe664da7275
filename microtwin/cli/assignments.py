"""Options of the form NAME=VALUE on the command line."""

import json
from typing import Any

from microtwin.errors import InputError


def assignments(words: tuple[str, ...], flag: str) -> dict[str, Any]:
    """{name: value} of words ``name=value``; a value that is not JSON is taken as text.

    Raises:
        InputError: a word without ``=``, a name given twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if not (sign and name):
            raise InputError(f"{flag} {word!r}: give name=value, for example {flag} gamma=0.98")
        if name in found:
            raise InputError(f"{flag} {name} is given twice: give it once")
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = {"True": True, "False": False, "None": None}.get(text, text)
    return found
