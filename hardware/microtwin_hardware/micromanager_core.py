"""The one Micro-Manager core of this process, shared by the camera and the stage (pymmcore-plus, BSD/LGPL)."""

import threading
from pathlib import Path
from typing import Any

from microtwin.errors import InputError
from microtwin_hardware.cameras.vendor import library

INSTALL = "pip install 'microtwin[micromanager]', then mmcore install for the device adapters"
KEYS = ("config_file", "python_devices", "device")

_lock = threading.Lock()
_loaded: dict[str, Any] = {"file": None, "users": 0}


class SharedCore:
    """A loaded core and the name of the device to use in it.

    Options: ``config_file``, a Micro-Manager .cfg; without one the core of this process is taken as it is, for a
    program that has set it up already. ``python_devices = true`` for a .cfg with devices written in Python (UniMMCore).
    ``device``, a label in it; without one the core's own default camera or focus.

    Args:
        options: of the camera or the stage. table: where they stand, for messages. core: a core of one's own instead.

    Raises:
        InputError: pymmcore-plus is missing, the .cfg is missing or does not load, another one is loaded.
    """

    def __init__(self, options: dict[str, Any], table: str, core: Any = None):
        self._table = table
        self._file = options.get("config_file")
        self._owned = core is None and self._file is not None
        self.core = core if core is not None else _instance(bool(options.get("python_devices")))
        if self._owned:
            self._load()

    def device(self, label: Any, default: str) -> str:
        """A device's label, checked.

        Args:
            label: as the user wrote it, or None. default: what the core uses itself; may be empty.

        Raises:
            InputError: the core has no such device, or none at all.
        """
        name = label or default
        if not name or name not in self.core.getLoadedDevices():
            there = ", ".join(name for name in self.core.getLoadedDevices() if name != "Core") or "none"
            what = f'has no device "{name}"' if name else "has no default device"
            raise InputError(f"Micro-Manager {what}: name one in {self._table}.options.device, of {there}")
        return name

    def _load(self) -> None:
        path = Path(str(self._file)).expanduser()
        if not path.is_file():
            raise InputError(
                f"{self._table}.options.config_file is {path}, which is no file: give Micro-Manager's .cfg"
            )
        with _lock:
            if _loaded["users"] and _loaded["file"] != path.resolve():
                raise InputError(
                    f"{self._table}.options.config_file is {path} but {_loaded['file']} is loaded: give camera and "
                    "stage one file"
                )
            if not _loaded["users"]:
                try:
                    self.core.loadSystemConfiguration(str(path))
                except Exception as error:  # whatever an adapter says
                    self.core.unloadAllDevices()
                    raise InputError(
                        f"Micro-Manager cannot load {path} ({' '.join(str(error).split())}): try it in Micro-Manager "
                        "itself, which must not run beside this"
                    ) from None
            _loaded["file"] = path.resolve()
            _loaded["users"] += 1

    def close(self) -> None:
        """Give the core back; the last user of a .cfg unloads its devices, so that another program can have them."""
        if not self._owned:
            return
        self._owned = False
        with _lock:
            _loaded["users"] -= 1
            if not _loaded["users"]:
                self.core.unloadAllDevices()


def _instance(python_devices: bool) -> Any:
    plus = library("pymmcore_plus", INSTALL)
    if python_devices:
        return library("pymmcore_plus.experimental.unicore", INSTALL).UniMMCore.instance()
    return plus.CMMCorePlus.instance()
