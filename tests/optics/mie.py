"""The oracle: images of one sphere by vector Mie theory, through an aplanatic lens, under Köhler illumination.

Scattering amplitudes S1, S2 are miepython's (``norm="wiscombe"``), conjugated from its exp(+iωt) to exp(−iωt). The far
field (i/k) [S2 (e·p_i) p_s + S1 (e·n) n] e^{ikr}/r is a sum of plane waves by Weyl's identity,
e^{ikr}/r = (i/2π)∫ e^{ik·r}/k_z d²k. The lens turns each into the image's plane, keeping its p and
s parts, times √cos θ.
"""

import math

import miepython
import numpy as np
import scipy.fft

from microtwin.optics import Microscope
from microtwin.optics.sources import source_points


def images(scope: Microscope, radius_um, index, n, pixel_um, defocus_um):
    """(len(defocus), n, n) intensities, background 1; defocus is the sphere's height above focus."""
    k = scope.k0 * scope.medium_index
    mu = np.cos(np.linspace(0, math.pi, 6001))
    s1, s2 = (np.conj(s) for s in miepython.S1_S2(index / scope.medium_index, k * radius_um, mu, norm="wiscombe"))
    step = 2 * math.pi / (n * pixel_um)
    bins = scipy.fft.fftfreq(n, 1 / n) * step
    # a wave at bin j has phase 0 at the middle of the image, (n − 1)/2
    shift = np.exp(-1j * bins * pixel_um * (n - 1) / 2)
    total, norm = np.zeros((len(defocus_um), n, n)), 0.0
    directions, weights = source_points(scope.condenser_na, scope.source_points)
    for (sx, sy), weight in zip(directions / scope.medium_index, weights, strict=True):
        sz = math.sqrt(1 - sx**2 - sy**2)
        source = np.array([sx, sy, sz])
        kx, ky = np.meshgrid(bins + k * sx, bins + k * sy)
        inside = kx**2 + ky**2 < scope.cutoff**2
        w = np.stack([kx[inside], ky[inside]], axis=1) / k
        wz = np.sqrt(1 - np.sum(w**2, axis=1))
        w = np.column_stack([w, wz])
        normal = np.cross(source, w)
        length = np.linalg.norm(normal, axis=1, keepdims=True)
        normal = np.where(
            length > 1e-9, normal / np.maximum(length, 1e-9), np.cross(source, [1.0, 0.0, 0.0]) / math.hypot(sy, sz)
        )
        p_in, p_out = np.cross(normal, source), np.cross(normal, w)
        order = np.arccos(np.clip(w @ source, -1, 1)) / math.pi * 6000
        amp1, amp2 = (np.interp(order, np.arange(6001), s) for s in (s1, s2))
        first = np.cross([0.0, 1.0, 0.0], source)
        first /= np.linalg.norm(first)
        for polarisation in (first, np.cross(source, first)):
            far = (amp2 * (p_in @ polarisation))[:, None] * p_out + (amp1 * (normal @ polarisation))[:, None] * normal
            # plane-wave amplitudes: (i/2π)(i/k) F/k_z d²k
            far = -far / (2 * math.pi * k * k * wz)[:, None] * step**2
            image = through_lens(far, w) * np.sqrt(wz)[:, None]
            direct = through_lens(polarisation[None], source[None])[0] * math.sqrt(sz)
            for result, defocus in zip(total, defocus_um, strict=True):
                for axis in range(2):
                    spectrum = np.zeros((n, n), complex)
                    spectrum[inside] = image[:, axis] * np.exp(1j * k * (wz - sz) * defocus)
                    field = scipy.fft.ifft2(spectrum * shift * shift[:, None], norm="forward") + direct[axis]
                    result += weight * np.abs(field) ** 2
            norm += weight * sz
    return total / norm


def through_lens(vectors, directions):
    """(N, 2) transverse fields behind the lens: the p part along the radius, the s part round it."""
    sine = np.hypot(directions[:, 0], directions[:, 1])
    cos_phi = np.where(sine > 1e-12, directions[:, 0] / np.maximum(sine, 1e-12), 1.0)
    sin_phi = np.where(sine > 1e-12, directions[:, 1] / np.maximum(sine, 1e-12), 0.0)
    cos = directions[:, 2]
    p = vectors[:, 0] * cos * cos_phi + vectors[:, 1] * cos * sin_phi - vectors[:, 2] * sine
    s = -vectors[:, 0] * sin_phi + vectors[:, 1] * cos_phi
    return np.stack([p * cos_phi - s * sin_phi, p * sin_phi + s * cos_phi], axis=1)
