"""The folder of a data set while it is made: what makes it safe to kill the generator at any moment.

    DIR/dataset.json         settings and versions; written first, never changed
    DIR/.parts/lock          held by the one generator at work; the system lets go of it when that process dies
    DIR/.parts/*.tmp         files being written; each is renamed into its place when it is whole
    DIR/.parts/KEY.json      the record of a sequence: all its images are in their places
    DIR/manifest.sha256      written last: the data set is complete
    DIR/.parts               then removed

A sequence without a record is drawn again, over the same names with the same bytes, so nothing is missing, doubled or
cut off after a kill -9. A power cut is another matter: nothing is flushed to the disk (an fsync for every image would
cost more than drawing it), so files of the last half minute may be lost; ``verify`` names them.
"""

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from microtwin import files
from microtwin.errors import InputError

SETTINGS, MANIFEST, PARTS = "dataset.json", "manifest.sha256", ".parts"
EXPORTS = ("huggingface", "bop")  # folders beside the data set's own, which its manifest leaves out


class Store:
    """Writes whole files into a data set's folder, and keeps the records of what is done."""

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = Path(folder).absolute()
        self.parts = self.folder / PARTS

    @property
    def complete(self) -> bool:
        return (self.folder / MANIFEST).is_file()

    def write(self, name: str, data: bytes) -> None:
        """Put a file in its place under the folder, whole or not at all; one that is there is replaced.

        Raises:
            InputError: the file system refuses.
        """
        path = self.folder / name
        temporary = self.parts / f"{uuid.uuid4().hex}.tmp"  # a worker given up for dead may still write the same file
        try:
            temporary.write_bytes(data)
            try:
                os.replace(temporary, path)
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):  # a full disk has room again
                temporary.unlink(missing_ok=True)
            raise InputError(
                f"cannot write {path} ({error.strerror or error}): free space or allow writing there, "
                "then run the same command again to go on"
            ) from None

    def commit(self, record: dict[str, Any]) -> None:
        """Keep the record of a sequence whose files are all in their places.

        Raises:
            InputError: the file system refuses.
        """
        text = json.dumps(record, allow_nan=False, separators=(",", ":"))
        self.write(f"{PARTS}/{record['key']}.json", text.encode())

    def done(self) -> set[str]:
        """Keys of the sequences that need not be drawn again."""
        return {path.stem for path in self.parts.glob("*.json")}

    def record(self, key: str) -> dict[str, Any]:
        return json.loads((self.parts / f"{key}.json").read_bytes())

    def seal(self, manifest: bytes) -> None:
        """Declare the data set complete, and clean up.

        Raises:
            InputError: the file system refuses.
        """
        self.write(MANIFEST, manifest)
        shutil.rmtree(self.parts, ignore_errors=True)

    @contextlib.contextmanager
    def opened(self, config: dict[str, Any], versions: dict[str, str]) -> Iterator[None]:
        """Hold the folder for these settings: a new one, the rest of one that was stopped, or a complete one.

        Raises:
            InputError: the folder cannot be written, holds something else, a data set of other settings or of other
                versions that is not complete, or another generator is at work in it.
        """
        settings = {"config": config, "versions": versions}
        self._check(settings)
        if self.complete and not self.parts.exists():
            yield
            return
        with self.locked():
            self._check(settings)
            if self.complete:  # it was killed between its last two steps
                shutil.rmtree(self.parts, ignore_errors=True)
            else:
                for left in self.parts.glob("*.tmp"):
                    with contextlib.suppress(OSError):  # where it may not, it cannot write either, and says so
                        left.unlink(missing_ok=True)
                if not (self.folder / SETTINGS).exists():
                    self.write(SETTINGS, (json.dumps(settings, indent=2) + "\n").encode())
            yield

    def _check(self, settings: dict[str, Any]) -> None:
        try:
            names = {entry.name for entry in os.scandir(self.folder)} if self.folder.exists() else set()
        except OSError as error:
            raise InputError(
                f"out is {self.folder} ({error.strerror or error}): give a folder you may read and write"
            ) from None
        if SETTINGS not in names:
            if names - {PARTS}:
                raise InputError(f"{self.folder} is not empty and holds no data set: give --out a new folder")
            return
        found = read_settings(self.folder)
        wanted = json.loads(json.dumps(settings))
        for key, value in wanted["config"].items():
            there = found["config"].get(key)
            if there != value:
                if isinstance(value, dict) and isinstance(there, dict):
                    inner = next(k for k in {**value, **there} if value.get(k) != there.get(k))
                    key, value, there = f"{key}.{inner}".replace("_", "-"), value.get(inner), there.get(inner)
                raise InputError(
                    f"{self.folder} holds a data set with {key} {there}, not {value}: "
                    "give the settings it was begun with (dataset.json has them), or another --out"
                )
        if not self.complete and found["versions"] != wanted["versions"]:
            name = next(k for k in {**wanted["versions"], **found["versions"]} if _differ(k, found, wanted))
            raise InputError(
                f"{self.folder} was begun with {name} {found['versions'].get(name)}, this is "
                f"{wanted['versions'].get(name)}, and its images may differ: install that, or give another --out"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else is at work in the folder, and its ``.parts`` is there for what is being written.

        Raises:
            InputError: somebody is; the file system refuses.
        """
        files.open_folder(self.parts)
        try:
            import fcntl
        except ImportError:  # Windows: two generators in one folder would do double work, with the same bytes
            yield
            return
        path = self.parts / "lock"
        try:
            lock = path.open("w")
        except OSError as error:
            raise InputError(f"cannot write {path} ({error.strerror or error}): allow writing there") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(
                    f"another microtwin dataset is at work in {self.folder}: wait for it, or give another --out"
                ) from None
            except OSError:  # a file system without locks
                pass
            yield


def read_settings(folder: Path) -> dict[str, Any]:
    """What dataset.json of a folder holds: ``config`` and ``versions``.

    Raises:
        InputError: there is none, or it is not one that a generator wrote.
    """
    path = folder / SETTINGS
    try:
        found = json.loads(path.read_bytes())
        if not (isinstance(found["config"], dict) and isinstance(found["versions"], dict)):
            raise TypeError
        return found
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror or error}): give the folder of a data set") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a data set's: give a folder that microtwin dataset wrote") from None


def _differ(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    return found["versions"].get(name) != wanted["versions"].get(name)
