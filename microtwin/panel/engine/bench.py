"""What the engine opens and closes: the twin that can be rebuilt, or a rig."""

import math
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from microtwin.errors import InputError, RigError
from microtwin.panel.engine.paced import RealTime
from microtwin.panel.engine.twin import BenchTwin, TwinSettings, open_twin
from microtwin.panel.messages import EngineOptions
from microtwin.rig import CoilReading, Rig, Watched, known_backend, open_rig


class Bench:
    """The rig that the options name; closed at first.

    Args:
        options: see :class:`~microtwin.panel.messages.EngineOptions`.

    Attributes:
        rig: None while it is closed. twin: the settings of the twin; None of other backends.

    Raises:
        InputError: the options cannot be used.
    """

    def __init__(self, options: EngineOptions):
        self._options = options
        known_backend(options.backend)
        self.twin: TwinSettings | None = options.twin if options.backend == "sim" else None
        if self.twin is not None and options.backend_options:
            raise InputError(f"backend options are {dict(options.backend_options)}: leave them out, sim takes none")
        self.rig: Rig | None = None
        self._inner: Any = None
        self._made: Rig | None = None if self.twin else self._make()

    @property
    def backend(self) -> str:
        return self._options.backend

    @property
    def options(self) -> Mapping[str, Any]:
        """Keyword arguments of that rig."""
        return self._options.backend_options

    def _make(self) -> Rig:
        return open_rig(self._options.backend, **self._options.backend_options)

    def open(self) -> None:
        """Open and enter it.

        Raises:
            InputError, RigError: it does not open.
        """
        if self.twin is not None:
            self._enter_twin(self.twin)
            return
        rig, self._made = self._made or self._make(), None  # a second time with its settings read anew
        rig.__enter__()
        self.rig = self._inner = rig

    def rebuild(self, settings: TwinSettings) -> bool:
        """The twin built anew; whether it is another scene (another speed alone is not).

        Raises:
            InputError: they cannot be used, or there is no twin; what was open stays.
        """
        if self.twin is None:
            raise InputError(f"the backend is {self.backend!r}: only the twin has such settings")
        faster = settings.speed != self.twin.speed and settings == replace(self.twin, speed=settings.speed)
        if self.rig is not None and faster:
            self.rig = RealTime(self._inner, settings.speed)
            self.twin = settings
            return False
        self._enter_twin(settings)
        return True

    def _enter_twin(self, settings: TwinSettings) -> None:
        twin = open_twin(settings)
        paced = RealTime(twin, settings.speed)
        self.close()
        paced.__enter__()
        self.rig, self._inner, self.twin = paced, twin, settings

    def close(self) -> None:
        """Leave it, which turns its field off; harmless when it is closed."""
        rig, self.rig, self._inner = self.rig, None, None
        if rig is None:
            return
        try:
            rig.__exit__(None, None, None)
        except RigError:
            pass  # what is gone is closed
        except Exception:  # nor may anything else keep it from being opened again
            traceback.print_exc(file=sys.stderr)

    def knock(self) -> str:
        """Disturb the twin; what was done, in words.

        Raises:
            InputError: it is no twin, or closed.
        """
        if self.twin is None or self._inner is None:
            raise InputError("only the twin can be disturbed: knock against the bench yourself")
        return self._inner.knock() or "the twin was knocked against"

    # what is shown of it

    @property
    def period_s(self) -> float:
        """Wall time between two frames; 0 where nothing paces them."""
        if self.rig is None:
            return 0.0
        speed = self.twin.speed if self.twin else 1.0
        return 1.0 / (self.rig.frame_rate_hz * speed)

    @property
    def watched(self) -> Watched | None:
        return self._inner if isinstance(self._inner, Watched) else None

    @property
    def step_out_hz(self) -> float | None:
        """Highest frequency at which the robot rolls in step with the field; None where it is not known."""
        return self.watched.step_out_hz if self.watched else None

    @property
    def spin_step_out_hz(self) -> float | None:
        """The same of a robot that spins. Only the twin knows it: a rig is measured rolling."""
        return self._inner.spin_step_out_hz if isinstance(self._inner, BenchTwin) else None

    def coil_reading(self) -> CoilReading | None:
        """What the coils do now; None where it is not known.

        Raises:
            RigError: the coils do not answer.
        """
        return self.watched.coil_reading() if self.watched else None

    def twin_settings(self) -> dict[str, Any] | None:
        """The twin's settings as JSON has them: an infinite speed is None."""
        if self.twin is None:
            return None
        return {name: None if value == math.inf else value for name, value in asdict(self.twin).items()}
