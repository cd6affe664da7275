"""Waves through a body, a few source points at a time, so that a newer wish need not wait for older ones.

The steps are those of :func:`microtwin.otmr.render.propagated`, which takes all points in one go. A *sketch* comes
first: 7 source points and every two slices as one cost an eighth. Pictures at any depth, through any objective, are
refocused from the same waves.
"""

import math
from dataclasses import replace

import numpy as np
import scipy.fft

from microtwin.optics import ExitField, Microscope, fill
from microtwin.optics.multislice import Plan, envelopes, plan
from microtwin.optics.sources import source_points
from microtwin.otmr.depth import focus_um
from microtwin.otmr.draw import GRID_UM, Draw
from microtwin.otmr.fabrication import Mesh, developed, printed
from microtwin.otmr.render import SLICE_UM, UPSAMPLE, check_size, microscope

_AT_ONCE = 3  # source points between two looks for a newer wish: some 30 ms
_RINGS = {True: 1, False: 3}  # of source points, at most, by whether it is a sketch
_MARGIN_UM = (1.0, 0.25)  # of the grid round the body: least, and more per µm between focus and the body's far side
_LARGEST = 400  # pixels of a grid


class Slices:
    """A turned body as slices of refractive index, and the grid that holds its pictures.

    Args:
        mesh: (V, 3) vertices in µm, (F, 3) faces of a closed body.
        turn: (3, 3) from the body's frame to the world.
        limits_um: least and largest depth that will be asked for.

    Attributes:
        delta_n: (nz, n, n) index minus the liquid's, nz even. low_um: height of the lowest slice's lower face.
        across_um: the body's width. middle_um: x, y of the grid's middle from the body's origin.

    Raises:
        InputError: a mesh that is not closed or in other units than µm.
    """

    def __init__(self, mesh: Mesh, turn: np.ndarray, limits_um: tuple[float, float], draw: Draw) -> None:
        vertices, faces = printed(mesh, draw)
        vertices = vertices @ turn.T
        check_size(vertices)
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self.across_um, self.middle_um = float((high - low)[:2].max()), (low + high)[:2] / 2
        scope = microscope(draw, self.across_um)
        heights = [focus_um(depth, 0.0, scope) for depth in limits_um]
        farthest = max(max(high[2] - height, height - low[2]) for height in heights)
        n = min(_even((self.across_um + 2 * (_MARGIN_UM[0] + _MARGIN_UM[1] * farthest)) / GRID_UM), _LARGEST)
        pad = 2 * draw.spot_um * draw.spot_aspect + draw.residue_um + GRID_UM
        self.low_um = float(low[2]) - pad
        nz = _even((float(high[2]) + pad - self.low_um) / SLICE_UM)
        inner = min(_even((self.across_um + 2 * pad) / GRID_UM), n)  # what lies outside of it is empty
        vertices = vertices - [*self.middle_um, 0.0]
        body = fill(vertices, faces, (nz, inner, inner), GRID_UM, SLICE_UM, self.low_um)
        corner = *(self.middle_um - (inner - 1) / 2 * GRID_UM), self.low_um + SLICE_UM / 2
        body = developed(body, turn, corner, draw, GRID_UM, SLICE_UM)
        self.delta_n = np.zeros((nz, n, n), dtype=np.float32)
        first = (n - inner) // 2
        window = slice(first, first + inner)
        self.delta_n[:, window, window] = body * np.float32(draw.polymer_index - scope.medium_index)

    def scope(self, draw: Draw, sketch: bool) -> Microscope:
        """Whose waves these are; a draw with another objective has the same."""
        return microscope(draw, self.across_um, _RINGS[sketch])


class Waves:
    """What leaves the slices, computed by :meth:`advance`.

    Args:
        sketch: fewer source points, thicker slices.
    """

    def __init__(self, slices: Slices, draw: Draw, sketch: bool) -> None:
        self.slices, self.sketch = slices, sketch
        scope = slices.scope(draw, sketch)
        delta_n, slice_um = slices.delta_n, SLICE_UM
        if sketch:
            delta_n, slice_um = (delta_n[::2] + delta_n[1::2]) / 2, 2 * SLICE_UM
        tilts = scope.k0 * source_points(scope.condenser_na, scope.source_points)[0]
        self._steps: Plan = plan(delta_n, tilts, scope.k0, scope.medium_index, GRID_UM, slice_um)
        self._parts: list[np.ndarray] = []
        self._field: ExitField | None = None

    @property
    def done(self) -> bool:
        """Whether every source point's waves are there."""
        return sum(map(len, self._parts)) == len(self._steps.tilts)

    def ready(self, draw: Draw) -> bool:
        """Whether a picture through the draw's objective is a mere refocus."""
        return self._field is not None and self._field.microscope == self.slices.scope(draw, self.sketch)

    def advance(self, points: int = _AT_ONCE) -> None:
        """The waves of some more source points."""
        first = sum(map(len, self._parts))
        some = slice(first, first + points)
        self._parts.append(
            envelopes(replace(self._steps, tilts=self._steps.tilts[some], thickness=self._steps.thickness[some]))
        )

    def image(self, depth_um: float, draw: Draw) -> np.ndarray:
        """Intensity (m, m) float32 over the background at one depth, pixels as the camera's; once it is done."""
        scope = self.slices.scope(draw, self.sketch)
        if self._field is None or self._field.microscope != scope:  # another objective
            self._field = ExitField(np.concatenate(self._parts), scope, self.slices.low_um, GRID_UM)
        return self._field.image(focus_um(depth_um, 0.0, scope), UPSAMPLE)


def _even(least: float) -> int:
    """The smallest even number from there on that is fast to transform; even, so that grids lie pixel on pixel."""
    return 2 * int(scipy.fft.next_fast_len(math.ceil(least / 2), real=True))  # pyright: ignore[reportArgumentType]
