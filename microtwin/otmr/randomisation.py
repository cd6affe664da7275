"""Domain randomisation: what differs from one real sequence to the next, with ranges measured or published.

Measured by ``experiments/measure_crops.py`` on 24 published crops, as median (5–95 %): background 112 (79–133) grey
values; its gradient 2.9 (0.2–5.6) % from the middle of a crop to its edge; noise 1.1 (0.7–1.4) grey values, correlated
by 0.46 between neighbouring pixels, which is what interpolation and JPEG leave of white noise; saturated pixels 0.07
(0–0.4) %; dust 5 (0–11) dots in a crop, 4.8 px wide, 21 (10–42) % dark. In real data the in-plane angle leaks the label
(one angle in all crops of robot 3 with roll 0, another in the rest): it is free here, so nothing can be learnt from it.
"""

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from microtwin.errors import InputError
from microtwin.otmr.draw import GRID_UM, Draw

_WATER = 1.33
Range = tuple[float, float]


@dataclass(frozen=True)
class Randomisation:
    """Ranges are drawn from uniformly; single numbers are standard deviations about 0, or as they say.

    Args:
        polymer_index: of the print. IP-L 780 is 1.50–1.52; fits to the crops of eight robots give 1.52–1.56.
        wavelength_um: of the lamp, on the scale of the pictures' bar: the same fits give 0.29–0.33 for a lamp near 0.54
            (docs/decisions/0010).
        na: of the objective; the fits do not tell 1.0 from 1.3, and the grid holds 1.1.
        condenser_na: of the lamp, from the same fits.
        astigmatism_waves: standard deviation of either term, waves RMS; a good objective stays under 0.07 in all.
        coma_waves: likewise.
        spherical_waves: from the same fits.
        background_dn: grey value at the middle of a crop; 72–84 in raw crops of robot 17, to 134 in others.
        gradient: largest relative change of the light from the middle of a crop to its edge, in any direction.
        electrons: of a background pixel before interpolation; gives noise of 0.7–1.5 grey values.
        read_noise_e: standard deviation.
        prnu: relative standard deviation of the pixels' sensitivity.
        interpolation_px: standard deviation of the blur of resampled frames; neighbours' noise agrees by 0.46.
        jpeg_quality: of written images.
        dust: specks on the full frame of 678 × 488, which stay on the chip while a crop follows the robot.
        dust_radius_px: largest of the frame's specks.
        dust_depth: largest fraction of light a speck takes.
        place_um: how far from the frame's middle the robot may stand, along x and along y.
        centring_um: standard deviation of the crop's middle about the robot, from image to image.
        drift_um: standard deviation of the robot on the chip, from image to image.
        in_plane_deg: uniform: the label must not show in it.
        lean_deg: standard deviation of the tilt off the label about x and about y, one per sequence.
        size_error: standard deviation of each axis's relative size.
        roughness_nm: root mean square of the surface.
        roughness_length_um: its correlation length.
        spot_um: lateral standard deviation of the writing spot, which rounds corners and fuses what is closer.
        spot_aspect: its axial over its lateral size.
        substrate: probability that the robot came off the glass badly: half of these lost their lowest layer, the
            others kept a film of resin.
        substrate_um: thickness of that layer or film.

    Raises:
        InputError: a range that is reversed or not finite, a value that nothing has.
    """

    polymer_index: Range = (1.51, 1.56)
    wavelength_um: Range = (0.29, 0.34)
    na: Range = (1.0, 1.1)
    condenser_na: Range = (0.08, 0.16)
    astigmatism_waves: float = 0.02
    coma_waves: float = 0.02
    spherical_waves: Range = (-0.02, 0.08)
    background_dn: Range = (72.0, 134.0)
    gradient: float = 0.06
    electrons: Range = (1300.0, 2300.0)
    read_noise_e: Range = (5.0, 10.0)
    prnu: Range = (0.005, 0.01)
    interpolation_px: Range = (0.6, 0.75)
    jpeg_quality: tuple[int, int] = (95, 97)
    dust: tuple[int, int] = (10, 40)
    dust_radius_px: Range = (3.5, 4.5)
    dust_depth: Range = (0.3, 0.6)
    place_um: tuple[float, float] = (8.0, 4.0)
    centring_um: float = 0.15
    drift_um: float = 0.03
    in_plane_deg: Range = (0.0, 360.0)
    lean_deg: float = 4.0
    size_error: float = 0.015
    roughness_nm: Range = (0.0, 40.0)
    roughness_length_um: Range = (0.4, 1.0)
    spot_um: Range = (0.06, 0.14)
    spot_aspect: Range = (2.0, 3.0)
    substrate: float = 0.1
    substrate_um: Range = (0.1, 0.4)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(math.isfinite(number) for number in numbers):
                raise InputError(f"{field.name} is {value}: give finite numbers")
            if isinstance(value, tuple) and field.name != "place_um" and value[0] > value[1]:
                raise InputError(f"{field.name} is {value[0]:g} to {value[1]:g}: give the smaller first")
            least, most = _LIMITS.get(field.name, (0.0, math.inf))
            if min(numbers) < least or max(numbers) > most:
                limits = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
                raise InputError(f"{field.name} is {_shown(value)}: give {limits}")
        aperture = min(self.na[1], _WATER) + self.condenser_na[1]
        if self.wavelength_um[0] < 2 * GRID_UM * aperture:
            raise InputError(
                f"wavelength_um from {self.wavelength_um[0]:g} with na to {self.na[1]:g} and condenser_na to "
                f"{self.condenser_na[1]:g}: the grid of {GRID_UM:g} µm needs {2 * GRID_UM * aperture:.3g} µm or more"
            )

    @classmethod
    def off(cls) -> "Randomisation":
        """Nothing left to chance but the sensor's noise: ranges at their middles, spreads 0, even light, no dust."""
        usual = cls()
        middles: dict[str, Any] = {}
        for field in fields(cls):
            value = getattr(usual, field.name)
            if isinstance(value, tuple):
                middles[field.name] = ((value[0] + value[1]) / 2,) * 2
        middles |= {"jpeg_quality": (96, 96), "dust": (0, 0), "in_plane_deg": (0.0, 0.0), "roughness_nm": (0.0, 0.0)}
        middles |= {"place_um": (0.0, 0.0), "substrate": 0.0}
        spreads = ("astigmatism_waves", "coma_waves", "gradient", "centring_um", "drift_um", "lean_deg", "size_error")
        middles |= dict.fromkeys(spreads, 0.0)
        return cls(**middles)

    def draw(self, rng: np.random.Generator) -> Draw:
        """One sequence's values; the same for the same generator."""

        def pick(value: Range) -> float:
            return float(rng.uniform(*value))

        def spread(sigma: float) -> float:
            return float(sigma * np.clip(rng.standard_normal(), -2.5, 2.5))

        slope, direction = self.gradient * rng.uniform(), rng.uniform(0, 2 * math.pi)
        bad, cut, thickness = rng.uniform() < self.substrate, rng.uniform() < 0.5, pick(self.substrate_um)
        return Draw(
            polymer_index=pick(self.polymer_index),
            wavelength_um=pick(self.wavelength_um),
            na=pick(self.na),
            condenser_na=pick(self.condenser_na),
            astigmatism_waves=spread(self.astigmatism_waves),
            oblique_astigmatism_waves=spread(self.astigmatism_waves),
            coma_x_waves=spread(self.coma_waves),
            coma_y_waves=spread(self.coma_waves),
            spherical_waves=pick(self.spherical_waves),
            background_dn=pick(self.background_dn),
            gradient_x=slope * math.cos(direction),
            gradient_y=slope * math.sin(direction),
            electrons=pick(self.electrons),
            read_noise_e=pick(self.read_noise_e),
            prnu=pick(self.prnu),
            interpolation_px=pick(self.interpolation_px),
            jpeg_quality=int(rng.integers(*self.jpeg_quality, endpoint=True)),
            dust=int(rng.integers(*self.dust, endpoint=True)),
            dust_radius_px=pick(self.dust_radius_px),
            dust_depth=pick(self.dust_depth),
            sensor_seed=int(rng.integers(2**31)),
            place_x_um=pick((-self.place_um[0], self.place_um[0])),
            place_y_um=pick((-self.place_um[1], self.place_um[1])),
            centring_um=self.centring_um,
            drift_um=self.drift_um,
            in_plane_deg=pick(self.in_plane_deg),
            lean_x_deg=spread(self.lean_deg),
            lean_y_deg=spread(self.lean_deg),
            size_error_x=spread(self.size_error),
            size_error_y=spread(self.size_error),
            size_error_z=spread(self.size_error),
            roughness_nm=pick(self.roughness_nm),
            roughness_length_um=pick(self.roughness_length_um),
            spot_um=pick(self.spot_um),
            spot_aspect=pick(self.spot_aspect),
            cut_um=thickness if bad and cut else 0.0,
            residue_um=thickness if bad and not cut else 0.0,
            print_seed=int(rng.integers(2**31)),
        )


def plain(**changes) -> Draw:
    """The draw of :meth:`Randomisation.off`, the same every time, with single values changed."""
    return replace(Randomisation.off().draw(np.random.default_rng(0)), **changes)


# least and most a field may hold where that is not 0 to infinity
_LIMITS: dict[str, Range] = {
    "polymer_index": (1.34, 2.5),
    "wavelength_um": (0.25, 0.8),
    "na": (0.5, 1.5),
    "condenser_na": (0.0, 0.45),
    "astigmatism_waves": (0.0, 0.5),
    "coma_waves": (0.0, 0.5),
    "spherical_waves": (-1.0, 1.0),
    "background_dn": (65.0, 250.0),
    "gradient": (0.0, 0.2),
    "electrons": (50.0, 1e6),
    "prnu": (0.0, 0.2),
    "interpolation_px": (0.0, 1.5),
    "jpeg_quality": (1, 100),
    "dust": (0, 500),
    "dust_radius_px": (0.5, 20.0),
    "dust_depth": (0.0, 1.0),
    "place_um": (0.0, 11.0),
    "centring_um": (0.0, 1.0),
    "drift_um": (0.0, 1.0),
    "in_plane_deg": (-360.0, 360.0),
    "lean_deg": (0.0, 30.0),
    "size_error": (0.0, 0.1),
    "roughness_nm": (0.0, 150.0),
    "roughness_length_um": (0.2, 5.0),
    "spot_um": (0.0, 0.3),
    "spot_aspect": (1.0, 5.0),
    "substrate": (0.0, 1.0),
    "substrate_um": (0.0, 2.0),
}


def _shown(value) -> str:
    return f"{value[0]:g} to {value[1]:g}" if isinstance(value, tuple) else f"{value:g}"
