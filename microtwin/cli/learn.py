"""``microtwin learn``: train a policy in the environments."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

PATH_LIMITS_HZ = (15.0, 60.0)  # the paper's fastest, and about where the robots step out


def learn(
    what: tyro.conf.Positional[Literal["push"]],
    algo: Literal["ppo", "trpo", "a2c", "sac", "td3", "ddpg", "tqc", "crossq"] = "ppo",
    out: Path | None = None,
    task: Literal["path", "goal"] = "path",
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    robot: Literal["mixed", "population", "paper", "nominal"] = "mixed",
    flow: Literal["random", "none"] = "random",
    path: str = "random",
    residual: bool = True,
    limit_hz: tuple[float, ...] = (),
    cruise_hz: float = 45.0,
    envs: int | None = None,
    options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    hyper: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    device: Literal["auto", "cpu", "cuda"] = "auto",
    evaluations: int = 20,
    episodes: int = 64,
    checkpoint_minutes: float = 3.0,
    resume: Path | None = None,
) -> int:
    """Train a policy that pushes, in many twins at once.

    Writes into --out: config.json first of all, checkpoint.zip every few minutes, eval.csv and curve.png (the policy
    on held-out episodes), best.zip, tb/ for TensorBoard, and at the end policy.zip, for microtwin push --controller,
    and card.md, which says what it was trained on and how well it does. Ctrl-C saves; --resume goes on, also after a
    crash.

    Args:
        what: what to learn.
        algo: algorithm of Stable-Baselines3 or sb3-contrib.
        out: folder of the training; it must not hold one yet.
        task: follow a path of nodes, or carry the object to a goal (with hindsight experience replay off-policy).
        steps: environment steps in all.
        minutes: wall time instead of steps; 45 if neither is given.
        seed: of everything that is drawn.
        robot: another one of the measured spread in every episode (population), one of the two fixed ones, or mixed:
            of the population in one half of the episodes and the paper's in the other.
        flow: another pulsating Poiseuille flow in every episode, or none.
        path: another curve in every episode, or circle, figure-eight, square, clover, or a CSV file.
        residual: correct the steering controller, or replace it.
        limit_hz: greatest frequency an action can ask for, Hz; two numbers: another limit between them in every
            episode. By default 15 to 60 along paths, and 20 towards goals.
        cruise_hz: the steering controller's frequency, Hz.
        envs: environments in parallel; by default 256 on-policy, 32 off-policy.
        options: other options of the environment, for example latency_frames=2.
        hyper: hyperparameters, for example n_steps=128 net_arch=[64,64] learning_rate=lin_1e-3 (falls to zero).
        device: for the networks; auto takes a GPU for off-policy algorithms only.
        evaluations: how often to try the policy on held-out episodes.
        episodes: how many of them.
        checkpoint_minutes: time between checkpoints.
        resume: folder of a training to go on with; --steps or --minutes then give it another budget in all, and
            --device another device.
    """
    from microtwin.cli.assignments import assignments
    from microtwin.errors import InputError
    from microtwin.learn import extra
    from microtwin.learn.training import Training

    extra.require()
    asked = _asked(task, robot, flow, path, residual, limit_hz, cruise_hz)
    given = assignments(options, "--options")
    twice = sorted(asked.keys() & given.keys())
    if twice:
        raise InputError(f"--options {twice[0]}: it has a flag of its own, see --help")
    training = Training(
        algo=algo,
        task=task,
        steps=steps,
        minutes=minutes,
        seed=seed,
        envs=envs,
        options=asked | given,
        hyper=assignments(hyper, "--hyper"),
        device=device,
        evaluations=evaluations,
        episodes=episodes,
        checkpoint_minutes=checkpoint_minutes,
    )
    if resume is None:
        if out is None:
            raise InputError("no folder for the training: give --out DIR, or --resume DIR to go on with one")
        return _run(training, out, False)
    if out is not None and out != resume:
        raise InputError(f"--out is {out}: leave it out, a training that goes on stays in {resume}")
    kept = Training.of(resume)
    plain = Training(options=_defaults(task), task=task)
    for name in ("algo", "seed", "envs", "options", "hyper", "evaluations", "episodes", "checkpoint_minutes", "task"):
        mine = getattr(training, name)
        if name == "envs" and envs is None:  # the default goes by --algo, which the folder may know alone
            continue
        if mine not in (getattr(plain, name), getattr(kept, name)):
            raise InputError(f"{name} is {mine}, and {getattr(kept, name)} in {resume}: leave it out to go on")
    return _run(kept.extended(steps, minutes, device), resume, True)


def _defaults(task: str) -> dict:
    import inspect

    values = {name: p.default for name, p in inspect.signature(learn).parameters.items()}
    return _asked(task, *(values[name] for name in ("robot", "flow", "path", "residual", "limit_hz", "cruise_hz")))


def _asked(task: str, robot: str, flow: str, path: str, residual: bool, limit_hz: tuple[float, ...], cruise_hz: float):
    """Keyword arguments of the environment that have a flag of their own."""
    from microtwin.errors import InputError

    if len(limit_hz) > 2:
        raise InputError(f"--limit-hz has {len(limit_hz)} numbers: give one, or two to draw between")
    asked: dict = {"robot": robot, "flow": None if flow == "none" else flow}
    if task == "path":
        asked |= {"residual": residual, "path": path, "cruise_hz": cruise_hz}
        limit_hz = limit_hz or PATH_LIMITS_HZ
    if limit_hz:
        asked["frequency_limit_hz"] = list(limit_hz) if len(limit_hz) == 2 else limit_hz[0]
    return asked


def _run(training, folder: Path, resume: bool) -> int:
    import contextlib
    import math

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    from microtwin import files
    from microtwin.errors import InputError
    from microtwin.learn.stopping import first_ctrl_c

    console = Console()
    new = not folder.exists()
    files.open_folder(folder)

    def say(report) -> None:
        seen = report.evaluation
        figures = ""
        if seen:
            time = "" if math.isnan(seen["time_s"]) else f"{seen['time_s']:.1f} s  "
            figures = f"success {100 * seen['success']:.0f} %  {time}{seen['error_um']:.2f} µm"
        if report.new:
            console.print(f"{report.steps:12,} steps  {figures}  return {seen['return']:.2f}", highlight=False)
        left = "" if math.isinf(report.seconds_left) else f"{_clock(report.seconds_left)} left"
        text = f"{report.steps:,} steps  {report.rate:,.0f}/s  {left}  {figures}"
        progress.update(bar, completed=report.fraction, description=text)

    with first_ctrl_c() as stopped:
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("preparing (the first run compiles)", total=1.0)
            from microtwin.learn.train import train

            try:
                done = train(training, folder, resume=resume, report=say, stop=stopped.is_set)
            except InputError:
                if new:
                    with contextlib.suppress(OSError):  # not empty: something was computed, and is kept
                        folder.rmdir()
                raise
    if not done:
        console.print(f"stopped and saved: go on with microtwin learn push --resume {folder}", highlight=False)
        return 130
    console.print(f"wrote policy.zip and card.md to {folder}", highlight=False, soft_wrap=True)
    return 0


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
