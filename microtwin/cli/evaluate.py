"""``microtwin evaluate``: how well a checkpoint reads labelled images."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def evaluate(
    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")],
    checkpoint: Path,
    out: Path | None = None,
    task: Literal["pose", "depth", "joint"] | None = None,
    robots: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...", help_behavior_hint="(default: all)")] = (),
    other_robots: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    turns: Literal[1, 2, 4] = 1,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    unreadable: Literal["refuse", "skip"] = "refuse",
) -> int:
    """Score a checkpoint on a folder of labelled images.

    Prints accuracy, macro precision, recall and F1, and angular errors of the poses, by name and with symmetric poses
    counted as one view; mean squared and absolute error and R² of depths in µm, and how many lie in their 90 %
    intervals. Depths that are scaled within each sequence, as OTMR's own, are compared by correlation alone. Writes
    scores.json, scores.png and predictions.csv into --out, if given.

    Args:
        folder: labelled images, as microtwin dataset makes them, or OTMR's own.
        checkpoint: of microtwin train, or the name of one that comes with the package: depth_all, robot_03_zero_shot or
            robot_03_few_shot.
        out: folder for what is written.
        task: score only pose or depth of a checkpoint that knows both.
        robots: numbers from 1 to 18.
        other_robots: also robots that the checkpoint was not trained on.
        turns: average over each image in 1, 2 or 4 turns in the plane.
        device: for the network.
        unreadable: refuse when an image cannot be read, or leave it out.
    """
    from rich.console import Console

    from microtwin.perception import extra

    extra.require()
    import json
    import math

    from microtwin import files
    from microtwin.cli.train_progress import count, reading
    from microtwin.errors import InputError
    from microtwin.perception import assess, scores_picture, scores_table
    from microtwin.perception.estimator import Estimator
    from microtwin.perception.examples import load
    from microtwin.perception.fit import CHECKPOINT
    from microtwin.perception.request import CONFIG

    if out and any((out / name).exists() for name in (CHECKPOINT, CONFIG)):
        raise InputError(f"--out {out} holds a training, whose own scores this would replace: give another folder")
    estimator = Estimator.load(checkpoint, device, turns)
    kind = task or estimator.task.kind
    if estimator.task.kind not in ("joint", kind):
        raise InputError(f"{checkpoint} was trained for {estimator.task.kind}: leave --task {kind} out")
    console = Console(highlight=False, soft_wrap=True)
    with reading(console) as progress:
        examples = load(folder, estimator.size, robots=robots, kind=kind, unreadable=unreadable, report=progress)
    assess.check(estimator, examples, kind, other_robots=other_robots)
    target = files.open_folder(out) if out else None
    console.print(f"{count(len(examples), 'image')}, network {estimator.loaded.network} for {kind}")
    if examples.skipped:
        console.print(f"left out {count(len(examples.skipped), 'image')} that cannot be read")
    said = estimator.prepared(examples.images).part(kind)
    scores = assess.assess(examples, said, estimator.task.depth_unit)
    for line in scores_table.lines([scores]):
        console.print(line)
    if target:
        assess.write_predictions(target / assess.PREDICTIONS, examples, said)
        scores_picture.draw_folds(target / "scores.png", [target], examples.depth_unit, said.depth_unit)
        with files.whole(target / "scores.json") as temporary:
            finite = {name: value if math.isfinite(value) else None for name, value in scores.items()}
            text = json.dumps({"checkpoint": str(checkpoint), "scores": finite}, indent=2)
            temporary.write_text(text + "\n", encoding="utf-8")
        console.print(f"wrote {target}")
    return 0
