"""Multislice propagation of every source point through an object, and its refocus into images.

The multislice step (:mod:`microtwin.optics.multislice`) yields a slow envelope A_s per source point s. Köhler light is
incoherent between source points, so the image at height f is Abbe's sum

    I(f) = Σ w_s |IFFT{A_s(k) P(k + k₀s) exp(iψ(k + k₀s, f))}|² / Σ w_s |P(k₀s)|²

with the objective's pupil P and defocus phase ψ (Born & Wolf, Principles of Optics, §10.6). Within the pupil's band the
square is computed on the smallest grid that holds it without aliasing, then resampled exactly.

The lamp is above and the objective below, so light travels towards −z: slice nz − 1 comes first and the exit plane is
the stack's lower face. The grid is periodic: leave a margin round the object for the light it spreads.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.fft
from numba import njit

from microtwin.errors import InputError
from microtwin.optics.microscope import Microscope
from microtwin.optics.multislice import cuda, envelopes, on_torch, plan
from microtwin.optics.sources import source_points


@dataclass
class ExitField:
    """Envelopes of all source points where they leave the object.

    Attributes:
        fields: (S, ny, nx) complex64, 1 where nothing is.
        z_end_um: height of their plane above the glass.
        pixel_um: sampling of ``fields`` and images.
    """

    fields: np.ndarray
    microscope: Microscope
    z_end_um: float
    pixel_um: float

    def image(self, focus_um: float, upsample: int = 1) -> np.ndarray:
        """Intensity (ny, nx) float32, 1 where nothing is, in focus at height ``focus_um`` above the glass.

        ``upsample`` draws it on a grid that many times as fine over the same field, exactly, as an image is
        band-limited by the pupil; :func:`microtwin.image_axes.to_image` holds on it too.

        Raises:
            InputError: a focus that is not finite, or ``upsample`` below 1.
        """
        return self.images([focus_um], upsample)[0]

    def images(self, focus_um: Sequence[float] | np.ndarray, upsample: int = 1) -> np.ndarray:
        """Intensities (n, ny, nx) float32 in focus at each of n heights, from the one propagation."""
        if not np.isfinite(focus_um).all():
            raise InputError(f"focus_um is {focus_um}: give finite heights in µm")
        if upsample != int(upsample) or upsample < 1:
            raise InputError(f"upsample is {upsample}: give 1 or a whole number above")
        small = np.zeros((len(focus_um), *self._image_grid), dtype=np.float32)
        placed = np.empty(self._image_grid, dtype=np.complex64)
        for spectrum, rate in self._collected:
            for total, focus in zip(small, focus_um, strict=True):
                _place(spectrum, rate, np.float32(focus), placed)
                _add_intensity(scipy.fft.ifft2(placed), total)
        return np.stack([_resampled(total, self.fields.shape[1:], upsample, self._band) for total in small])

    @property
    def _band(self) -> tuple[int, int]:
        """Half-width of the pupil in frequency bins (rows, columns)."""
        ny, nx = self.fields.shape[1:]
        reach = self.microscope.cutoff * self.pixel_um / (2 * math.pi)
        return math.floor(reach * ny) + 1, math.floor(reach * nx) + 1

    @property
    def _image_grid(self) -> tuple[int, int]:
        """The smallest grid on which the square of a field within the pupil does not alias."""
        by, bx = (scipy.fft.next_fast_len(4 * b + 1) for b in self._band)
        return by, bx  # pyright: ignore[reportReturnType]

    @cached_property
    def _collected(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per source: its spectrum within the pupil, weighed and normalised, and its phase per µm of focus."""
        scope = self.microscope
        _, ny, nx = self.fields.shape
        (by, bx), (my, mx) = self._band, self._image_grid
        steps = 2 * math.pi / (self.pixel_um * np.array([ny, nx]))
        directions, weights = source_points(scope.condenser_na, scope.source_points)
        tilts = scope.k0 * directions
        background = float(weights @ np.abs(scope.pupil(tilts[:, 0], tilts[:, 1])) ** 2)
        collected = []
        for field, (tx, ty), weight in zip(self.fields, tilts, weights, strict=True):
            rows = round(-ty / steps[0]) + np.arange(-by, by + 1)
            columns = round(-tx / steps[1]) + np.arange(-bx, bx + 1)
            kx, ky = np.meshgrid(columns * steps[1] + tx, rows * steps[0] + ty)
            spectrum = np.asarray(scipy.fft.fft2(field))[np.ix_(rows % ny, columns % nx)]
            spectrum = spectrum * scope.pupil(kx, ky) * np.exp(1j * scope.defocus_phase(kx, ky, self.z_end_um, 0.0))
            spectrum *= math.sqrt(weight / background) * my * mx / (ny * nx)
            rate = scope.defocus_phase(kx, ky, 0.0, 1.0)
            rate -= rate[by, bx]  # a phase common to all waves, gone in the square but not in the rounding
            collected.append((spectrum.astype(np.complex64), rate.astype(np.float32)))
        return collected


def propagate(
    delta_n: np.ndarray,
    microscope: Microscope,
    pixel_um: float,
    slice_um: float,
    z_low_um: float,
    workers: int = 1,
    device: str | None = None,
) -> ExitField:
    """Send every source point's plane wave down through a stack of index slices.

    Args:
        delta_n: (nz, ny, nx) index minus the liquid's, real or complex (n + iκ absorbs); slice 0 is the lowest.
        z_low_um: height of slice 0's lower face, which is the exit plane.
        workers: threads over source points.
        device: a torch device; None for torch on CUDA where both are there, otherwise numpy.

    Raises:
        InputError: a stack that is not three-dimensional or not finite, or pixels too coarse for the pupil.
    """
    delta_n = np.asarray(delta_n, dtype=np.complex64 if np.iscomplexobj(delta_n) else np.float32)
    if delta_n.ndim != 3 or 0 in delta_n.shape:
        raise InputError(f"index slices have shape {delta_n.shape}: give (nz, ny, nx)")
    finest = math.pi / (microscope.cutoff + microscope.k0 * microscope.condenser_na)
    smallest = 2 * (math.floor(microscope.cutoff * pixel_um / (2 * math.pi) * min(delta_n.shape[1:])) + 1) + 1
    if not 0 < pixel_um <= finest or smallest > min(delta_n.shape[1:]):
        raise InputError(f"pixel_um is {pixel_um}: give up to {finest:.4g} µm, or the pupil does not fit the grid")
    if not slice_um > 0:
        raise InputError(f"slice_um is {slice_um}: give a positive number")
    tilts = microscope.k0 * source_points(microscope.condenser_na, microscope.source_points)[0]
    steps = plan(delta_n, tilts, microscope.k0, microscope.medium_index, pixel_um, slice_um)
    use = device or ("cuda" if cuda() else None)
    fields = on_torch(steps, use) if use else envelopes(steps, workers)
    return ExitField(fields, microscope, z_low_um, pixel_um)


@njit(cache=True, nogil=True)
def _place(spectrum, rate, focus, out):
    """out ← the spectrum refocused, its middle bin at out[0, 0]."""
    out[:] = 0
    by, bx = spectrum.shape[0] // 2, spectrum.shape[1] // 2
    for i in range(spectrum.shape[0]):
        for j in range(spectrum.shape[1]):
            if spectrum[i, j] != 0:
                phase = rate[i, j] * focus
                out[i - by, j - bx] = spectrum[i, j] * complex(math.cos(phase), math.sin(phase))


@njit(cache=True, nogil=True)
def _add_intensity(field, total):
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            total[i, j] += field[i, j].real ** 2 + field[i, j].imag ** 2


def _resampled(image: np.ndarray, shape: tuple[int, ...], upsample: int, band: tuple[int, int]) -> np.ndarray:
    """The same band-limited periodic image on a grid of ``upsample·shape`` whose pixels tile those of ``shape``."""
    spectrum = np.asarray(scipy.fft.rfft2(image, norm="forward"))
    fine = [upsample * n for n in shape]
    rows, columns = (min(2 * b, (n - 1) // 2) for b, n in zip(band, fine, strict=True))
    wider = np.zeros((fine[0], fine[1] // 2 + 1), dtype=spectrum.dtype)
    wider[: rows + 1, : columns + 1] = spectrum[: rows + 1, : columns + 1]
    wider[-rows:, : columns + 1] = spectrum[-rows:, : columns + 1]
    if upsample > 1:  # the first fine pixel lies above and left of the first coarse one's middle
        down, right = (math.pi * (1 / n - 1 / coarse) for n, coarse in zip(fine, shape, strict=True))
        wider *= np.exp(1j * down * scipy.fft.fftfreq(fine[0], 1 / fine[0]))[:, None].astype(np.complex64)
        wider *= np.exp(1j * right * np.arange(wider.shape[1])).astype(np.complex64)
    return np.asarray(scipy.fft.irfft2(wider, fine, norm="forward"))
