"""``microtwin doctor`` and ``microtwin calibrate-rig``."""

import sys
from pathlib import Path


def doctor(config: Path | None = None, energise: bool = False) -> int:
    """Look at what is connected, and test every link of a rig.

    Lists the serial ports with what answers there and the cameras of every driver. With --config it also opens the
    rig's coils, camera and stage and tests each: round trip and currents, frame rate, dropped frames, size and light,
    and how late the loop is. Exit code 0 if all is well, 1 if something is wrong, 2 for bad input.

    Args:
        config: the rig's TOML file.
        energise: also switch the field on for a few seconds: a weak pulse on every axis, and, with a robot in view, how
            long it takes from an exposure to the motion that its command makes.
    """
    from rich.console import Console

    from microtwin_hardware.config import load
    from microtwin_hardware.diagnosis import doctor as tests
    from microtwin_hardware.diagnosis.findings import table

    console = Console()
    settings = load(config) if config else None
    with console.status("") as status:

        def say(words: str) -> None:
            status.update(words)

        found = tests.list_all(settings, say)
        if settings:
            found += tests.examine(settings, energise=energise, say=say)
    console.print(table(found))
    wrong = [one for one in found if one.ok is False]
    if settings and not energise:
        console.print("the field stayed off: --energise tests it too", highlight=False, soft_wrap=True)
    if wrong:
        console.print(f"{len(wrong)} wrong: {_first(wrong)}", highlight=False, soft_wrap=True)
        return 1
    console.print("all well", highlight=False)
    return 0


def _first(wrong) -> str:
    one = wrong[0]
    return f"begin with {one.link}, {one.test}: {one.found}" + (f"; {one.advice}" if one.advice else "")


def calibrate_rig(
    config: Path,
    grating_um: float | None = None,
    bead_um: float | None = None,
    roll: bool = False,
    step_out: bool = False,
    frequency: float = 8.0,
    highest: float = 150.0,
) -> int:
    """Measure µm per pixel, the camera's angle and the step-out, and write them into the rig's TOML file.

    Only the measured values change; the file as it was is kept as .bak, and what was seen is drawn beside it. With
    nothing to measure, a file that is not there is written with the defaults, to be filled in.

    Args:
        config: the rig's TOML file.
        grating_um: pitch of the grating in view, µm, from one line to the next.
        bead_um: diameter of the beads in view, µm; right to a few per cent only.
        roll: measure the camera–field angle by rolling the robot in view along eight headings, 40 s.
        step_out: measure the highest frequency that the robot follows by a sweep, 2 min.
        frequency: of the field for --roll, Hz; well below the step-out.
        highest: of the sweep, Hz.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from microtwin.rig import LostError, RigError
    from microtwin_hardware.calibration import measure as calibrate
    from microtwin_hardware.config import load

    console = Console()
    if not (config.exists() or roll or step_out or grating_um is not None or bead_um is not None):
        calibrate.begin(config)
        console.print(
            f"wrote {config} with the defaults: fill in coils and camera, then run microtwin doctor --config {config}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        return 0
    settings = load(config)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            tasks = {}

            def on_progress(words: str, part: float) -> None:
                if words not in tasks:
                    tasks[words] = progress.add_task(words, total=1.0)
                progress.update(tasks[words], completed=part)

            measured = calibrate.measure(
                settings,
                grating_um=grating_um,
                bead_um=bead_um,
                roll=roll,
                step_out=step_out,
                frequency_hz=frequency,
                highest_hz=highest,
                on_progress=on_progress,
                say=lambda words: console.print(words, highlight=False, soft_wrap=True),
            )
    except (RigError, LostError) as error:
        print(f"microtwin calibrate-rig: {error}; {config} is as it was", file=sys.stderr)
        return 1
    backup, picture = calibrate.write(config, measured)
    console.print(f"wrote {config} (before: {backup}) and {picture}", highlight=False, soft_wrap=True)
    return 0
