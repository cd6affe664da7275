"""A rig where nothing can be put back: the world is shifted instead, until the object lies at the start of the path."""

from dataclasses import replace
from typing import Self

import numpy as np

from microtwin.field import RotatingField
from microtwin.rig import Frame, Observer, Rig


class OnPath:
    """A rig seen in a path's own coordinates.

    Entering it takes one frame to see where the object is; from then on every frame says where its middle lies in a
    world whose origin is shifted so that the object was at ``start_um`` then. Headings are the rig's.

    Args:
        rig: what is shifted; entered and left with this. observer: of this very rig, it reads ``Frame.centre_um``.
        start_um: (2,) the path's first node.

    Raises:
        LostError: on entering, if the object is not found in the first frame.
    """

    def __init__(self, rig: Rig, observer: Observer, start_um: np.ndarray):
        self._rig, self._observer = rig, observer
        self._start_um = np.asarray(start_um, dtype=float)
        self._shift_um = np.zeros(2)
        self.frame_rate_hz = rig.frame_rate_hz

    def command(self, field: RotatingField) -> RotatingField:
        return self._rig.command(field)

    def observe(self) -> Frame:
        frame = self._rig.observe()
        x, y = (np.asarray(frame.centre_um) + self._shift_um).tolist()
        return replace(frame, centre_um=(x, y))

    def __enter__(self) -> Self:
        self._rig.__enter__()
        try:
            self._shift_um = self._start_um - self._observer(self._rig.observe()).object_um
        except BaseException as error:
            self._rig.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *exception) -> None:
        self._rig.__exit__(*exception)
