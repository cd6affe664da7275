"""``microtwin push``: push a bead or a cell along a path and write down how it went."""

import time
from pathlib import Path
from typing import Annotated, Literal

import tyro

CONTROLLERS = "{corridor,blended,steering,predictive,joystick,policy,FILE.zip}"


def push(
    frequency: float | None = None,
    width: float | None = None,
    path: str = "circle",
    trials: int = 4,
    seed: int = 0,
    out: Path = Path("runs/push"),
    controller: Annotated[str, tyro.conf.arg(metavar=CONTROLLERS)] = "corridor",
    robot: Literal["paper", "nominal", "population"] = "paper",
    cargo: Literal["bead", "cell"] = "bead",
    fidelity: Literal["averaged", "resolved"] = "averaged",
    observe: Literal["truth", "camera"] = "truth",
    focus_offset: float = 0.0,
    start_bearing: Annotated[float, tyro.conf.arg(metavar="DEG")] = 0.0,
    latency: int = 1,
    time_limit: float | None = None,
    minari: str | None = None,
    backend: str = "sim",
    backend_options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    config: Path | None = None,
    tracker_options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    dry_run: bool = False,
) -> int:
    """Push a bead or a cell along a path, in the twin or on a rig.

    Writes run.json (settings, versions, what the paper measures of each trial), telemetry.parquet (every frame),
    path.csv (the nodes) and trajectory.png (the paper's Fig. 6) into --out. The same settings and seed give the same
    telemetry bit for bit.

    Args:
        frequency: turns of the field per second, Hz; 12 by default. A policy has its own frequencies: for it, the
            greatest it may use.
        width: width of the guiding corridor, µm; by default 5, or 8 for the blended one.
        path: circle, figure-eight, square, clover, or a CSV file with columns x_um and y_um.
        trials: how many times.
        seed: trial k of a seed is always the same trial.
        out: folder for the results.
        controller: the paper's corridor algorithm, the same with a blended γ (little chatter), steering by two nested
            loops (it never spins), a model-predictive one (the best at corners), or a person with a joystick (open
            loop). policy is the trained one that comes with the package, a .zip one of microtwin learn push.
        robot: the one the paper's times ask for, the median measured one, or draws from the measured spread.
        cargo: 10 µm silica bead in water, or 13.5 µm cell in culture medium.
        fidelity: the field's mean torque, or the moment followed through every cycle of the field.
        observe: exact positions plus the tracker's noise, or rendered frames through the tracker, with video.mp4.
        focus_offset: how far above the cargo's centre the microscope is focused, µm.
        start_bearing: where the robot starts, degrees from straight behind the cargo; 180 is in front of it.
        latency: frames between exposure and arrival.
        time_limit: seconds after which a trial counts as failed; by default it grows with the path and falls with f.
        backend: sim is the twin; any other registered rig is watched through the tracker, and the path begins where
            the object is. What describes the twin's scene (robot, cargo, observe …) is then left out.
        backend_options: what else that rig's backend takes.
        config: the rig's own settings, a TOML file; see docs/hardware.md.
        tracker_options: for the tracker that watches such a rig, for example robot_start_px=[300,420] and
            cargo_start_px=[310,480], row and column, where more than two bodies lie in view.
        dry_run: print what would be sent to the coils, which stay untouched; the camera is watched.
        minari: also record the trials as episodes of a Minari dataset of this name, such as push/corridor-v0.
    """
    import contextlib
    import math

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from microtwin import files, paths, recording
    from microtwin.cli.assignments import assignments
    from microtwin.errors import InputError
    from microtwin.pushing import Push
    from microtwin.scene import PushScene
    from microtwin.signals import ENDINGS, as_ctrl_c
    from microtwin.simulated import FRAME_RATE_HZ

    if not math.isfinite(start_bearing):
        raise InputError(f"start bearing is {start_bearing}: give degrees, 0 is straight behind the cargo")
    scene = PushScene(
        robot=robot,
        cargo=cargo,
        fidelity=fidelity,
        latency_frames=latency,
        observe=observe,
        focus_offset_um=focus_offset,
        start_bearing_rad=math.radians(start_bearing),
    )
    options = assignments(backend_options, "--backend-options")
    if backend == "sim" and (config is not None or dry_run):
        given = "dry run" if config is None else f"config {config}"
        raise InputError(f"{given} with backend 'sim': add --backend hardware, the twin has no port and no settings")
    if config is not None:
        if "config" in options:
            raise InputError(f"config is {config} and --backend-options {options['config']}: give it once")
        options["config"] = str(config)
    if dry_run:
        options["dry_run"] = True
    nodes = paths.from_name(path)
    run = Push(
        nodes,
        frequency_hz=frequency,
        width_um=width,
        controller=controller,
        trials=trials,
        seed=seed,
        time_limit_s=time_limit,
        scene=scene,
        backend=backend,
        backend_options=options,
        tracker_options=assignments(tracker_options, "--tracker-options"),
    )
    episodes = None
    if minari is not None:
        from microtwin.episodes import Episodes

        words = f"{trials} trials of pushing a {cargo} along {path}: microtwin push, seed {seed}"
        episodes = Episodes(minari, nodes, seed=seed, algorithm=controller, description=words)
    folder = files.open_folder(out)
    settings = run.settings(path)  # now: a policy's file may change while it runs
    console = Console()
    begun = time.perf_counter()
    done = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    stopped, kept, screen = False, 0, None
    with contextlib.ExitStack() as stack:
        stack.enter_context(as_ctrl_c())
        video = None
        if observe == "camera" or backend != "sim":
            from microtwin.vision.overlay import Video

            video = Video(stack.enter_context(files.whole(folder / "video.mp4")), nodes, FRAME_RATE_HZ)
        if episodes:
            stack.enter_context(episodes)
        watchers = [see for see in (video, episodes and episodes.see) if see]

        def watch(*frame) -> None:
            if video:
                files.check_room(folder)
            for see in watchers:
                see(*frame)

        try:
            with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
                task = progress.add_task("preparing (the first run compiles)", total=1.0)
                for trial in run.run(lambda part: progress.update(task, completed=part, description="pushing"), watch):
                    done.append(trial)
                    if episodes:
                        episodes.add(trial)
                    console.print(_line(trial), highlight=False, soft_wrap=True)
        except KeyboardInterrupt:
            stopped = True
        except OSError as error:  # the screen is gone (a closed pipe): what was computed is saved, the video too
            screen = error
        finally:
            if video:
                video.close()
            if done:
                with files.uninterrupted(*ENDINGS):
                    recording.save(folder, settings, nodes, done, time.perf_counter() - begun)
                    kept = episodes.save() if episodes else 0
        if not done:
            raise KeyboardInterrupt
    if screen:
        raise screen
    if len(done) > 1:
        mean = recording.means(done)
        finished = "unfinished" if mean["completion_time_s"] is None else f"{mean['completion_time_s']:6.1f} s"
        console.print(
            f"mean     {finished}   error {mean['mae_um'] or math.nan:.2f} µm   "
            f"spinning {100 * (mean['spin_fraction'] or 0.0):.0f} %",
            highlight=False,
            soft_wrap=True,
        )
    names = [*recording.FILES, "video.mp4"] if video else recording.FILES
    console.print(f"wrote {', '.join(names[:-1])} and {names[-1]} to {folder}", highlight=False, soft_wrap=True)
    if kept:
        console.print(f"recorded {kept} episodes as the Minari dataset {minari}", highlight=False, soft_wrap=True)
    if done[-1].broken:
        return 1
    return 130 if stopped or done[-1].interrupted else 0


def _line(trial) -> str:
    time_text = f"{trial.completion_time_s:6.1f} s" if trial.success else "unfinished"
    spinning = f"spinning {100 * trial.spin_fraction:.0f} %"
    if trial.reason:
        time_text += f" ({trial.reason})"
    return f"trial {trial.number:2d} {time_text}   error {trial.mae_um:.2f} µm   {spinning}"
