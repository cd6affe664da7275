"""How a training is followed: a bar on a terminal, elsewhere a line now and then."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

EVERY_S = 10.0  # between lines where there is no terminal


class Watch:
    """Called with a :class:`microtwin.perception.crossvalidate.FoldReport`; a context, in which the bar is shown."""

    def __init__(self, console) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
        self._console = console
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("preparing", total=1.0)
        self._said = time.monotonic()

    def __enter__(self) -> "Watch":
        self._bar.__enter__()
        return self

    def __exit__(self, *raised) -> None:
        self._bar.__exit__(*raised)

    def rendered(self, done: int, total: int) -> None:
        """So many images of the light are there."""
        self._bar.update(self._task, completed=done / total, description=f"rendering  {done:,} of {total:,} images")
        if not self._console.is_terminal and time.monotonic() - self._said > EVERY_S:
            self._said = time.monotonic()
            self._console.print(f"rendering  {done:,} of {total:,} images")

    def __call__(self, report) -> None:
        name = "" if report.fold is None else f"fold {report.fold}  "
        if report.scores is not None:
            self._console.print(f"{name}{figures(report.scores)}")
        if (now := report.training) is None:
            return
        done = (report.number + now.fraction) / report.count
        left = now.seconds_left
        if report.count > 1:  # folds to come take as long as this one
            total = left / max(1.0 - now.fraction, 1e-9) if now.fraction < 1.0 else 0.0
            left += total * (report.count - report.number - 1)
        time_left = f"{clock(left)} left" if math.isfinite(left) and left > 0 else ""
        text = f"{name}epoch {now.epoch}/{now.epochs}  {now.images_s:,.0f} images/s  loss {now.loss:.3f}  {time_left}"
        if now.scores:
            text += f"  {figures(now.scores)}"
        self._bar.update(self._task, completed=done, description=text)
        if not self._console.is_terminal and time.monotonic() - self._said > EVERY_S:
            self._said = time.monotonic()
            self._console.print(text)


_SHOWN = {
    "pitch_accuracy": ("pitch", "%"),
    "roll_accuracy": ("roll", "%"),
    "pose_accuracy": ("both", "%"),
    "depth_mse": ("depth MSE", ""),
    "mse_um2": ("depth MSE (µm²)", ""),
    "mse_scaled": ("depth MSE (scaled)", ""),
    "correlation": ("correlation", ""),
    "coverage_90": ("90 % intervals hold", "%"),
}


def figures(scores: dict[str, float]) -> str:
    """The scores that fit into a line."""
    return "  ".join(
        f"{word} {100 * scores[name]:.1f} %" if unit else f"{word} {scores[name]:.3g}"
        for name, (word, unit) in _SHOWN.items()
        if name in scores
    )


@contextlib.contextmanager
def reading(console) -> Iterator[Callable[[int, int], None]]:
    """A bar for images that are read: call it with how many are, of how many."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("reading"), BarColumn(bar_width=20), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def count(number: int, what: str) -> str:
    """A number with its noun."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
