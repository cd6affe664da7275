"""What a body is to the physics: a sphere with a weight, a surface and, if it is a robot, a magnetic moment."""

import math
from dataclasses import dataclass, replace

from microtwin.errors import InputError

GRAVITY_PN_UM3 = 9.81e-3  # weight of 1 µm³ per 1000 kg/m³ of density difference, pN
SILICA_EXCESS = 1.0  # density above water's, 1000 kg/m³ (silica microspheres ≈ 2.0)
NICKEL_EXCESS = 7.9
CELL_EXCESS = 0.06  # CHO cells 1.06 g/cm³ against medium ≈ 1.00


def sphere_weight_pn(radius_um: float, excess: float) -> float:
    """Weight minus buoyancy of a sphere whose density exceeds the liquid's by ``excess`` × 1000 kg/m³."""
    return GRAVITY_PN_UM3 * excess * 4.0 / 3.0 * math.pi * radius_um**3


@dataclass(frozen=True, slots=True)
class Body:
    """One sphere.

    Attributes:
        kind: ``robot``, ``bead`` or ``cell``.
        position_um: centre; z is the height above the glass.
        radius_um: radius.
        weight_pn: weight minus buoyancy.
        range_um: decay length of its repulsion, electrical or steric.
        moment_pn_um_per_mt: magnetic moment (1 pN·µm/mT = 1e-15 A·m²); 0 for cargo.
        friction: Coulomb coefficient against the glass.
        heading_offset_rad: how far this robot rolls from the commanded heading, CCW.
        lift_pn_um3_s2: lift of a rolling body, lift·Ω²/gap³ (pN). Soft or charged surfaces lift what slides over them
            in proportion to speed squared, a thin soft layer as 1/gap³ (Skotheim & Mahadevan, Phys. Fluids 17 (2005)
            092101). The coefficient is fitted to the bend of the measured speeds; docs/decisions/0003.
        anchored: grown onto the glass: it neither moves nor turns.
    """

    kind: str
    position_um: tuple[float, float, float]
    radius_um: float
    weight_pn: float
    range_um: float
    moment_pn_um_per_mt: float = 0.0
    friction: float = 0.0
    heading_offset_rad: float = 0.0
    lift_pn_um3_s2: float = 0.0
    anchored: bool = False

    def __post_init__(self):
        if len(self.position_um) != 3:
            raise InputError(f"{self.kind} position is {self.position_um}: give x, y and z in µm")
        for name in ("radius_um", "range_um"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{self.kind} {name} is {value}: give a positive number of µm")
        for name in ("weight_pn", "moment_pn_um_per_mt", "friction", "lift_pn_um3_s2"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{self.kind} {name} is {value}: give zero or a positive number")
        if not math.isfinite(self.heading_offset_rad):
            raise InputError(f"{self.kind} heading offset is {self.heading_offset_rad}: give a finite angle")

    def at(self, x_um: float, y_um: float, gap_um: float) -> "Body":
        """The same body with its lowest point ``gap_um`` above the glass."""
        return replace(self, position_um=(float(x_um), float(y_um), self.radius_um + float(gap_um)))


def janus_robot(
    radius_um: float = 5.0,
    *,
    moment_pn_um_per_mt: float,
    range_um: float,
    film_um: float = 0.1,
    heading_offset_rad: float = 0.0,
    friction: float = 0.0,
    lift_pn_um3_s2: float = 0.0,
) -> Body:
    """A silica sphere with a nickel film on one half, evaporated along one direction (volume πa²·film)."""
    weight = sphere_weight_pn(radius_um, SILICA_EXCESS)
    weight += GRAVITY_PN_UM3 * NICKEL_EXCESS * math.pi * radius_um**2 * film_um
    return Body(
        "robot",
        (0.0, 0.0, 2.0 * radius_um),
        radius_um,
        weight,
        range_um,
        moment_pn_um_per_mt,
        friction,
        heading_offset_rad,
        lift_pn_um3_s2,
    )


def bead(radius_um: float = 5.0, *, range_um: float, excess: float = SILICA_EXCESS, friction: float = 0.0) -> Body:
    """A silica bead."""
    weight = sphere_weight_pn(radius_um, excess)
    return Body("bead", (0.0, 0.0, 2.0 * radius_um), radius_um, weight, range_um, friction=friction)


def cell(radius_um: float = 6.75, *, range_um: float, excess: float = CELL_EXCESS, friction: float = 0.0) -> Body:
    """A rounded-up cell, detached from its flask (CHO: 12–15 µm across)."""
    weight = sphere_weight_pn(radius_um, excess)
    return Body("cell", (0.0, 0.0, 2.0 * radius_um), radius_um, weight, range_um, friction=friction)
