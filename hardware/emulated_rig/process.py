"""The emulated rig in a process of its own, as a host would find it: for experiments and benchmarks."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Self

from microtwin.errors import InputError


class RigProcess:
    """Runs ``python -m emulated_rig``; ready when it is made, ended when its block is left or :meth:`close` is called.

    Args:
        folder: for its port, its settings and its report. seed, camera: as on its command line.

    Attributes:
        toml: the settings for a host.

    Raises:
        InputError: it ended; why stands on the screen.
    """

    def __init__(self, folder: Path, *, seed: int = 0, camera: str = "y4m"):
        self.toml = folder / "rig.toml"
        command = [sys.executable, "-m", "emulated_rig", "--toml", self.toml, "--port", folder / "port", "--quiet"]
        command += ["--seed", seed, "--camera", camera, "--report", folder / "report.json"]
        self._process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        while not self._line().startswith("ready"):
            pass

    def order(self, what: str) -> None:
        """One of :data:`emulated_rig.serve.COMMANDS`."""
        assert self._process.stdin
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()

    def report(self) -> dict:
        """What :meth:`emulated_rig.serve.RealTime.report` says now."""
        self.order("report")
        return json.loads(self._line())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.order("quit")
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise InputError("the emulated rig ended: see its message above")
        return line
