"""The keys of the rig's TOML file: what each may hold, and what is said when it holds something else."""

import math
import re
from collections.abc import Mapping
from dataclasses import Field, field
from difflib import get_close_matches
from typing import Any

from microtwin.errors import InputError

_UNITS = "um mm nm m px pixel ms us s ns min hz khz mhz fps a ma mt t ut g gauss tesla deg rad counts".split()
_OTHER_NAMES = {
    "fps": "frame_rate_hz",
    "pixel_size_um": "um_per_px",
    "index": "source",
    "serial": "source",
    "url": "source",
}


def key(default: Any, words: str, kind: str = "number", **rule: Any) -> Any:
    """A key of the file, as a dataclass field.

    Args:
        default: what it is when the file leaves it out; None for a key that may be missing.
        words: its comment in the file.
        kind: number, whole, numbers, wholes, text, choice, driver, flag or table.
        rule: ``low`` and ``high``, with ``hints`` at the unit that a value below or above is probably in; ``of``, all
            that it may be; ``count``, the length of a list.
    """
    return field(default=default, metadata={"words": words, "kind": kind, **rule})


def meant(given: str, known: Mapping[str, str], words: str) -> str:
    """What somebody who wrote ``given`` meant: the same quantity in another unit, or a slip of the keyboard."""
    for name, comment in known.items():
        if _quantity(given) == _quantity(name) or _OTHER_NAMES.get(given.lower()) == name:
            return f"give {name}" + (f" ({comment.split(';')[0]})" if comment else "")
    close = get_close_matches(given.lower(), known, n=1)
    return f"did you mean {close[0]}?" if close else f"{words} {', '.join(known)}"


def _quantity(name: str) -> str:
    """``exposure`` for ``exposure_ms`` as for ``exposure_us``; ``per`` for a scale in any unit."""
    parts = [part for part in re.split(r"[_\W]+", name.lower()) if part]
    return "_".join(part for part in parts if part not in _UNITS) or "_".join(parts)


def check(name: str, value: Any, entry: Field) -> Any:
    """The value as it is kept (lists of numbers as tuples, whole numbers as such).

    Raises:
        InputError: another type, outside its range, not one of its choices.
    """
    rule = entry.metadata
    if value is None and entry.default is None:
        return None
    match rule["kind"]:
        case "table":
            return _options(name, value)
        case "flag":
            if not isinstance(value, bool):
                raise InputError(f"{name} is {value!r}: give true or false")
        case "text" | "choice" | "driver":
            if not isinstance(value, str) or not value.strip():
                raise InputError(f'{name} is {value!r}: give text in quotes, such as "{entry.default}"')
            own = rule["kind"] == "driver" and re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", value)
            if rule["kind"] != "text" and not own and value not in rule["of"]:
                raise InputError(f'{name} is "{value}": {meant(value, dict.fromkeys(rule["of"], ""), "choose one of")}')
        case "numbers" | "wholes":
            if not isinstance(value, list | tuple) or len(value) != rule["count"]:
                raise InputError(f"{name} is {value!r}: give {rule['count']} numbers in square brackets")
            return tuple(_number(name, part, rule, whole=rule["kind"] == "wholes") for part in value)
        case kind:
            return _number(name, value, rule, whole=kind == "whole")
    return value


def _number(name: str, value: Any, rule: Any, whole: bool) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} is {value!r}: give a number without quotes")
    if "of" in rule:
        if value not in rule["of"]:
            raise InputError(f"{name} has {value}: give {' or '.join(map(str, rule['of']))}")
        return int(value)
    if not rule["low"] <= value <= rule["high"]:
        below, above = rule.get("hints", ("", ""))
        hint = "" if math.isnan(value) else below if value < rule["low"] else above
        unit = f"; is it in {hint}?" if hint else ""
        raise InputError(f"{name} is {value:g}: give {rule['low']:g} to {rule['high']:g} ({rule['words']}{unit})")
    if whole and value != int(value):
        raise InputError(f"{name} is {value:g}: give a whole number ({rule['words']})")
    return int(value) if whole else float(value)


def _options(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{name} is {value!r}: write a table, [{name}]")

    def plain(where: str, part: Any) -> Any:
        if isinstance(part, dict):
            return {str(key): plain(f"{where}.{key}", inner) for key, inner in part.items()}
        if isinstance(part, list | tuple):
            return [plain(where, inner) for inner in part]
        if not isinstance(part, str | bool | int | float):
            raise InputError(f"{where} is {part}: give text, a number, true, false or a list of them")
        return part

    return plain(name, value)
