"""A recorded run read back: its rows, its path, and what the live view is told of each frame.

All this reads files: it belongs into a worker thread.
"""

import itertools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtwin import paths
from microtwin.control.path_frame import arc_lengths, project
from microtwin.errors import InputError
from microtwin.panel.messages import Header
from microtwin.panel.server.blank import blank_header
from microtwin.panel.server.past_runs import PATH, TELEMETRY, first_line, number, report_of
from microtwin.run import COLUMNS


@dataclass(frozen=True)
class Part:
    """One trial of a run.

    Attributes:
        trial: its number. first: row of the telemetry at which it begins.
        times_s: (n,) since its first row, never falling.
        error_um: (n,) distance of the object from the path; None without a path.
    """

    trial: int
    first: int
    times_s: np.ndarray
    error_um: np.ndarray | None


class Recorded:
    """One run's folder.

    Attributes:
        folder: where it lies. report: ``run.json``. table: the telemetry, all trials one after the other.
        robot_um, object_um: (rows, 2). nodes_um: (n, 2) path; None if it is not known.
        parts: the trials.

    Raises:
        InputError: telemetry or ``run.json`` cannot be read.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        try:
            self.report = report_of(self.folder)
        except InputError as error:
            raise InputError(f"{self.folder.name}: {error}") from None
        self.table = _telemetry(self.folder)
        self.robot_um = self.table[["robot_x_um", "robot_y_um"]].to_numpy(dtype=float)
        self.object_um = self.table[["object_x_um", "object_y_um"]].to_numpy(dtype=float)
        self.nodes_um = self._path()
        trial = self.table["trial"].to_numpy()
        starts = [0, *(np.flatnonzero(np.diff(trial)) + 1).tolist(), len(trial)]
        self.parts = tuple(self._part(*rows) for rows in itertools.pairwise(starts))

    def part(self, trial: int) -> Part:
        """The trial of that number.

        Raises:
            InputError: there is no such trial.
        """
        for part in self.parts:
            if part.trial == trial:
                return part
        numbers = sorted({self.parts[0].trial, self.parts[-1].trial})
        raise InputError(f"{self.folder.name} has no trial {trial}: choose {' to '.join(map(str, numbers))}")

    def header(self, part: Part, index: int) -> Header:
        """What a packet says of frame ``index`` of a trial; the picture carries overlay and scale bar itself."""
        row: Any = self.table.iloc[part.first + index]
        config = self.report["config"]
        header = blank_header(str(config.get("backend") or ""))
        header["frame"] = int(row["frame"])
        header["time_s"] = float(part.times_s[index])
        header["state"] = "running"
        header["mode"] = str(row["mode"])
        header["um_per_px"] = 0.0  # run.json does not say; no second scale bar
        header["goal_index"] = int(row["goal_index"])
        header["field"] = {
            "alpha_deg": math.degrees(row["alpha_rad"]),
            "gamma_deg": math.degrees(row["gamma_rad"]),
            "frequency_hz": float(row["frequency_hz"]),
            "amplitude": float(row["amplitude"]),
        }
        if self.nodes_um is not None:
            goal = self.nodes_um[min(header["goal_index"], len(self.nodes_um) - 1)]
            header["nodes"] = len(self.nodes_um)
            header["goal_um"] = math.dist(goal, self.object_um[part.first + index])
        if part.error_um is not None:
            header["error_um"] = float(part.error_um[index])
        header["run"] = {
            "folder": str(self.folder),
            "controller": str(config.get("controller") or ""),
            "elapsed_s": header["time_s"],
            "limit_s": float(part.times_s[-1]),
            "results": next((t for t in self.report["trials"] if t.get("trial") == part.trial), None),
        }
        header["replay"] = True
        return header

    @property
    def corridor_um(self) -> float | None:
        """Width of the corridor; None for a controller that has none."""
        return number(self.report["config"].get("width_um"))

    def _path(self) -> np.ndarray | None:
        """(n, 2) nodes; a run of before there was a ``path.csv`` has none unless it was a shape."""
        try:
            return paths.read_csv(self.folder / PATH)
        except InputError:
            name = self.report["config"].get("path")
            return paths.from_name(name) if name in paths.SHAPES else None

    def _part(self, first: int, end: int) -> Part:
        times = self.table["time_s"].to_numpy(dtype=float)[first:end]
        times = np.maximum.accumulate(times - times[0])
        return Part(int(self.table["trial"].iloc[first]), first, times, self._error_um(self.object_um[first:end]))

    def _error_um(self, track_um: np.ndarray) -> np.ndarray | None:
        """(n,) distance from the path, along which the track goes on: no jump where the path crosses itself."""
        if self.nodes_um is None:
            return None
        moved = np.hypot(*np.diff(self.nodes_um, axis=0).T) > 0
        nodes = self.nodes_um[np.concatenate(([True], moved))]
        arc, s, errors = arc_lengths(nodes), 0.0, []
        for x, y in track_um:
            s, across = project(nodes, arc, s, x, y)
            errors.append(abs(across))
        return np.array(errors)


def _telemetry(folder: Path) -> pd.DataFrame:
    """The rows as :func:`microtwin.recording.save` wrote them, checked."""
    try:
        table = pd.read_parquet(folder / TELEMETRY, columns=["trial", *COLUMNS])
        table = table.astype({"trial": int, "frame": int, "goal_index": int, "mode": str})
        numbers = table.drop(columns="mode").to_numpy(dtype=float)
    except (OSError, ValueError, KeyError, TypeError, NotImplementedError, MemoryError) as error:
        raise InputError(
            f"{folder.name}: {TELEMETRY} cannot be read ({first_line(error)}): the run cannot be replayed"
        ) from None
    if not len(table) or not np.isfinite(numbers).all():
        raise InputError(f"{folder.name}: {TELEMETRY} is empty or holds no numbers: the run cannot be replayed")
    if (np.diff(table["trial"].to_numpy()) < 0).any() or (table["goal_index"].to_numpy() < 0).any():
        raise InputError(f"{folder.name}: {TELEMETRY} is not a run's: its trials or goals are out of order")
    return table
