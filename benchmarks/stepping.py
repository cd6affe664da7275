"""How fast one world steps on one core, and what a step costs as bodies are added; NumPy beside it in the same run.

Usage: ``python benchmarks/stepping.py [--json FILE] [--quick] [--out DIR] [--seed 0]``. A control step is 1/24 s of
simulated time in four inner steps, Brownian motion on, with a new heading of the field every time. The peer does the
linear algebra of an inner step in NumPy: two ``resistance()`` calls, a Cholesky factor for the noise, two solves.
"""
# ruff: noqa: E402

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # one core; NumPy reads them when it is loaded

import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from microtwin import files, paths
from microtwin.errors import exit_code
from microtwin.field import RotatingField
from microtwin.physics import Liquid, World, resistance
from microtwin.pushing import Push
from microtwin.recording import versions
from microtwin.robots import bead, nominal
from microtwin.robots.calibration import lab_coils
from microtwin.scene import resting_gap
from microtwin.simulated import FRAME_RATE_HZ

RUNS = 5
FIELDS = [RotatingField(2 * math.pi * k / 24, frequency_hz=12.0) for k in range(24)]
BODIES = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
INNER_STEPS = 4
PITCH_UM = 14.0


def grid(bodies: int, fidelity: Any, seed: int) -> World:
    """A robot in the corner of a square grid of beads, all at their rest gaps."""
    liquid, robot = Liquid(), nominal()
    spheres = [robot, *[bead(range_um=robot.range_um)] * (bodies - 1)]
    side = math.ceil(math.sqrt(bodies))
    placed = [
        sphere.at(PITCH_UM * (k % side), PITCH_UM * (k // side), resting_gap(sphere, liquid))
        for k, sphere in enumerate(spheres)
    ]
    return World(placed, rng=seed, liquid=liquid, coils=lab_coils(), fidelity=fidelity)


def seconds_per_call(call: Callable[[int], Any], calls: int, runs: int) -> tuple[float, float]:
    """Medians over the runs: the core's and the wall's seconds a call takes. They agree when nothing else runs."""
    core, wall = [], []
    for _ in range(runs):
        core_begun, wall_begun = time.process_time(), time.perf_counter()
        for k in range(calls):
            call(k)
        core.append((time.process_time() - core_begun) / calls)
        wall.append((time.perf_counter() - wall_begun) / calls)
    return statistics.median(core), statistics.median(wall)


def rate(bodies: int, fidelity: str, seed: int) -> dict[str, float]:
    """Control steps per second of the core and of the wall clock, compiled beforehand."""
    world = grid(bodies, fidelity, seed)
    world.step(FIELDS[0], 1 / FRAME_RATE_HZ)
    steps = 24 * (200 if bodies <= 2 else 20)
    core, wall = seconds_per_call(lambda k: world.step(FIELDS[k % 24], 1 / FRAME_RATE_HZ), steps, RUNS)
    return {"per_core_s": 1 / core, "per_wall_s": 1 / wall}


def numpy_step(positions: np.ndarray, radii: np.ndarray, load: np.ndarray, kt: float, rng: np.random.Generator) -> None:
    """The peer: Fixman's midpoint step of 1/96 s; its end is thrown away, so that every call does the same work."""
    step = 1 / (INNER_STEPS * FRAME_RATE_HZ)
    resist = resistance(positions, radii)
    force = load + math.sqrt(2 * kt / step) * np.linalg.cholesky(resist) @ rng.standard_normal(load.size)
    velocity = np.linalg.solve(resist, force)
    middle = positions + 0.5 * step * velocity[: positions.size].reshape(-1, 3)
    np.linalg.solve(resistance(middle, radii), force)


def cost(bodies: int, seed: int, advance: Callable[[], None]) -> dict[str, float]:
    """Milliseconds of the core for a control step, library and NumPy; from few inner steps where they are long."""
    world = grid(bodies, "averaged", seed)
    start, rng = world.positions_um.copy(), np.random.default_rng(seed)
    load = np.zeros(6 * bodies)
    load[3 * bodies + 1] = 100.0  # torque that rolls the robot, pN·µm
    inner = 1 / (INNER_STEPS * FRAME_RATE_HZ)
    calls, runs = (max(1, 2000 // bodies**2), RUNS) if bodies <= 100 else (1, 1)
    own, _ = seconds_per_call(lambda k: world.step(FIELDS[k % 24], inner), calls, runs)
    advance()
    peer, _ = seconds_per_call(
        lambda _: numpy_step(start, world.radii_um, load, world.liquid.kt_pn_um, rng), calls, runs
    )
    advance()
    return {"bodies": bodies, "library_ms": 1e3 * INNER_STEPS * own, "numpy_ms": 1e3 * INNER_STEPS * peer, "runs": runs}


def peak_memory_mb() -> float | None:
    """Largest resident memory so far; None where the system does not tell (Windows)."""
    try:
        import resource
    except ImportError:
        return None
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def processor() -> str:
    """The processor's name, as well as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def draw(path: Path, table: pd.DataFrame, title: str) -> None:
    """Cost of a step against the number of bodies."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.loglog(table.bodies, table.numpy_ms, "s--", color="#cc3311", label="NumPy, its linear algebra alone")
    ax.loglog(table.bodies, table.library_ms, "o-", color="#4477aa", lw=2, label="microtwin, the whole step")
    ax.axhline(1e3 / FRAME_RATE_HZ, color="0.5", ls=":")
    ax.annotate(
        "real time", (table.bodies.iloc[0], 1e3 / FRAME_RATE_HZ), (0, 4), textcoords="offset points", color="0.4"
    )
    ax.set_xticks(table.bodies, [f"{n:,}" for n in table.bodies], minor=False)
    ax.minorticks_off()
    ax.set(xlabel="bodies", ylabel="a control step of 1/24 s takes (ms)")
    ax.set_title(title, fontsize=12)
    ax.grid(color="0.9")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=160)


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    quick: bool = False,
    out: Path = Path("runs/stepping"),
    seed: int = 0,
) -> None:
    """Control steps per second of one world on one core, and the cost of a step against the number of bodies.

    Args:
        json_file: where to write machine, versions and all medians.
        quick: at most 100 bodies.
        out: folder for stepping.csv and stepping.png.
        seed: of the Brownian motion.
    """
    folder = files.open_folder(out)
    if json_file:
        files.open_folder(json_file.parent)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    machine = {"processor": processor(), "cores": os.cpu_count(), "threads": 1, "system": platform.platform()}
    print(f"{machine['processor']}, one thread; medians of {RUNS} runs, compiled beforehand; bounds in brackets")
    print(f"load when begun {load:.1f} on {os.cpu_count()} cores; the core's own time counts, the wall clock beside it")
    rates = {f"{kind}_n{n}": rate(n, kind, seed) for kind in ("averaged", "resolved") for n in (2, 10)}
    _, circle_s = seconds_per_call(
        lambda k: list(Push(paths.circle(), 12.0, 5.0, trials=1, seed=seed + k).run()), calls=1, runs=RUNS
    )
    memory_mb = peak_memory_mb()
    for name, value in rates.items():
        bound = "  (≥ 25,000)" if name == "averaged_n2" else ""
        print(f"  {name:12} {value['per_core_s']:10,.0f} control steps/s{bound}, wall {value['per_wall_s']:,.0f}")
    print(f"  12 Hz circle {circle_s:10.2f} s of wall time  (< 1)")
    print(f"  peak memory  {memory_mb or math.nan:10.0f} MB, before the large worlds  (< 400)")
    sizes = [n for n in BODIES if not quick or n <= 100]
    with Progress(transient=True) as progress:
        task = progress.add_task("adding bodies", total=2 * sum(n**3 + 1e5 for n in sizes))
        rows = [cost(n, seed, lambda n=n: progress.advance(task, n**3 + 1e5)) for n in sizes]
    table = pd.DataFrame(rows)
    print("\na control step takes (ms of the core)\n  bodies    microtwin   NumPy algebra   NumPy / microtwin")
    for row in rows:
        print("  {bodies:6,d} {library_ms:12.3f} {numpy_ms:15.3f}".format(**row), end="")
        print(f" {row['numpy_ms'] / row['library_ms']:15.1f} ×")
    with files.whole(folder / "stepping.csv") as temporary:
        table.to_csv(temporary, index=False)
    draw(folder / "stepping.png", table, f"One world on one core of {machine['processor']}")
    print(f"wrote stepping.csv and stepping.png to {folder}")
    if json_file:
        report = {
            "machine": machine | {"load_when_begun": load},
            "versions": versions(),
            "runs": RUNS,
            "control_steps_per_s": rates,
        }
        report |= {"circle_wall_s": circle_s, "peak_memory_mb": memory_mb, "cost": rows}
        with files.whole(json_file) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(exit_code("stepping", lambda: tyro.cli(main)))
