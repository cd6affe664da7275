"""What the server and the engine say to each other.

Commands go to the engine as the dataclasses below, pickled over a private pipe. Back come packets
(:mod:`microtwin.panel.packet`), one a frame: a :class:`Header` and the picture. Browsers get the same packets. A packet
may be skipped by whoever is slow, so each is complete in itself. Places in a header are (x, y) in pixels of the
picture, x right and y **down**, the middle of the first pixel at 0: what a canvas draws. Commands carry picture places
in the same way; the engine alone converts them to the world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

from microtwin.panel.engine.twin import TwinSettings
from microtwin.vision.mask import MaskSettings

State = Literal["preparing", "watching", "driving", "running", "paused", "saving", "broken"]
Body = Literal["robot", "object"]
Point = tuple[float, float]

OPERATOR_GONE_S = 2.0  # without a sign of the operator's browser for this long, the field goes off
DRIVE_LAPSES_S = 0.4  # a hand's command that is not renewed
HAND = "hand"  # the controller that is a person: keys or a gamepad


@dataclass(frozen=True)
class EngineOptions:
    """What the engine opens, fixed for its life.

    Attributes:
        backend: as for ``microtwin push``. backend_options: keyword arguments of that rig.
        twin: the first scene of the twin; ignored by other backends.
        out: folder of runs; drawn paths are saved in ``out/paths``.
    """

    backend: str = "sim"
    backend_options: Mapping[str, Any] = field(default_factory=dict)
    twin: TwinSettings = field(default_factory=TwinSettings)
    out: str = "runs/panel"


@dataclass(frozen=True)
class Alive:
    """The operator's browser has just shown a sign of life."""


@dataclass(frozen=True)
class Stop:
    """The field goes off at once, whatever else is going on; a run ends and is saved."""

    reason: str = "stopped by hand"


@dataclass(frozen=True)
class Detect:
    """Find all bodies, and select the robot and the object nearest to it."""


@dataclass(frozen=True)
class SelectRobot:
    """The body at (or next to) this place is the robot; None: no body is."""

    at_px: Point | None


@dataclass(frozen=True)
class SelectObject:
    """The body at this place is an object to push; with ``add``, one more, else the only one. None: there is none."""

    at_px: Point | None
    add: bool = False


@dataclass(frozen=True)
class SetMask:
    """The mask by which a body is told from the background; None for a suggested one."""

    body: Body
    settings: MaskSettings | None


@dataclass(frozen=True)
class ShowMask:
    """Whose mask the packets outline; None for nobody's."""

    body: Body | None


@dataclass(frozen=True)
class Draw:
    """A path for object number ``target``, as drawn."""

    points_px: tuple[Point, ...]
    target: int = 0


@dataclass(frozen=True)
class LoadPath:
    """A path for object number ``target``: a shape or a CSV file, as :func:`microtwin.paths.from_name` takes them.

    Attributes:
        length_um: of a shape; None for the longest that fits the field.
        from_object: move it so that it begins at the object; a CSV file otherwise lies as it was saved.
    """

    name: str
    target: int = 0
    length_um: float | None = None
    from_object: bool = True


@dataclass(frozen=True)
class SavePath:
    """Write the path of object number ``target`` to ``out/paths/NAME.csv``."""

    name: str
    target: int = 0


@dataclass(frozen=True)
class ClearPath:
    """Forget the path of object number ``target``."""

    target: int = 0


@dataclass(frozen=True)
class Start:
    """Push every object that has a path, one after the other.

    Attributes as of :class:`microtwin.pushing.Push`; ``controller`` may also be :data:`HAND`.
    """

    controller: str = "corridor"
    frequency_hz: float | None = None
    width_um: float | None = None
    threshold_um: float = 8.0
    approach_um: float | None = None
    time_limit_s: float | None = None


@dataclass(frozen=True)
class Pause:
    """Hold the run with the field off, or go on."""

    paused: bool = True


@dataclass(frozen=True)
class Drive:
    """What the hand wants now, to be said again at least every 0.2 s; ``frequency_hz`` 0: it has let go.

    Attributes:
        heading_rad: CCW from +x, in the world. gamma_rad: π/2 rolls, 0 spins CCW, π spins CW.
    """

    heading_rad: float = 0.0
    gamma_rad: float = 1.5707963267948966
    frequency_hz: float = 0.0


@dataclass(frozen=True)
class SetTwin:
    """Build the twin anew."""

    settings: TwinSettings


@dataclass(frozen=True)
class Disturb:
    """Knock against the twin's object."""


@dataclass(frozen=True)
class Reopen:
    """Open the rig again after it broke."""


@dataclass(frozen=True)
class Quit:
    """Field off, save what runs, close the rig, end."""


Command = (
    Alive | Stop | Detect | SelectRobot | SelectObject | SetMask | ShowMask | Draw | LoadPath | SavePath | ClearPath
    | Start | Pause | Drive | SetTwin | Disturb | Reopen | Quit
)  # fmt: skip


class Found(TypedDict):
    """A body of the last detection."""

    x: float
    y: float
    r: float
    kind: str


class Notice(TypedDict):
    """Something to tell people, in words; ids rise."""

    id: int
    level: Literal["info", "warning", "error"]
    text: str


class RunNow(TypedDict):
    """The run that goes on, or the last one.

    Attributes:
        folder: where it is recorded. elapsed_s, limit_s: of the rig's time, without pauses.
        results: :meth:`microtwin.recording.Trial.summary` once it has ended and is saved, else None.
    """

    folder: str
    controller: str
    elapsed_s: float
    limit_s: float
    results: dict[str, Any] | None


class Header(TypedDict):
    """The state of everything at one frame; see the module's docstring for places."""

    seq: int
    frame: int
    time_s: float  # the rig's
    wall_s: float  # Unix time at which the frame was in hand
    backend: str
    state: State
    reason: str  # why it is broken
    mode: str  # the controller's; empty when nothing runs
    size: tuple[int, int]  # width, height
    um_per_px: float
    robot: tuple[float, float, float] | None  # x, y, radius
    objects: list[tuple[float, float, float]]  # in the order of selection
    active: int  # which of them is tracked and pushed
    bodies: list[Found]
    paths: list[list[Point] | None]  # one for each object
    goal: Point | None
    goal_index: int
    nodes: int
    corridor: list[Point] | None  # four corners
    field: dict[str, float]  # alpha_deg, gamma_deg, frequency_hz, amplitude: as applied
    error_um: float | None  # of the object from its path
    goal_um: float | None  # of the object from the goal
    coils: dict[str, Any]  # names, unit, values: currents (A), or the twin's field (mT)
    latency_ms: float  # from exposure to the frame in hand
    wait_ms: float  # from the frame in hand to the coils' answer
    dropped: int
    jitter_ms: float  # 95th percentile of |time between ticks − period|, last 10 s
    ticks_per_s: float
    mask: list[list[Point]]  # outlines of the mask that is shown
    shown: Body | None
    masks: dict[str, dict[str, Any]]  # robot, object: the MaskSettings in use
    twin: dict[str, Any] | None  # TwinSettings; None on other backends
    step_out_hz: float | None  # of a robot that rolls
    notices: list[Notice]  # the last few
    run: RunNow | None
    replay: NotRequired[bool]  # a recording; the picture carries its own overlay
