"""Waves through a body, a few source points at a time, so that a newer wish need not wait for older ones.

The steps are those of :func:`microtwin.otmr.render.propagated`, which takes all points in one go. A *sketch* comes
first: 7 source points and every three slices as one cost a tenth. Pictures at any depth, through any objective, are
refocused from the same waves.
"""

from dataclasses import replace

import numpy as np

from microtwin.optics import ExitField, Microscope
from microtwin.optics.multislice import Plan, envelopes, plan
from microtwin.optics.sources import source_points
from microtwin.otmr.depth import focus_um
from microtwin.otmr.draw import GRID_UM, Draw
from microtwin.otmr.render import SLICE_UM, UPSAMPLE, Slices, microscope

_AT_ONCE = 3  # source points between two looks for a newer wish: some 30 ms
_THICKER = 3  # slices of a sketch
_RINGS = {True: 1, False: 3}  # of source points, at most, by whether it is a sketch


class Waves:
    """What leaves the slices, computed by :meth:`advance`.

    Args:
        sketch: fewer source points, thicker slices.
    """

    def __init__(self, slices: Slices, draw: Draw, sketch: bool) -> None:
        self.slices, self.sketch = slices, sketch
        scope = self._scope(draw)
        delta_n, slice_um = slices.delta_n, SLICE_UM
        if sketch:
            delta_n, slice_um = _thicker(delta_n), _THICKER * SLICE_UM
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
        return self._field is not None and self._field.microscope == self._scope(draw)

    def advance(self, points: int = _AT_ONCE) -> None:
        """The waves of some more source points."""
        first = sum(map(len, self._parts))
        some = slice(first, first + points)
        self._parts.append(
            envelopes(replace(self._steps, tilts=self._steps.tilts[some], thickness=self._steps.thickness[some]))
        )

    def image(self, depth_um: float, draw: Draw) -> np.ndarray:
        """Intensity (m, m) float32 over the background at one depth, pixels as the camera's; once it is done."""
        scope = self._scope(draw)
        if self._field is None or self._field.microscope != scope:  # another objective
            self._field = ExitField(np.concatenate(self._parts), scope, self.slices.low_um, GRID_UM)
        return self._field.image(focus_um(depth_um, 0.0, scope), UPSAMPLE)

    def _scope(self, draw: Draw) -> Microscope:
        """Whose waves these are; a draw with another objective has the same."""
        return microscope(draw, self.slices.across_um, _RINGS[self.sketch])


def _thicker(delta_n: np.ndarray) -> np.ndarray:
    """Every few slices as one, from the lowest; nothing lies above the highest."""
    filled = np.pad(delta_n, ((0, -len(delta_n) % _THICKER), (0, 0), (0, 0)))
    return filled.reshape(-1, _THICKER, *delta_n.shape[1:]).mean(axis=1)
