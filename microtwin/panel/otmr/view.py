"""What the OTMR page shows: one robot in one pose at one depth, through one microscope; every value has its slider."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from microtwin.errors import InputError

if TYPE_CHECKING:
    from microtwin.otmr.draw import Draw


class Slider(NamedTuple):
    """One value of :class:`microtwin.otmr.draw.Draw` that a person may set.

    Attributes:
        name: of the value. label: for people. unit: "" for none.
        least, most, step: of the slider, within what :class:`microtwin.otmr.randomisation.Randomisation` takes.
        of: the randomisation's name where it is another: a spread that the value is one draw of.
    """

    name: str
    label: str
    unit: str
    least: float
    most: float
    step: float
    of: str = ""


SLIDERS: dict[str, tuple[Slider, ...]] = {
    "Objective": (
        Slider("na", "Numerical aperture", "", 0.8, 1.3, 0.01),
        Slider("spherical_waves", "Spherical aberration", "waves", -0.2, 0.2, 0.005),
        Slider("astigmatism_waves", "Astigmatism, 0°", "waves", -0.1, 0.1, 0.005, "astigmatism_waves"),
        Slider("oblique_astigmatism_waves", "Astigmatism, 45°", "waves", -0.1, 0.1, 0.005, "astigmatism_waves"),
        Slider("coma_x_waves", "Coma along x", "waves", -0.1, 0.1, 0.005, "coma_waves"),
        Slider("coma_y_waves", "Coma along y", "waves", -0.1, 0.1, 0.005, "coma_waves"),
    ),
    "Condenser and lamp": (
        Slider("condenser_na", "Condenser aperture", "", 0.0, 0.3, 0.005),
        Slider("wavelength_um", "Wavelength", "µm", 0.28, 0.4, 0.002),
        Slider("background_dn", "Background", "grey", 65.0, 200.0, 1.0),
        Slider("gradient_x", "Slope to the right", "", -0.1, 0.1, 0.005, "gradient"),
        Slider("gradient_y", "Slope downwards", "", -0.1, 0.1, 0.005, "gradient"),
    ),
    "Camera": (
        Slider("electrons", "Electrons per pixel", "", 300.0, 5000.0, 50.0),
        Slider("read_noise_e", "Read noise", "e⁻", 0.0, 30.0, 0.5),
        Slider("interpolation_px", "Blur of resampling", "px", 0.0, 1.2, 0.05),
        Slider("dust", "Dust on the frame", "specks", 0.0, 100.0, 1.0),
    ),
    "Print": (
        Slider("polymer_index", "Index of the polymer", "", 1.45, 1.6, 0.005),
        Slider("spot_um", "Writing spot", "µm", 0.0, 0.2, 0.01),
        Slider("roughness_nm", "Roughness", "nm", 0.0, 80.0, 1.0),
    ),
}
OPTICS: dict[str, Slider] = {slider.name: slider for group in SLIDERS.values() for slider in group}
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class View:
    """Settings of one picture.

    Attributes:
        robot: 1 to 18. pitch_deg, roll_deg: whole degrees from 0 to 90. in_plane_deg: counter-clockwise.
        depth_um: stage travel, 0 with the body's origin in focus; None for the middle of its sweep. Depths outside the
            sweep of the pose are drawn at its nearer end.
        optics: values of :data:`OPTICS` by name; those that are missing are the middle of their usual range.
        seed: of noise, dust and roughness.
    """

    robot: int = 3
    pitch_deg: int = 0
    roll_deg: int = 0
    in_plane_deg: float = 0.0
    depth_um: float | None = None
    optics: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    def checked(self) -> "View":
        """The view, with whole numbers where they must be.

        Raises:
            InputError: a value that no robot, pose or microscope has.
        """
        from microtwin.otmr.plan import ROBOTS
        from microtwin.otmr.pose import Pose
        from microtwin.otmr.randomisation import Randomisation

        if self.robot not in ROBOTS:
            raise InputError(f"robot {self.robot} is unknown: give a number from {ROBOTS[0]} to {ROBOTS[-1]}")
        for name, unit in (("pitch_deg", "°"), ("roll_deg", "°"), ("in_plane_deg", "°"), ("depth_um", " µm")):
            value = getattr(self, name)
            if not _finite(value) and not (name == "depth_um" and value is None):
                raise InputError(f"{name.rsplit('_', 1)[0].replace('_', '-')} is {value}{unit}: give a number")
        Pose(_shortest(self.pitch_deg), _shortest(self.roll_deg))
        if abs(self.in_plane_deg) > 360:
            raise InputError(f"in-plane is {self.in_plane_deg:g}°: give -360 to 360")
        if not (_finite(self.seed) and self.seed == int(self.seed) and 0 <= self.seed <= LARGEST_SEED):
            raise InputError(f"seed is {self.seed}: give a whole number from 0 to {LARGEST_SEED}")
        for name, value in self.optics.items():
            if name not in OPTICS:
                raise InputError(f"optics has no {name}: give one of {', '.join(OPTICS)}")
            slider = OPTICS[name]
            if not (_finite(value) and slider.least <= value <= slider.most):
                unit = f" {slider.unit}" * bool(slider.unit)
                raise InputError(f"{slider.label} is {value}{unit}: give {slider.least:g} to {slider.most:g}{unit}")
        draw = self.draw()
        alone = {name: (getattr(draw, name),) * 2 for name in ("na", "condenser_na", "wavelength_um")}
        replace(Randomisation.off(), **alone)  # whether light, lens and grid go together
        whole = {name: int(getattr(self, name)) for name in ("pitch_deg", "roll_deg", "seed")}
        return replace(self, **whole)

    def draw(self) -> "Draw":
        """The view's nuisance, with nothing left to chance but noise, dust and roughness."""
        from microtwin.otmr.randomisation import plain

        values: dict[str, float] = {**self.optics, "dust": int(self.optics.get("dust", 0))}
        print_seed = self.seed if values.get("roughness_nm") else 0  # a smooth print has nothing to draw
        seeds = {"sensor_seed": self.seed, "print_seed": print_seed}
        return replace(plain(), in_plane_deg=self.in_plane_deg, **seeds, **values)


def usual() -> dict[str, float]:
    """The middle of every value's usual range, where the sliders begin."""
    draw = View().draw()
    return {name: float(getattr(draw, name)) for name in OPTICS}


def at_random(seed: int) -> dict[str, float]:
    """Values as the data set draws them for one sequence, within the sliders' reach."""
    import numpy as np

    from microtwin.otmr.randomisation import Randomisation

    draw = Randomisation().draw(np.random.default_rng(seed))
    return {name: min(max(float(getattr(draw, name)), s.least), s.most) for name, s in OPTICS.items()}


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shortest(value: float) -> int:
    """The same number as people write it: 30 for 30.0, so that they are shown what they typed."""
    return int(value) if value == int(value) else value  # pyright: ignore[reportReturnType] (refused by its reader)
