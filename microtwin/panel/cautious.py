"""A controller whose own failures end a run as a rig's do, so that everything recorded so far is kept."""

import math
import sys
import traceback

from microtwin.errors import RigError
from microtwin.field import RotatingField
from microtwin.rig import Controller, Observation


class Cautious:
    """Does as ``inner`` does.

    Attributes:
        inner: the controller. width_um: of its corridor; None if it has none.
    """

    def __init__(self, inner: Controller):
        self.inner = inner
        width = getattr(inner, "width_um", None)
        self.width_um: float | None = width if width is not None and math.isfinite(width) else None
        self._copy()

    def _copy(self) -> None:
        self.done, self.mode, self.goal_index = self.inner.done, self.inner.mode, self.inner.goal_index

    def act(self, observation: Observation) -> RotatingField:
        """As of ``inner``.

        Raises:
            RigError: whatever went wrong in it; the traceback goes to the terminal.
        """
        try:
            wanted = self.inner.act(observation)
        except RigError:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise RigError(f"the controller failed ({type(error).__name__}: {error}): choose another") from error
        self._copy()
        return wanted
