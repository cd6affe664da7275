"""``microtwin search``: find a network's shape and its training by Bayesian optimisation."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def search(
    kind: tyro.conf.Positional[Literal["pose", "depth"]],
    data: Path | None = None,
    trials: int | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    size: int = 128,
    epochs: int = 20,
    robots: Annotated[tuple[int, ...], tyro.conf.arg(metavar="N ...", help_behavior_hint="(default: all)")] = (),
    split: Literal["sequence", "frame"] = "sequence",
    unreadable: Literal["refuse", "skip"] = "refuse",
    augment: bool = True,
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    device: Literal["auto", "cpu", "cuda"] | None = None,
    seed: int = 0,
    memory_gb: float = 4.0,
) -> int:
    """Search Table I of the OTMR paper for the network that reads pose or depth best.

    Blocks of convolution, their channels, neurons, dropout, batch normalisation, learning rate and batch are drawn by
    Optuna; trials that lag behind are cut short. Writes into --out: config.json first of all, study.db, trials.csv and
    search.png after every trial, best.pt (a checkpoint for microtwin predict), and at the end best.json. Ctrl-C stops
    the trial at work; --resume does it again, the same one, also after a crash.

    Args:
        kind: what to read: pose (mean of pitch and roll accuracy) or depth (mean squared error).
        data: folder of labelled images: a data set of microtwin dataset, or an OTMR folder.
        trials: how many, in all; 20 if not given.
        out: folder of the search; it must not hold one yet.
        resume: folder of a search to go on with; --trials (in all), --device and --data may be changed.
        size: of the images' sides as the networks see them, pixels.
        epochs: of each trial.
        robots: numbers to learn from.
        split: validate on other sequences than those trained on, or (frame) on other images of the same, which leaks.
        unreadable: refuse a folder with images that cannot be read, or skip these and say how many.
        augment: turn, shift, blur and add noise to the images.
        precision: auto is bfloat16 where the machine has it.
        device: auto if not given: a GPU where there is one.
        seed: of everything that is drawn.
        memory_gb: trials whose training needs more are counted, but not begun.
    """
    from microtwin.errors import InputError
    from microtwin.perception import extra

    extra.require("optuna")
    from microtwin.perception.search_settings import FREE, Search

    place = None if data is None else str(data.absolute())
    asked = Search(
        kind=kind,
        data=place or "",
        trials=20 if trials is None else trials,
        size=size,
        epochs=epochs,
        robots=robots,
        split=split,
        unreadable=unreadable,
        augment=augment,
        precision=precision,
        device=device or "auto",
        seed=seed,
        memory_gb=memory_gb,
    )
    if resume is None:
        if data is None:
            raise InputError("no images to learn from: give --data DIR, as microtwin dataset --out wrote it")
        if out is None:
            raise InputError("no folder for the search: give --out DIR, or --resume DIR to go on with one")
        return _run(asked, out, False)
    if out is not None and out != resume:
        raise InputError(f"--out is {out}: leave it out, a search that goes on stays in {resume}")
    kept, plain = Search.of(resume), Search(kind=kind)
    for name in Search.__dataclass_fields__:
        mine = getattr(asked, name)
        if name not in FREE and mine not in (getattr(plain, name), getattr(kept, name)):
            raise InputError(f"{name} is {mine}, and {getattr(kept, name)} in {resume}: leave it out to go on")
    if kind != kept.kind:
        raise InputError(f"{resume} holds a search for {kept.kind}: microtwin search {kept.kind} goes on with it")
    return _run(kept.extended(trials, device, place), resume, True)


def _run(settings, folder: Path, resume: bool) -> int:
    import contextlib
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    from microtwin import files
    from microtwin.cli.train_progress import EVERY_S, clock, reading
    from microtwin.errors import InputError
    from microtwin.learn.stopping import first_ctrl_c
    from microtwin.perception.examples import load
    from microtwin.perception.search import search
    from microtwin.perception.training import device_of

    console = Console(highlight=False, soft_wrap=True)
    device_of(settings.device)
    told = time.monotonic()

    def say(now) -> None:
        nonlocal told
        best = "" if now.best is None else f"  best {_figure(settings, now.best)}"
        left = "" if now.seconds_left == float("inf") else f"  {clock(now.seconds_left)} left"
        share, here = 0.0, ""
        if now.training:
            share = now.training.fraction
            here = f"  epoch {now.training.epoch}/{now.training.epochs}  {now.training.images_s:,.0f} images/s"
        if now.ended:
            console.print(_line(settings, now.ended))
        text = f"trial {min(now.done + 1, now.trials)}/{now.trials}{here}{best}{left}"
        progress.update(bar, total=now.trials, completed=now.done + share, description=text)
        if not console.is_terminal and time.monotonic() - told >= EVERY_S:
            console.print(text)
            told = time.monotonic()

    with reading(console) as read:
        examples = load(
            settings.data,
            settings.size,
            robots=settings.robots,
            kind=settings.kind,
            unreadable=settings.unreadable,
            report=read,
        )
    _say_images(console, settings, examples)
    new = not folder.exists()
    files.open_folder(folder)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
    with (
        first_ctrl_c() as stopped,
        Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        bar = progress.add_task("preparing", total=settings.trials)
        try:
            done = search(settings, examples, folder, resume=resume, report=say, stop=stopped.is_set)
        except InputError:
            if new:
                with contextlib.suppress(OSError):  # not empty: something was computed, and is kept
                    folder.rmdir()
            raise
    if not done:
        console.print(f"stopped and saved: go on with microtwin search {settings.kind} --resume {folder}")
        return 130
    _end(console, settings, folder)
    return 0


def _say_images(console, settings, examples) -> None:
    from microtwin.cli.train_progress import count

    if examples.skipped:
        console.print(f"left out {count(len(examples.skipped), 'image')}, the first: {examples.skipped[0]}")
    sequences = count(len(set(examples.sequence.tolist())), "sequence")
    leak = ", split by frame: validation images have neighbours in training" if settings.split == "frame" else ""
    console.print(f"{count(len(examples), 'image')} in {sequences}, the first of five folds{leak}")


def _line(settings, row) -> str:
    """What is said of a trial that has ended."""
    norm = "BN" if row["use_bn"] else "no BN"
    what = (
        f"{row['num_conv']} × {row['num_filters']}, fc {row['fc_dim']}, dropout {row['dropout_rate']:.2f}, {norm}, "
        f"lr {row['learning_rate']:.1e}, batch {row['batch_size']}"
    )
    value = _figure(settings, row["value"]) if row["state"] == "complete" else row["reason"]
    return f"trial {row['trial']:3}  {what:68}  {row['params'] / 1e6:7.2f} M  {row['seconds']:5.0f} s  {value}"


def _figure(settings, value: float) -> str:
    return f"{value:.4f}" if settings.kind == "pose" else f"{value:.4g}"


def _end(console, settings, folder: Path) -> None:
    import json

    from microtwin.perception.search_results import BEST

    best = json.loads((folder / BEST).read_text(encoding="utf-8"))
    names = ("pitch_accuracy", "roll_accuracy", "mse_um2", "mse_scaled", "r2")
    tested = ", ".join(f"{name} {best['test'][name]:.4g}" for name in names if best["test"].get(name) is not None)
    console.print(
        f"trial {best['trial']} is the best: {_figure(settings, best['value'])} on validation; test: {tested}"
    )
    console.print(f"wrote best.json, best.pt, trials.csv and search.png to {folder}")
