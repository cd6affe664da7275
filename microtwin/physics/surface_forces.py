"""Forces between surfaces a few hundred nanometres apart: double layer, van der Waals, steric.

Double layer: Derjaguin for unequal potentials of one sign, F = 64π ε_w a (kT/e)² tanh²(eψ/4kT) κ e^{−κh}
(Israelachvili, *Intermolecular and Surface Forces*, ch. 14). Van der Waals with Gregory's retardation
(J. Colloid Interface Sci. 83 (1981) 138): V = −(A a/6h)/(1 + 14 h/λ_r). a = a₁a₂/(a₁ + a₂), or the sphere's radius
against the glass. Steric: inside ``STERIC_RANGE_UM`` a linear spring that also takes up the attraction, so that
surfaces may stick but never sink into each other: a stand-in for asperities and molecules.
"""

import math

from numba import njit

KT_PN_UM = 4.11e-3  # 298 K
PERMITTIVITY_PN_PER_V2 = 78.5 * 8.8541878e-12 * 1e12  # of water, C²/(N·m²) → pN/V²
THERMAL_VOLTAGE_V = 25.69e-3  # kT/e
SURFACE_POTENTIAL_V = -50e-3  # silica and glass in water
HAMAKER_PN_UM = 7e-3  # silica–water–silica ≈ 7e-21 J (Bergström, Adv. Colloid Interface Sci. 70 (1997) 125)
RETARDATION_UM = 0.1
STERIC_RANGE_UM = 2e-3
STERIC_STIFFNESS_PN_PER_UM = 2e4

_DOUBLE_LAYER_PN = (
    64
    * math.pi
    * PERMITTIVITY_PN_PER_V2
    * THERMAL_VOLTAGE_V**2
    * math.tanh(SURFACE_POTENTIAL_V / (4 * THERMAL_VOLTAGE_V)) ** 2
)  # × a κ e^{−κh} = pN, with a κ dimensionless


@njit(cache=True)
def repulsion(gap, radius, range_, hamaker):
    """Force (pN, positive apart) and stiffness −dF/dgap (pN/µm) at a gap (µm) for a decay length ``range_`` = κ⁻¹ (µm).

    ``radius`` is a₁a₂/(a₁ + a₂), or the sphere's radius for a wall.
    """
    double_layer = _DOUBLE_LAYER_PN * radius / range_ * math.exp(-max(gap, 0.0) / range_)
    force = double_layer
    stiffness = double_layer / range_
    h = max(gap, STERIC_RANGE_UM)
    q = 1.0 + 14.0 * h / RETARDATION_UM
    attraction = hamaker * radius / (6.0 * h * h * q * q) * (2.0 * q - 1.0)
    force -= attraction
    if gap < STERIC_RANGE_UM:
        spring = STERIC_STIFFNESS_PN_PER_UM + attraction / STERIC_RANGE_UM
        force += spring * (STERIC_RANGE_UM - gap)
        stiffness += spring
    return force, stiffness


def rest_gap(weight_pn: float, radius_um: float, range_um: float, hamaker_pn_um: float = HAMAKER_PN_UM) -> float:
    """Gap (µm) over the glass at which repulsion balances the buoyant weight, by bisection between 1 nm and 10 µm."""
    low, high = 1e-3, 10.0
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        if repulsion(middle, radius_um, range_um, hamaker_pn_um)[0] > weight_pn:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
