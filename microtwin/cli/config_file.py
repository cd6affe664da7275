"""``--config FILE.toml``: a command's options from a file, under the same names; the command line goes over it."""

import dataclasses
import difflib
import functools
import inspect
import tomllib
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from microtwin.errors import InputError


def with_config(command: Callable[..., int], arguments: Sequence[str]) -> Callable[..., int]:
    """The command with its file's values for defaults, if the arguments name a file: whatever they say goes over it.

    Raises:
        InputError: a file that cannot be read, or a name or value in it that the command does not have.
    """
    path = _named_file(arguments)
    if path is None:
        return command
    parameters = {
        name: (parameter.default, parameter.annotation)
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "config"
    }
    return functools.partial(command, **_checked(_table(path), parameters, str(path)))


def _named_file(arguments: Sequence[str]) -> Path | None:
    """What follows the last ``--config``."""
    found = None
    for argument, following in pairwise([*arguments, "--"]):
        if argument == "--config" and not following.startswith("--"):
            found = Path(following)
        elif argument.startswith("--config="):
            found = Path(argument.removeprefix("--config="))
    return found


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): give a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML file ({error}): mend it") from None


def _checked(table: dict[str, Any], known: dict[str, tuple[Any, Any]], where: str) -> dict[str, Any]:
    """The table's values as the command takes them; ``known`` has each name's default and annotation."""
    found = {}
    for written, value in table.items():
        name = written.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"give some of {', '.join(known)}"
            raise InputError(f"{where}: {written} is unknown: {remedy}")
        default, annotation = known[name]
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            if not isinstance(value, dict):
                raise InputError(f"{where}: {written} is {value!r}: give a table, as [{name}]")
            fields = {f.name: (getattr(default, f.name), None) for f in dataclasses.fields(default)}
            found[name] = dataclasses.replace(default, **_checked(value, fields, f"{where}, [{name}]"))
        else:
            found[name] = _like(value, default, annotation, f"{where}: {written}")
    return found


def _like(value: Any, default: Any, annotation: Any, where: str) -> Any:
    """The value in the default's type."""
    kind = _without_notes(annotation)
    choices = _choices(kind)
    if isinstance(default, tuple):
        if not isinstance(value, list) or (default and len(value) != len(default)):
            raise InputError(f"{where} is {value!r}: give a list" + f" of {len(default)} numbers" * bool(default))
        if choices:
            return tuple(_one_of(item, choices, where) for item in value)
        types = [type(item) for item in default] or [int] * len(value)
        return tuple(_number(item, kind, where) for item, kind in zip(value, types, strict=True))
    if choices:
        return _one_of(value, choices, where)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InputError(f"{where} is {value!r}: give true or false")
        return value
    if isinstance(default, int | float):
        return _number(value, type(default), where)
    if not isinstance(value, str):
        raise InputError(f"{where} is {value!r}: give text in quotes")
    return Path(value) if isinstance(default, Path) else value


def _number(value: Any, kind: type, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and value != int(value)):
        raise InputError(f"{where} is {value!r}: give a {'whole ' * (kind is int)}number")
    return kind(value)


def _one_of(value: Any, choices: tuple[str, ...], where: str) -> str:
    if value not in choices:
        raise InputError(f"{where} is {value!r}: give {' or '.join(choices)}")
    return value


def _without_notes(annotation: Any) -> Any:
    return getattr(annotation, "__origin__", annotation) if hasattr(annotation, "__metadata__") else annotation


def _choices(annotation: Any) -> tuple[str, ...]:
    """Of Literal, or of a tuple of such."""
    if get_origin(annotation) is tuple:
        annotation = get_args(annotation)[0]
    return get_args(annotation) if get_origin(annotation) is Literal else ()
