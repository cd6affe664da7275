"""The same trials on the twin and on emulated hardware, frame by frame on one clock, from camera pixels.

Usage: ``python experiments/rig_push.py [--quick] [--seed 0]``. Both sides push the same bead with the same robot from
the same seed: once with ``backend="sim"``, once with ``backend="hardware"``, where the commands go as bytes to the
compiled firmware in an AVR emulator, its PWM registers through bridges and coils to the world, and the picture comes
back through the camera contract. The controller cannot tell. The board's field is a waveform, so the twin follows the
moment through every cycle as well (``fidelity="resolved"``); what its default, the mean torque, makes of the same
trials is printed too. Needs the packages of hardware/debian-packages.txt.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from emulated_rig import lockstep
from emulated_rig.bench import EmulatedRig
from microtwin import files, paths
from microtwin.errors import InputError, RigError, exit_code
from microtwin.pushing import Push
from microtwin.recording import BODIES, Trial, draw_track
from microtwin.scene import PushScene
from microtwin_hardware.config import CameraConfig, CoilsConfig, RigConfig, save

FREQUENCY_HZ, WIDTH_UM, TRIALS = 12.0, 5.0, 4
BOUND = 0.05  # on the ratios of the means
SCENE = PushScene(observe="camera", fidelity="resolved")


def on_the_twin(nodes_um: np.ndarray, seed: int, count: int, scene: PushScene = SCENE) -> list[Trial]:
    push = Push(nodes_um, FREQUENCY_HZ, width_um=WIDTH_UM, trials=count, seed=seed, scene=scene)
    done = list(push.run())
    if done[-1].interrupted:
        raise KeyboardInterrupt
    return done


def on_the_board(nodes_um: np.ndarray, seed: int, number: int, folder: Path) -> Trial:
    """Trial ``number`` of the seed, behind the firmware."""
    rig = EmulatedRig.of(SCENE, nodes_um, seed, number)
    lockstep.attach("bench", rig)
    try:
        config = folder / "rig.toml"
        save(
            RigConfig(
                CoilsConfig(port="lockstep://bench", heartbeat_ms=0),
                CameraConfig("emulated_rig.lockstep:LockstepCamera", "bench", rig.shape, rig.um_per_px),
            ),
            config,
        )
        push = Push(
            nodes_um,
            FREQUENCY_HZ,
            width_um=WIDTH_UM,
            trials=1,
            seed=seed,
            backend="hardware",
            backend_options={"config": config},
        )
        (trial,) = push.run()
        if trial.interrupted:
            raise KeyboardInterrupt
        if trial.broken:
            raise RigError(trial.reason)
        return trial
    finally:
        lockstep.detach("bench")
        rig.close()


def draw(path: Path, nodes_um: np.ndarray, twin: Trial, board: Trial) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    pairs = figure.subfigures(1, 2, squeeze=False).ravel()
    for pair, name, trial in zip(pairs, ("twin", "emulated hardware"), (twin, board), strict=True):
        pair.suptitle(f"{name}: {trial.completion_time_s:.1f} s, error {trial.mae_um:.2f} µm")
        panels = pair.subplots(1, 2, sharex=True, sharey=True)
        panels[0].set_ylabel("y (µm)")
        for ax, (body, colour) in zip(panels, BODIES, strict=True):
            draw_track(ax, nodes_um, trial.table[[f"{body}_x_um", f"{body}_y_um"]].to_numpy(), colour, body)
            ax.set_title(body, fontsize=10)
            ax.set_xlabel("x (µm)")
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(quick: bool = False, trials: int = TRIALS, out: Path = Path("runs/rig_push"), seed: int = 0) -> None:
    """Completion time and error, twin beside emulated hardware.

    Args:
        quick: one trial along a quarter of the circle.
        trials: how many of each.
        out: folder for trials.csv, tracks.png and the rig.toml that was used.
        seed: another seed, other trials.
    """
    if seed < 0 or trials < 1:
        raise InputError(f"seed is {seed}, trials is {trials}: give a seed of 0 or more and at least one trial")
    folder = files.open_folder(out)
    count = 1 if quick else trials
    nodes_um = paths.circle()[: 25 if quick else None]
    with Progress(transient=True) as progress:
        task = progress.add_task("twin", total=3 * count)
        twin = on_the_twin(nodes_um, seed, count)
        progress.update(task, completed=count)
        mean_torque = on_the_twin(nodes_um, seed, count, replace(SCENE, fidelity="averaged"))
        progress.update(task, completed=2 * count, description="emulated hardware")
        board = []
        for number in range(count):
            board.append(on_the_board(nodes_um, seed, number, folder))
            progress.advance(task)
    sides = {"sim": twin, "sim, averaged": mean_torque, "hardware": board}
    rows = [{"backend": name} | t.summary() for name, done in sides.items() for t in done]
    table = pd.DataFrame(rows)
    with files.whole(folder / "trials.csv") as temporary:
        table.to_csv(temporary, index=False)
    draw(folder / "tracks.png", nodes_um, twin[0], board[0])
    print(
        f"twin beside emulated hardware in lockstep, {FREQUENCY_HZ:g} Hz, w = {WIDTH_UM:g} µm, from pixels, seed {seed}"
    )
    for number, (a, b) in enumerate(zip(twin, board, strict=True)):
        print(
            f"  trial {number}   {a.completion_time_s:6.2f} s {a.mae_um:5.2f} µm     "
            f"{b.completion_time_s:6.2f} s {b.mae_um:5.2f} µm"
        )
    for measure, name in (("completion_time_s", "time"), ("mae_um", "error")):
        a, coarse, b = (float(np.mean([getattr(t, measure) for t in done])) for done in sides.values())
        verdict = f"{'pass' if abs(b / a - 1) <= BOUND else 'MISS'}, bound {BOUND:.0%}"
        print(
            f"  {name:5} twin {a:6.3f}   hardware {b:6.3f}   ratio {b / a:.3f}   {verdict}   (mean torque {coarse:.3f})"
        )
    print(f"wrote trials.csv, tracks.png and rig.toml to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("rig_push", lambda: tyro.cli(main)))
