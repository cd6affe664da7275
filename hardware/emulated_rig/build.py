"""Compiles what the emulated rig runs: the sketches (Debian's Arduino tool chain) and the shim on libsimavr (gcc).

A result is kept under ``$XDG_CACHE_HOME/microtwin/emulation/``, by a hash of all that it was made from.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from microtwin.errors import InputError

FIRMWARE = Path(__file__).resolve().parents[1] / "firmware"
SHIM_SOURCE = Path(__file__).resolve().with_name("avr_shim.c")

_BUILDER = Path(
    "/usr/share/arduino-builder"
)  # its platform.txt names the ctags; any folder that exists does for -tools
_HARDWARE = Path("/usr/share/arduino/hardware")

# What each Debian package must have put on the machine: a program on PATH, or a file.
_TRACES = {
    "arduino-builder": "arduino-builder",
    "arduino-core-avr": _HARDWARE / "arduino/avr/boards.txt",
    "avr-libc": Path("/usr/lib/avr/include/avr/io.h"),
    "binutils-avr": "avr-ld",
    "gcc": "gcc",
    "gcc-avr": "avr-g++",
    "libc6-dev": Path("/usr/include/stdio.h"),
    "libelf-dev": Path("/usr/include/libelf.h"),
    "libsimavr-dev": Path("/usr/include/simavr/sim_avr.h"),
}


def missing() -> list[str]:
    """The Debian packages that are needed for sketches or shim and are not there."""
    return [
        package
        for package, trace in _TRACES.items()
        if not (trace.exists() if isinstance(trace, Path) else shutil.which(trace))
    ]


def compile_sketch(folder: Path, defines: Sequence[str] = ()) -> Path:
    """The ELF of a sketch for the Mega 2560, compiled unless it is in the cache.

    Args:
        folder: holds ``<its name>.ino`` and whatever belongs to it.
        defines: macros, ``NAME`` or ``NAME=value``.

    Returns:
        The ELF. ``compiler.log`` beside it has the warnings (``-Wall -Wextra``) and the sizes.

    Raises:
        InputError: no such sketch, a missing tool, or the compiler's first complaint.
    """
    sketch = folder.resolve() / f"{folder.resolve().name}.ino"
    if not sketch.is_file():
        raise InputError(f"{folder} is no sketch: it has no {sketch.name}")

    def build(made: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            command: list[str | Path] = [
                "arduino-builder", "-compile", "-warnings", "all",
                "-hardware", _HARDWARE, "-hardware", _BUILDER, "-tools", _BUILDER,
                "-fqbn", "arduino:avr:mega:cpu=atmega2560",
                # Debian's Print.cpp uses a macro that avr-g++ 5 knows only with its underscores.
                "-prefs", " ".join(["compiler.cpp.extra_flags=-DDECIMAL_DIG=__DECIMAL_DIG__", *_macros(defines)]),
                "-build-path", scratch, sketch,
            ]  # fmt: skip
            (made / "compiler.log").write_text(_run(command))
            shutil.copy(Path(scratch) / f"{sketch.name}.elf", made / "firmware.elf")

    sources = sorted(path for path in sketch.parent.rglob("*") if path.is_file())
    return _cached(sources, ("sketch", *defines), build) / "firmware.elf"


def compile_shim(source: Path = SHIM_SOURCE) -> Path:
    """The shared library of the shim on libsimavr, compiled unless it is in the cache.

    Raises:
        InputError: a missing tool, or the compiler's first complaint.
    """

    def build(made: Path) -> None:
        flags = ["-O2", "-Wall", "-Wextra", "-shared", "-fPIC"]
        log = _run(["gcc", *flags, source, "-o", made / "shim.so", "-lsimavr", "-lelf"])
        (made / "compiler.log").write_text(log)

    return _cached([source], ("shim",), build) / "shim.so"


def _macros(defines: Iterable[str]) -> list[str]:
    for define in defines:
        if not define or any(character.isspace() or character in "\"'" for character in define):
            raise InputError(f"macro {define!r}: give NAME or NAME=value without spaces or quotes")
    return [f"-D{define}" for define in defines]


def _cached(sources: Sequence[Path], settings: Sequence[str], build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` filled for these sources and settings, now or earlier, in whatever process."""
    absent = missing()
    if absent:
        raise InputError(
            f"cannot compile for the emulated rig: sudo apt-get install --no-install-recommends {' '.join(absent)}"
        )
    made_from = hashlib.sha256(Path(__file__).read_bytes())
    for setting in settings:
        made_from.update(setting.encode() + b"\0")
    for source in sources:
        made_from.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "microtwin" / "emulation"
    place = cache / made_from.hexdigest()[:24]
    if place.is_dir():
        return place
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            build(made)
            try:
                made.rename(place)
            except OSError:
                if not place.is_dir():  # or another process was first: its result is the same
                    raise
    except OSError as error:
        raise InputError(
            f"cannot compile into {cache} ({error.strerror or error}): free space, or set XDG_CACHE_HOME"
        ) from None
    return place


def _run(command: Sequence[str | Path]) -> str:
    """What a compiler said. Raises InputError with its first error line."""
    english = os.environ | {"LC_ALL": "C"}
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, env=english)
    said = ran.stdout + ran.stderr
    if ran.returncode:
        lines = [line for line in said.splitlines() if line.strip()]
        worst = next((line for line in lines if " error: " in line), lines[-1] if lines else "no word why")
        raise InputError(f"{command[0]} failed: {worst}")
    return said


if __name__ == "__main__":  # docs/hardware.md, "Flashing"
    from microtwin.errors import exit_code

    sys.exit(exit_code("emulated_rig.build", lambda: print(compile_sketch(FIRMWARE / "microtwin_mega"))))
