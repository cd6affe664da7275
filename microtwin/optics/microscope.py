"""One validated object that describes a brightfield microscope: objective, condenser, liquid, sampling.

The microscope is inverted, as at the rig: lamp and condenser above, glass at z = 0, objective below it. Light travels
towards −z, and a larger focus height looks further up from the glass. Lengths are µm in object space, directions are
numerical apertures (n sin θ), angular frequencies rad/µm.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from microtwin.errors import InputError
from microtwin.optics.sources import rings_of
from microtwin.optics.zernike import check_indices, wavefront


@dataclass(frozen=True)
class Microscope:
    """Köhler brightfield through one objective.

    Args:
        na: numerical aperture of the objective.
        condenser_na: numerical aperture of the illumination, ≤ ``na``: the coherence of the image.
        wavelength_um: in vacuum.
        medium_index: refractive index of the liquid around the objects.
        immersion_index: of what lies between objective and glass: 1 dry, 1.515 oil.
        pixel_um: sampling of images in object space.
        slice_um: step of the multislice propagation.
        source_points: Abbe points over the condenser's disc: 1, 7, 19, 37, 61, 91, 127, …
        apodisation: an aplanatic lens's √cos θ on the pupil. Without it the scalar image is often closer to Mie.
        aberrations: Zernike terms (n, m, waves RMS) over the pupil of radius ``na``.
        coverslip: focusing from immersion through the glass into the liquid leaves the spherical aberration of
            ψ = k₀ d[√(n_w² − s²) − √(n_i² − s²)] for stage travel d (Gibson & Lanni, J. Opt. Soc. Am. A 8 (1991)
            1601), which grows with the height of focus above the glass.

    Raises:
        InputError: a value that describes no microscope.
    """

    na: float
    condenser_na: float
    wavelength_um: float = 0.55
    medium_index: float = 1.33
    immersion_index: float = 1.0
    pixel_um: float = 0.1725
    slice_um: float = 0.25
    source_points: int = 37
    apodisation: bool = False
    aberrations: tuple[tuple[int, int, float], ...] = ()
    coverslip: bool = False

    def __post_init__(self) -> None:
        for name in ("na", "wavelength_um", "medium_index", "immersion_index", "pixel_um", "slice_um"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value}: give a positive number")
        for name in ("medium_index", "immersion_index"):
            if not 1 <= (value := getattr(self, name)) < 4:
                raise InputError(f"{name} is {value}: give an index from 1 (air) to below 4; water is 1.33, oil 1.515")
        if self.na > self.immersion_index:
            raise InputError(
                f"na {self.na} is above the immersion index {self.immersion_index}: lower it, or raise immersion_index"
                " (oil is 1.515)"
            )
        if not 0 <= self.condenser_na <= min(self.na, 0.99 * self.medium_index):
            limit = min(self.na, 0.99 * self.medium_index)
            raise InputError(f"condenser_na is {self.condenser_na}: give 0 to {limit:.4g}, or there is no bright field")
        rings_of(self.source_points)
        for term in self.aberrations:
            if len(term) != 3 or not math.isfinite(term[2]):
                raise InputError(f"aberration {term}: give Zernike n, m and a finite number of waves, as (4, 0, 0.05)")
            check_indices(term[0], term[1])

    @classmethod
    def objective_20x(cls, **changes) -> "Microscope":
        """The pushing rig's dry 20× objective; ``changes`` replace single values."""
        return replace(cls(na=0.4, condenser_na=0.25), **changes)

    @classmethod
    def oil_100x(cls, **changes) -> "Microscope":
        """An oil 100× objective as in the OTMR pictures; ``changes`` replace single values."""
        oil = cls(na=1.3, condenser_na=0.1, immersion_index=1.515, pixel_um=0.055, source_points=19)
        return replace(oil, **changes)

    @property
    def k0(self) -> float:
        """2π/λ, rad/µm in vacuum."""
        return 2 * math.pi / self.wavelength_um

    @property
    def cutoff(self) -> float:
        """Radius of the pupil in rad/µm: k₀ min(NA, n_w), as no steeper wave leaves the liquid."""
        return self.k0 * min(self.na, self.medium_index)

    def focus_height(self, stage_travel_um: float) -> float:
        """Height (µm) of paraxial focus in the liquid after the stage moved by that much from focus on the glass."""
        return stage_travel_um * self.medium_index / self.immersion_index

    def stage_travel(self, focus_um: float) -> float:
        """Stage travel (µm) from focus on the glass to paraxial focus at that height; 1 µm in oil moves it 0.88."""
        return focus_um * self.immersion_index / self.medium_index

    def kz(self, kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
        """Axial angular frequency in the liquid, rad/µm; 0 where the wave is evanescent."""
        return np.sqrt(np.maximum((self.k0 * self.medium_index) ** 2 - kx**2 - ky**2, 0.0))

    def pupil(self, kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
        """Complex transmission of the objective for waves (kx, ky) in rad/µm, x right and y **down** as in images."""
        inside = (np.hypot(kx, ky) <= self.cutoff * (1 + 1e-9)).astype(complex)
        if self.apodisation:
            inside *= np.sqrt(self.kz(kx, ky) / (self.k0 * self.medium_index))
        if self.aberrations:
            rim = self.k0 * self.na
            inside *= np.exp(2j * math.pi * wavefront(self.aberrations, kx / rim, -ky / rim))
        return inside

    def defocus_phase(self, kx: np.ndarray, ky: np.ndarray, z_from_um: float, focus_um: float) -> np.ndarray:
        """Phase (rad) that carries a wave from height ``z_from_um`` to the image of height ``focus_um``.

        k_z (z − f) in the liquid alone. With a coverslip: k_z z down to the glass, then back up through immersion by
        the stage travel t = f n_i/n_w, so that a coverslip of matched index changes nothing.
        """
        kz = self.kz(kx, ky)
        if not self.coverslip:
            return kz * (z_from_um - focus_um)
        oil = np.sqrt(np.maximum((self.k0 * self.immersion_index) ** 2 - kx**2 - ky**2, 0.0))
        return kz * z_from_um - oil * self.stage_travel(focus_um)
