"""How late the loop is on a rig: control ticks a second and latencies, in real time, beside the emulator and renderer.

Usage: ``python benchmarks/rig.py [--json FILE] [--seconds 20] [--cameras y4m mjpeg gige]``. ``python -m emulated_rig``
runs firmware, coils, world, renderer and camera in another process; here run the camera's thread, the tracker, the
corridor controller and the coils' driver: all on the cores that there are. The three cameras stand side by side.
Command to coil is what switching the field on takes: from the host's bytes to the first duty in the PWM registers.
"""

import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from rich.progress import Progress
from stepping import processor

from emulated_rig.process import RigProcess
from microtwin import files, paths
from microtwin.control import Corridor
from microtwin.errors import InputError, exit_code
from microtwin.field import RotatingField
from microtwin.recording import versions
from microtwin.robots.calibration import fitted
from microtwin.run import run_trial
from microtwin.vision import Tracker
from microtwin_hardware.rig import HardwareRig, open_hardware

CAMERAS = ("y4m", "mjpeg", "gige")
BOUND_PER_S = 24.0
SLACK = 0.01  # the camera itself gives 24 a second
KEYS = ("median", "p95")
EDGES = 20  # field off and on again, for the command-to-coil latency


class Watched(HardwareRig):
    """A rig that notes when its ticks end."""

    ended_s: list[float]
    trips_s: list[float]

    def command(self, field: RotatingField) -> RotatingField:
        applied = super().command(field)
        self.ended_s.append(time.monotonic())
        self.trips_s.append(self.coils.latency_s)  # type: ignore[attr-defined]
        return applied


def percentiles(values_s) -> dict[str, float]:
    found = np.percentile(1e3 * np.asarray(values_s), [50, 95, 99])
    return dict(zip(("median", "p95", "p99"), np.round(found, 3).tolist(), strict=True))


def measure(camera: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Push for so many seconds, then switch the field a few times."""
    with RigProcess(folder, camera=camera) as emulated:
        rig = open_hardware(emulated.toml)
        watched = Watched(rig.coils, rig.camera)
        watched.ended_s, watched.trips_s = [], []
        nodes_um = paths.circle()
        tracker = Tracker()
        with watched:
            nodes_um = nodes_um - nodes_um[0] + tracker(watched.observe()).object_um
            corridor = Corridor(nodes_um, frequency_hz=12.0, width_um=5.0, approach_um=fitted("pushing", "approach_um"))
            recording = run_trial(watched, tracker, corridor, time_limit_s=seconds)
            ticks = np.diff(watched.ended_s[:-1])
            trips, waits_s, dropped = watched.trips_s[1:-1], list(watched.waits_s), watched.camera.dropped
            for _ in range(EDGES):
                watched.command(replace(RotatingField.off(), frequency_hz=12.0))
                time.sleep(0.05)
                watched.command(RotatingField(math.pi / 4, frequency_hz=12.0))
                time.sleep(0.05)
        found = emulated.report()
    return {
        "camera": camera,
        "ticks": len(ticks),
        "ticks_per_s": len(ticks) / float(ticks.sum()),
        "ended": recording.reason,
        "frames_dropped": dropped,
        "frame_to_command": percentiles(waits_s),
        "round_trip": percentiles(trips),
        "command_to_coil": found["bytes_to_duty_ms"],
        "emulator_cores": round(found["cores"], 2),
        "emulator_late": found["late_ms"],
        "emulator_slipped_s": found["slipped_s"],
    }


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    seconds: float = 20.0,
    runs: int = 3,
    cameras: tuple[str, ...] = CAMERAS,
) -> None:
    """Control ticks a second and latencies of the whole loop in real time; medians of several runs.

    Args:
        json_file: where to write machine, versions and all runs.
        seconds: of pushing in a run.
        runs: of each camera, in turn.
        cameras: which.
    """
    if not (seconds > 1 and runs > 0):
        raise InputError(f"{runs} runs of {seconds} s: give at least one of more than a second")
    if unknown := [name for name in cameras if name not in CAMERAS]:
        raise InputError(f"camera is {unknown[0]!r}: choose from {', '.join(CAMERAS)}")
    if json_file:
        files.open_folder(json_file.parent)
    machine = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()}
    print(f"{machine['processor']}, {machine['cores']} cores; the rig and the loop together; medians of {runs} runs")
    done = []
    with tempfile.TemporaryDirectory() as scratch, Progress(transient=True) as progress:
        for _ in progress.track(range(runs), description="pushing"):
            done += [measure(camera, seconds, Path(scratch)) for camera in cameras]
    print("                       frame to command      command round trip    command to coil      emulator  frames")
    print("         ticks/s       median     95 %       median     95 %       median     95 %      cores     dropped")
    for camera in cameras:
        mine = [run for run in done if run["camera"] == camera]

        def middle(*keys: str, mine=mine) -> float:
            return statistics.median(reduce(getitem, keys, run) for run in mine)

        rate = middle("ticks_per_s")
        verdict = f"{'pass' if rate >= BOUND_PER_S * (1 - SLACK) else 'MISS'}, ≥ {BOUND_PER_S:g}"
        columns = [middle(what, key) for what in ("frame_to_command", "round_trip", "command_to_coil") for key in KEYS]
        print(
            f"  {camera:6} {rate:6.2f}   " + "".join(f"{value:8.1f} ms" for value in columns)
            + f"   {middle('emulator_cores'):6.2f} {middle('frames_dropped'):9.0f}   {verdict}"
        )  # fmt: skip
    if json_file:
        with files.whole(json_file) as temporary:
            text = json.dumps({"machine": machine, "versions": versions(), "runs": done}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code("rig", lambda: tyro.cli(main)))
