"""The sketches compile for the Mega 2560, from the cache if nothing changed; what is missing is named."""

import re
import shutil
import subprocess
import sys

import pytest

from emulated_rig import build
from microtwin.errors import InputError

needs_tools = pytest.mark.skipif(bool(build.missing()), reason=f"not installed: {' '.join(build.missing())}")

SKETCHES = [
    ("microtwin_mega", ()),
    ("lab_legacy", ("LAB_FLOATS=8",)),
    ("lab_legacy", ("LAB_FLOATS=10",)),
    ("lab_legacy", ("LAB_FLOATS=17",)),
]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "microtwin" / "emulation"


@pytest.fixture
def sketch(tmp_path):
    """A sketch small enough to break."""
    folder = tmp_path / "blink"
    folder.mkdir()
    (folder / "blink.ino").write_text("void setup() {}\nvoid loop() { PORTB = SPEED; }\n")
    return folder


def _no_compiler(*_):
    raise AssertionError("a compiler was started")


@needs_tools
@pytest.mark.parametrize(("name", "defines"), SKETCHES, ids=["mega", "lab-8", "lab-10", "lab-17"])
def test_a_sketch_compiles_without_a_warning_and_fits(name, defines):
    elf = build.compile_sketch(build.FIRMWARE / name, defines)
    assert elf.read_bytes()[:4] == b"\x7fELF"
    log = (elf.parent / "compiler.log").read_text()
    warned_of = re.findall(r"^(.+?):\d+:(?:\d+:)? warning", log, re.MULTILINE)
    assert warned_of, "the core's own warnings are gone: -Wall -Wextra is no longer asked for"
    assert [path for path in warned_of if not path.startswith("/usr/share/arduino")] == []
    used = re.search(r"uses (\d+) bytes.*\n.*use (\d+) bytes", log)
    assert used, log
    assert int(used[1]) < 0.1 * 253_952  # flash
    assert int(used[2]) < 0.25 * 8_192  # SRAM; the rest is the stack's


@needs_tools
def test_all_pwm_timers_count_in_step():
    """Which simavr does not show: what each was set to, and in which cycle it starts, from the compiled code."""
    elf = build.compile_sketch(build.FIRMWARE / "microtwin_mega")
    code = subprocess.run(["avr-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
    timers = {"81": 1, "b1": 2, "91": 3, "a1": 4, "121": 5}  # TCCRnB
    stores = re.findall(r"^\s+(\w+):.*\tsts\t0x0*(81|b1|91|a1|121),", code.lower(), re.MULTILINE)[-5:]
    begin = int(stores[0][0], 16)
    # a store has four bytes and takes two cycles
    starts = {timers[register]: (int(address, 16) - begin) // 2 for address, register in stores}
    assert sorted(starts.values()) == [0, 2, 4, 6, 8]
    pins = (build.FIRMWARE / "microtwin_mega" / "pins.h").read_text()
    counts = {int(timer): int(count) for timer, count in re.findall(r"TCNT(\d) = (\d+);", pins)}
    assert counts == starts


@needs_tools
def test_run_as_a_program_it_says_where_the_firmware_is():
    ran = subprocess.run([sys.executable, "-m", "emulated_rig.build"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{build.compile_sketch(build.FIRMWARE / 'microtwin_mega')}\n"


@needs_tools
def test_the_second_compile_is_from_the_cache(cache, sketch, monkeypatch):
    first = build.compile_sketch(sketch, ("SPEED=1",))
    assert first.is_relative_to(cache)
    other = build.compile_sketch(sketch, ("SPEED=2",))
    assert other != first and other.read_bytes() != first.read_bytes()
    monkeypatch.setattr(build, "_run", _no_compiler)
    assert build.compile_sketch(sketch, ("SPEED=1",)) == first
    (sketch / "blink.ino").write_text("void setup() {}\nvoid loop() {}\n")
    with pytest.raises(AssertionError, match="a compiler was started"):
        build.compile_sketch(sketch, ("SPEED=1",))


@needs_tools
def test_an_error_is_one_line_and_leaves_nothing_behind(cache, sketch):
    with pytest.raises(InputError, match=r"arduino-builder failed: .*SPEED.* not declared"):
        build.compile_sketch(sketch)
    assert list(cache.iterdir()) == []


@needs_tools
def test_no_other_number_of_floats_is_a_lab_board(cache):
    with pytest.raises(InputError, match="LAB_FLOATS is 8, 10 or 17"):
        build.compile_sketch(build.FIRMWARE / "lab_legacy", ("LAB_FLOATS=9",))


@needs_tools
def test_the_shim_is_compiled_once(cache, tmp_path, monkeypatch):
    source = tmp_path / "shim.c"
    source.write_text("int answer(void) { return 42; }\n")
    library = build.compile_shim(source)
    monkeypatch.setattr(build, "_run", _no_compiler)
    assert build.compile_shim(source) == library


def test_a_missing_tool_is_named_with_the_line_that_installs_it(cache, sketch, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "avr-g++" else f"/usr/bin/{name}")
    assert "gcc-avr" in build.missing()
    assert "binutils-avr" not in build.missing()
    with pytest.raises(InputError, match=r"apt-get install --no-install-recommends .*gcc-avr"):
        build.compile_sketch(sketch)


def test_every_package_asked_for_is_in_the_list_that_ci_installs():
    listed = (build.FIRMWARE.parent / "debian-packages.txt").read_text().split()
    assert set(build._TRACES) <= set(listed)


def test_a_folder_without_a_sketch_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is no sketch"):
        build.compile_sketch(tmp_path)


@pytest.mark.parametrize("macro", ["", "A B", 'A="x"'])
def test_a_macro_that_the_builder_would_split_is_refused(macro, cache, sketch, monkeypatch):
    monkeypatch.setattr(build, "missing", list)
    with pytest.raises(InputError, match="without spaces or quotes"):
        build.compile_sketch(sketch, (macro,))
