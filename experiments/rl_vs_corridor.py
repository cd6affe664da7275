"""The trained policy beside the paper's corridor and the best hand-written controllers, on the paper's own measure.

Usage: ``python experiments/rl_vs_corridor.py [--policy policy] [--trials 24] [--seed 1] [--runs DIR ...] [--quick]``.
Trials are paired (trial k of a part and path is the same robot, flow and start for everyone):

- ``circle``: the paper's robot on its circle, f ≤ 15 Hz;
- ``still`` and ``flow``: robots of the population never trained on, on seven paths never trained on, in still water and
  in a Poiseuille flow that changes with time, f free. Hand-written controllers run at several frequencies: the front of
  what tuning by hand can reach;
- ``camera`` and ``camera flow``: the policy on the circle and in the flow once more, from the truth and from rendered
  frames through the tracker.

The error is the paper's: mean over the nodes of the distance to the closest recorded position. Fast runs are recorded
every few µm and charged for it, so ``between`` gives the same with straight lines between the recorded positions.
A trial that does not finish counts with its time limit, and its error is left out: the paper's errors are of finished
runs. How many finished stands beside. Intervals hold 95 % of 2000 bootstrap resamples of the mean,
stratified by path. ``--runs`` are folders of ``microtwin learn push`` with other seeds, for the learning curves.
Resumable: ``trials.csv`` grows by one cell as it finishes.
"""

import hashlib
import inspect
import itertools
import math
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress, TimeRemainingColumn

import microtwin
from microtwin import files, paths
from microtwin.control import Blended, Corridor, Predictive, Steering, policy_file
from microtwin.control.policy import load
from microtwin.control.predictive import Plan
from microtwin.control.steering import Law
from microtwin.errors import InputError, exit_code
from microtwin.metrics import mean_absolute_error
from microtwin.physics import Flow
from microtwin.recording import Trial
from microtwin.rig import Controller
from microtwin.run import run_trial
from microtwin.scene import PushScene

DRAWN = Path(__file__).parent / "paths"
PATHS = ("circle", "figure-eight", "square", "clover", "wave", "letter", "zigzag")
FREQUENCIES_HZ = (15.0, 25.0, 35.0, 45.0, 55.0)
TIME, ERROR, BETWEEN = "completion_time_s", "mae_um", "between_um"
LIMIT_S = {"circle": 120.0, "still": 60.0, "flow": 60.0, "camera": 60.0, "camera flow": 60.0}
COLOURS = {
    "corridor": "#bbbbbb",
    "blended": "#66ccee",
    "steering": "#4477aa",
    "predictive": "#228833",
    "policy": "#cc3311",
}
TITLES = {
    "circle": "the paper's robot and circle, f ≤ 15 Hz",
    "still": "robots and paths never trained on",
    "flow": "the same in a flow that changes",
}
RESAMPLES = 2000
WILD = ("still", "flow", "camera flow")  # robots of the population on all paths
FINE = 16  # points on the straight line between two recorded positions
Cell = tuple[str, str, str]  # part, path, entrant


def entrants(part: str) -> tuple[str, ...]:
    if part == "circle":
        return ("corridor 15", "blended 15", "steering 15", "predictive 15", "policy 15")
    if part == "camera":
        return ("policy 15", "policy 15 camera", "policy 60", "policy 60 camera")
    if part == "camera flow":
        return ("policy 60", "policy 60 camera")
    front = [f"{kind} {f:g}" for kind in ("steering", "predictive") for f in FREQUENCIES_HZ]
    return ("corridor 15", *front, "policy 60")


def cells(quick: bool) -> list[Cell]:
    """All cells, the circle first. Quick: one path a part, the policy and one other."""
    found = []
    for part in LIMIT_S:
        where = PATHS if part in WILD else ("circle",)
        who = entrants(part)
        if quick:
            where, who = where[:1], (who[0], who[-1]) if part != "camera" else who[:2]
        found += [(part, path, entrant) for path, entrant in itertools.product(where, who)]
    return found


def path_nodes(name: str) -> np.ndarray:
    return paths.from_name(str(DRAWN / f"{name}.csv") if (DRAWN / f"{name}.csv").is_file() else name)


def maker(entrant: str, policy: str) -> Callable[[np.ndarray], Controller]:
    """What makes the controller that is named by its kind and its frequency."""
    kind, frequency = entrant.split()[:2]
    f = float(frequency)
    makers: dict[str, Callable[[np.ndarray], Controller]] = {
        "corridor": lambda nodes: Corridor(nodes, frequency_hz=f, width_um=5.0),
        "blended": lambda nodes: Blended(nodes, frequency_hz=f),
        "steering": lambda nodes: Steering(nodes, Law(cruise_hz=f)),
        "predictive": lambda nodes: Predictive(nodes, Plan(cruise_hz=f)),
        "policy": lambda nodes: load(policy, nodes, limit_hz=f),
    }
    return makers[kind]


def drawn_flow(rng: np.random.Generator) -> Flow:
    """Poiseuille flow of up to 60 µm/s between plates 100 µm apart, in any direction, that swells and ebbs."""
    return Flow(
        "poiseuille",
        speed_um_s=rng.uniform(0.0, 60.0),
        height_um=100.0,
        direction_rad=rng.uniform(-math.pi, math.pi),
        pulsation=rng.uniform(0.0, 1.0),
        pulsation_hz=rng.uniform(0.05, 0.5),
    )


def simulate(cell: Cell, trials: int, seed: int, policy: str) -> list[dict[str, Any]]:
    """One cell, a row a trial; the same number is the same robot, flow and start for every entrant."""
    part, path, entrant = cell
    nodes, make = path_nodes(path), maker(entrant, policy)
    rows = []
    for number in range(trials):
        rng = np.random.default_rng([seed, tuple(LIMIT_S).index(part), PATHS.index(path), number])
        flow = drawn_flow(rng) if part.endswith("flow") else Flow()
        robot = "population" if part in WILD else "paper"
        observe = "camera" if entrant.endswith("camera") else "truth"
        rig, observer = PushScene(robot=robot, flow=flow, observe=observe).open(nodes, rng)
        with rig:
            recording = run_trial(rig, observer, make(nodes), time_limit_s=LIMIT_S[part])
        if recording.interrupted:
            raise KeyboardInterrupt
        trial = Trial.measure(number, recording, nodes)
        measured = trial.summary()
        measured[TIME] = measured[TIME] or LIMIT_S[part]
        measured[BETWEEN] = mean_absolute_error(nodes, filled(trial.table[["object_x_um", "object_y_um"]].to_numpy()))
        rows.append({"part": part, "path": path, "entrant": entrant, **measured})
    return rows


def filled(track_um: np.ndarray) -> np.ndarray:
    """(n, 2) recorded positions with points on the straight lines between them."""
    fine = np.linspace(0, len(track_um) - 1, FINE * (len(track_um) - 1) + 1)
    return np.column_stack([np.interp(fine, np.arange(len(track_um)), axis) for axis in track_um.T])


def interval(rows: pd.DataFrame, measure: str, seed: int) -> tuple[float, float, float]:
    """(mean, low, high): mean over paths of the mean over trials, resampled within each path."""
    rng = np.random.default_rng(seed)
    groups = [group[measure].to_numpy(float) for _, group in rows.groupby("path")]
    if not groups:
        return math.nan, math.nan, math.nan
    mean = float(np.mean([group.mean() for group in groups]))
    again = [group[rng.integers(len(group), size=(RESAMPLES, len(group)))].mean(axis=1) for group in groups]
    low, high = np.percentile(np.mean(again, axis=0), [2.5, 97.5])
    return mean, float(low), float(high)


def table(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row for each part and entrant, with the intervals."""
    found = []
    for key, group in rows.groupby(["part", "entrant"], sort=False):
        part, entrant = map(str, key)  # type: ignore[arg-type]
        line = {"part": part, "entrant": entrant, "trials": len(group), "finished": int(group.success.sum())}
        for measure in (TIME, ERROR, BETWEEN):
            kept = group if measure == TIME else pd.DataFrame(group[group.success])
            names = (measure, f"{measure}_low", f"{measure}_high")
            line |= dict(zip(names, interval(kept, measure, seed), strict=True))
        found.append(line)
    return pd.DataFrame(found).set_index(["part", "entrant"])


def best_by_hand(found: pd.DataFrame, part: str) -> str:
    """The hand-written controller and frequency with the least time × error."""
    by_hand = found.loc[part].drop(index=[name for name in found.loc[part].index if name.startswith("policy")])
    return str((by_hand[TIME] * by_hand[ERROR]).idxmin())


def difference(rows: pd.DataFrame, part: str, pair: tuple[str, str], measure: str, seed: int):
    """(mean, low, high) of first less second over the trials that both ran, or, for errors, finished."""
    kept = rows if measure == TIME else pd.DataFrame(rows[rows["success"]])
    first, second = (
        pd.DataFrame(kept[(kept["part"] == part) & (kept["entrant"] == name)]).set_index(["path", "trial"])[measure]
        for name in pair
    )
    return interval(pd.DataFrame({"less": first - second}).dropna().reset_index(), "less", seed)


def checklist(found: pd.DataFrame, rows: pd.DataFrame, seed: int = 0):
    """What must show: name, passed (None: for information), figure."""
    for part, ours in (("circle", "policy 15"), ("still", "policy 60"), ("flow", "policy 60")):
        if (part, ours) not in found.index:
            continue
        policy, best = found.loc[(part, ours)], best_by_hand(found, part)
        other = found.loc[(part, best)]
        for measure, unit in ((TIME, "s"), (ERROR, "µm")):
            low, high = f"{measure}_low", f"{measure}_high"
            less = difference(rows, part, (ours, best), measure, seed)
            figure = (
                f"{best} {other[measure]:.2f} [{other[low]:.2f}, {other[high]:.2f}] {unit}   "
                f"policy {policy[measure]:.2f} [{policy[low]:.2f}, {policy[high]:.2f}]   "
                f"ratio {policy[measure] / other[measure]:.2f}, paired {less[0]:+.3f} [{less[1]:+.3f}, {less[2]:+.3f}]"
            )
            if part == "circle":
                yield f"circle: no worse (1 %) in {measure}", less[2] <= 0.01 * other[measure], figure
            else:
                yield f"{part}: better in {measure}", policy[high] < other[low], figure
        done = f"{policy.finished:.0f} of {policy.trials:.0f}; {best} {other.finished:.0f}"
        yield f"{part}: finishes", policy.finished == policy.trials, done
        for measure in (TIME, ERROR):
            by_hand = found.loc[part][[not str(name).startswith("policy") for name in found.loc[part].index]]
            least = by_hand[measure].idxmin()
            figure = f"{least} {by_hand.loc[least, TIME]:.2f} s, {by_hand.loc[least, ERROR]:.2f} µm"
            yield f"{part}: least {measure} by hand", None, figure
    for part, entrant in [key for key in found.index if key[1].endswith("camera")]:
        blind = entrant.removesuffix(" camera")
        seen, true = (
            pd.DataFrame(rows[(rows["part"] == part) & (rows["entrant"] == name)]) for name in (entrant, blind)
        )
        both = pd.DataFrame(seen[seen.success]).merge(
            pd.DataFrame(true[true.success]), on=["path", "trial"], suffixes=("_seen", "_true")
        )
        done = f"{seen.success.sum()} of {len(seen)} from frames, {true.success.sum()} from truth; {len(both)} both"
        yield f"{part}, {entrant.split()[1]} Hz: finished", None, done
        for measure in (TIME, ERROR):
            frames, truth = both[f"{measure}_seen"].mean(), both[f"{measure}_true"].mean()
            ratio = frames / truth
            figure = f"{truth:.2f} from truth, {frames:.2f} from frames, ratio {ratio:.3f}, of those that finished both"
            yield f"{part}, {entrant.split()[1]} Hz: {measure} within 15 %", abs(ratio - 1) <= 0.15, figure


def draw(path: Path, found: pd.DataFrame, curves: pd.DataFrame | None) -> None:
    """Error against time for every entrant, a column a part, the paper's error above and that between frames below; the
    learning curves beside."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    parts = [part for part in LIMIT_S if part in found.index.get_level_values(0) and "camera" not in part]
    columns = len(parts) + (curves is not None)
    figure = Figure(figsize=(4.6 * columns, 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, columns, squeeze=False)
    rows = ((ERROR, "mean absolute error (µm)"), (BETWEEN, "the same, straight lines between frames (µm)"))
    for k, part in enumerate(parts):
        for ax, (measure, name) in zip(axes[:, k], rows, strict=True):
            _compare(ax, found.loc[part], measure)
            ax.set(title=TITLES[part], xlabel="completion time (s)", ylabel=name if k == 0 else "")
    axes[0, 0].legend(frameon=False)
    if curves is not None:
        for ax, measure, name in zip(axes[:, -1], ("error_um", "time_s"), ("error (µm)", "time (s)"), strict=True):
            for run, rows_of in curves.groupby("run", sort=False):
                scratch = str(run) == "nothing"
                style = {"color": "k", "ls": ":"} if scratch else {"color": COLOURS["policy"], "alpha": 0.6}
                ax.plot(rows_of["steps"] / 1e6, rows_of[measure], label="from nothing" if scratch else None, **style)
            ax.set(title="learning, held-out episodes", xlabel="training (million steps)", ylabel=name, ylim=(0, None))
            ax.grid(color="0.92")
        axes[0, -1].set_ylim(0, 1.2)
        axes[0, -1].plot([], [], color=COLOURS["policy"], label="correcting, a line a seed")
        axes[0, -1].legend(frameon=False)
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _compare(ax: Any, found: pd.DataFrame, measure: str) -> None:
    """One panel; a number is the frequency, Hz, one in brackets how many trials did not finish."""
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    seen = set()
    for name, row in found.iterrows():
        kind, f = str(name).split()[:2]
        spread = [[[row[m] - row[f"{m}_low"]], [row[f"{m}_high"] - row[m]]] for m in (TIME, measure)]
        style = {"color": COLOURS[kind], "fmt": "*" if kind == "policy" else "o", "ms": 14 if kind == "policy" else 6}
        label = None if kind in seen else kind
        seen.add(kind)
        ax.errorbar(row[TIME], row[measure], xerr=spread[0], yerr=spread[1], label=label, capsize=2, **style)
        missing = int(row.trials - row.finished)
        note, place = f + (f" ({missing})" if missing else ""), (7, 3) if kind != "predictive" else (7, -10)
        ax.annotate(note, (row[TIME], row[measure]), place, textcoords="offset points", fontsize=8, color=COLOURS[kind])
    ax.set(xscale="log", yscale="log")
    for axis, ticks in ((ax.xaxis, (5, 7, 10, 15, 20, 25, 30, 40)), (ax.yaxis, (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0))):
        low, high = axis.get_view_interval()
        axis.set_ticks([tick for tick in ticks if low <= tick <= high])
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    ax.grid(color="0.92")
    ax.set_axisbelow(True)
    ax.margins(0.12)


def fingerprint(policy: str, *settings: Any) -> str:
    """Changes when the settings, the policy, what makes a trial here, the library or its calibration do."""
    trial = "".join(map(inspect.getsource, (simulate, maker, path_nodes, drawn_flow, filled)))
    digest, folder = hashlib.sha256(repr((settings, LIMIT_S, trial)).encode()), Path(microtwin.__file__).parent
    file = policy_file.shipped() if policy == policy_file.SHIPPED else Path(policy)
    for source in [file, *sorted([*folder.rglob("*.py"), *folder.rglob("*.toml"), *DRAWN.glob("*.csv")])]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]


def held_rows(csv: Path, mark: str) -> list[dict[str, Any]]:
    """What an earlier run with the same settings has left."""
    if not csv.exists():
        return []
    rows = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    return pd.DataFrame(rows[rows["settings"] == mark]).to_dict("records") if "settings" in rows else []


def read_curves(runs: tuple[Path, ...]) -> pd.DataFrame | None:
    found = []
    for run in runs:
        if not (run / "eval.csv").is_file():
            raise InputError(f"{run} has no eval.csv: give folders of microtwin learn push")
        found.append(pd.read_csv(run / "eval.csv").assign(run=run.name))
    return pd.concat(found, ignore_index=True) if found else None


def main(
    policy: str = policy_file.SHIPPED,
    trials: int = 24,
    seed: int = 1,
    runs: tuple[Path, ...] = (),
    out: Path = Path("runs/rl_vs_corridor"),
    quick: bool = False,
    processes: int = 2,
) -> None:
    """The policy beside the corridor and the best hand-written controllers.

    Args:
        policy: a policy.zip, or the one that comes with the package.
        trials: a cell; the camera's are a quarter of that.
        runs: training runs, for the learning curves.
        quick: a few cells of one trial.
        processes: cells run at a time; changes nothing else.
    """
    for name, value, least in (("processes", processes, 1), ("trials", trials, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"{name} is {value}: give {least} or more")
    load(policy, paths.circle())
    curves = read_curves(runs)
    folder = files.open_folder(out)
    trials = 1 if quick else trials
    csv, mark = folder / "trials.csv", fingerprint(policy, trials, seed)
    rows = held_rows(csv, mark)
    held = {(row["part"], row["path"], row["entrant"]) for row in rows}
    missing = [cell for cell in cells(quick) if cell not in held]
    print(f"{trials} trials a cell, seed {seed}; {len(missing)} cells to run, {len(held)} already there")
    workers = ProcessPoolExecutor(processes, mp_context=get_context("spawn")) if processes > 1 else nullcontext()
    counts = [max(1, trials // 4) if "camera" in cell[0] else trials for cell in missing]
    with (
        Progress(*Progress.get_default_columns()[:3], TimeRemainingColumn(), transient=True) as progress,
        workers as pool,
    ):
        task = progress.add_task("pushing", total=len(missing))
        arguments = (missing, counts, itertools.repeat(seed), itertools.repeat(policy))
        for cell in pool.map(simulate, *arguments) if pool else map(simulate, *arguments):
            rows += [row | {"settings": mark} for row in cell]
            with files.whole(csv) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)
            progress.advance(task)
    found = table(pd.DataFrame(rows), seed)
    for part in found.index.get_level_values(0).unique():
        print(f"\n{part:22} {'finished':>10} {'time (s)':>22} {'error (µm)':>20} {'between (µm)':>20}")
        for name, row in found.loc[part].iterrows():
            spans = (f"{row[m]:.2f} [{row[f'{m}_low']:.2f}, {row[f'{m}_high']:.2f}]" for m in (TIME, ERROR, BETWEEN))
            spread = "".join(f"{span:>{width}}" for span, width in zip(spans, (23, 21, 21), strict=True))
            print(f"  {name:20} {row.finished:4.0f} of {row.trials:3.0f} {spread}")
    print("\nwhat must show")
    for name, passed, figure in checklist(found, pd.DataFrame(rows), seed):
        verdict = {None: "    ", True: "pass", False: "MISS"}[None if passed is None else bool(passed)]
        print(f"  {verdict}  {name:42} {figure}")
    with files.whole(folder / "table.csv") as temporary:
        found.to_csv(temporary)
    draw(folder / "rl_vs_corridor.png", found, curves)
    print(f"wrote trials.csv, table.csv and rl_vs_corridor.png to {folder}")


if __name__ == "__main__":
    sys.exit(
        exit_code(
            "rl_vs_corridor",
            lambda: tyro.cli(main),
            stopped="stopped; the same command goes on from the cells that finished",
        )
    )
