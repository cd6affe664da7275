"""Sizes of the robots' CAD models and the optics, fitted to real crops; writes catalogue.toml's sizes and fit.toml.

    python experiments/fit_cad.py [--crops DIR ...] [--robots 3 17] [--rounds 2] [--workers 2]

Poses and shared values take turns: every crop's lean, place and focus, then the robot's sizes and one optics for all
its crops, by their mean correlation within the outline grown by 1 µm. The spread of a value is the change that costs
0.01 of that mean, from a parabola through three points. Run experiments/build_cad.py then, which writes the STL files.
"""

import json
import sys
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import tyro
from build_cad import write_catalogue
from otmr_realism import CROPS, OPTICS_BOUNDS, OPTICS_STEPS, optics, start_of, turn_of

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.fit import Fit, again, fit_shared, fit_turn, follow, mean_score
from microtwin.otmr.match import Target
from microtwin.otmr.read import Sample, read
from microtwin.robots.catalogue import cad_folder, records
from microtwin.robots.designs import design

COUNTED = ("balls", "coils")  # not lengths or angles: taken from the pictures
COST = 0.01
FIT = "fit.toml"


def fit_robot(job: tuple[int, list[Sample], int, int]) -> tuple[int, dict[str, float], dict[str, float], list[float]]:
    """Fit one robot: its number, values and spreads by name, and the score of every crop."""
    number, samples, rounds, evaluations = job
    targets = [Target.of(sample.image()) for sample in samples]
    labels = [turn_of(sample) for sample in samples]
    body = design(number)
    sizes = [name for name in body.sizes if name not in COUNTED]
    values = dict(body.sizes) | start_of(number)
    steps = {name: _step(name, values[name]) for name in sizes} | OPTICS_STEPS

    def mesh(values: dict[str, float]):
        made = body.mesh(**{name: values[name] for name in body.sizes})
        return np.asarray(made.vertices), np.asarray(made.faces)

    def refitted(values: dict[str, float]) -> list[Fit]:
        shape, light = mesh(values), optics(values)
        return [again(t, shape, p, light, f) for t, p, f in zip(targets, labels, fits, strict=True)]

    fits: list[Fit] = []
    for turn in range(rounds):
        shape, light = mesh(values), optics(values)
        found = [fit_turn(target, shape, label, light) for target, label in zip(targets, labels, strict=True)]
        if fits:
            near = [follow(t, shape, p, light, f) for t, p, f in zip(targets, labels, fits, strict=True)]
            found = [max(pair, key=lambda fit: fit.score) for pair in zip(found, near, strict=True)]
        fits = found
        values = fit_shared(lambda trial: mean_score(refitted(trial)), values, steps, OPTICS_BOUNDS, evaluations)
        shape, light = mesh(values), optics(values)
        fits = [follow(t, shape, p, light, f) for t, p, f in zip(targets, labels, fits, strict=True)]
        print(f"robot {number}, round {turn + 1} of {rounds}: mean correlation {mean_score(fits):.3f}", flush=True)
    spreads = {}
    best = mean_score(fits)
    for name, step in steps.items():
        sides = []
        for sign in (-1, 1):
            try:
                sides.append(mean_score(refitted(values | {name: values[name] + sign * step})))
            except InputError:
                sides.append(-1.0)
        bend = max(2 * best - sum(sides), 1e-9) / 2
        spreads[name] = step * (COST / bend) ** 0.5
    return number, values, spreads, [fit.score for fit in fits]


def main(
    crops: tuple[Path, ...] = CROPS,
    robots: tuple[int, ...] = (),
    rounds: int = 2,
    evaluations: int = 140,
    workers: int = 2,
    assets: Path | None = None,
) -> int:
    """Fit sizes and optics to real crops.

    Args:
        crops: folders of crops, named as microtwin.otmr.read takes them (P60_R30_depth0.54.png, robot_08.png).
        robots: numbers; all that have crops by default.
        rounds: of poses, then shared values.
        evaluations: of the shared values in each round.
        workers: processes, one robot each.
        assets: folder of catalogue.toml; the project's own by default.
    """
    folder = assets or cad_folder()
    groups: dict[int, list[Sample]] = {}
    for sample in (sample for place in crops for sample in read(place)):
        if sample.robot is not None and (not robots or sample.robot in robots):
            groups.setdefault(sample.robot, []).append(sample)
    if missing := sorted(set(robots) - set(groups)):
        raise InputError(f"robot {missing[0]} has no crops there: choose {', '.join(map(str, sorted(groups)))}")
    jobs = [(n, groups[n], rounds, evaluations) for n in sorted(groups, key=lambda n: -len(groups[n]))]
    results = {}
    with ProcessPoolExecutor(workers) as pool:
        for number, values, spreads, scores in pool.map(fit_robot, jobs):
            results[number] = (values, spreads, scores)
    tables = records(folder / "catalogue.toml")
    fitted = tomllib.loads((folder / FIT).read_text(encoding="utf-8"))["robot"] if (folder / FIT).exists() else {}
    for number, (values, spreads, scores) in results.items():
        tables[number]["sizes"] = {name: round(values[name], 3) for name in tables[number]["sizes"]}
        fitted[str(number)] = {
            "crops": [sample.path.stem for sample in groups[number]],
            "correlation": [round(score, 3) for score in scores],
            "mean": round(float(np.mean(scores)), 3),
        } | {name: [round(values[name], 4), round(min(spread, 9.99), 4)] for name, spread in spreads.items()}
    lines = [
        "# Written by experiments/fit_cad.py: what each robot's sizes and optics were fitted to, how well the crops",
        "# agree with their renderings, and how far a value may change for 0.01 less of that. µm, degrees.",
    ]
    for number in sorted(fitted, key=int):
        lines += ["", f"[robot.{number}]"] + [f"{key} = {json.dumps(value)}" for key, value in fitted[number].items()]
    write_catalogue(tables, folder / "catalogue.toml")
    with files.whole(folder / FIT) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote catalogue.toml and {FIT} in {folder}: now run experiments/build_cad.py")
    return 0


def _step(name: str, value: float) -> float:
    if name.endswith("_deg"):
        return 4.0
    return 0.12 if name == "flat_um" else max(0.05 * abs(value), 0.08)


if __name__ == "__main__":
    sys.exit(exit_code("fit_cad", lambda: tyro.cli(main)))
