"""The whole rig on one emulated clock: board, bridges and coils, world, microscope."""

import math
import threading
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from emulated_rig import arc
from emulated_rig.build import FIRMWARE, compile_sketch
from emulated_rig.coil_model import CoilModel
from emulated_rig.mega import CLOCK_HZ, Mega
from microtwin.errors import InputError
from microtwin.optics.scene import Scene
from microtwin.physics import World
from microtwin.scene import PushScene
from microtwin.simulated import FRAME_RATE_HZ, check_latency

BOOT_S = 0.025  # the board is on for so long before the rig's clock starts: nobody opens a port sooner
STEP_S = 1 / 96  # longest stretch of field that one ellipse stands for, the world's inner step
KEPT = 600 * 96  # stretches in ten minutes
PIECES = 10  # of a stretch: how often the board's current sense is told


@dataclass(frozen=True)
class Exposure:
    """The world as the camera caught it: what :meth:`EmulatedRig.render` needs, and the truth.

    Attributes:
        index, time_s: which frame, and when it was taken. positions_um (N, 3), turns (N, 4), velocities_um_s (N, 3).
    """

    index: int
    time_s: float
    positions_um: np.ndarray
    turns: np.ndarray
    velocities_um_s: np.ndarray


class EmulatedRig:
    """A rig whose time its caller owns: :meth:`advance_to` moves the board, the field, the bodies and the camera on.

    The field is what the board's PWM makes of it, whatever the host believes. Frame k is taken at k/frame_rate_hz and
    can be had ``latency_frames`` later. Only frames that are handed out are rendered.

    Args:
        mega: just switched on. world: of fidelity ``resolved``. microscope: None for a rig without images.
        rng: noise of the images. coils: between the two; the lab's by default.

    Attributes:
        time_s: emulated time since the rig began. unplugged: True cuts the serial line both ways.
        last_driven_s: when any duty was last not zero; −inf for never.
        duties: (time, greatest |duty| since the entry before), one entry for each 1/96 s of the last ten minutes.
        lock: for those who touch it from several threads; the rig itself takes it nowhere.

    Raises:
        InputError: a world of another fidelity, a frame rate ≤ 0, a negative latency.
    """

    def __init__(
        self,
        mega: Mega,
        world: World,
        microscope: Scene | None = None,
        rng: np.random.Generator | int = 0,
        *,
        coils: CoilModel | None = None,
        frame_rate_hz: float = FRAME_RATE_HZ,
        latency_frames: int = 1,
    ):
        if world.fidelity != "resolved":
            raise InputError(f"world's fidelity is {world.fidelity}: give resolved, the field is a waveform here")
        if not frame_rate_hz > 0:
            raise InputError(f"frame rate is {frame_rate_hz} Hz: give a positive number, 24 is the paper's")
        check_latency(latency_frames)
        self.mega, self.world, self.microscope = mega, world, microscope
        self.coils = coils or CoilModel.lab(sample_s=mega.sample_s)
        self.frame_rate_hz, self.latency_frames = frame_rate_hz, latency_frames
        self.unplugged = False
        self.last_driven_s = -math.inf
        self.duties: deque[tuple[float, float]] = deque(maxlen=KEPT)
        self.lock = threading.RLock()
        self._rng = np.random.default_rng(rng)
        self._per_frame = max(1, math.ceil(1 / (frame_rate_hz * STEP_S) - 1e-9))
        self._step_s = 1 / (frame_rate_hz * self._per_frame)
        self._seen = len(mega.run(BOOT_S))  # samples taken so far, all through the board's life
        self._start = mega.cycle
        self._pieces = self._frames = 0
        self._stretch: list[np.ndarray] = []
        self._greatest = 0.0
        self._taken: deque[Exposure] = deque(maxlen=latency_frames + 2)
        self._handed = -1
        self._expose()

    @classmethod
    def of(
        cls, scene: PushScene, nodes_um: np.ndarray, seed: int = 0, trial: int = 0, elf: Path | None = None, **options
    ) -> Self:
        """The scene of one trial of :class:`microtwin.pushing.Push`, drawn alike, behind the board; ``options`` go on.

        Args:
            elf: the board's program; None for the repository's own firmware.
        """
        rng = np.random.default_rng([seed, trial])
        world = replace(scene, fidelity="resolved").world(nodes_um, rng)
        view = noise = None
        if scene.observe == "camera":
            view = scene.microscope(list(world.bodies), nodes_um)
            (noise,) = rng.spawn(1)
        mega = Mega(elf or compile_sketch(FIRMWARE / "microtwin_mega"))
        return cls(mega, world, view, 0 if noise is None else noise, latency_frames=scene.latency_frames, **options)

    @property
    def time_s(self) -> float:
        return (self.mega.cycle - self._start) / CLOCK_HZ

    @property
    def until_frame_s(self) -> float:
        """How long :meth:`next_frame` would take."""
        index = max(self._handed + 1, self._arrived)
        return max((index + self.latency_frames) / self.frame_rate_hz - self.time_s, 0.0)

    @property
    def um_per_px(self) -> float:
        return math.nan if self.microscope is None else self.microscope.um_per_px

    @property
    def shape(self) -> tuple[int, int] | None:
        """Rows and columns of the images."""
        return None if self.microscope is None else self.microscope.camera.shape

    def write(self, data: bytes) -> None:
        """What the host sends."""
        if not self.unplugged:
            self.mega.write(data)

    def read(self, most: int | None = None) -> bytes:
        """What the board has sent by now, at most so many bytes."""
        data = self.mega.read_stamped(most)[0]
        return b"" if self.unplugged else data

    def advance_to(self, time_s: float) -> None:
        """Let emulated time pass up to ``time_s`` (never back)."""
        self._advance(self._start + round(time_s * CLOCK_HZ))

    def next_frame(self) -> Exposure:
        """The newest frame that has arrived and was not handed out, or else the next one, for which time passes."""
        index = max(self._handed + 1, self._arrived)
        if index > self._arrived:
            self._advance(self._cycle_of((index + self.latency_frames) * self._per_frame * PIECES))
        self._handed = index
        return next(taken for taken in self._taken if taken.index == index)

    def render(self, exposure: Exposure) -> np.ndarray | None:
        """(rows, columns) uint8 image of it; None without a microscope. May run while time passes."""
        if self.microscope is None:
            return None
        return self.microscope.expose(exposure.positions_um, exposure.turns, exposure.velocities_um_s, self._rng)

    def frame(self) -> tuple[np.ndarray | None, float, int]:
        """The image of :meth:`next_frame`, when it was taken, and its number."""
        exposure = self.next_frame()
        return self.render(exposure), exposure.time_s, exposure.index

    def close(self) -> None:
        self.mega.close()

    @property
    def _arrived(self) -> int:
        return self._frames - 1 - self.latency_frames

    def _cycle_of(self, piece: int) -> int:
        return self._start + round(piece * self._step_s / PIECES * CLOCK_HZ)

    def _advance(self, end: int) -> None:
        while True:
            piece_end = self._cycle_of(self._pieces + 1)
            self._drive(min(end, piece_end))
            if end < piece_end:
                return
            self._pieces += 1
            self.mega.set_currents_a(self.coils.currents_a)
            if self._pieces % PIECES == 0:
                self._move()

    def _drive(self, cycle: int) -> None:
        """The board runs up to a cycle, and its bridges and coils with it."""
        duties = self.mega.run_until(cycle)
        if not len(duties):
            return
        self._seen += len(duties)
        self._stretch.append(self.coils.drive(duties))
        strengths = duties.max(axis=1)
        if strengths.any():
            at = self._seen - len(duties) + int(np.flatnonzero(strengths)[-1])
            self.last_driven_s = at * self.mega.sample_s - self._start / CLOCK_HZ
            self._greatest = max(self._greatest, float(strengths.max()))

    def _move(self) -> None:
        """The world takes the stretch of field that has just ended."""
        field_mt = np.concatenate(self._stretch)
        begin_s = self._cycle_of(self._pieces - PIECES) / CLOCK_HZ
        # duties are sampled in the middle of the time they stand for, and the field is that at its end
        times_s = np.arange(self._seen - len(field_mt) + 1, self._seen + 1) * self.mega.sample_s - begin_s
        self.world.step_in(*arc.fit(field_mt, times_s, self._step_s), self._step_s)
        self.duties.append((self.time_s, self._greatest))
        self._stretch, self._greatest = [], 0.0
        if self._pieces % (PIECES * self._per_frame) == 0:
            self._expose()

    def _expose(self) -> None:
        now, world = self._frames, self.world
        self._taken.append(
            Exposure(
                now,
                now / self.frame_rate_hz,
                world.positions_um.copy(),
                world.turns.copy(),
                world.velocities_um_s.copy(),
            )
        )
        self._frames += 1
