"""What the lab's own firmwares take: 8, 10 or 17 float32, and what of a command they cannot do.

    8:   Bx By Bz α γ f ψ acoustic
    10:  Bx By Bz α γ f ψ gradient equal acoustic
    17:  amplitude, those ten, and a duty for each of the six coils

Bx, By, Bz are static duties (−1…1) that add to the rotating field, whose α is the pushing paper's: heading + π/2.
"""

import math

from microtwin.errors import InputError
from microtwin.field import CoilScale, RotatingField
from microtwin_hardware.coils.duty import NO_CONE_RAD, turned_down
from microtwin_hardware.config import CoilsConfig

LENGTHS = {"lab-8": 8, "lab-10": 10, "lab-17": 17}
LAB_EQUAL = (1.0, 0.6, 0.3)  # what these firmwares make of the duties when the equal-field float is 1
_FLASH = "or flash hardware/firmware/microtwin_mega"


def check_settings(config: CoilsConfig) -> None:
    """Raises InputError where the settings ask for what this firmware does not have."""
    if config.equalise and config.profile == "lab-8":
        raise InputError(f"coils.equalise is true: the lab-8 firmware has no equal field; give false, {_FLASH}")
    if config.max_duty < 1.0 and config.profile != "lab-17":
        raise InputError(
            f"coils.max_duty is {config.max_duty:g}: the {config.profile} firmware always drives a rotating field at "
            f"full duty; give 1.0 and turn the supply down, {_FLASH}"
        )
    if config.current_limit_a:
        raise InputError(
            f"coils.current_limit_a is {config.current_limit_a:g}: the lab's firmwares have no current limit; give 0 "
            f"and set the supply's own, {_FLASH}"
        )


def axis_shares(config: CoilsConfig) -> tuple[float, float, float]:
    """Fraction of full duty on x, y and z."""
    return LAB_EQUAL if config.equalise else (1.0, 1.0, 1.0)


def lab_scale(config: CoilsConfig) -> CoilScale:
    """The true field of a command, mT: the lab's equal field is only nearly a circle."""
    x, y, z = (full * share for full, share in zip(config.full_scale_mt, axis_shares(config), strict=True))
    return CoilScale(full_scale_mt=(x, y, z))


def possible(field: RotatingField, config: CoilsConfig, cone_rad: float = NO_CONE_RAD) -> RotatingField:
    """The field that this firmware will make of a command.

    Raises:
        InputError: a strength that it cannot set, a cone with an axis turned round, a cone angle outside (0, π/2].
    """
    if not 0 < cone_rad <= NO_CONE_RAD:
        raise InputError(f"cone angle is {cone_rad} rad: give more than 0 up to π/2, which is no cone")
    if cone_rad < NO_CONE_RAD and math.prod(config.polarity) < 0:
        raise InputError("a cone with one axis turned round: the lab's firmwares cannot; mend the wiring instead")
    if config.profile != "lab-17" and field.frequency_hz and field.amplitude not in (0.0, 1.0):
        raise InputError(
            f"field amplitude is {field.amplitude:g}: the {config.profile} firmware turns at full strength or not at "
            f"all; give 0 or 1, {_FLASH}"
        )
    return turned_down(field, axis_shares(config), config.max_duty, cone_rad)


def floats(field: RotatingField, config: CoilsConfig, cone_rad: float = NO_CONE_RAD) -> tuple[float, ...]:
    """The floats of a field that is :func:`possible`; all zeros turn the field off.

    A field that stands still goes out as static duties: without turns these firmwares make no other.
    """
    if not field.amplitude:
        return (0.0,) * LENGTHS[config.profile]
    if not field.frequency_hz:
        x, y, z = _standing(field, config, cone_rad)
        return in_order(config.profile, x=x, y=y, z=z)
    alpha, gamma = _turned_round(field, config.polarity)
    return in_order(
        config.profile,
        amplitude=field.amplitude,
        alpha=(alpha + math.pi / 2) % (2 * math.pi),
        gamma=gamma,
        frequency=field.frequency_hz,
        psi=cone_rad,
        equal=float(config.equalise),
    )


def in_order(
    profile: str,
    *,
    amplitude: float = 0.0,
    x: float = 0.0,
    y: float = 0.0,
    z: float = 0.0,
    alpha: float = 0.0,
    gamma: float = 0.0,
    frequency: float = 0.0,
    psi: float = 0.0,
    equal: float = 0.0,
    coils: tuple[float, ...] = (0.0,) * 6,
) -> tuple[float, ...]:
    """The floats in the firmware's order; the gradient and the acoustic frequency are not used."""
    first = (x, y, z, alpha, gamma, frequency, psi)
    if profile == "lab-8":
        return (*first, 0.0)
    ten = (*first, 0.0, equal, 0.0)
    return ten if profile == "lab-10" else (amplitude, *ten, *coils)


def _turned_round(field: RotatingField, polarity: tuple[int, int, int]) -> tuple[float, float]:
    """α, γ (0…π) of the field with axes turned round by the polarity: a mirror image is one of its kind."""
    alpha, gamma = field.alpha_rad, field.gamma_rad
    if polarity[0] < 0:
        alpha, gamma = math.pi - alpha, math.pi - gamma
    if polarity[1] < 0:
        alpha, gamma = -alpha, math.pi - gamma
    if polarity[2] < 0:
        gamma = -gamma
    gamma %= 2 * math.pi
    return (alpha + math.pi, 2 * math.pi - gamma) if gamma > math.pi else (alpha, gamma)  # half a turn later


def _standing(field: RotatingField, config: CoilsConfig, cone_rad: float) -> tuple[float, float, float]:
    k = 1.0 / math.tan(cone_rad)
    duties = (field.quadratures[0] + k * field.amplitude * field.axis) / (1.0 + k)
    x, y, z = (
        float(duty) * sign * share
        for duty, sign, share in zip(duties, config.polarity, axis_shares(config), strict=True)
    )
    return x, y, z
