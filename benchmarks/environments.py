"""How fast the environments step, one and many at a time; PushT, FetchPush and PandaPush beside them in the same run.

Usage: ``python benchmarks/environments.py [--json FILE] [--quick] [--envs 256] [--out DIR] [--seed 0]``. Everything is
made by ``gymnasium.make`` or ``make_vec`` with their wrappers, and driven by random actions drawn beforehand; resets
count. A control step is one camera frame, 1/24 s, with full hydrodynamics and Brownian motion; where an action lasts
several frames each of them counts, and the table says how many. The peers' steps last 1/25 s and 1/10 s of their time.
Single environments have one core and its own time counts; the vector ones have two and the wall clock counts, waiting
included. The peers: ``pip install -c constraints.txt -e ".[bench]"``, then ``pip install --no-deps -c constraints.txt
gym-pusht`` (without ``--no-deps`` it brings an OpenCV that writes over ours); what is not there is named and left out.
"""

import json
import math
import multiprocessing
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import tyro

from microtwin import files
from microtwin.errors import InputError, exit_code

ACTIONS = 64  # drawn beforehand, used in turn
RUNS, QUICK_RUNS = 7, 3
RUN_S, QUICK_RUN_S = 2.0, 0.3  # a run of each


@dataclass(frozen=True)
class Subject:
    """One row: what to make, and how long its step lasts in its own time."""

    name: str
    env: str  # Gymnasium's id, the module that registers it before the colon
    step_hz: float
    package: str = ""  # a peer's
    options: dict[str, Any] = field(default_factory=dict)
    vector: bool = False
    bound: float | None = None  # steps/s


@dataclass(frozen=True)
class Rate:
    """Medians over the runs: control steps per second of the wall clock, and of core time, all threads together."""

    per_wall_s: float
    per_core_s: float
    frames_per_action: int

    def counted(self, vector: bool) -> float:
        """What is compared: of a single environment what it does on a core of its own."""
        return self.per_wall_s if vector else self.per_core_s


VECTOR, FETCH, PUSHT = "PushPath, vector", "FetchPush-v4", "PushT, state"
SUBJECTS = [
    Subject(VECTOR, "microtwin_envs:microtwin/PushPath-v0", 24, vector=True, bound=50_000),
    Subject("Push, vector", "microtwin_envs:microtwin/Push-v0", 24, vector=True, bound=50_000),
    Subject("PushPath", "microtwin_envs:microtwin/PushPath-v0", 24, bound=8_000),
    Subject("Push", "microtwin_envs:microtwin/Push-v0", 24, bound=8_000),
    Subject("Push, pixels", "microtwin_envs:microtwin/Push-v0", 24, options={"observation": "pixels"}),
    Subject(PUSHT, "gym_pusht:gym_pusht/PushT-v0", 10, "gym-pusht", {"obs_type": "state"}),
    Subject("PushT, pixels", "gym_pusht:gym_pusht/PushT-v0", 10, "gym-pusht", {"obs_type": "pixels"}),
    Subject(FETCH, "gymnasium_robotics:FetchPush-v4", 25, "gymnasium-robotics"),
    Subject("PandaPush-v3", "panda_gym:PandaPush-v3", 25, "panda-gym"),
]
RATIO_BOUNDS = {FETCH: 20.0, PUSHT: 5.0}  # of the vector environment that follows a path


class Driver:
    """Steps one environment, or many as one, and counts control steps."""

    def __init__(self, subject: Subject, envs: int, seed: int):
        import gymnasium

        self._vector, self._next = subject.vector, 0
        if subject.vector:
            self._env: Any = gymnasium.make_vec(
                subject.env, num_envs=envs, vectorization_mode="vector_entry_point", **subject.options
            )
        else:
            self._env = gymnasium.make(subject.env, **subject.options)
        self._env.action_space.seed(seed)
        self._actions = [self._env.action_space.sample() for _ in range(ACTIONS)]
        self._env.reset(seed=seed)
        self.frames = 1 if subject.package else self._env.unwrapped.options.frames_per_action
        self.steps_per_call = self.frames * (envs if subject.vector else 1)

    def drive(self, calls: int) -> tuple[float, float]:
        """Wall's and core's seconds that so many calls of ``step`` take."""
        wall, core = time.perf_counter(), time.process_time()
        for _ in range(calls):
            _, _, terminated, truncated, _ = self._env.step(self._actions[self._next % ACTIONS])
            self._next += 1
            if not self._vector and (terminated or truncated):
                self._env.reset()
        return time.perf_counter() - wall, time.process_time() - core

    def calls_in(self, seconds: float) -> int:
        """How many calls take so long; the first, which may compile, and the way to steady work are not counted."""
        self.drive(4)
        calls, taken = 4, 0.0
        while taken < 0.25 * seconds:
            calls *= 2
            taken, _ = self.drive(calls)
        return max(1, round(calls * seconds / taken))


def serve(connection: Connection, subject: Subject, cores: int, envs: int, seconds: float, seed: int) -> None:
    """A process of its own for each subject: its cores, its threads, and whatever it prints to nobody.

    Sends the reason where it cannot be made, else the frames of an action; then a run's (steps/s, steps per core
    second) when asked.
    """
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
        os.environ[f"{library}_NUM_THREADS"] = str(cores)  # they read it when they are loaded, below
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    try:
        driver = Driver(subject, envs, seed)
        calls = driver.calls_in(seconds)
    except ModuleNotFoundError as error:
        return connection.send(f"there is no module {error.name}")
    except Exception as error:  # a peer fails in its own way; the others go on
        return connection.send(" ".join(f"{type(error).__name__}: {error}".split()))
    connection.send(driver.frames)
    while connection.recv():
        wall_s, core_s = driver.drive(calls)
        steps = calls * driver.steps_per_call
        connection.send((steps / wall_s, steps / core_s))


def measure(runs: int, seconds: float, cores: int, envs: int, seed: int) -> tuple[dict[str, Rate], dict[str, str]]:
    """Rates of those that are there, a run of each in turn; and why the others are not."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, list[tuple[float, float]]] = {}
    missing: dict[str, str] = {}
    pipes, frames = {}, {}
    for subject in SUBJECTS:  # one after the other, so that nothing else runs when the calls are counted
        ours, theirs = context.Pipe()
        arguments = (theirs, subject, cores if subject.vector else 1, envs, seconds, seed)
        context.Process(target=serve, args=arguments, daemon=True).start()
        theirs.close()
        try:
            answer = ours.recv()
        except EOFError:
            answer = "its process ended"
        if isinstance(answer, str):
            missing[subject.name] = answer
        else:
            pipes[subject.name], frames[subject.name], found[subject.name] = ours, answer, []
    for _ in range(runs):
        for name, pipe in pipes.items():
            pipe.send(True)
            found[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    rates = {}
    for name, pairs in found.items():
        wall, core = zip(*pairs, strict=True)
        rates[name] = Rate(statistics.median(wall), statistics.median(core), frames[name])
    return rates, missing


def ratios(rates: dict[str, Rate]) -> dict[str, dict[str, float]]:
    """The vector environment against each peer: all its cores against the one, and a core against a core."""
    if VECTOR not in rates:
        return {}
    own, peers = rates[VECTOR], [s.name for s in SUBJECTS if s.package and s.name in rates]
    return {
        name: {
            "vector": own.per_wall_s / rates[name].per_core_s,
            "a_core": own.per_core_s / rates[name].per_core_s,
        }
        for name in peers
    }


def draw(path: Path, rates: dict[str, Rate], title: str) -> None:
    """A bar each, on a scale of decades."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [subject for subject in SUBJECTS if subject.name in rates][::-1]
    values = [rates[subject.name].counted(subject.vector) for subject in shown]
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    colours = ["#cc3311" if subject.package else "#4477aa" for subject in shown]
    bars = ax.barh([subject.name for subject in shown], values, color=colours)
    ax.bar_label(bars, [f"{value:,.0f}" for value in values], padding=4)
    ax.set_xscale("log")
    ax.set_xlim(min(100.0, 0.5 * min(values)), 4 * max(values))
    ax.set_xlabel("control steps per second (blue: microtwin)")
    ax.set_title(title, fontsize=12)
    ax.spines[["top", "right"]].set_visible(False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=160)


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    quick: bool = False,
    envs: int = 256,
    out: Path = Path("runs/environments"),
    seed: int = 0,
) -> None:
    """Steps per second of the environments, single and vector, beside their peers.

    Args:
        json_file: where to write machine, versions and all medians.
        quick: fewer and shorter runs.
        envs: worlds in a vector environment.
        out: folder for environments.png.
        seed: of the actions and the environments.
    """
    if envs < 1:
        raise InputError(f"envs is {envs}: give 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    folder = files.open_folder(out)
    if json_file:
        files.open_folder(json_file.parent)
    import importlib.metadata
    import platform

    from imaging import verdict  # here: it keeps the process that imports it to one thread
    from stepping import processor

    from microtwin.recording import versions

    have = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores, runs, seconds = min(2, have), QUICK_RUNS if quick else RUNS, QUICK_RUN_S if quick else RUN_S
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    machine = {"processor": processor(), "cores": os.cpu_count(), "vector_cores": cores, "system": platform.platform()}
    print(
        f"{machine['processor']}; random actions; medians of {runs} runs of about {seconds:g} s, a run of each in turn"
    )
    print(f"one core for single environments, {cores} for {envs} worlds as one; load when begun {load:.1f}")
    rates, missing = measure(runs, seconds, cores, envs, seed)
    against = ratios(rates)

    print(f"  {'':20} {'steps/s':>10} {'wall':>10} {'per core':>10} {'× real time':>12}")
    for subject in SUBJECTS:
        name, end = subject.name, ""
        if name not in rates:
            print(
                f"  {name:20} left out, {missing[name]}" + (f"   (MISS, ≥ {subject.bound:g})" if subject.bound else "")
            )
            continue
        rate, value = rates[name], rates[name].counted(subject.vector)
        if subject.bound:
            end = f"   ({verdict(value, subject.bound, least=True)})"
        if name in against:
            end = "   {vector:.1f} × by the vector env, {a_core:.1f} × on one core".format(**against[name])
        if name in against and name in RATIO_BOUNDS:
            end += f"   ({verdict(against[name]['vector'], RATIO_BOUNDS[name], least=True)} ×)"
        if rate.frames_per_action > 1:
            end += f"   {rate.frames_per_action} frames an action"
        print(
            f"  {name:20} {value:10,.0f} {rate.per_wall_s:10,.0f} {rate.per_core_s:10,.0f} "
            f"{value / subject.step_hz:12,.0f}{end}"
        )
    if any(subject.package and subject.name in missing for subject in SUBJECTS):
        print("  how to install the peers: at the head of this file")
    if rates:
        draw(folder / "environments.png", rates, f"Random actions, {cores} cores of {machine['processor']}")
        print(f"wrote {folder / 'environments.png'}")
    if json_file:
        found = versions()
        for name in ("gymnasium", "mujoco", "pybullet", "pymunk", *{s.package for s in SUBJECTS if s.package}):
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        report = {"machine": machine | {"load_when_begun": load}, "versions": found, "runs": runs, "envs": envs}
        report |= {"steps": {name: asdict(rate) for name, rate in rates.items()}, "ratios": against, "missing": missing}
        with files.whole(json_file) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {json_file}")


if __name__ == "__main__":
    sys.exit(exit_code("environments", lambda: tyro.cli(main)))
