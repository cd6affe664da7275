"""Background flow along the glass, and what it exerts on bodies near it.

A body is carried by R·V∞, V∞ the flow's velocity (with the Faxén term a²∇²u/6) and half its vorticity at the centre,
plus the force and torque of the shear itself on a held sphere (Goldman, Cox & Brenner, Chem. Eng. Sci. 22 (1967) 653),
tabulated in :mod:`~microtwin.physics.lubrication`.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numba import njit

from microtwin.errors import InputError
from microtwin.physics.lubrication import wall_correction

KINDS = ("still", "uniform", "shear", "poiseuille")


@dataclass(frozen=True, slots=True)
class Flow:
    """Steady or pulsating flow in the direction ``direction_rad`` (CCW from +x).

    Attributes:
        kind: ``uniform`` (the liquid drifts as a whole), ``shear`` (u = γ z) or ``poiseuille`` between plates.
        speed_um_s: uniform speed, or the greatest speed of the Poiseuille profile, µm/s.
        shear_rate_per_s: γ of ``shear``, 1/s.
        height_um: distance between the plates of ``poiseuille``, µm; bodies feel the lower plate, the glass, alone.
        direction_rad: direction of the flow.
        pulsation: relative amplitude of 1 + pulsation·sin(2π·pulsation_hz·t).
        pulsation_hz: its frequency.

    Raises:
        InputError: an unknown kind, NaN, plates without a gap, a speed or shear rate that this kind of flow ignores.
    """

    kind: Literal["still", "uniform", "shear", "poiseuille"] = "still"
    speed_um_s: float = 0.0
    shear_rate_per_s: float = 0.0
    height_um: float = 100.0
    direction_rad: float = 0.0
    pulsation: float = 0.0
    pulsation_hz: float = 0.0

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError(f"flow kind is {self.kind!r}: choose one of {', '.join(KINDS)}")
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if name != "kind" and not math.isfinite(value):
                raise InputError(f"flow {name} is {value}: give a finite number")
        for name, kinds in (("speed_um_s", ("uniform", "poiseuille")), ("shear_rate_per_s", ("shear",))):
            if getattr(self, name) != 0 and self.kind not in kinds:
                raise InputError(
                    f"flow {name} is {getattr(self, name)} in a {self.kind} flow: give kind {' or '.join(kinds)}"
                )
        if self.height_um <= 0:
            raise InputError(f"flow height is {self.height_um} µm: give the positive distance between the plates")

    def parameters(self) -> np.ndarray:
        """(8,) numbers for the compiled stepper."""
        return np.array(
            [KINDS.index(self.kind), self.speed_um_s, self.shear_rate_per_s, self.height_um]
            + [math.cos(self.direction_rad), math.sin(self.direction_rad)]
            + [self.pulsation, 2 * math.pi * self.pulsation_hz]
        )

    def velocity_um_s(self, height_um, time_s: float = 0.0) -> np.ndarray:
        """(..., 3) velocity of the undisturbed liquid at heights above the glass."""
        height = np.asarray(height_um, dtype=float)
        speed = np.vectorize(lambda z: _profile(self.parameters(), z, 0.0, time_s)[0], otypes=[float])(height)
        return speed[..., None] * np.array([math.cos(self.direction_rad), math.sin(self.direction_rad), 0.0])


@njit(cache=True)
def _profile(flow, z, radius, time):
    """(velocity with Faxén's term, slope ∂u/∂z, shear that acts on a held sphere) at height z."""
    scale = 1.0 + flow[6] * math.sin(flow[7] * time)
    if flow[0] == 1.0:
        return scale * flow[1], 0.0, 0.0
    if flow[0] == 2.0:
        return scale * flow[2] * z, scale * flow[2], scale * flow[2]
    if flow[0] == 3.0:
        top = 4.0 * flow[1] / flow[3]
        slope = scale * top * (1.0 - 2.0 * z / flow[3])
        u = scale * (top * z * (1.0 - z / flow[3]) - top * radius * radius / (3.0 * flow[3]))
        return u, slope, slope
    return 0.0, 0.0, 0.0


@njit(cache=True)
def carry(flow, time, positions, radii, viscosity, walls, ambient, force):
    """V∞ into ``ambient`` (6N,) and the shear's own force and torque added to ``force`` (6N,)."""
    n = radii.size
    values = np.empty(7)
    for i in range(n):
        z, a = positions[i, 2], radii[i]
        u, slope, shear = _profile(flow, z, a, time)
        k = 3 * i
        o = 3 * n + k
        ambient[k], ambient[k + 1], ambient[k + 2] = u * flow[4], u * flow[5], 0.0
        # ½∇×(u(z), 0, 0) = (0, ½u′, 0), turned to the flow's direction
        ambient[o], ambient[o + 1], ambient[o + 2] = -0.5 * slope * flow[5], 0.5 * slope * flow[4], 0.0
        if shear != 0.0:
            wall_correction(walls, z / a - 1.0, values)
            pull = 6.0 * math.pi * viscosity * a * shear * z * values[5]
            twist = 4.0 * math.pi * viscosity * a**3 * shear * values[6]
            force[k] += pull * flow[4]
            force[k + 1] += pull * flow[5]
            force[o] -= twist * flow[5]
            force[o + 1] += twist * flow[4]
