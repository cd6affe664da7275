"""A world of spheres above the glass, all in one rotating field."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from microtwin.errors import InputError
from microtwin.field import CoilScale, RotatingField
from microtwin.physics import stepper
from microtwin.physics.flow import Flow
from microtwin.physics.lubrication import pair_tables, wall_table
from microtwin.physics.state import FRICTION, Setup, State
from microtwin.physics.surface_forces import HAMAKER_PN_UM, KT_PN_UM, rest_gap
from microtwin.physics.validation import checked_spheres
from microtwin.robots.bodies import Body
from microtwin.robots.calibration import lab_coils

Fidelity = Literal["averaged", "resolved"]


@dataclass(frozen=True, slots=True)
class Liquid:
    """The liquid and what its surfaces share.

    Attributes:
        viscosity_pa_s: water at 20 °C is 1e-3.
        kt_pn_um: thermal energy; 0 switches Brownian motion off.
        hamaker_pn_um: van der Waals constant; 0 where adsorbed protein keeps surfaces apart (culture medium).
        pair_friction: Coulomb coefficient between bodies.
    """

    viscosity_pa_s: float = 1e-3
    kt_pn_um: float = KT_PN_UM
    hamaker_pn_um: float = HAMAKER_PN_UM
    pair_friction: float = 0.0

    def __post_init__(self):
        for name in ("kt_pn_um", "hamaker_pn_um", "pair_friction"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"liquid {name} is {value}: give zero or a positive number")


class World:
    """Bodies, liquid, coils and flow; :meth:`step` moves them through the field.

    Attributes (arrays are live views that the next step overwrites; copy them to keep them):
        positions_um: (N, 3) centres, glass at z = 0.
        turns: (N, 4) orientations as unit quaternions (w, x, y, z), body to world; a robot's cap points along its +z.
        velocities_um_s: (N, 3) mean velocities over the last step.
        spins_rad_s: (N, 3) mean angular velocities over the last step.
        torques_pn_um: (N, 3) magnetic torques of the last step.
        time_s: time since the start.

    Args:
        bodies: what to simulate; gaps to the glass and between bodies must be positive.
        rng: Generator, or seed; a run repeats bit for bit from the same one.
        liquid: water by default.
        coils: full scale and shape of the field; by default the lab's
            (:func:`~microtwin.robots.calibration.lab_coils`).
        flow: background flow; none by default.
        fidelity: ``averaged`` (mean torque of a moment that follows or slips) or ``resolved`` (through the cycle).
        max_step_s: longest inner step; 1/96 s is four to a camera frame.

    Raises:
        InputError: bodies that overlap, touch the glass or reach the flow's upper plate, NaN, a fidelity that does not
            exist.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        *,
        rng: np.random.Generator | int | None = 0,
        liquid: Liquid | None = None,
        coils: CoilScale | None = None,
        flow: Flow | None = None,
        fidelity: Fidelity = "averaged",
        max_step_s: float = 1 / 96,
    ):
        if fidelity not in ("averaged", "resolved"):
            raise InputError(f"fidelity is {fidelity!r}: choose averaged or resolved")
        if not (math.isfinite(max_step_s) and max_step_s > 0):
            raise InputError(f"max_step_s is {max_step_s}: give a positive time, 1/96 is usual")
        self.bodies = tuple(bodies)
        self.liquid = liquid or Liquid()
        self.coils = coils or lab_coils()
        self.flow = flow or Flow()
        self.fidelity: Fidelity = fidelity
        positions, radii, viscosity = checked_spheres(
            [b.position_um for b in self.bodies],
            np.array([b.radius_um for b in self.bodies]),
            self.liquid.viscosity_pa_s,
            min_gap_um=1e-6,
        )
        highest = float((positions[:, 2] + radii).max())
        if self.flow.kind == "poiseuille" and highest >= self.flow.height_um:
            raise InputError(f"flow height is {self.flow.height_um} µm: give more than {highest:.4g}, the bodies' tops")
        n = len(self.bodies)
        self.radii_um = radii
        parameters = np.array(
            [
                [b.radius_um, b.weight_pn, b.range_um, b.moment_pn_um_per_mt, b.friction, b.lift_pn_um3_s2, b.anchored]
                for b in self.bodies
            ]
        ).T.copy()
        rubs = self.liquid.pair_friction > 0 or (parameters[FRICTION] > 0).any()
        which, pairs = pair_tables(radii)
        self._max_step_s = max_step_s
        self._setup = Setup(
            bodies=parameters,
            liquid=np.array([viscosity, self.liquid.kt_pn_um, self.liquid.hamaker_pn_um, self.liquid.pair_friction]),
            flow=self.flow.parameters(),
            walls=wall_table(),
            which=which,
            pairs=pairs,
        )
        self._state = State(
            positions=positions,
            turns=np.tile([1.0, 0.0, 0.0, 0.0], (n, 1)),
            clock=np.zeros(2),
            motion=np.zeros((n, 6)),
            spins=np.zeros((n, 3)),
            drag=8.0 * math.pi * viscosity * radii**3,
            torques=np.zeros((n, 3)),
            springs=np.zeros((n, n + 1, 3) if rubs else (0, 0, 0)),
            sliding=np.zeros((n, n + 1) if rubs else (0, 0), dtype=np.bool_),
        )
        try:
            self._rng = np.random.default_rng(rng)
        except (TypeError, ValueError):
            raise InputError(f"rng is {rng!r}: give a seed of 0 or more, or a numpy Generator") from None
        self._field: RotatingField | None = None
        self._quadratures = np.zeros((n, 2, 3))

    @property
    def time_s(self) -> float:
        return float(self._state.clock[0])

    @property
    def positions_um(self) -> np.ndarray:
        return self._state.positions

    @property
    def turns(self) -> np.ndarray:
        return self._state.turns

    @property
    def velocities_um_s(self) -> np.ndarray:
        return self._state.motion[:, :3]

    @property
    def spins_rad_s(self) -> np.ndarray:
        return self._state.motion[:, 3:]

    @property
    def torques_pn_um(self) -> np.ndarray:
        return self._state.torques

    def rest_gap_um(self, body: int) -> float:
        """Gap at which a body's repulsion from the glass carries its weight."""
        b = self.bodies[body]
        return rest_gap(b.weight_pn, b.radius_um, b.range_um, self.liquid.hamaker_pn_um)

    def step(self, field: RotatingField, duration_s: float) -> None:
        """Hold ``field`` for ``duration_s``; its phase runs on from the last step.

        Raises:
            InputError: a duration that is not positive.
            ArithmeticError: no step, however short, keeps the bodies apart.
        """
        _check_duration(duration_s)
        if field is not self._field:
            self._see(self.coils.quadratures_mt(field))
            self._field = field
        self._advance(field.frequency_hz, duration_s)

    def step_in(self, quadratures_mt: np.ndarray, frequency_hz: float, duration_s: float) -> None:
        """Hold a field given as it is, measured and not commanded, for ``duration_s``.

        Args:
            quadratures_mt: (2, 3) vectors c, s of B = c cos 2πft + s sin 2πft, mT, with t = 0 at the start of the step.
            frequency_hz: turns per second; 0 or more.

        Raises:
            InputError: a field that is not finite or of another shape, a negative frequency, a duration that is not
                positive.
            ArithmeticError: no step, however short, keeps the bodies apart.
        """
        _check_duration(duration_s)
        measured = np.asarray(quadratures_mt, dtype=float)
        if measured.shape != (2, 3) or not np.isfinite(measured).all():
            raise InputError(f"measured field is {np.array2string(measured)} mT: give (2, 3) finite numbers, c and s")
        if not (math.isfinite(frequency_hz) and frequency_hz >= 0):
            raise InputError(f"frequency of the measured field is {frequency_hz} Hz: give 0 or more")
        self._see(measured)
        self._field = None  # a later step() must look at its own field again
        self._state.clock[1] = 0.0
        self._advance(frequency_hz, duration_s)

    def _advance(self, frequency_hz: float, duration_s: float) -> None:
        total = left = float(duration_s)
        rate = 2 * math.pi * frequency_hz
        while left > 0:
            steps = max(1, math.ceil(left / self._max_step_s - 1e-9))
            normals = self._rng.standard_normal((steps, 6 * len(self.bodies)))
            left = stepper.advance(
                left, total, normals, self._setup, self._state, self._quadratures, rate, self.fidelity == "resolved"
            )
        if left < 0:
            raise ArithmeticError(f"bodies collide at t = {self.time_s:.4f} s whatever the step: check their forces")

    def _see(self, quadratures: np.ndarray) -> None:
        """The field as each body sees it: the coils' ellipse, turned by the robot's own heading offset."""
        pair = quadratures.tolist()
        for i, body in enumerate(self.bodies):
            if body.moment_pn_um_per_mt > 0:
                cos, sin = math.cos(body.heading_offset_rad), math.sin(body.heading_offset_rad)
                self._quadratures[i] = [[cos * x - sin * y, sin * x + cos * y, z] for x, y, z in pair]
        if not quadratures.any():  # switched off, or lost in the coils' dead band
            self._state.torques[:] = 0.0


def _check_duration(duration_s: float) -> None:
    if not (math.isfinite(duration_s) and duration_s > 0):
        raise InputError(f"step duration is {duration_s} s: give a positive time")
