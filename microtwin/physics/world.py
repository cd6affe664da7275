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


class World:
    """Bodies, liquid, coils and flow; :meth:`step` moves them through the field.

    Attributes (arrays are live views, copy them to keep them):
        positions_um: (N, 3) centres, glass at z = 0.
        turns: (N, 4) orientations as unit quaternions (w, x, y, z), body to world; a robot's cap points along its +z.
        velocities_um_s: (N, 3) mean velocities over the last step.
        spins_rad_s: (N, 3) mean angular velocities over the last step.
        torques_pn_um: (N, 3) magnetic torques of the last step.
        time_s: time since the start.

    Args:
        bodies: what to simulate; gaps to the glass and between bodies must be positive.
        rng: Generator, or seed; a run repeats bit for bit from the same one.
        coils: full scale and shape of the field; by default the lab's (:func:`~microtwin.robots.calibration.lab_coils`).
        fidelity: ``averaged`` (mean torque of a moment that follows or slips) or ``resolved`` (through the cycle).
        max_step_s: longest inner step; 1/96 s is four to a camera frame.

    Raises:
        InputError: bodies that overlap or touch the glass, NaN, a fidelity that does not exist.
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
        self.positions_um, radii, viscosity = checked_spheres(
            [b.position_um for b in self.bodies],
            np.array([b.radius_um for b in self.bodies]),
            self.liquid.viscosity_pa_s,
            min_gap_um=1e-6,
        )
        n = len(self.bodies)
        self.radii_um = radii
        self._rng = np.random.default_rng(rng)
        self._clock = np.zeros(2)
        self._parameters = np.array(
            [
                [b.radius_um, b.weight_pn, b.range_um, b.moment_pn_um_per_mt, b.friction, b.lift_pn_um3_s2]
                for b in self.bodies
            ]
        )
        self._liquid = np.array(
            [viscosity, self.liquid.kt_pn_um, self.liquid.hamaker_pn_um, self.liquid.pair_friction, max_step_s]
        )
        self._offsets = np.array([b.heading_offset_rad for b in self.bodies])
        rubs = self.liquid.pair_friction > 0 or (self._parameters[:, stepper.FRICTION] > 0).any()
        self._springs = np.zeros((n, n + 1, 3) if rubs else (0, 0, 0))
        self._sliding = np.zeros((n, n + 1) if rubs else (0, 0), dtype=np.bool_)
        self._drag = 8.0 * math.pi * viscosity * radii**3
        self._walls = wall_table()
        self._index, self._pairs = pair_tables(radii)
        self._flow = self.flow.parameters()
        self._motion = np.zeros((n, 6))
        self._field: RotatingField | None = None
        self._quadratures = np.zeros((n, 2, 3))
        self.turns = np.tile([1.0, 0.0, 0.0, 0.0], (n, 1))
        self.torques_pn_um = np.zeros((n, 3))

    @property
    def time_s(self) -> float:
        return float(self._clock[0])

    @property
    def velocities_um_s(self) -> np.ndarray:
        return self._motion[:, :3]

    @property
    def spins_rad_s(self) -> np.ndarray:
        return self._motion[:, 3:]

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
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise InputError(f"step duration is {duration_s} s: give a positive time")
        if field is not self._field:
            self._see(field)
        fine = stepper.advance(
            float(duration_s), self.positions_um, self.turns, self._clock, self._parameters, self._liquid,
            self._quadratures, 2 * math.pi * field.frequency_hz, self.fidelity == "resolved", self._rng, self._walls,
            self._index, self._pairs, self._flow, self._drag, self.torques_pn_um, self._springs, self._sliding,
            self._motion,
        )  # fmt: skip
        if not fine:
            raise ArithmeticError(f"bodies collide at t = {self.time_s:.4f} s whatever the step: check their forces")

    def _see(self, field: RotatingField) -> None:
        """The field as each body sees it: the coils' ellipse, turned by the robot's own heading offset."""
        c, s = self.coils.quadratures_mt(field)
        for i, offset in enumerate(self._offsets):
            cos, sin = math.cos(offset), math.sin(offset)
            for k, v in enumerate((c, s)):
                self._quadratures[i, k] = cos * v[0] - sin * v[1], sin * v[0] + cos * v[1], v[2]
        if field.amplitude == 0:
            self.torques_pn_um[:] = 0.0
        self._field = field
