"""From renderings to real crops: networks that saw no real image read those of robot 3, and then with twelve of them.

    python experiments/otmr_sim2real.py [--scale smoke|laptop|paper] [--crops DIR] [--out DIR]

Networks (twinnet; pitch, roll and depth together) are trained on robot 3 rendered with domain randomisation only
(:class:`microtwin.otmr.randomisation.Randomisation` for prints and waves, :class:`microtwin.perception.camera.Camera`
for lamp, lens and chip), from several seeds. None sees a real image. What real images did go into is the robot's sizes
and the ranges of the randomisation (assets/cad/fit.toml, docs/decisions/0009 and 0010): the crops scored here were
among them. Scored are

    exact      classes of pitch and roll read right; median and mean angular error
    depth      correlation with the label, which is scaled within each film: among the rolled crops, which were filmed
               alike, and among the others
    few-shot   every crop read by networks adapted to the other eleven (microtwin.perception.adapt)
    coverage   of the 90 % intervals of depth on renderings not trained on: of the usual optics, and of other ones. The
               intervals were calibrated on a third set, of optics somewhat wider than those trained on

Writes scores.csv, crops.csv, sim2real.png, zero_shot.pt, and few_shot.pt, which is adapted to all twelve.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import tyro
from matplotlib.figure import Figure
from otmr_bench import STOPPED, Scale
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.plan import Plan
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.read import Sample, read

ROBOT = 3
CROPS = Path("../shared/reference/otmr/robot_03_labelled")
TURNS = 4  # an image is read in so many turns, whose outputs are averaged
# Prints lean less than the data set's ranges say: with 4° a class of 5° could not be told from its neighbours at all
TRAINED = replace(Randomisation(), lean_deg=3.0)
SHAPE = 1.0  # of the uncertainties of the robot's sizes
# What a network says of its own doubt is set on optics wider than those it learnt from: a microscope is never one's own
WIDE = replace(
    TRAINED,
    na=(0.95, 1.15),
    condenser_na=(0.05, 0.18),
    wavelength_um=(0.295, 0.36),
    polymer_index=(1.50, 1.57),
    spherical_waves=(-0.05, 0.11),
    astigmatism_waves=0.03,
    coma_waves=0.03,
)
# Another objective, condenser and lamp, each beyond what was trained on; WIDE, which calibrates, reaches into it
OTHER = replace(
    TRAINED, na=(1.1, 1.2), condenser_na=(0.05, 0.08), wavelength_um=(0.34, 0.355), spherical_waves=(0.08, 0.1)
)
# Worse lenses and other resin too: beyond what was calibrated on
FAR = replace(OTHER, wavelength_um=(0.34, 0.36), polymer_index=(1.50, 1.51), astigmatism_waves=0.03, coma_waves=0.03)
TARGETS = {"pitch": 0.75, "roll": 0.65, "angle_deg": 5.0, "depth": 0.9}
GROUP = (
    "OTMR's group, GAN trained on real images, own split of another robot: 0.939 / 0.919; no synthetic: 0.988 / 0.971"
)


@dataclass(frozen=True)
class Size:
    """How much of everything: ``sequences`` of each pose, a tenth held back; ``adapted`` of the seeds see crops."""

    seeds: int
    adapted: int
    sequences: int
    images: int
    epochs: int
    steps: int
    size: int


SCALES: dict[Scale, Size] = {
    "smoke": Size(seeds=1, adapted=1, sequences=10, images=1, epochs=1, steps=2, size=32),
    "laptop": Size(seeds=10, adapted=3, sequences=60, images=10, epochs=6, steps=12, size=96),
    "paper": Size(seeds=10, adapted=10, sequences=400, images=8, epochs=30, steps=12, size=128),
}


def main(
    scale: Scale = "laptop",
    crops: Path = CROPS,
    out: Path = Path("runs/otmr_sim2real"),
    seeds: int | None = None,
    workers: int = 2,
) -> int:
    """Render, train, and read real crops.

    Args:
        scale: smoke proves that it runs, laptop takes an hour on two cores.
        crops: folder of labelled real crops of robot 3.
        out: folder of light, networks, tables and picture; what is there is not done again.
        seeds: trainings; by default as the scale says.
        workers: processes that render.
    """
    how = SCALES[scale]
    samples = [sample for sample in read(crops) if sample.pose and sample.depth is not None]
    if len(samples) < 2:
        raise InputError(f"{crops} has {len(samples)} crops with pose and depth: give a folder of P30_R5_depth0.81.png")
    images, folder = np.stack([sample.image() for sample in samples]), files.open_folder(out)
    console = Console(highlight=False, soft_wrap=True, width=130)
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        lights = _light(folder / "light", TRAINED, how.sequences, how.images, 0, workers, progress)
        usual = _light(folder / "usual", TRAINED, 1, how.images, 1, workers, progress)
        other = _light(folder / "other", OTHER, 1, how.images, 2, workers, progress)
        far = _light(folder / "far", FAR, 1, how.images, 2, workers, progress)
        wide = _light(folder / "wide", WIDE, 2, how.images, 3, workers, progress)
        rows, read_as, networks = [], [], []
        for seed in range(how.seeds if seeds is None else seeds):
            taught = _trained(folder / f"seed_{seed}", how, lights, seed, progress, console)
            loaded = _calibrated(taught, wide)
            networks.append(loaded)
            zero = _read(loaded, images)
            rows.append({"seed": seed, "trained on": "renderings"} | _scores(samples, zero))
            rows[-1] |= _covered(loaded, usual=usual, other=other, far=far) | _covered(taught, uncalibrated=other)
            read_as.append(_named(samples, zero, seed, "zero-shot"))
            console.print(_line(rows[-1]))
            if seed < how.adapted:
                few = _left_out(folder / f"seed_{seed}", loaded, how, lights, samples, images, seed, progress)
                rows.append({"seed": seed, "trained on": "and eleven crops"} | _scores(samples, few))
                read_as.append(_named(samples, few, seed, "few-shot"))
                console.print(_line(rows[-1]))
        _shipped(folder, networks[0], how, lights, samples, images)
    table, said = pd.DataFrame(rows), pd.concat(read_as)
    for name, each in (("scores", table), ("crops", said)):
        with files.whole(folder / f"{name}.csv") as temporary:
            each.to_csv(temporary, index=False, float_format="%.4g")
    _report(console, table)
    _draw(folder, samples, images, said)
    console.print(f"wrote {folder}")
    return 0


def _light(folder: Path, randomise: Randomisation, sequences: int, images: int, seed: int, workers: int, progress):
    from microtwin.perception.light_store import LightStore

    bar = progress.add_task(f"rendering {folder.name}", total=None)
    plan = Plan("pose", (ROBOT,), images, sequences, seed, randomise)
    store = LightStore(
        folder,
        plan,
        shape=SHAPE,
        per_chunk=max(sequences // 10, 1),
        workers=workers,
        report=lambda done, total: progress.update(bar, completed=done, total=total),
    )
    found = store.all()
    assert found is not None
    progress.remove_task(bar)
    return found


def _trained(folder: Path, how: Size, lights, seed: int, progress, console):
    """The seed's network, trained unless it is there."""
    from microtwin.perception import checkpoint
    from microtwin.perception.fit import fit
    from microtwin.perception.rendered import Rendered, held_back, task_of
    from microtwin.perception.training import Training

    path = folder / "checkpoint.pt"
    if not path.is_file():
        settings = {"kind": "joint", "size": how.size, "epochs": how.epochs, "seed": seed}
        training = Training(**settings, learning_rate=3e-3, weight_decay=0.02)
        teach, check = held_back(lights)
        bar = progress.add_task(f"seed {seed}", total=how.epochs)
        sources = Rendered(teach, how.size, seed=seed), Rendered(check, how.size, seed=1000 + seed)
        fit(training, task_of(lights, "joint"), *sources, files.open_folder(folder),
            report=lambda said: progress.update(bar, completed=said.fraction * how.epochs))  # fmt: skip
        progress.remove_task(bar)
    return checkpoint.load(path)


def _read(loaded, images: np.ndarray):
    from microtwin.perception.estimator import Estimator

    return Estimator(loaded, turns=TURNS)(images)


def _examples(samples: list[Sample], images: np.ndarray, size: int):
    """The crops for a network to learn from; their depth is scaled within films, and teaches nothing in µm."""
    from microtwin.perception.examples import Examples
    from microtwin.perception.prepare import prepare

    pitch, roll = (np.array([getattr(s.pose, f"{name}_deg") for s in samples], np.int16) for name in ("pitch", "roll"))
    n = len(samples)
    return Examples(
        images=prepare(images, size),
        pitch_deg=pitch,
        roll_deg=roll,
        depth=np.full(n, np.nan, np.float32),
        depth_unit="um",
        robot=np.full(n, ROBOT, np.int16),
        sequence=np.arange(n, dtype=np.int32),
        paths=[str(sample.path) for sample in samples],
    )


def _adapted(loaded, how: Size, lights, samples, images, seed: int):
    from microtwin.perception.adapt import adapt
    from microtwin.perception.rendered import Rendered

    real = _examples(samples, images, how.size)
    return adapt(loaded, real, Rendered(lights, how.size, seed=2000 + seed), steps=how.steps, seed=seed)


def _left_out(folder: Path, loaded, how: Size, lights, samples, images, seed: int, progress):
    """Estimates of every crop by a network adapted to all others."""
    from microtwin.perception.estimator import Estimates

    kept = folder / "left_out.npz"
    if not kept.is_file():
        found = []
        for out in progress.track(range(len(samples)), description=f"adapting seed {seed}"):
            others = [k for k in range(len(samples)) if k != out]
            network = _adapted(loaded, how, lights, [samples[k] for k in others], images[others], seed)
            found.append(_read(network, images[out : out + 1]))
        names = [name for name, value in vars(found[0]).items() if isinstance(value, np.ndarray)]
        together: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in found]) for name in names}
        with files.whole(kept) as temporary:
            np.savez(temporary, **together)
    with np.load(kept) as values:
        return Estimates(**dict(values), depth_unit="um")


def _scores(samples: list[Sample], said) -> dict[str, float]:
    from microtwin.perception.scores import pose_scores

    pitch, roll = (np.array([getattr(s.pose, f"{name}_deg") for s in samples]) for name in ("pitch", "roll"))
    label = np.array([sample.depth for sample in samples])
    scores = pose_scores(pitch, roll, said.pitch_deg, said.roll_deg, robot=np.full(len(samples), ROBOT))
    names = (
        "pitch_accuracy",
        "roll_accuracy",
        "pitch_median_deg",
        "roll_median_deg",
        "pitch_mean_deg",
        "roll_mean_deg",
    )
    found = {name: scores[name] for name in names}
    for name, these in (("rolled", roll > 0), ("unrolled", roll == 0)):
        found[f"depth_{name}"] = float(np.corrcoef(label[these], said.depth_um[these])[0, 1])
    return found


def _covered(loaded, **sets) -> dict[str, float]:
    """Share of renderings within their 90 % interval of depth, and errors, for sets of light by name."""
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.rendered import Rendered
    from microtwin.perception.scores import coverage, depth_scores

    found = {}
    for name, lights in sets.items():
        source = Rendered(lights, loaded.size, seed=3000)
        rng = np.random.default_rng(3000)
        said = Estimator(loaded).prepared(source.camera.expose(lights.light, loaded.size, rng))
        assert said.depth_um is not None and said.depth_low_um is not None and said.depth_high_um is not None
        found[f"coverage_{name}"] = coverage(lights.depth_um, said.depth_low_um, said.depth_high_um)
        found[f"mae_um_{name}"] = depth_scores(lights.depth_um, said.depth_um)["mae_um"]
    return found


def _shipped(folder: Path, loaded, how: Size, lights, samples, images) -> None:
    """Write the two checkpoints, of the first seed: neither crops nor scores have a say in the choice."""
    from microtwin.perception import checkpoint

    adapted = _adapted(loaded, how, lights, samples, images, 0)
    crops = {"adapted_to": [sample.path.name for sample in samples], "steps": how.steps}
    for name, one, extra in (("zero_shot", loaded, {}), ("few_shot", adapted, crops)):
        facts = (one.task, one.network, one.size, one.options, one.calibration, one.extra | extra)
        checkpoint.save(folder / f"{name}.pt", one.model, *facts)


def _calibrated(loaded, wide):
    """The network with temperatures and intervals that hold for optics wider than it was trained on."""
    from microtwin.perception.calibration import calibrate
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.rendered import Rendered

    seen = Rendered(wide, loaded.size).camera.expose(wide.light, loaded.size, np.random.default_rng(4000))
    said = Estimator(loaded).outputs(seen)
    measured = calibrate(loaded.task, said, wide.pitch_deg, wide.roll_deg, wide.depth_um)
    return replace(loaded, calibration=measured)


def _named(samples: list[Sample], said, seed: int, how: str) -> pd.DataFrame:
    rows = []
    for k, sample in enumerate(samples):
        assert sample.pose
        rows.append({"seed": seed, "how": how, "crop": sample.path.stem, "pitch_label": sample.pose.pitch_deg,
                     "roll_label": sample.pose.roll_deg, "depth_label": sample.depth} | said.row(k))  # fmt: skip
    return pd.DataFrame(rows)


def _line(row: dict) -> str:
    return (
        f"  seed {row['seed']}, {row['trained on']:16}  pitch {row['pitch_accuracy']:.2f}"
        f"  roll {row['roll_accuracy']:.2f}  depth, rolled {row['depth_rolled']:+.2f}"
    )


def _report(console: Console, table: pd.DataFrame) -> None:
    shown = Table("trained on", "seeds", "pitch", "roll", "median error, °", "mean error, °", "depth: rolled", "others")
    for name, rows in table.groupby("trained on", sort=False):

        def spread(column: str, rows=rows) -> str:
            return f"{rows[column].mean():.3f} ± {rows[column].std(ddof=0):.3f}"

        shown.add_row(
            str(name), str(len(rows)), spread("pitch_accuracy"), spread("roll_accuracy"),
            f"{rows.pitch_median_deg.median():.1f} / {rows.roll_median_deg.median():.1f}",
            f"{rows.pitch_mean_deg.mean():.1f} / {rows.roll_mean_deg.mean():.1f}",
            spread("depth_rolled"), spread("depth_unrolled"),
        )  # fmt: skip
    console.print(shown)
    console.print(GROUP)
    for name, rows in table.groupby("trained on", sort=False):
        values = {
            "pitch": (rows.pitch_accuracy.mean(), ">="), "roll": (rows.roll_accuracy.mean(), ">="),
            "angle_deg": (max(rows.pitch_median_deg.median(), rows.roll_median_deg.median()), "<="),
            "depth": (rows.depth_rolled.mean(), ">="),
        }  # fmt: skip
        for what, (value, sense) in values.items():
            good = value >= TARGETS[what] if sense == ">=" else value <= TARGETS[what]
            console.print(f"{name}: {what} {value:.3f} {sense} {TARGETS[what]:g}: {'pass' if good else 'MISS'}")
    names = {
        "usual": "usual optics", "other": "other optics", "far": "optics farther off, worse lenses, other resin",
        "uncalibrated": "other optics, calibrated on the usual ones alone",
    }  # fmt: skip
    for name, what in names.items():
        value = float(np.nanmean(table[f"coverage_{name}"].to_numpy(float)))  # few-shot rows have none
        mae = table[f"mae_um_{name}"].mean()
        verdict = "" if name != "other" else f" within 0.85 to 0.95: {'pass' if 0.85 <= value <= 0.95 else 'MISS'}"
        console.print(f"90 % intervals of depth, {what}: {value:.3f}{verdict} (mean error {mae:.2f} µm)")


def _draw(folder: Path, samples: list[Sample], images: np.ndarray, said: pd.DataFrame) -> None:
    matplotlib.use("Agg")
    columns = 6
    figure = Figure(figsize=(13, 2.6 * -(-len(samples) // columns)), layout="constrained")
    axes = figure.subplots(-(-len(samples) // columns), columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis("off")
    for axis, sample, image in zip(axes, samples, images, strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255)
        lines = [f"label {sample.path.stem.split('_depth')[0].replace('_', ' ')}"]
        for how in ("zero-shot", "few-shot"):
            rows = said[(said.crop == sample.path.stem) & (said.how == how)]
            read_as = (rows.pitch.astype(int).astype(str) + " " + rows.roll.astype(int).astype(str)).mode()[0].split()
            right = ((rows.pitch == rows.pitch_label) & (rows.roll == rows.roll_label)).mean()
            lines.append(f"{how}: P{read_as[0]} R{read_as[1]}, {100 * right:.0f} % right")
        axis.set_title("\n".join(lines), fontsize=8)
    with files.whole(folder / "sim2real.png") as temporary:
        figure.savefig(temporary, dpi=100)


if __name__ == "__main__":
    sys.exit(exit_code("otmr_sim2real", lambda: tyro.cli(main), stopped=STOPPED))
