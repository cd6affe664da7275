"""Whose own failures end a run as a rig's do, so that everything recorded so far is kept."""

import math
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.panel.engine.words import for_the_page
from microtwin.rig import Controller, LostError, Observation

P = ParamSpec("P")
R = TypeVar("R")


def cautious(name: str, do: Callable[P, R]) -> Callable[P, R]:
    """``do``, which raises RigError for whatever nobody foresaw in it; the traceback goes to the terminal.

    A LostError stays one, and of RigError and InputError the words stay. All are as the page says them: they become the
    run's reason.
    """

    def carefully(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return do(*args, **kwargs)
        except LostError as error:
            raise LostError(for_the_page(str(error))) from error
        except (RigError, InputError) as error:
            raise RigError(for_the_page(str(error))) from error
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            raise RigError(f"{name} failed ({type(error).__name__}: {error}): see the terminal") from error

    return carefully


class Cautious:
    """A controller that does as ``inner`` does, cautiously.

    Attributes:
        inner: the controller. width_um: of its corridor; None if it has none.
    """

    def __init__(self, inner: Controller):
        self.inner = inner
        self._act = cautious("the controller", inner.act)
        width = getattr(inner, "width_um", None)
        self.width_um: float | None = width if width is not None and math.isfinite(width) else None
        self._copy()

    def _copy(self) -> None:
        self.done, self.mode, self.goal_index = self.inner.done, self.inner.mode, self.inner.goal_index

    def act(self, observation: Observation) -> RotatingField:
        """As of ``inner``.

        Raises:
            RigError: whatever went wrong in it.
        """
        wanted = self._act(observation)
        self._copy()
        return wanted
