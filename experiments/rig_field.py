"""The field that the firmware really puts out, read back from its PWM registers, beside Eq. 1.

Usage: ``python experiments/rig_field.py [--quick]``. The host's own driver commands fields over the serial line of a
board in an AVR emulator; the twelve compare registers are sampled four times an update. Amplitude and axis come from a
least-squares fit over a second or four turns, frequency from the phases of its two halves. Needs the packages of
hardware/debian-packages.txt.
"""

import cmath
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from rich.progress import Progress

from emulated_rig import lockstep
from emulated_rig.bench import EmulatedRig
from emulated_rig.build import FIRMWARE, compile_sketch
from emulated_rig.coil_model import MINUS, PLUS
from emulated_rig.mega import Mega
from microtwin import files, paths
from microtwin.errors import exit_code
from microtwin.field import RotatingField
from microtwin.scene import PushScene
from microtwin_hardware.coils.mega import MegaCoils
from microtwin_hardware.config import CoilsConfig

SAMPLES = 4  # of the registers to each of the board's 2000 updates a second
TICK_S = 1 / 2000
FREQUENCIES_HZ = (1.0, 2.0, 5.0, 12.0, 24.0, 37.0, 60.0, 100.0)
ATTITUDES_DEG = (0.0, 45.0, 90.0, 135.0, 180.0)
BOUNDS = {"amplitude": 0.01, "angle_deg": 1.0, "frequency": 0.001, "jump_deg": 2.0}
CHANGES = (  # α°, γ°, f before and after
    ((0, 90, 12), (0, 90, 30)),
    ((0, 90, 30), (0, 90, 5)),
    ((0, 90, 1), (0, 90, 100)),
    ((0, 90, 100), (0, 90, 1)),
    ((20, 90, 12), (110, 90, 12)),
    ((20, 90, 12), (20, 0, 12)),
    ((20, 0, 12), (20, 180, 12)),
    ((200, 60, 15), (315, 120, 45)),
)
REPEATS = 5  # of each change, at other phases


class Bench:
    """A board, the driver on its line, and what its registers held."""

    def __init__(self):
        nodes_um = paths.circle()
        board = Mega(compile_sketch(FIRMWARE / "microtwin_mega"), sample_s=TICK_S / SAMPLES)
        world = PushScene(fidelity="resolved").world(nodes_um, np.random.default_rng(0))
        self.rig = EmulatedRig(board, world)
        self._kept: list[np.ndarray] = []
        run_until = board.run_until

        def kept(cycle: int) -> np.ndarray:
            self._kept.append(run_until(cycle))
            return self._kept[-1]

        board.run_until = kept
        lockstep.attach("field", self.rig)
        self.coils = MegaCoils(CoilsConfig(port="lockstep://field", heartbeat_ms=0, watchdog_ms=500))

    def wait(self, duration_s: float) -> None:
        """Time passes, with a heartbeat every quarter of a second."""
        end_s = self.rig.time_s + duration_s
        while (left_s := end_s - self.rig.time_s) > 1e-9:
            self.rig.advance_to(self.rig.time_s + min(left_s, 0.25))
            self.coils.status()

    def begin(self) -> None:
        """Forget what the registers held."""
        self._kept.clear()

    @property
    def ticks(self) -> int:
        """Updates since :meth:`begin`."""
        return sum(map(len, self._kept)) // SAMPLES

    def read(self) -> np.ndarray:
        """(n, 3) field over full scale, one row an update, each taken where nothing was being written."""
        duties = np.concatenate(self._kept)
        signed = duties[:, 0::2] - duties[:, 1::2]
        field = 0.5 * (signed[:, PLUS] - signed[:, MINUS])
        quiet = min(range(SAMPLES), key=lambda k: int(np.count_nonzero(np.diff(field[k:], axis=0)[::SAMPLES])))
        return field[quiet::SAMPLES]


def errors(field: RotatingField, bench: Bench) -> dict[str, float]:
    """Amplitude and frequency (relative) and axis (degrees) of one held field."""
    bench.coils.apply(field)
    bench.wait(0.1)
    bench.begin()
    bench.wait(max(1.0, 4 / field.frequency_hz))
    duties = bench.read()
    c, s = quadratures(duties, field)
    axis = np.cross(c, s)
    half = len(duties) // 2
    seen = [against(field, quadratures(part, field)) for part in (duties[:half], duties[half : 2 * half])]
    turn = 2 * math.pi * field.frequency_hz * TICK_S * half
    return {
        "amplitude": abs(abs(against(field, np.stack([c, s]))) - 1),
        "angle_deg": math.degrees(
            math.atan2(float(np.linalg.norm(np.cross(axis, field.axis))), float(axis @ field.axis))
        ),
        "frequency": abs(math.remainder(cmath.phase(seen[0] / seen[1]) - turn, 2 * math.pi)) / turn,
    }


def quadratures(duties: np.ndarray, field: RotatingField) -> np.ndarray:
    """(2, 3) c and s of duty = c cos 2πft + s sin 2πft, by least squares."""
    turn = 2 * math.pi * field.frequency_hz * TICK_S * np.arange(len(duties))
    return np.linalg.lstsq(np.stack([np.cos(turn), np.sin(turn)], axis=1), duties, rcond=None)[0]


def against(field: RotatingField, measured: np.ndarray) -> complex:
    """What turns Eq. 1's c + is into the measured one: modulus is the ratio of amplitudes, argument the phase."""
    wanted, found = field.quadratures[0] + 1j * field.quadratures[1], measured[0] + 1j * measured[1]
    return complex(np.vdot(wanted, found) / np.vdot(wanted, wanted))


def jump_deg(before: RotatingField, after: RotatingField, bench: Bench) -> tuple[float, pd.DataFrame]:
    """What the phase adds, over the update that brings a change, to the old or the new frequency's step; and the ticks.

    Old and new phase come from lines through the updates well before and well after; the update of the change is
    the one that splits the samples best between the two fields.
    """
    bench.coils.apply(before)
    bench.wait(0.2)
    bench.begin()
    bench.wait(0.2)
    sent = bench.ticks
    bench.coils.apply(after)
    answered = bench.ticks
    bench.wait(0.2)
    ticks = bench.read()
    begin = np.array([_begin(ticks[: sent - 1], before, 0), _begin(ticks[answered + 1 :], after, answered + 1)])
    steps = 2 * math.pi * TICK_S * np.array([before.frequency_hz, after.frequency_hz])
    numbers = np.arange(len(ticks))
    phases = begin[:, None] + steps[:, None] * numbers
    missed = [
        np.linalg.norm(
            ticks - np.outer(np.cos(phase), field.quadratures[0]) - np.outer(np.sin(phase), field.quadratures[1]),
            axis=1,
        )
        for phase, field in zip(phases, (before, after), strict=True)
    ]
    switch = min(range(sent - 1, answered + 2), key=lambda k: missed[0][:k].sum() + missed[1][k:].sum())
    grown, middle, width = phases[1, switch] - phases[0, switch - 1], steps.mean(), abs(steps[1] - steps[0])
    jump = math.degrees(max(abs(math.remainder(grown - middle, 2 * math.pi)) - width / 2, 0.0))
    table = pd.DataFrame(ticks, columns=["x", "y", "z"])
    table.insert(0, "time_ms", (numbers - switch) * TICK_S * 1000)
    return jump, table


def _begin(ticks: np.ndarray, field: RotatingField, first: int) -> float:
    """Phase (rad) that the field had, or would have had, at update 0."""
    c, s = field.quadratures
    turns = 2 * math.pi * field.frequency_hz * TICK_S * (first + np.arange(len(ticks)))
    return float(np.angle(np.mean((ticks @ c + 1j * (ticks @ s)) * np.exp(-1j * turns))))


def field_of(alpha_deg: float, gamma_deg: float, frequency_hz: float) -> RotatingField:
    return RotatingField(math.radians(alpha_deg), math.radians(gamma_deg), frequency_hz)


def draw(path: Path, table: pd.DataFrame, change: pd.DataFrame, name: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    units = {"amplitude": 100.0, "angle_deg": 1.0, "frequency": 100.0}
    labels = {"amplitude": "amplitude (%)", "angle_deg": "axis (°)", "frequency": "frequency (%)"}
    for (measure, unit), colour in zip(units.items(), ("#4477aa", "#228833", "#cc3311"), strict=True):
        worst = table.pivot_table(values=measure, index="frequency_hz", aggfunc="max")
        left.loglog(worst.index, worst[measure] * unit, "o-", color=colour, label=labels[measure])
        left.axhline(BOUNDS[measure] * unit, color=colour, ls=":", lw=1)
    left.set(xlabel="frequency (Hz)", ylabel="greatest error; dotted: bound", title="PWM registers against Eq. 1")
    left.legend(frameon=False)
    near = change[change.time_ms.abs() < 60]
    for axis, colour in zip("xyz", ("#4477aa", "#228833", "#cc3311"), strict=True):
        right.step(near.time_ms, near[axis], where="post", color=colour, lw=1, label=axis)
    right.axvline(0, color="0.5", lw=1, ls="--")
    right.set(xlabel="time from the change (ms)", ylabel="duty", title=name)
    right.legend(frameon=False, loc="lower right")
    with files.whole(path) as temporary:
        figure.savefig(temporary, dpi=110)


def main(quick: bool = False, out: Path = Path("runs/rig_field"), seed: int = 0) -> None:
    """Amplitude, axis, frequency and phase of the field in the registers, beside Eq. 1.

    Args:
        quick: three frequencies, one heading, each change once.
        out: folder for field.csv, changes.csv and field.png.
        seed: of the headings and of the moments of the changes.
    """
    folder = files.open_folder(out)
    rng = np.random.default_rng(seed)
    frequencies = FREQUENCIES_HZ[:: 3 if quick else 1]
    cases = [(f, gamma) for f in frequencies for gamma in (ATTITUDES_DEG[2:3] if quick else ATTITUDES_DEG)]
    bench = Bench()
    rows, changes, shown = [], [], None
    with bench.coils, Progress(transient=True) as progress:
        for frequency_hz, gamma_deg in progress.track(cases, description="holding"):
            alpha_deg = float(rng.uniform(-180, 180))
            found = errors(field_of(alpha_deg, gamma_deg, frequency_hz), bench)
            rows.append({"frequency_hz": frequency_hz, "alpha_deg": alpha_deg, "gamma_deg": gamma_deg} | found)
        repeated = [change for change in CHANGES for _ in range(1 if quick else REPEATS)]
        for before, after in progress.track(repeated, description="changing"):
            bench.wait(float(rng.uniform(0, 0.1)))
            jump, ticks = jump_deg(field_of(*before), field_of(*after), bench)
            changes.append({"before": str(before), "after": str(after), "jump_deg": jump})
            shown = shown or (ticks, f"α, γ, f: {before} → {after}")
    table, jumps = pd.DataFrame(rows), pd.DataFrame(changes)
    for name, what in (("field.csv", table), ("changes.csv", jumps)):
        with files.whole(folder / name) as temporary:
            what.to_csv(temporary, index=False)
    assert shown is not None
    draw(folder / "field.png", table, *shown)
    print(f"field in the PWM registers beside Eq. 1: {len(table)} fields, {len(jumps)} changes; greatest errors")
    greatest = {name: max(row[name] for row in rows) for name in ("amplitude", "angle_deg", "frequency")}
    greatest["jump_deg"] = max(change["jump_deg"] for change in changes)
    words = {
        "amplitude": ("amplitude", 100, "%"),
        "angle_deg": ("axis", 1, "°"),
        "frequency": ("frequency", 100, "%"),
        "jump_deg": ("phase jump", 1, "°"),
    }
    for measure, (name, unit, sign) in words.items():
        verdict = "pass" if greatest[measure] <= BOUNDS[measure] else "MISS"
        print(
            f"  {name:11} {unit * greatest[measure]:8.2g} {sign:2}  {verdict}, bound {unit * BOUNDS[measure]:g} {sign}"
        )
    print(f"wrote field.csv, changes.csv and field.png to {folder}")


if __name__ == "__main__":
    sys.exit(exit_code("rig_field", lambda: tyro.cli(main)))
