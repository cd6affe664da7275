"""What a run leaves behind."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from microtwin.focusing import report
from microtwin.focusing.hold import COLUMNS


def table(true_um, read_um, frames=None, rate_hz=24.0) -> pd.DataFrame:
    n = len(true_um)
    frames = np.arange(n) if frames is None else frames
    columns = {"frame": frames, "time_s": frames / rate_hz, "read_um": read_um, "true_um": true_um}
    return pd.DataFrame({name: columns.get(name, np.ones(n)) for name in COLUMNS})


def test_errors_are_of_the_truth_where_it_is_known():
    true = np.array([2.0] * 24 + [1.3, 0.7] * 12)  # a second off by one, then ±0.3
    found = report.measures(table(true, true + 0.5), target_um=1.0)
    assert found["held_rms_um"] == pytest.approx(0.3)
    assert found["rms_um"] == pytest.approx(math.sqrt((1 + 0.09) / 2))
    assert found["worst_um"] == pytest.approx(1.0)
    assert found["read_bias_um"] == pytest.approx(0.5) and found["read_noise_um"] == pytest.approx(0.0, abs=1e-9)
    assert found["truth_known"]


def test_a_rig_knows_only_what_was_read():
    read = np.array([1.1, 0.9, math.nan, 1.1])
    found = report.measures(table(np.full(4, math.nan), read), target_um=1.0)
    assert found["rms_um"] == pytest.approx(0.1) and found["lost_frames"] == 1
    assert found["read_bias_um"] is None and not found["truth_known"]


def test_frames_that_never_came_are_counted():
    frames = np.array([0, 1, 4, 5])
    assert report.measures(table(np.ones(4), np.ones(4), frames), 1.0)["missed_frames"] == 2


def test_nothing_seen_at_all_is_written_too(tmp_path):
    nothing = table(np.full(3, math.nan), np.full(3, math.nan))
    found = report.measures(nothing, 1.0)
    report.save(tmp_path, {"target_um": 1.0}, nothing, found, "stopped by hand")
    said = json.loads((tmp_path / "focus.json").read_text())
    assert said["found"]["rms_um"] is None and said["ended"] == "stopped by hand"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["focus.csv", "focus.json", "focus.png"]
    assert len(pd.read_csv(tmp_path / "focus.csv")) == 3
