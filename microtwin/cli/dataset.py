"""``microtwin dataset``: make labelled images in OTMR's own folders, and check them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from microtwin.otmr.randomisation import Randomisation

_EVERY_S = 10.0  # between lines where there is no terminal
_IMAGE_KB = 14.0  # of a file, at the default quality
_IMAGES_S = 50.0  # of one worker with a core to itself (benchmarks/dataset.py)


@dataclass(frozen=True)
class _Given(Randomisation):
    __doc__ = Randomisation.__doc__

    def __post_init__(self) -> None:
        pass  # checked later: an error while arguments are parsed is not one line


def dataset(
    task: Literal["pose", "depth", "both"] = "pose",
    robots: Annotated[
        tuple[int, ...], tyro.conf.arg(metavar="N ...", help_behavior_hint="(default: all that have the task)")
    ] = (),
    images_per_sequence: int = 20,
    sequences: int = 2,
    workers: int = 2,
    seed: int = 0,
    out: Path = Path("runs/dataset"),
    export: Annotated[
        tuple[Literal["huggingface", "bop"], ...], tyro.conf.arg(help_behavior_hint="(default: none)")
    ] = (),
    cluster: Annotated[str | None, tyro.conf.arg(metavar="ADDRESS", help_behavior_hint="(default: none)")] = None,
    dry_run: bool = False,
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: none)")] = None,
    randomise: _Given = _Given(),
) -> int:
    """Make labelled images of the 18 microrobots in OTMR's own folders.

    Writes --out/Image_Pose and Image_Depth, metadata.parquet (every label and drawn parameter of every image),
    manifest.sha256 and dataset.json. The same settings and seed give the same bytes for any number of workers. A
    command that was stopped, or killed, goes on when it is run again. To check a complete
    data set: microtwin dataset verify DIR.

    Args:
        task: pose classes of robots 1 to 6, depths of all 18, or both (poses with a depth file each, others' depths).
        robots: numbers from 1 to 18.
        images_per_sequence: images at so many depths of one robot in one pose.
        sequences: per pose, or per robot for depth; every second depth trajectory is stepwise.
        workers: processes; each needs up to 0.5 GB.
        seed: of everything that is drawn at random.
        out: folder for the data set.
        export: also as a Hugging Face imagefolder in --out/huggingface, or in BOP's format in --out/bop.
        cluster: draw on the dask.distributed cluster at this address instead; --out must be a folder it shares.
        dry_run: only say how much it would be.
        config: a TOML file with any of these options under the same names, as the panel's OTMR page writes it; what is
            given here goes over it.
        randomise: what is drawn once per sequence.
    """
    del config  # its values are the other arguments' defaults: config_file.with_config
    import contextlib

    from microtwin.errors import InputError
    from microtwin.otmr.plan import Plan
    from microtwin.otmr.workers import in_processes

    plan = Plan(task, robots, images_per_sequence, sequences, seed, Randomisation(**vars(randomise)))
    run = in_processes(workers)
    items = plan.items()
    total = sum(item.images for item in items)
    what = f"{_count(total, 'image')} in {_count(len(items), 'sequence')} of {_count(len(plan.robots), 'robot')}"
    size = f"{what}, about {_size(1e3 * _IMAGE_KB * total)}"
    if dry_run:
        print(f"{size}; about {_duration(total, workers, cluster is not None)}")
        return 0
    if len(set(export)) < len(export):
        raise InputError(f"export is {' '.join(export)}: give each format once")
    from rich.console import Console

    from microtwin.otmr.generate import generate

    console = Console(highlight=False, soft_wrap=True)
    try:
        with contextlib.ExitStack() as stack:
            if cluster is not None:
                from microtwin.otmr.cluster import on_cluster

                run = stack.enter_context(on_cluster(cluster))
            progress = stack.enter_context(_Progress(console, total, "image", size))
            new = generate(plan, out, run=run, report=progress)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on where it was, in {out}")
        return 130
    console.print(f"wrote {out}" if new else f"{out} is complete already")
    for name in export:
        from microtwin.otmr.export import export as write_as

        written = write_as(out, name)
        console.print(f"wrote {out / name}" if written else f"{out / name} is there already")
    return 0


def verify(folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]) -> int:
    """Check a data set: every file against the manifest, labels against images, the table against both.

    The exit code is 0 if all is as it was written, 1 if not.

    Args:
        folder: where the data set is.
    """
    from rich.console import Console

    from microtwin.otmr import manifest

    console = Console(highlight=False, soft_wrap=True)
    with _Progress(console, None, "file") as progress:
        found = manifest.verify(folder, progress)
    text = f"{found.files:,} files, {found.images:,} images, {_size(found.size)}"
    if not found.problems:
        console.print(f"{folder}: {text}, all as written")
        return 0
    for problem in found.problems[:_SHOWN]:
        console.print(problem, markup=False)
    more = len(found.problems) - _SHOWN
    console.print(f"{folder}: {text}, {len(found.problems):,} problems" + (f" ({more:,} more)" if more > 0 else ""))
    return 1


_SHOWN = 5


class _Progress:
    """Called with what is done: a bar on a terminal, elsewhere a line now and then; first the opening line.

    So nothing is said before the work has begun, and bad input is one line.
    """

    def __init__(self, console, total: int | None, what: str, opening: str = ""):
        import time

        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._clock = time.monotonic
        self._console, self._total, self._what, self._opening = console, total, what, opening
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total, rate="")
        self._begun: tuple[int, float] | None = None
        self._said = 0.0

    def __enter__(self) -> "_Progress":
        self._bar.__enter__()
        return self

    def __exit__(self, *raised) -> None:
        self._bar.__exit__(*raised)

    def __call__(self, done: int, total: int | None = None) -> None:
        total = total or self._total or 0
        now = self._clock()
        if self._begun is None:
            self._begun = done, now
            self._said = now
            if self._opening:
                self._console.print(self._opening)
            if done and done < total and self._total:
                self._console.print(f"{done:,} {self._what}s are there already")
        rate = (done - self._begun[0]) / max(now - self._begun[1], 1e-9)
        text = f"{rate:,.1f} {self._what}s/s" if rate else ""
        self._bar.update(self._task, completed=done, total=total, rate=text)
        if not self._console.is_terminal and now - self._said > _EVERY_S and rate:
            self._said = now
            self._console.print(f"{done:,} of {total:,} {self._what}s   {text}   {_time((total - done) / rate)} left")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _duration(images: int, workers: int, on_cluster: bool) -> str:
    """How long it takes, for a guess: more workers than cores share the cores."""
    import os

    cores = os.cpu_count() or 1
    if on_cluster:
        return f"{_time(images / _IMAGES_S)} of one core, shared by the cluster's"
    text = f"{_time(images / (_IMAGES_S * min(workers, cores)))} with {_count(workers, 'worker')}"
    return text + f" on {_count(cores, 'core')}" * (workers > cores)


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _time(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{s:02d}"
