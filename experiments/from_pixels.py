"""Pushing from rendered camera frames beside the same trials seen exactly; tracking against truth; faults injected.

Usage: ``python experiments/from_pixels.py [--quick] [--trials 20] [--seed 0] [--processes 2]``. A 10 µm bead round the
circle of the pushing paper, corridor algorithm at 12 Hz, w = 5 µm. Sets of trials:

- ``truth`` and ``camera``: the same seeds, seen exactly and through the microscope and the tracker;
- ``touching``: from the camera, with the median calibration robot, which catches the bead up (the other pushes it
  through the liquid from some µm away);
- ``turning``: from the camera, with the torque resolved, as the mean torque turns the robot exactly once in two frames,
  and its cap never shows from the side;
- one set for each fault, with both robots: a lamp that drifts by ± 30 %, a cell that passes the pair at 5 µm, focus
  3 µm off to either side, one frame in fifty dropped, one frame frozen.

Trial k runs from the seed 1000 × seed + k in every set. Resumable: trials.csv and frames.parquet grow by one trial as
it finishes, and a rerun with the same settings, sources and calibration skips the trials they hold.
"""

import hashlib
import math
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

import microtwin
from microtwin import files, paths
from microtwin.errors import InputError, exit_code
from microtwin.optics.appearance import Appearance
from microtwin.optics.scene import Scene
from microtwin.pushing import Push
from microtwin.rig import Observer
from microtwin.robots import cell
from microtwin.scene import PushScene, RobotKind
from microtwin.simulated import SimulatedFrame, SimulatedRig

FREQUENCY_HZ, WIDTH_UM = 12.0, 5.0
SAME, RMS_UM, BIAS_UM = 0.15, 0.15, 0.3  # bounds: of time and error, of tracking, of tracking when touching
TOUCHING_UM = 0.5  # gap between the surfaces below which the pair counts as touching
ASTRAY_UM, ASTRAY_S = 5.0, 1.0  # further off and for longer than this, the tracker follows something else
CLIMBED_UM = 7.5  # distance of the centres in the image below which the robot has climbed the object
LAMP, LAMP_S = 0.3, 30.0  # amplitude and period of the drift
PASSES_UM, PASS_S, WAY_UM = 5.0, 4.0, 80.0  # the passing cell: its gap, how long a pass takes and how far it goes
DROPPED = 0.02
FROZEN = (48, 240)  # the frame that repeats the one before it lies between these
FAULTS = {
    "lamp": "lamp drifts ±30 %",
    "passing": "cell passes at 5 µm",
    "focus+3": "focus 3 µm too high",
    "focus-3": "focus 3 µm too low",
    "dropped": "2 % of frames dropped",
    "frozen": "one frozen frame",
}
COLOURS = {"robot": "#4477aa", "object": "#228833"}
TRUTH = ["robot_x_um", "robot_y_um", "robot_z_um", "object_x_um", "object_y_um", "object_z_um"]
SEEN = ["robot_x_seen", "robot_y_seen", "object_x_seen", "object_y_seen"]


class Unit(NamedTuple):
    """One trial: of which set, with which robot, which number."""

    set: str
    robot: RobotKind
    trial: int


class Passing:
    """In the place of a scene's ``intensity``: the same with a cell that drifts past the pair, again and again."""

    def __init__(self, scene: Scene, chance: np.random.Generator):
        self._alone, self._chance, self._shot = scene.intensity, chance, 0
        self._radius_um = cell(range_um=1.0).radius_um
        look = Appearance("cell", self._radius_um, seed=7)
        self._cell = Scene([look], [self._radius_um], microscope=scene.microscope, camera=scene.camera)

    def __call__(self, positions_um: np.ndarray, turns: np.ndarray, velocities_um_s: np.ndarray) -> np.ndarray:
        light = self._alone(positions_um, turns, velocities_um_s)
        return light * self._cell.intensity(self.place(positions_um)[None], turns[:1], np.zeros((1, 3)))

    def place(self, positions_um: np.ndarray, radius_um: float = 5.0) -> np.ndarray:
        """(3,) where the cell is in the next shot: on a line beside the pair that goes along with the cargo."""
        robot, cargo = positions_um[:2, :2]
        part = self._shot / 24.0 / PASS_S % 1.0
        if part < 1 / (24.0 * PASS_S):
            self._way = (cargo - robot) / np.hypot(*(cargo - robot)) * self._chance.choice([-1.0, 1.0])
            self._side = np.array([-self._way[1], self._way[0]]) * self._chance.choice([-1.0, 1.0])
        self._shot += 1
        apart = radius_um + PASSES_UM + self._radius_um
        here = cargo + (part - 0.5) * WAY_UM * self._way + apart * self._side
        for body in (robot, cargo):  # never nearer, however they turn
            here = body + (here - body) * max(apart / np.hypot(*(here - body)), 1.0)
        return np.array([*here, self._radius_um])


class Faults:
    """In the place of a rig's ``observe``: the same with what the lamp and the camera's cable do to the frames."""

    def __init__(self, rig: SimulatedRig, fault: str, chance: np.random.Generator):
        self._observe, self._fault, self._chance = rig.observe, fault, chance
        self._frozen = int(chance.integers(*FROZEN))
        self._last: np.ndarray | None = None

    def __call__(self) -> SimulatedFrame:
        frame = self._observe()
        if self._fault == "dropped" and frame.index and self._chance.random() < DROPPED:
            frame = self._observe()
        if self._fault == "lamp" and frame.image is not None:
            light = 1 + LAMP * math.sin(2 * math.pi * frame.time_s / LAMP_S)
            frame = replace(frame, image=np.clip(np.round(frame.image * light), 0, 255).astype(np.uint8))
        if self._fault == "frozen" and frame.index == self._frozen:
            frame = replace(frame, image=self._last)
        self._last = frame.image
        return frame


@dataclass(frozen=True)
class FaultyScene(PushScene):
    """A push seen by the camera, with one of the faults that are not the microscope's own."""

    fault: str = ""

    def open(self, nodes_um: np.ndarray, rng: np.random.Generator) -> tuple[SimulatedRig, Observer]:
        rig, observer = super().open(nodes_um, rng)
        (chance,) = rng.spawn(1)
        if self.fault == "passing":
            assert rig.microscope is not None
            rig.microscope.intensity = Passing(rig.microscope, chance)
        rig.observe = Faults(rig, self.fault, chance)
        return rig, observer


def scene(unit: Unit) -> PushScene:
    if unit.set == "truth":
        return PushScene(robot=unit.robot)
    if unit.set == "turning":
        return PushScene(robot=unit.robot, observe="camera", fidelity="resolved")
    focus_um = float(unit.set[5:]) if unit.set.startswith("focus") else 0.0
    return FaultyScene(robot=unit.robot, observe="camera", focus_offset_um=focus_um, fault=unit.set)


def simulate(unit: Unit, seed: int, nodes_um: np.ndarray) -> tuple[dict[str, Any], pd.DataFrame]:
    """One trial: how it went, and truth beside sight in every frame."""
    seen = []

    def heard(frame, observation, controller) -> None:
        truth = frame.positions_um[:2].ravel()
        seen.append((frame.index, frame.time_s, *truth, *observation.robot_um, *observation.object_um))

    push = Push(nodes_um, FREQUENCY_HZ, WIDTH_UM, trials=1, seed=1000 * seed + unit.trial, scene=scene(unit))
    try:
        (trial,) = push.run(on_frame=heard)
    except Exception as error:  # whatever it is, it is a finding: no fault may end in anything but a stop with a reason
        row = {"success": False, "clean": False, "reason": f"{type(error).__name__}: {error}"}
    else:
        row = trial.summary() | {"clean": trial.success or bool(trial.reason)}
        if row.pop("interrupted"):
            raise KeyboardInterrupt
    frames = pd.DataFrame(seen, columns=["frame", "time_s", *TRUTH, *SEEN])
    return row | unit._asdict(), frames.assign(**unit._asdict())


def tracking(frames: pd.DataFrame, radii_um: float) -> pd.DataFrame:
    """Columns added: gap between the surfaces, distance of the centres in the image, how far either body is seen from
    its truth and how far along robot → object, whether one is seen nearer to the other's truth, and whether both are.
    """
    truth, seen = frames[TRUTH].to_numpy().reshape(-1, 2, 3), frames[SEEN].to_numpy().reshape(-1, 2, 2)
    way, off = truth[:, 1, :2] - truth[:, 0, :2], seen - truth[:, :, :2]
    along = np.einsum("nbi,ni->nb", off, way / np.hypot(*way.T)[:, None])
    error = np.hypot(*np.moveaxis(off, 2, 0))
    mistaken = np.hypot(*np.moveaxis(seen - truth[:, ::-1, :2], 2, 0)) < error
    return frames.assign(
        gap_um=np.linalg.norm(truth[:, 1] - truth[:, 0], axis=1) - radii_um,
        over_um=np.hypot(*way.T),
        robot_error=error[:, 0],
        object_error=error[:, 1],
        robot_along=along[:, 0],
        object_along=along[:, 1],
        mistaken=mistaken.any(axis=1),
        swapped=mistaken.all(axis=1),
    )


def rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values))))) if len(values) else math.nan


def swaps(frames: Any) -> str:
    return f"{frames.swapped.sum()} frames swapped, one body taken for the other in {frames.mistaken.sum()}"


def astray_s(frames: Any) -> float:
    """The longest time, over all trials and both bodies, that one is seen more than its radius from its truth, s."""
    longest = 0.0
    for _, trial in frames.groupby(["robot", "trial"]):
        for body in COLOURS:
            since = None
            for now, error in zip(trial.time_s, trial[f"{body}_error"], strict=True):
                since = (now if since is None else since) if error > ASTRAY_UM else None
                longest = max(longest, 0.0 if since is None else now - since)
    return longest


def checklist(rows: pd.DataFrame, frames: pd.DataFrame) -> Iterator[tuple[str, bool | None, str]]:
    """What pushing from pixels must show: what, inside the bound (None: no bound), figure."""
    one, other = (rows[rows.set == name] for name in ("camera", "truth"))
    yield "from pixels: all trials finish", bool(one.success.all()), f"{one.success.sum()} of {len(one)}"
    for column, name in (("completion_time_s", "mean time (s)"), ("mae_um", "mean error (µm)")):
        here, there = one[column].mean(), other[column].mean()
        figure = f"pixels {here:6.2f}   exact {there:6.2f}   ratio {here / there:.3f}, bound {SAME:.0%}"
        yield f"from pixels: {name}", bool(abs(here / there - 1) <= SAME), figure
    for name, what in (("camera", "tracking"), ("turning", "tracking, cap turning")):
        seen = frames[frames.set == name]
        for body in COLOURS:
            off = seen[f"{body}_error"]
            figure = f"{rms(off):.4f} µm, largest {off.max():.3f}, of {len(off)} frames; bound {RMS_UM}"
            yield f"{what}, RMS, {body}", rms(off) <= RMS_UM, figure
        yield f"{what}: no swaps", not seen.swapped.any(), swaps(seen)
    close = frames[(frames.set == "touching") & (frames.gap_um < TOUCHING_UM)]
    for body in COLOURS:
        off = close[f"{body}_along"]
        figure = f"{off.mean():+.4f} ± {off.std():.3f} µm, of {len(close)} frames; bound {BIAS_UM}"
        yield f"touching, bias towards the object, {body}", bool(abs(off.mean()) <= BIAS_UM), figure
    over = close.over_um < CLIMBED_UM
    yield "touching, robot on top of the object", None, f"{over.sum()} of {len(close)} frames"
    for body in COLOURS:
        off = close[f"{body}_error"]
        figure = f"{rms(off):.4f} µm, largest {off.max():.2f}, more than 1 µm off in {(off > 1).sum()} frames"
        yield f"touching, RMS, {body}", None, figure
    yield "touching: no swaps", bool(len(close)) and not close.swapped.any(), swaps(close)
    for fault, name in FAULTS.items():
        trials, seen = rows[rows.set == fault], frames[frames.set == fault]
        figure = f"{trials.success.sum()} of {len(trials)} finish, {(trials.clean & ~trials.success).sum()} stop; "
        figure += f"{swaps(seen)}; RMS {rms(seen.robot_error):.3f} and {rms(seen.object_error):.3f} µm; "
        figure += f"astray for {(longest := astray_s(seen)):.2f} s at most, bound {ASTRAY_S:g}"
        sane = not seen.swapped.any() and longest <= ASTRAY_S
        yield name, bool(len(trials)) and bool(trials.clean.all()) and sane, figure


def draw(path: Path, title: str, nodes_um: np.ndarray, frames: pd.DataFrame) -> None:
    """Tracks of one trial, its errors in time, all errors as histograms, and the errors under each fault."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    (way, time), (share, faults) = figure.subplots(2, 2)
    first = frames[(frames.set == "camera") & (frames.trial == 0)]
    way.plot(*nodes_um.T, color="0.75", lw=5, label="path")
    for body, colour in COLOURS.items():
        way.plot(first[f"{body}_x_um"], first[f"{body}_y_um"], color=colour, lw=2.5, alpha=0.4, label=f"{body}, truth")
        way.plot(first[f"{body}_x_seen"], first[f"{body}_y_seen"], color=colour, lw=0.8, label=f"{body}, seen")
    way.set(aspect="equal", xlabel="x (µm)", ylabel="y (µm)", title="camera, trial 0")
    way.legend(loc="center", frameon=False)
    touching = frames[(frames.set == "touching") & (frames.trial == 0)]
    for body, colour in COLOURS.items():
        time.semilogy(first.time_s, first[f"{body}_error"] + 1e-5, color=colour, lw=0.8, label=f"{body}, camera")
        time.semilogy(
            touching.time_s, touching[f"{body}_error"] + 1e-5, color=colour, lw=0.8, ls=":", label=f"{body}, touching"
        )
    time.axhline(RMS_UM, color="#cc3311", ls="--", label=f"bound on the RMS, {RMS_UM} µm")
    time.set(xlabel="time (s)", ylabel="distance from the truth (µm)", title="tracking error, trial 0")
    time.legend(fontsize=8, ncols=2)
    bins = np.geomspace(1e-4, 30, 70)
    for name, fill in (("camera", True), ("touching", False)):
        for body, colour in COLOURS.items():
            values = frames.loc[frames.set == name, f"{body}_error"].to_numpy()
            style = {"alpha": 0.5} if fill else {"histtype": "step", "lw": 1.5}
            weights = np.full(len(values), 1 / max(len(values), 1))
            share.hist(values, bins, weights=weights, color=colour, label=f"{body}, {name}", **style)
    share.axvline(RMS_UM, color="#cc3311", ls="--")
    share.set(xscale="log", yscale="log", xlabel="distance from the truth (µm)", ylabel="share of frames")
    share.set_title("tracking error, all trials")
    share.legend(fontsize=8)
    sets = ["camera", "turning", "touching", *FAULTS]
    for k, body in enumerate(COLOURS):
        values = [frames.loc[frames.set == name, f"{body}_error"] for name in sets]
        places = np.arange(len(sets)) + 0.34 * (k - 0.5)
        faults.barh(places, [rms(v) for v in values], 0.3, color=COLOURS[body], label=f"{body}, RMS")
        faults.plot([v.max() for v in values], places, "D", color=COLOURS[body], ms=4, label=f"{body}, largest")
    faults.axvline(RMS_UM, color="#cc3311", ls="--")
    faults.set(xscale="log", xlabel="distance from the truth (µm)", title="with faults injected", xlim=(5e-4, None))
    faults.set_yticks(range(len(sets)), ["camera", "cap turning", "touching", *FAULTS.values()])
    faults.invert_yaxis()
    faults.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=4, frameon=False)
    for ax in (way, time, share, faults):
        ax.spines[["top", "right"]].set_visible(False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=130)


def fingerprint(*settings: Any) -> str:
    """Changes when the settings, the library's sources, its calibration or this script do."""
    digest, folder = hashlib.sha256(repr(settings).encode()), Path(microtwin.__file__).parent
    for source in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml"), Path(__file__)]):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def plan(quick: bool, trials: int) -> list[Unit]:
    units = [Unit(name, "paper", k) for name in ("camera", "truth") for k in range(2 if quick else trials)]
    units += [Unit("touching", "nominal", k) for k in range(1 if quick else 4)]
    units += [Unit("turning", "paper", k) for k in range(1 if quick else 4)]
    robots: tuple[RobotKind, ...] = ("nominal",) if quick else ("paper", "nominal")
    return units + [Unit(fault, robot, k) for fault in FAULTS for robot in robots for k in range(1 if quick else 4)]


def main(
    quick: bool = False,
    out: Path = Path("runs/from_pixels"),
    seed: int = 0,
    trials: int = 20,
    processes: int = 2,
) -> None:
    """Pushing from rendered frames beside the same trials seen exactly; tracking against truth; faults injected.

    Args:
        quick: two trials with and without the camera, one of everything else, round a circle of 200 µm.
        trials: how many with and without the camera.
        processes: trials run at a time; changes nothing else.
    """
    if processes < 1:
        raise InputError(f"processes is {processes}: give 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    if trials < 1:
        raise InputError(f"trials is {trials}: give 1 or more")
    folder = files.open_folder(out)
    nodes = paths.circle(200.0, 40) if quick else paths.circle()
    units, mark = plan(quick, trials), fingerprint(quick, trials, seed)
    csv, parquet = folder / "trials.csv", folder / "frames.parquet"
    rows, frames = [], []
    if csv.exists() and parquet.exists():
        rows = pd.read_csv(csv).query("settings == @mark").to_dict("records")
        held = pd.read_parquet(parquet).query("settings == @mark")
        frames = [part for _, part in held.groupby(list(Unit._fields))] if rows else []
    there = {Unit(row["set"], row["robot"], row["trial"]) for row in rows}
    missing = [unit for unit in units if unit not in there]
    print(f"{len(missing)} trials to run, {len(there)} already there; seed {seed}")
    work = partial(simulate, seed=seed, nodes_um=nodes)
    workers = ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if processes > 1 else nullcontext()
    with Progress(transient=True) as progress, workers as pool:
        task = progress.add_task("pushing", total=len(missing))
        for row, table in (pool.map if pool else map)(work, missing):
            rows.append(row | {"settings": mark})
            frames.append(table.assign(settings=mark))
            with files.whole(parquet) as temporary:  # before the list that says it is there
                pd.concat(frames, ignore_index=True).to_parquet(temporary, index=False)
            with files.whole(csv) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)
            progress.advance(task)
    table = pd.DataFrame(rows).astype({"success": bool, "clean": bool})
    world = PushScene().open(nodes, np.random.default_rng(0))[0].world
    seen = pd.concat(frames, ignore_index=True).drop_duplicates([*Unit._fields, "frame"])
    seen = tracking(seen, sum(body.radius_um for body in world.bodies[:2]))
    print("what pushing from pixels must show")
    for name, passed, figure in checklist(table, seen):
        print(f"  {'    ' if passed is None else 'pass' if passed else 'MISS'}  {name:45} {figure}")
    for row in (row for row in rows if not row["success"]):
        print(f"        {row['set']}, {row['robot']} robot, trial {row['trial']}: {row['reason']}")
    title = f"Pushing from camera frames at {FREQUENCY_HZ:g} Hz, w = {WIDTH_UM:g} µm: the tracker beside the truth"
    draw(folder / "tracking.png", title, nodes, seen)
    print(f"wrote trials.csv, frames.parquet and tracking.png to {folder}")


if __name__ == "__main__":
    sys.exit(
        exit_code(
            "from_pixels",
            lambda: tyro.cli(main),
            stopped="stopped; the same command goes on from the trials that finished",
        )
    )
