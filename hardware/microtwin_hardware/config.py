"""One TOML file describes a rig: coils, camera, stage, and what was measured of the robot.

Every key has its unit in its name. Nothing is guessed: an unknown key, another unit or a value outside what a rig can
have is one line that names the file, the key and the remedy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from microtwin import files
from microtwin.errors import InputError
from microtwin_hardware.keys import check, key, meant

PROFILES = ("microtwin", "lab-8", "lab-10", "lab-17", "none")
CAMERA_DRIVERS = ("opencv", "spinnaker", "basler", "micromanager", "aravis")
STAGE_DRIVERS = ("none", "simulated", "micromanager")
FLIPS = ("none", "horizontal", "vertical", "both")

_TABLE = {"kind": "table", "words": "handed to the driver as they are"}


@dataclass(frozen=True)
class _Checked:
    """Checks every value on the way in, from a file or from Python."""

    def __post_init__(self):
        for entry in fields(self):
            name = f"{TABLES[type(self)]}.{entry.name}"
            object.__setattr__(self, entry.name, check(name, getattr(self, entry.name), entry))


@dataclass(frozen=True)
class CoilsConfig(_Checked):
    """What makes the field. Lengths of three are x, y, z.

    Raises:
        InputError: a value outside its range, of another type or in another unit.
    """

    profile: str = key(
        "microtwin", "firmware: " + ", ".join(PROFILES[:-1]) + "; none for a rig without coils", "choice", of=PROFILES
    )
    port: str = key("/dev/ttyACM0", "serial port: a name such as COM3, or a URL of pyserial", "text")
    baud: int = key(500_000, "bits per second; 115200 for most lab-8 boards", "whole", low=1200, high=4_000_000)
    full_scale_mt: tuple[float, float, float] = key(
        (3.0, 5.0, 13.0), "field at full duty, mT", "numbers", low=0.1, high=100.0, hints=("tesla", "gauss"), count=3
    )
    equalise: bool = key(False, "turn the stronger axes down to the weakest: a circle instead of an ellipse", "flag")
    polarity: tuple[int, int, int] = key((1, 1, 1), "-1 turns an axis round", "wholes", of=(1, -1), count=3)
    max_duty: float = key(1.0, "greatest duty on any coil, a fraction", low=0.01, high=1.0, hints=("", "percent"))
    soft_start_ms: int = key(50, "rise from no field, ms", "whole", low=0, high=5000, hints=("", "µs"))
    watchdog_ms: int = key(
        250, "silence after which the board turns the field off, ms", "whole", low=50, high=500, hints=("s", "µs")
    )
    max_on_s: float = key(600.0, "longest time the field may stay on, s", low=0.1, high=3600.0, hints=("", "ms"))
    heartbeat_ms: int = key(100, "keeps the watchdog fed, ms; 0 for none", "whole", low=0, high=250)
    hold_s: float = key(0.2, "heartbeats end this long after the last command, s", low=0.0, high=60.0, hints=("", "ms"))
    current_limit_a: float = key(
        0.0, "over-current limit of each coil, A; 0 for none", low=0.0, high=43.0, hints=("", "mA")
    )
    amps_per_count: float = key(0.0415, "of the current sense, A", low=1e-4, high=1.0, hints=("", "mA"))
    probe_duty: float = key(
        0.2,
        "pulse that tells the lab's firmwares apart by their currents, a fraction; 0 where none are measured",
        low=0.0,
        high=0.5,
        hints=("", "percent"),
    )

    def __post_init__(self):
        super().__post_init__()
        if self.heartbeat_ms > self.watchdog_ms / 2:
            raise InputError(
                f"coils.heartbeat_ms is {self.heartbeat_ms} with a watchdog of {self.watchdog_ms} ms: "
                f"give at most {self.watchdog_ms // 2}, so that one lost heartbeat does not stop the field"
            )


@dataclass(frozen=True)
class CameraConfig(_Checked):
    """What takes the frames.

    Raises:
        InputError: a value outside its range, of another type or in another unit.
    """

    driver: str = key("opencv", ", ".join(CAMERA_DRIVERS) + ", or package.module:Class", "driver", of=CAMERA_DRIVERS)
    source: str = key("0", "which camera: index, URL, file, serial number or address, as its driver asks", "text")
    shape: tuple[int, int] | None = key(
        None, "rows and columns that are expected; leave out for any", "wholes", low=16, high=20_000, count=2
    )
    um_per_px: float = key(0.1725, "scale at the sample, µm per pixel", low=0.01, high=20.0, hints=("mm", "nm"))
    frame_rate_hz: float = key(24.0, "frames per second", low=0.1, high=2000.0, hints=("kHz", "mHz"))
    exposure_ms: float | None = key(
        None, "exposure, ms; leave out for the camera's own", low=0.01, high=10_000.0, hints=("s", "µs")
    )
    flip: str = key("none", "of the image as the camera gives it: " + ", ".join(FLIPS), "choice", of=FLIPS)
    rotation_deg: float = key(
        0.0, "heading seen in the image minus heading commanded, degrees counter-clockwise", low=-180.0, high=180.0
    )
    freeze_s: float = key(
        0.3, "the same picture for so long is a fault, s; 0 for never", low=0.0, high=60.0, hints=("", "ms")
    )
    timeout_s: float = key(0.4, "no frame for so long is a fault, s", low=0.01, high=60.0, hints=("", "ms"))
    options: dict[str, Any] = field(default_factory=dict, metadata=_TABLE)

    def __post_init__(self):
        super().__post_init__()
        if self.exposure_ms is not None and self.exposure_ms * self.frame_rate_hz > 1000.0:
            raise InputError(
                f"camera.exposure_ms is {self.exposure_ms:g}: give at most {1000.0 / self.frame_rate_hz:.4g} ms at "
                f"{self.frame_rate_hz:g} frames per second (is it in µs?)"
            )
        if self.timeout_s * self.frame_rate_hz < 1.5:
            raise InputError(
                f"camera.timeout_s is {self.timeout_s:g}: give at least {1.5 / self.frame_rate_hz:.3g}, one and a half "
                f"frame times at {self.frame_rate_hz:g} frames per second"
            )


@dataclass(frozen=True)
class StageConfig(_Checked):
    """What moves the focus.

    Raises:
        InputError: a value that cannot be used.
    """

    driver: str = key("none", ", ".join(STAGE_DRIVERS) + ", or package.module:Class", "driver", of=STAGE_DRIVERS)
    direction: int = key(1, "-1 where going up the stage's own scale lowers the depth", "whole", of=(1, -1))
    options: dict[str, Any] = field(default_factory=dict, metadata=_TABLE)


@dataclass(frozen=True)
class RobotConfig(_Checked):
    """What ``microtwin calibrate-rig`` measured of the robot."""

    step_out_hz: float = key(
        0.0,
        "highest frequency that the robot follows, Hz; 0 if it was not measured",
        low=0.0,
        high=1000.0,
        hints=("", "mHz"),
    )


TABLES: dict[type, str] = {CoilsConfig: "coils", CameraConfig: "camera", StageConfig: "stage", RobotConfig: "robot"}


@dataclass(frozen=True)
class RigConfig:
    """A whole rig; ``robot`` is what was measured of the robot in it."""

    coils: CoilsConfig = field(default_factory=CoilsConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    stage: StageConfig = field(default_factory=StageConfig)
    robot: RobotConfig = field(default_factory=RobotConfig)


def load(path: str | Path) -> RigConfig:
    """The rig that a file describes; what the file leaves out has its default.

    Raises:
        InputError: the file is missing or no TOML, a key is unknown, a value cannot be used.
    """
    import tomllib

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors put a mark in front
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot read {path} ({reason}): give the rig's TOML file, see docs/hardware.md") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8: give the rig's TOML file") from None
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML ({error}): mend that line; text stands in quotes") from None
    try:
        return from_tables(tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save(config: RigConfig, path: str | Path, notes: Mapping[str, str] | None = None) -> None:
    """Write the whole file, every key with its comment; ``notes`` are further comments, by ``table.key``.

    Raises:
        InputError: the file system refuses.
    """
    from microtwin_hardware.toml_text import as_toml

    with files.whole(Path(path)) as temporary:
        temporary.write_text(as_toml(config, notes or {}), encoding="utf-8", newline="\n")


def from_tables(tables: dict[str, Any]) -> RigConfig:
    """The rig that the tables of a TOML file describe.

    Raises:
        InputError: a key is unknown, a value cannot be used; names ``table.key``.
    """
    sections = {name: kind for kind, name in TABLES.items()}
    found = {}
    for name, table in tables.items():
        if name not in sections:
            homes = [home for home, kind in sections.items() if name in {entry.name for entry in fields(kind)}]
            if homes and not isinstance(table, dict):
                raise InputError(f"{name} stands outside its table: put it under [{homes[0]}]")
            raise InputError(f"{name} is unknown: {meant(name, dict.fromkeys(sections, ''), 'the tables are')}")
        if not isinstance(table, dict):
            raise InputError(f"{name} is {table!r}: write a table, [{name}]")
        known = {entry.name: entry.metadata["words"] for entry in fields(sections[name])}
        for given in table:
            if given not in known:
                raise InputError(f"{name}.{given} is unknown: {meant(given, known, f'[{name}] has')}")
        found[name] = sections[name](**table)
    return RigConfig(**found)
