"""The scripts that hold the emulated rig against Eq. 1 and against the twin."""

import importlib.util
import struct
from pathlib import Path

import pandas as pd
import pytest

from emulated_rig.build import missing
from microtwin.errors import InputError

FOLDER = Path(__file__).parents[2] / "experiments"

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"needs the Debian packages {' '.join(missing())}")


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def is_a_picture(path: Path) -> bool:
    data = path.read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    return data.startswith(b"\x89PNG") and width > 1000 and height > 400 and len(data) > 20_000


def test_the_registers_hold_equation_1(tmp_path, capsys):
    load("rig_field").main(quick=True, out=tmp_path)
    assert capsys.readouterr().out.count("pass, bound") == 4
    fields, changes = pd.read_csv(tmp_path / "field.csv"), pd.read_csv(tmp_path / "changes.csv")
    assert (fields.amplitude < 0.01).all() and (fields.angle_deg < 1).all() and (fields.frequency < 0.001).all()
    assert (changes.jump_deg < 2).all() and len(changes) == 8
    assert is_a_picture(tmp_path / "field.png")


def test_both_backends_push_alike(tmp_path):
    load("rig_push").main(quick=True, out=tmp_path)
    table = pd.read_csv(tmp_path / "trials.csv").set_index("backend")
    assert table.success.all()
    times = table.completion_time_s
    assert times["hardware"] == pytest.approx(times["sim"], rel=0.05)
    assert is_a_picture(tmp_path / "tracks.png")


def test_what_cannot_be_run_is_said_in_one_line(tmp_path):
    with pytest.raises(InputError, match="seed is -1"):
        load("rig_push").main(seed=-1, out=tmp_path)
    with pytest.raises(InputError, match="fault 'fire': choose from killed, hung"):
        load("rig_faults").main(faults=("fire",), out=tmp_path)
