"""The rig's TOML as text: written whole with comments, or with some values changed and everything else left alone."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from microtwin_hardware.config import TABLES, RigConfig, from_tables


def as_toml(config: RigConfig, notes: Mapping[str, str]) -> str:
    """The whole file. A key that is not set is there as a comment; ``notes`` are added to the comments."""
    lines = ["# A rig for microtwin; every key has its unit in its name."]
    for kind, table in TABLES.items():
        section = getattr(config, table)
        lines += ["", f"[{table}]"]
        for key in fields(kind):
            value = getattr(section, key.name)
            if key.metadata["kind"] == "table":
                if value:
                    lines += ["", f"[{table}.{key.name}]  # {key.metadata['words']}"]
                    lines += [f"{_name(name)} = {_value(part)}" for name, part in value.items()]
                continue
            comment = "; ".join(filter(None, (key.metadata["words"], notes.get(f"{table}.{key.name}"))))
            given = f"# {key.name} =" if value is None else f"{key.name} = {_value(value)}"
            lines.append(f"{given}  # {_one_line(comment)}")
    return "\n".join(lines) + "\n"


def with_changes(text: str, changes: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """The same file with other values for some ``table.key``; comments, order and all other lines stay.

    Each changed key's own comment becomes its note. A file too unusual to be edited line by line (dotted keys, a value
    over several lines) is written anew with the same content.
    """
    config = from_tables(tomllib.loads(text))
    for name, value in changes.items():
        table, key = name.split(".")
        config = replace(config, **{table: replace(getattr(config, table), **{key: value})})
    lines = text.removesuffix("\n").split("\n")
    for name, value in changes.items():
        _set_line(lines, name, f"{_value(value)}  # {_one_line(notes[name])}" if name in notes else _value(value))
    edited = "\n".join(lines) + "\n"
    try:
        same = from_tables(tomllib.loads(edited)) == config
    except ValueError:  # also what tomllib and the checks raise
        same = False
    return edited if same else as_toml(config, notes)


def _set_line(lines: list[str], name: str, value: str) -> None:
    table, key = name.split(".")
    heads = [k for k, line in enumerate(lines) if re.match(rf"\s*\[\s*{table}\s*\]", line)]
    if not heads:
        lines += ["", f"[{table}]", f"{key} = {value}"]
        return
    for k in range(heads[0] + 1, len(lines)):
        if re.match(r"\s*\[", lines[k]):
            break
        if re.match(rf"\s*{key}\s*=", lines[k]):
            lines[k] = f"{key} = {value}"
            return
    lines.insert(heads[0] + 1, f"{key} = {value}")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML's escapes are JSON's, and DEL
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(key)} = {_value(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _one_line(comment: str) -> str:
    return " ".join(comment.split())
