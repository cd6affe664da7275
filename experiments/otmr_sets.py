"""Rendered data sets that the perception experiments share: drawn once, then reused.

``data_set(task="pose", robots=[3], sequences=20, images_per_sequence=8)`` gives the folder of a complete data set
(docs/otmr.md), drawn now if it is not there. Its name comes from the settings and the versions that its bytes depend
on, so another seed, another range or a changed robot is another folder, and experiments that ask for the same get the
same. A drawing that was stopped goes on.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from otmr_sketch import sketch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from microtwin.otmr.generate import draw, generate, here, versions
from microtwin.otmr.plan import Plan
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.store import MANIFEST
from microtwin.otmr.workers import in_processes

SETS = Path("runs/otmr_sets")


def data_set(
    out: Path = SETS,
    *,
    task: Literal["pose", "depth", "both"],
    robots: Sequence[int],
    sequences: int,
    images_per_sequence: int,
    seed: int = 0,
    randomise: Randomisation | None = None,
    workers: int = 2,
    quick: bool = False,
) -> Path:
    """The folder of a complete data set with these settings, under ``out``.

    Args:
        out: the data sets' common folder.
        task: ``pose`` and ``both`` have ``sequences`` of each pose, ``depth`` of each robot, lying as drawn.
        robots: numbers; pose ones are 1 to 6.
        sequences: many short ones hold more optics and prints than few long ones.
        images_per_sequence: at so many depths each.
        seed: of all that is drawn; another one for data that must not be seen in training.
        randomise: what is drawn once per sequence; the usual ranges by default.
        workers: processes; one draws in this process. The bytes do not depend on it.
        quick: sketches without optics instead of renderings (otmr_sketch.py), for smoke tests.

    Raises:
        InputError: settings that :class:`microtwin.otmr.plan.Plan` refuses, or a folder that cannot be written.
    """
    plan = Plan(task, tuple(robots), images_per_sequence, sequences, seed, randomise or Randomisation())
    folder = out / (f"sketch_{name(plan)}" if quick else name(plan))
    if (folder / MANIFEST).is_file():  # written last
        return folder
    total = sum(item.images for item in plan.items())
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"drawing {total:,} images into {folder}")
    columns = ("drawing", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total)
        run = here if quick or workers == 1 else in_processes(workers)
        how = sketch if quick else draw
        generate(plan, folder, run=run, draw=how, report=lambda images: progress.update(bar, completed=images))
    return folder


def name(plan: Plan) -> str:
    """What can be read of a plan's settings, and a digest of them all: ``pose_r1-3_20x8_s0_1a2b3c4d``."""
    settings = json.dumps([plan.config(), versions(plan.robots)], sort_keys=True)
    robots = "-".join(map(str, plan.robots))
    digest = hashlib.sha256(settings.encode()).hexdigest()[:8]
    return f"{plan.task}_r{robots}_{plan.sequences}x{plan.images_per_sequence}_s{plan.seed}_{digest}"
