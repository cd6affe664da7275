"""``microtwin focus``: hold a robot at a commanded depth with the z-stage, from pixels."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

REPORTED = 24  # frames from one word about the progress to the next


def focus(
    backend: str = "sim",
    robot: int = 3,
    checkpoint: Path | None = None,
    target_um: float | None = None,
    seconds: float = 60.0,
    out: Path = Path("runs/focus"),
    config: Path | None = None,
    backend_options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    latency: int = 1,
    observation: Literal["pixels", "truth"] = "pixels",
    truth_noise_um: float = 0.1,
    pose: str = "P0_R0",
    drift: Literal["ramps", "walk"] = "ramps",
    drift_um_s: float = 1.0,
    vibration_um: float = 0.02,
    start_um: float | None = None,
    seed: int = 0,
) -> int:
    """Hold a robot at a commanded depth with the z-stage, in the twin or on a rig.

    A trained network reads the depth from every frame, a filter follows the drift, the stage makes up for it. Writes
    focus.csv (every frame), focus.json (settings, errors) and focus.png into --out. On a rig the stage is first moved
    by 1 µm and back, to see that the depth follows.

    Args:
        backend: sim is the twin; hardware the rig that --config describes, which needs no coils.
        robot: number in the OTMR set, 1 to 18.
        checkpoint: of microtwin train depth or joint; by default the one that comes with the package.
        target_um: depth to hold, µm of stage travel with the body's origin in focus at 0, within the robot's sweep; by
            default its middle.
        seconds: for how long.
        out: folder for the results.
        config: the rig's own settings, a TOML file; see docs/hardware.md.
        backend_options: what else that rig's backend takes.
        latency: frames between exposure and arrival: the twin's, and what the controller reckons with.
        observation: truth, for the twin, replaces the network by the true depth plus noise.
        truth_noise_um: standard deviation of that noise.
        pose: of the twin's robot, as P30_R5 for those that have poses.
        drift: of the twin: ramps that turn round, or a slow random walk.
        drift_um_s: its speed.
        vibration_um: of the twin, root mean square.
        start_um: depth of the twin's robot at the start; by default the middle of its sweep.
        seed: of everything that is drawn.
    """
    import math

    from rich.console import Console

    from microtwin import files
    from microtwin.cli.assignments import assignments
    from microtwin.errors import InputError
    from microtwin.focusing.twin import FocusScene, Truth
    from microtwin.otmr.pose import Pose
    from microtwin.perception.focus import FocusController, FromPixels
    from microtwin.perception.focus_checkpoint import depth_estimator
    from microtwin.rig import open_rig

    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"seconds is {seconds}: give a positive number")
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    scene = FocusScene(
        robot=robot,
        pose=Pose.named(pose),
        drift=drift,
        drift_um_s=drift_um_s,
        vibration_um=vibration_um,
        start_um=start_um,
        latency_frames=latency,
    )
    target = scene.middle_um if target_um is None else target_um
    scene.check_target(target)
    options = assignments(backend_options, "--backend-options")
    if config is not None:
        if "config" in options:
            raise InputError(f"config is {config} and --backend-options {options['config']}: give it once")
        options["config"] = str(config)
    if backend == "sim" and options:
        raise InputError(f"config or backend options are {options}: add --backend hardware, the twin takes none")
    if backend != "sim" and observation == "truth":
        raise InputError(f"observation is truth with backend {backend!r}: give pixels, only the twin knows the truth")
    if backend != "sim" and scene != FocusScene(robot=robot, latency_frames=latency):
        raise InputError(f"backend is {backend!r}: leave out what describes the twin (pose, drift, vibration, start)")
    if observation == "truth":
        sight = Truth(truth_noise_um, seed)
    else:
        sight = FromPixels(depth_estimator(checkpoint, robot))
    rig = scene.open(seed) if backend == "sim" else open_rig(backend, **options)
    settings = {
        "title": f"robot {robot}",
        "backend": backend,
        "backend_options": options,
        "robot": robot,
        "checkpoint": None if observation == "truth" else str(checkpoint or "shipped"),
        "observation": observation,
        "target_um": target,
        "seconds": seconds,
        "latency_frames": latency,
        "seed": seed,
    }
    if backend == "sim":
        settings |= {
            "pose": scene.pose.name,
            "drift": drift,
            "drift_um_s": drift_um_s,
            "vibration_um": vibration_um,
            "start_um": start_um,
        }
    if observation == "truth":
        settings["truth_noise_um"] = truth_noise_um
    period_s = 1.0 / rig.frame_rate_hz
    # the travel is known once the stage is open
    controller = FocusController(
        sight, target, travel_um=(-math.inf, math.inf), period_s=period_s, latency_s=latency * period_s
    )
    return _run(rig, controller, files.open_folder(out), settings, Console())


def _run(rig, controller, folder: Path, settings: dict, console) -> int:
    import time

    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from microtwin import files
    from microtwin.focusing import report
    from microtwin.focusing.hold import hold, probe, stage_of
    from microtwin.signals import ENDINGS, as_ctrl_c

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    seconds, errors = settings["seconds"], []
    with as_ctrl_c(), Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("opening", total=seconds)
        with rig:
            controller.travel_um = stage_of(rig).travel_um
            if settings["backend"] != "sim":
                settings["depth_per_stage_um"] = probe(rig, controller.sight)
            begun = time.perf_counter()

            def watch(frame, controller) -> None:
                errors.append(controller.reading.depth_um - controller.target_um)
                if len(errors) % REPORTED == 0:
                    files.check_room(folder)
                    words = controller.lost or f"{errors[-1]:+.2f} µm off"
                    progress.update(task, completed=len(errors) / rig.frame_rate_hz, description=words)

            run = hold(rig, controller, seconds=seconds, on_frame=watch)
        wall_s = time.perf_counter() - begun
        if not run.rows:
            if run.broken:
                from microtwin.errors import RigError

                raise RigError(run.reason)
            raise KeyboardInterrupt
        table = run.table()
        found = report.measures(table, settings["target_um"]) | {"frames_per_s": len(table) / wall_s}
        with files.uninterrupted(*ENDINGS):
            report.save(folder, settings, table, found, run.reason)
    console.print(_line(settings, table, found), highlight=False, soft_wrap=True)
    if run.reason:
        console.print(run.reason, highlight=False, soft_wrap=True)
    console.print(f"wrote focus.csv, focus.json and focus.png to {folder}", highlight=False, soft_wrap=True)
    return 1 if run.broken else 130 if run.interrupted else 0


def _line(settings: dict, table, found: dict) -> str:
    error = found["rms_um"]
    kind = "error" if found["truth_known"] else "reading"
    held = (
        f"{kind} {error:.3f} µm RMS, worst {found['worst_um']:.2f}" if error is not None else "the robot was never seen"
    )
    lost = f", lost in {found['lost_frames']} frames" if found["lost_frames"] else ""
    where = f"robot {settings['robot']} at {settings['target_um']:+.2f} µm"
    return (
        f"{where} for {table.time_s.iloc[-1]:.1f} s: {held}{lost}; "
        f"{found['wait_ms']:.1f} ms from frame to stage, {found['frames_per_s']:.0f} frames/s"
    )
