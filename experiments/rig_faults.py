"""What turns the field off when something fails in the middle of a push, and how soon.

Usage: ``python experiments/rig_faults.py [--quick] [--repeats 20]``. ``python -m emulated_rig`` runs the compiled
firmware, its world and its camera in real time; ``microtwin push --backend hardware`` pushes in another process; then
it is killed, hung, unplugged, blinded or left without disk. The time from there to the last duty that was not zero is
read from the PWM registers. Last, a megabyte of random bytes on the line of a running field. Linux, with the packages
of hardware/debian-packages.txt; the full disk is a small tmpfs, for which it must be root.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from emulated_rig import lockstep
from emulated_rig.bench import EmulatedRig
from emulated_rig.process import RigProcess
from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.field import RotatingField
from microtwin.scene import PushScene
from microtwin_hardware.coils.mega import MegaCoils
from microtwin_hardware.config import CoilsConfig

FAULTS = {
    "killed": "kill -9 of the host",
    "hung": "the host stops, its port stays open",
    "unplug": "the cable is pulled",
    "freeze": "the camera repeats a picture",
    "camera-gone": "the camera is gone",
    "disk-full": "no room for the recording",
}
BOUND_MS = 500.0
RUNS_OF_A_RIG = 3  # then a new one, with the bead at its place
PATIENCE_S = 60.0
GARBAGE = 1_000_000
MICROTWIN = [sys.executable, "-c", "import sys; from microtwin.cli import main; sys.exit(main())"]


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 MiB."""
    place = folder / "disk"
    place.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(place)], capture_output=True, text=True
    )
    if done.returncode:
        raise InputError(f"cannot mount a small disk ({done.stderr.strip()}): be root, or leave disk-full out")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)


def fail(fault: str, rig: RigProcess, folder: Path, wait_s: float) -> dict:
    """One run that fails ``wait_s`` after the field came on; when the field went off, and what the host said."""
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(small_disk(folder)) if fault == "disk-full" else folder / "push"
        command = [*MICROTWIN, "push", "--backend", "hardware", "--config", str(rig.toml), "--trials", "1"]
        host = subprocess.Popen(
            [*command, "--time-limit", "60", "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        stack.callback(lambda: (host.kill(), host.wait()))
        before = len(rig.report()["driven_s"])
        until(lambda: len(rig.report()["driven_s"]) > before or host.poll() is not None)
        time.sleep(wait_s)
        found = rig.report()
        if not found["driven"]:
            raise InputError(f"the host ended before it was to fail: {(host.communicate()[0] or '').strip()}")
        at_s = found["emulated_s"]
        match fault:
            case "killed":
                host.send_signal(signal.SIGKILL)
            case "hung":
                host.send_signal(signal.SIGSTOP)
            case "disk-full":
                with (out / "ballast").open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, 40 * 2**20)
            case _:
                rig.order(fault)
        until(lambda: not rig.report()["driven"])
        time.sleep(1.0)  # nothing may come back
        found = rig.report()
        if fault == "hung":
            host.send_signal(signal.SIGKILL)
        said = host.communicate(timeout=PATIENCE_S)[0].strip().splitlines()
        if fault == "unplug":
            rig.order("plug")
        if fault == "freeze":
            rig.order("thaw")
        events = [event["time_s"] for event in found["events"] if event["what"] == fault]
        begun_s = max(at_s, events[-1] if events else at_s)
        return {
            "fault": fault,
            "off_after_ms": 1000 * (found["last_driven_s"] - begun_s),
            "exit_code": host.returncode,
            "saved": (out / "run.json").is_file(),
            "said": said[0] if said else "",
        }


def until(happened) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not happened():
        if time.monotonic() > end_s:
            raise InputError(f"nothing happened for {PATIENCE_S:g} s: is this machine too slow for real time?")
        time.sleep(0.02)


def garbage(seed: int, count: int) -> dict:
    """Random bytes while a field is on: when it went off, how many were taken for a command, and whether it answers."""
    rng = np.random.default_rng(seed)
    rig = EmulatedRig.of(PushScene(), paths.circle(), seed)
    lockstep.attach("garbage", rig)
    with MegaCoils(CoilsConfig(port="lockstep://garbage", heartbeat_ms=0)) as coils:
        coils.apply(RotatingField(0.3, frequency_hz=12.0))
        rig.advance_to(rig.time_s + 0.1)
        begun_s = rig.time_s
        for _ in range(count // 1000):
            rig.write(rng.bytes(1000))
            while rig.mega.unsent > 500:
                rig.advance_to(rig.time_s + 0.005)
        rig.advance_to(rig.time_s + 0.05)
        taken = rig.last_driven_s - begun_s
        rig.read()
        report = coils.status()
        return {
            "fault": "garbage",
            "off_after_ms": 1000 * taken,
            "said": f"state {report.state.name}, {report.faults!r}",
        }


def draw(path: Path, table: pd.DataFrame) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    names = list(dict.fromkeys(table.fault))
    rng = np.random.default_rng(0)
    for row, name in enumerate(names):
        times_ms = table[table.fault == name].off_after_ms
        ax.plot(times_ms, row + rng.uniform(-0.2, 0.2, len(times_ms)), "o", ms=5, alpha=0.7)
    ax.axvline(BOUND_MS, color="k", ls=":", lw=1)
    ax.set_yticks(range(len(names)), [FAULTS.get(name, "a megabyte of random bytes") for name in names])
    ax.set(
        xlabel="from the fault to the last duty that was not zero (ms)",
        xlim=(min(-20, table.off_after_ms.min() - 20), 550),
    )
    ax.invert_yaxis()
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(
    quick: bool = False,
    repeats: int = 20,
    faults: tuple[str, ...] = tuple(FAULTS),
    out: Path = Path("runs/rig_faults"),
    seed: int = 0,
) -> None:
    """Faults in mid-push, and when all duties were zero.

    Args:
        quick: each once, and a tenth of the garbage.
        repeats: of each fault.
        faults: which.
        out: folder for faults.csv and faults.png.
        seed: of the moments at which they happen.
    """
    folder = files.open_folder(out)
    if unknown := [name for name in faults if name not in FAULTS]:
        raise InputError(f"fault {unknown[0]!r}: choose from {', '.join(FAULTS)}")
    rng = np.random.default_rng(seed)
    count = 1 if quick else repeats
    rows: list[dict] = []
    with Progress(transient=True) as progress, tempfile.TemporaryDirectory() as scratch:
        task = progress.add_task("failing", total=count * len(faults) + 1)
        for fault in faults:
            rig = None
            try:
                for number in range(count):
                    if rig is None:
                        rig = RigProcess(Path(scratch), seed=seed + number)
                    rows.append(fail(fault, rig, Path(scratch), float(rng.uniform(1.0, 3.0))))
                    progress.update(task, advance=1, description=fault)
                    if number % RUNS_OF_A_RIG == RUNS_OF_A_RIG - 1 or fault == "camera-gone":
                        rig.close()
                        rig = None
            finally:
                if rig:
                    rig.close()
        progress.update(task, description="garbage")
        rows.append(garbage(seed, GARBAGE // 10 if quick else GARBAGE))
    table = pd.DataFrame(rows)
    with files.whole(folder / "faults.csv") as temporary:
        table.to_csv(temporary, index=False)
    draw(folder / "faults.png", table)
    print(f"from a fault to the last duty that was not zero, emulated ms; bound {BOUND_MS:g}")
    for name, times in table.groupby("fault", sort=False):
        inside = int((times.off_after_ms <= BOUND_MS).sum())
        print(
            f"  {name:12} median {times.off_after_ms.median():6.1f}   greatest {times.off_after_ms.max():6.1f}   "
            f"{inside} of {len(times)}   {'pass' if inside == len(times) else 'MISS'}   {times.said.iloc[-1]}"
        )
    print(f"wrote faults.csv and faults.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("rig_faults", lambda: tyro.cli(main)))
