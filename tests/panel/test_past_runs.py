"""The list of past runs: what is there is found, whatever else lies about, and nothing outside the folder is."""

import json
import math
import os
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin import paths, recording
from microtwin.errors import InputError
from microtwin.panel.server import past_runs
from microtwin.panel.server.past_runs import Skipped, folder_of, list_runs, look
from microtwin.pushing import Push

NODES = paths.polyline([(0.0, 0.0), (40.0, 0.0)])


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder as ``microtwin push`` leaves it: two trials, one second each."""
    folder = tmp_path_factory.mktemp("made")
    run = Push(NODES, 12.0, trials=2, time_limit_s=1.0)
    recording.save(folder, run.settings("my path.csv"), NODES, list(run.run()), 1.0)
    return folder


@pytest.fixture
def out(tmp_path, made) -> Path:
    shutil.copytree(made, tmp_path / "20260131-120000")
    return tmp_path


def report(folder: Path, **changes) -> None:
    """Write a folder of one trial, as far as the list reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    trial = {"trial": 0, "success": True, "reason": "", "completion_time_s": 12.5, "mae_um": 1.25, "spin_fraction": 0.5}
    trial |= changes
    mean = {key: trial[key] for key in ("completion_time_s", "mae_um", "spin_fraction")}
    config = {"controller": "corridor", "path": "circle", "backend": "sim"}
    (folder / "run.json").write_text(json.dumps({"config": config, "trials": [trial], "mean": mean}))
    (folder / "telemetry.parquet").touch()


def test_a_run_is_found_with_its_figures(out, made):
    (run,) = list_runs(out)
    said = json.loads((made / "run.json").read_text(encoding="utf-8"))
    assert (run.name, run.controller, run.path, run.backend) == ("20260131-120000", "corridor", "my path.csv", "sim")
    assert (run.trials, run.success, run.time_s) == (2, 0.0, None)
    assert run.error_um == said["mean"]["mae_um"]
    assert run.reason == "not finished after 1 s"
    assert run.has_picture and not run.has_video
    assert time.localtime(run.when)[:6] == (2026, 1, 31, 12, 0, 0)


def test_the_newest_comes_first(tmp_path):
    """By the name where it is a date, else by the file's own."""
    for name in ("20260101-000000", "20270101-000000", "20260101-000000-2", "mine"):
        report(tmp_path / name)
    half_way = time.mktime((2026, 7, 1, 0, 0, 0, 0, 0, -1))
    os.utime(tmp_path / "mine" / "run.json", (half_way, half_way))
    names = [run.name for run in list_runs(tmp_path)]
    assert names == ["20270101-000000", "mine", "20260101-000000-2", "20260101-000000"]


def test_a_run_one_folder_below_is_found_too(tmp_path):
    report(tmp_path / "panel" / "20260101-000000")
    report(tmp_path / "a" / "b" / "too-deep")
    assert [run.name for run in list_runs(tmp_path)] == ["panel/20260101-000000"]


def test_a_trial_cut_short_shows_its_own_error(tmp_path):
    """Its mean leaves it out."""
    report(tmp_path / "cut", success=False, reason="stopped by hand", completion_time_s=None)
    text = (tmp_path / "cut" / "run.json").read_text()
    cut = json.loads(text) | {"mean": {"mae_um": None, "spin_fraction": None, "completion_time_s": None}}
    (tmp_path / "cut" / "run.json").write_text(json.dumps(cut))
    (run,) = list_runs(tmp_path)
    assert (run.success, run.time_s, run.error_um, run.reason) == (0.0, None, 1.25, "stopped by hand")


BROKEN = {
    "empty": "",
    "cut off": '{"config": {"path": "circle"}, "tri',
    "a list": "[]",
    "null": "null",
    "another command's": '{"config": {"seed": 1}, "curve": []}',
    "no trials": '{"config": {}, "trials": []}',
    "trials that are none": '{"config": {}, "trials": [1, 2]}',
    "a config that is none": '{"config": 1, "trials": [{}]}',
    "deep": "[" * 100_000,
    "not UTF-8": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_skipped_with_a_reason(out, content):
    folder = out / "broken"
    folder.mkdir()
    (folder / "telemetry.parquet").touch()
    (folder / "run.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    runs, skipped = look(out)
    assert [run.name for run in runs] == ["20260131-120000"]
    (only,) = skipped
    assert only.name == "broken" and "run.json" in only.reason and "\n" not in only.reason


def test_half_of_a_run_is_skipped_and_a_foreign_folder_is_nothing(out):
    (out / "paths").mkdir()
    (out / "paths" / "mine.csv").touch()
    (out / "notes.txt").touch()
    (out / ".hidden").mkdir()
    (out / ".hidden" / "run.json").touch()
    (out / "recording").mkdir()
    (out / "recording" / "video.mp4").touch()
    report(out / "half")
    (out / "half" / "telemetry.parquet").unlink()
    runs, skipped = look(out)
    assert len(runs) == 1
    assert sorted(skipped, key=lambda s: s.name) == [
        Skipped("half", "no telemetry.parquet: half of a run"),
        Skipped("recording", "no run.json (No such file or directory): it is being recorded, or was cut off"),
    ]


def test_a_link_out_of_the_folder_is_not_followed(tmp_path, made):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "linked").symlink_to(made)
    assert look(tmp_path / "out") == ([], [])
    with pytest.raises(InputError, match="run 'linked' is not in"):
        folder_of(tmp_path / "out", "linked")


def test_no_folder_no_runs(tmp_path):
    assert look(tmp_path / "none") == ([], [])


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda x: st.lists(x, max_size=3)))
def test_any_values_in_a_report_are_survived(tmp_path_factory, value):
    """Files are other people's."""
    out = tmp_path_factory.mktemp("out")
    report(out / "odd")
    keys = ("success", "reason", "completion_time_s", "mae_um", "spin_fraction")
    odd = {"config": {"controller": value, "path": value, "backend": value}, "mean": value}
    odd["trials"] = [dict.fromkeys(keys, value)]
    (out / "odd" / "run.json").write_text(json.dumps(odd))
    (run,) = list_runs(out)
    assert run.time_s is None or math.isfinite(run.time_s)
    assert 0 <= run.success <= 1 and isinstance(run.reason, str) and isinstance(run.controller, str)


def test_a_report_is_read_again_only_when_it_changed(out, monkeypatch):
    read = []
    loads = json.loads
    monkeypatch.setattr(past_runs.json, "loads", lambda text: (read.append(1), loads(text))[1])
    past_runs._report.cache_clear()
    first = list_runs(out)
    assert list_runs(out) == first and len(read) == 1
    file = out / "20260131-120000" / "run.json"
    file.write_text(file.read_text().replace('"controller": "corridor"', '"controller": "blended"'))
    assert [run.controller for run in list_runs(out)] == ["blended"]
    assert len(read) == 2


def test_a_run_is_found_by_its_name(out):
    assert folder_of(out, "20260131-120000") == (out / "20260131-120000").resolve()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../secret", "20260131-120000/../../secret", "/etc", "nothing", "a\0b", "x" * 5000, "paths"],
)
def test_nothing_outside_is_reached_by_a_name(out, name):
    report(out.parent / "secret")
    report(out)  # the folder itself is not a run in it
    (out / "paths").mkdir()
    with pytest.raises(InputError, match=r"is not in .*: choose one of the list"):
        folder_of(out, name)
    shutil.rmtree(out.parent / "secret")
