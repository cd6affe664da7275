"""The guard needs no loop(): a firmware whose main loop hangs with the field on still turns it off."""

import binascii
import shutil
import struct

import numpy as np
import pytest

from emulated_rig import build

if build.missing():
    pytest.skip(f"not installed: {' '.join(build.missing())}", allow_module_level=True)

from emulated_rig.mega import Mega

ROLL = struct.pack("<4HI", 0, 16384, 16384, 32768, 10_000_000)  # full duty along +x at 10 Hz


def packet(*message: int | bytes) -> bytes:
    inside = b"".join(part if isinstance(part, bytes) else bytes([part]) for part in message)
    inside += struct.pack("<H", binascii.crc_hqx(inside, 0xFFFF))
    return b"\0" + b"".join(bytes([len(run) + 1]) + run for run in inside.split(b"\0")) + b"\0"


def config(watchdog_ms: int = 500, max_on_ms: int = 3_600_000, max_counts: int = 1023) -> bytes:
    body = struct.pack("<3h3HIH", 32767, 32767, 32767, 32768, watchdog_ms, 0, max_on_ms, max_counts)
    return packet(2, 0, body)


@pytest.fixture
def hung(tmp_path):
    """The board with a sketch that hangs as soon as the field is on."""
    folder = tmp_path / "microtwin_mega"
    shutil.copytree(build.FIRMWARE / "microtwin_mega", folder)
    sketch = folder / "microtwin_mega.ino"
    healthy = sketch.read_text()
    sketch.write_text(
        healthy.replace("void loop() {", "void loop() {\n while (update::snapshot().state == guard::on);")
    )
    assert sketch.read_text() != healthy
    mega = Mega(build.compile_sketch(folder))
    mega.run(0.01)
    yield mega
    mega.close()


@pytest.mark.parametrize(
    ("limits", "off_after_s"),
    [({"watchdog_ms": 300}, 0.3), ({"max_on_ms": 150}, 0.15), ({"max_counts": 100}, 0.02)],
    ids=["silence", "on too long", "over-current"],
)
def test_a_hung_loop_does_not_keep_the_field_on(hung, limits, off_after_s):
    hung.write(config(**limits) + packet(3, 1) + packet(4, 2, ROLL))
    hung.run(0.01)
    on = hung.run(0.05 if off_after_s > 0.05 else 0.0)
    hung.set_currents_a([0, 0, 0, 0, 0, 8.0])  # 193 counts on -Z
    after = np.concatenate([on, hung.run(0.6)])
    last = np.flatnonzero(after.any(axis=1))[-1] * hung.sample_s
    assert last <= off_after_s
    if off_after_s > 0.05:
        assert last > off_after_s - 0.02  # and not sooner
