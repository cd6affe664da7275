"""What a run leaves behind: a summary that is valid JSON, a table that repeats, the path, a picture; all or none."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microtwin import recording
from microtwin.errors import InputError
from microtwin.paths import from_name, read_csv
from microtwin.pushing import Push
from microtwin.recording import Trial, means, pushing, save
from microtwin.run import COLUMNS, Recording

NODES = from_name("circle")
FILES = ["path.csv", "run.json", "telemetry.parquet", "trajectory.png"]


def recorded(modes, success=True, interrupted=False):
    """A cargo that follows the nodes, one frame each, 1 µm to their right."""
    rows = []
    for i, mode in enumerate(modes):
        x, y = NODES[i % len(NODES)]
        rows.append((i, i / 24, x - 12, y, x + 1, y, 0.0, math.pi / 2, 12.0, 1.0, mode, i))
    return Recording(success, interrupted, rows)


def trial(number=0, success=True, interrupted=False):
    modes = ["approach"] * 4 + ["push"] * 60 + ["spin_cw"] * 20 + ["spin_ccw"] * 19 + ["done"]
    return Trial.measure(number, recorded(modes, success, interrupted), NODES)


def strict(path):
    """The JSON of a file, if it is JSON: NaN and Infinity are not."""

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_trial_is_measured_from_the_end_of_its_approach():
    measured = trial()
    assert measured.completion_time_s == pytest.approx(99 / 24)
    assert measured.mae_um == pytest.approx(1.0, abs=0.2)
    assert measured.spin_fraction == pytest.approx(39 / 100)
    assert pushing(measured.table)["frame"].iloc[0] == 4


def test_chatter_is_measured_from_the_field_and_from_the_end_of_the_approach():
    """Whatever the controller calls its modes; the frame that turns the field off is no switch."""
    switching = recorded(["approach"] * 10 + ["push"] * 20 + ["done"])
    for i, row in enumerate(switching.rows):
        gamma = 0.0 if i < 10 and i % 2 else math.pi if i in (15, 16) else math.pi / 2
        switching.rows[i] = (*row[:7], gamma, *row[8:])
    switching.rows[-1] = (*switching.rows[-1][:7], 0.0, 0.0, 0.0, *switching.rows[-1][10:])
    measured = Trial.measure(0, switching, NODES)
    assert measured.switches_per_s == pytest.approx(2 / (19 / 24))
    assert measured.actuation_variation_hz_per_s == pytest.approx(2 * math.sqrt(2) * 12 / (19 / 24))


def test_a_trial_of_one_frame_has_no_chatter():
    measured = Trial.measure(0, recorded(["push"], success=False), NODES)
    assert math.isnan(measured.switches_per_s)
    assert measured.summary()["actuation_variation_hz_per_s"] is None
    assert means([measured])["switches_per_s"] is None


def test_an_unfinished_trial_has_no_time():
    measured = trial(success=False)
    assert math.isnan(measured.completion_time_s)
    assert measured.summary()["completion_time_s"] is None


def test_a_trial_that_never_ended_its_approach_is_measured_all_the_same():
    measured = Trial.measure(0, recorded(["approach"] * 30, success=False), NODES)
    assert measured.mae_um > 10
    assert measured.spin_fraction == 0.0


def test_means_leave_out_what_there_is_not():
    assert set(means([]).values()) == {None}
    mean = means([trial(0), trial(1, success=False)])
    assert mean["success"] == 0.5
    assert mean["completion_time_s"] == pytest.approx(99 / 24)


def test_an_interrupted_trial_is_not_in_the_mean():
    """It was cut short: its error says where it was stopped, not how well it went."""
    cut = Trial.measure(1, recorded(["approach"] * 3 + ["push"] * 5, success=False, interrupted=True), NODES)
    assert cut.mae_um > 10
    assert means([trial(0), cut])["mae_um"] == pytest.approx(trial(0).mae_um)


def test_the_summary_has_its_fields(tmp_path):
    save(tmp_path, {"frequency_hz": 12.0, "path": "circle"}, NODES, [trial(0), trial(1, success=False)], 1.23456)
    report = strict(tmp_path / "run.json")
    assert list(report) == ["config", "versions", "trials", "mean", "wall_time_s"]
    assert report["config"] == {"frequency_hz": 12.0, "path": "circle"}
    assert {"microtwin", "python", "numpy", "scipy", "numba"} <= set(report["versions"])
    assert all(isinstance(v, str) and v[0].isdigit() for v in report["versions"].values())
    assert report["wall_time_s"] == pytest.approx(1.235, abs=1e-3)
    for entry, success in zip(report["trials"], (True, False), strict=True):
        assert {"success", "completion_time_s", "mae_um", "spin_fraction"} <= set(entry)
        assert entry["success"] is success
        assert (entry["completion_time_s"] is None) is not success
        assert entry["switches_per_s"] == 0 and entry["actuation_variation_hz_per_s"] == 0
    measures = {"completion_time_s", "mae_um", "spin_fraction", "switches_per_s", "actuation_variation_hz_per_s"}
    assert set(report["mean"]) == {"success"} | measures


def test_the_table_comes_back(tmp_path):
    trials = [trial(0), trial(1)]
    save(tmp_path, {}, NODES, trials, 0.0)
    table = pd.read_parquet(tmp_path / "telemetry.parquet")
    assert list(table.columns) == ["trial", *COLUMNS]
    assert table.groupby("trial").size().tolist() == [len(t.table) for t in trials]
    np.testing.assert_array_equal(table.loc[table["trial"] == 1, "time_s"], trials[1].table["time_s"])
    measured = [c for c in table.columns if c not in ("trial", "frame", "amplitude", "mode", "goal_index")]
    assert all(c.endswith(("_s", "_um", "_rad", "_hz")) for c in measured)


def test_the_path_comes_back_to_the_bit(tmp_path):
    save(tmp_path, {}, NODES, [trial()], 0.0)
    np.testing.assert_array_equal(read_csv(tmp_path / "path.csv"), NODES)


def test_the_summary_comes_last(tmp_path, monkeypatch):
    """Whoever finds one finds the rest beside it."""
    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (moved.append(Path(new).name), replace(old, new)))
    save(tmp_path, {}, NODES, [trial()], 0.0)
    assert set(FILES) <= set(moved) and moved[-1] == "run.json"


def telemetry(folder, **options):
    values = {"nodes_um": NODES, "frequency_hz": 12.0, "trials": 2, "time_limit_s": 3.0} | options
    folder.mkdir()
    save(folder, {}, NODES, list(Push(**values).run()), 0.0)
    return (folder / "telemetry.parquet").read_bytes()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first = telemetry(tmp_path / "a", seed=1)
    assert telemetry(tmp_path / "b", seed=1) == first
    assert telemetry(tmp_path / "c", seed=2) != first


def test_the_picture_is_a_picture(tmp_path):
    save(tmp_path, {}, NODES, [trial()], 0.0)
    png = (tmp_path / "trajectory.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))
    assert width > 600 and height > 300


def test_many_trials_do_not_make_an_endless_picture(tmp_path):
    save(tmp_path, {}, NODES, [trial(k) for k in range(30)], 0.0)
    png = (tmp_path / "trajectory.png").read_bytes()
    assert int.from_bytes(png[20:24], "big") < 10_000
    assert len(strict(tmp_path / "run.json")["trials"]) == 30


def test_only_its_files_are_left(tmp_path):
    save(tmp_path, {}, NODES, [trial()], 0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_all_as_they_were(tmp_path, monkeypatch, kind):
    """A new table beside an old summary would belong to no run at all."""
    for name in FILES:
        (tmp_path / name).write_text("old")

    def fail(*_):
        raise kind

    monkeypatch.setattr(recording, "draw_trajectories", fail)
    with pytest.raises(kind):
        save(tmp_path, {}, NODES, [trial()], 0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert {p.read_text() for p in tmp_path.iterdir()} == {"old"}


def test_a_config_that_json_cannot_hold_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path, {"time_limit_s": math.inf}, NODES, [trial()], 0.0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_went_away_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot write") as error:
        save(tmp_path / "gone", {}, NODES, [trial()], 0.0)
    assert "\n" not in str(error.value)
