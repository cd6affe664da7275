"""The contracts a twin and a real rig share, and the door to either.

One tick: ``controller.act(observation) -> RotatingField -> rig.command(field) -> rig.observe() -> Frame ->
observer(frame) -> Observation``. Time is the rig's: simulated seconds or wall seconds.
"""

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from microtwin.errors import InputError
from microtwin.errors import RigError as RigError
from microtwin.field import RotatingField


@dataclass(frozen=True)
class Frame:
    """What the camera delivers.

    Attributes:
        index: running number; a gap means dropped frames.
        time_s: the rig's time at which it was taken.
        image: (rows, columns) uint8, rows downwards; None from a rig that is watched without a camera.
        um_per_px: scale of the image.
        centre_um: world position of the middle of the image.
    """

    index: int
    time_s: float
    image: np.ndarray | None = None
    um_per_px: float = float("nan")
    centre_um: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Observation:
    """Where things are, in the world frame (µm, y up); ``robot_um`` and ``object_um`` are (2,)."""

    index: int
    time_s: float
    robot_um: np.ndarray
    object_um: np.ndarray


class LostError(RuntimeError):
    """An observer no longer knows where a body is; the message says which and for how long."""


class Rig(Protocol):
    """Coils and a camera, real or simulated. A context manager: leaving it turns the field off."""

    @property
    def frame_rate_hz(self) -> float: ...

    def command(self, field: RotatingField) -> RotatingField:
        """Ask for a field; returns the field that is really applied, after clipping."""
        ...

    def observe(self) -> Frame:
        """Wait for the next frame and return it."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception) -> None: ...


class Coils(Protocol):
    """What makes the field. A context manager: entering opens, verifies and arms it, leaving it turns the field off."""

    def apply(self, field: RotatingField) -> RotatingField:
        """Ask for a field in the coils' own axes; returns what is really applied, after clipping.

        Raises:
            RigError: the coils do not answer, or have switched themselves off.
        """
        ...

    def off(self) -> None:
        """No field; stays armed."""
        ...

    def currents_a(self) -> np.ndarray | None:
        """(6,) coil currents, A, in the order +Y +X −Y −X +Z −Z; None from coils that do not measure them."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception) -> None: ...


class Camera(Protocol):
    """What takes the frames. Latest-frame policy: who reads late gets the newest, and a gap in ``Frame.index``.

    Attributes:
        frame_rate_hz: as it is set. um_per_px: scale of the image. dropped: frames that nobody read so far.
    """

    frame_rate_hz: float
    um_per_px: float
    dropped: int

    def read(self, timeout_s: float) -> Frame:
        """The next frame that was not handed out yet.

        Raises:
            RigError: none came in time, the picture is frozen, the camera is gone.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception) -> None: ...


class Stage(Protocol):
    """What moves the focus. A context manager.

    A larger position is a larger depth, µm for µm, as the OTMR set labels it.
    """

    @property
    def position_um(self) -> float:
        """Where it is at this moment, on the way too."""
        ...

    @property
    def travel_um(self) -> tuple[float, float]:
        """Lowest and highest position."""
        ...

    def head_for(self, z_um: float) -> None:
        """Set out for there without waiting; the next one takes its place.

        Raises:
            InputError: outside the travel; it goes on as before. RigError: it does not answer.
        """
        ...

    def move_to(self, z_um: float) -> None:
        """Go there and wait until it has arrived.

        Raises:
            InputError: outside the travel. RigError: it did not arrive.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception) -> None: ...


class FocusRig(Rig, Protocol):
    """A rig whose focus may move."""

    @property
    def stage(self) -> Stage | None:
        """Entered and left with the rig; None where there is none."""
        ...


COILS = ("+Y", "+X", "−Y", "−X", "+Z", "−Z")
"""Names of the coils in the order of :meth:`Coils.currents_a`."""


@dataclass(frozen=True)
class CoilReading:
    """What the coils do at this moment: a name and a value for each.

    Attributes:
        names, values: of the same length. unit: of the values: ``A`` of measured currents, ``mT`` of a known field.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    unit: str


@runtime_checkable
class Watched(Protocol):
    """What a window may show of a rig besides its picture. No rig need have it: ask ``isinstance(rig, Watched)``."""

    @property
    def step_out_hz(self) -> float | None:
        """Highest frequency at which the robot follows the field whatever its heading; None where it is not known."""
        ...

    @property
    def dropped(self) -> int:
        """Frames so far that nobody read."""
        ...

    @property
    def latency_s(self) -> float | None:
        """Age of the last frame when :meth:`Rig.observe` returned it; None where it is not known."""
        ...

    def coil_reading(self) -> CoilReading | None:
        """What the coils do now; None where nothing measures or knows it. May ask the board: some milliseconds.

        Raises:
            RigError: the coils do not answer.
        """
        ...


class Observer(Protocol):
    """Turns frames into observations, or raises :class:`LostError`."""

    def __call__(self, frame: Any) -> Observation: ...


class Controller(Protocol):
    """Turns observations into fields until it is ``done``."""

    done: bool
    mode: str  # approach, push, spin_cw, spin_ccw, done: recorded with every frame
    goal_index: int

    def act(self, observation: Observation) -> RotatingField: ...


def open_rig(backend: str, **options: Any) -> Rig:
    """The rig registered under ``backend`` in the entry-point group ``microtwin.backends``.

    Raises:
        InputError: no such backend is installed, or it does not take these options.
    """
    make = known_backend(backend).load()
    try:
        signature(make).bind(**options)
    except TypeError as error:
        raise InputError(f"backend {backend!r} does not take these options ({error}): see its documentation") from None
    return make(**options)


def known_backend(backend: str) -> EntryPoint:
    """The entry point of a backend, not loaded yet.

    Raises:
        InputError: no such backend is installed.
    """
    found = {entry.name: entry for entry in entry_points(group="microtwin.backends")}
    if backend not in found:
        raise InputError(f"backend {backend!r} is not installed: choose one of {', '.join(sorted(found))}")
    return found[backend]
