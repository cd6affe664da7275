import csv
import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from microtwin.errors import InputError
from microtwin.perception import assess, crossvalidate, scores_table
from microtwin.perception.calibration import Calibration
from microtwin.perception.crossvalidate import FoldReport
from microtwin.perception.estimator import Estimates, Estimator
from microtwin.perception.training import Training

TINY = Training("joint", size=32, epochs=2, batch=32, learning_rate=4e-3, precision="float32",
                options={"widths": [8, 16], "blocks": 1})  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose by sharing, and tests may run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def table(folder) -> list[dict[str, str]]:
    with (folder / crossvalidate.TABLE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_is_tested_once_by_a_network_that_has_not_seen_its_sequence(toy_examples, tmp_path):
    examples = toy_examples(6, 3, kind="joint")
    reports: list[FoldReport] = []
    scores = crossvalidate.crossvalidate(TINY, examples, tmp_path, n=3, report=reports.append)
    assert scores is not None and len(scores) == 3
    tested = []
    for k in range(3):
        with (tmp_path / f"fold_{k}" / assess.PREDICTIONS).open(newline="") as file:
            rows = list(csv.DictReader(file))
        names = [row["file"] for row in rows]
        assert scores[k]["images"] == len(names)
        right = np.mean([row["true_pitch"] == row["pitch_deg"] for row in rows])
        assert scores[k]["pitch_accuracy"] == pytest.approx(right)
        tested += names
    assert sorted(tested) == sorted(examples.paths)
    rows = table(tmp_path)
    assert [row["fold"] for row in rows] == ["0", "1", "2", "mean", "sd"]
    values = [one["mse_um2"] for one in scores]
    assert float(rows[3]["mse_um2"]) == pytest.approx(np.mean(values), rel=1e-5)
    assert float(rows[4]["mse_um2"]) == pytest.approx(np.std(values, ddof=1), rel=1e-5)
    assert (tmp_path / crossvalidate.PICTURE).stat().st_size > 10_000
    assert [report.fold for report in reports if report.scores] == [0, 1, 2]
    assert Estimator.load(tmp_path / "fold_1" / "checkpoint.pt").loaded.calibration.images > 0


def test_stopped_it_goes_on_where_it_was(toy_examples, tmp_path):
    examples = toy_examples(6, 3, kind="joint")
    training = dataclasses.replace(TINY, batch=16)
    whole = crossvalidate.crossvalidate(training, examples, tmp_path / "whole", n=2)
    count = iter(range(5))  # batches: two epochs of two for each fold
    stopped = crossvalidate.crossvalidate(
        training, examples, tmp_path / "part", n=2, stop=lambda: next(count, None) is None
    )
    assert stopped is None and (tmp_path / "part" / "fold_0" / crossvalidate.SCORES).is_file()
    first = tmp_path / "part" / "fold_0" / "checkpoint.pt"
    before = first.stat().st_mtime_ns
    reports: list[FoldReport] = []
    found = crossvalidate.crossvalidate(training, examples, tmp_path / "part", n=2, report=reports.append)
    assert found == whole and first.stat().st_mtime_ns == before and {report.fold for report in reports} == {1}


def test_one_fold_alone_and_another_one_later(toy_examples, tmp_path):
    examples = toy_examples(6, 3, kind="pose")
    training = dataclasses.replace(TINY, kind="pose")
    one = crossvalidate.crossvalidate(training, examples, tmp_path, n=3, fold=2)
    assert one is not None and len(one) == 1 and not (tmp_path / "fold_0").exists()
    assert [row["fold"] for row in table(tmp_path)] == ["2", "mean", "sd"] and table(tmp_path)[2]["pitch_f1"] == "nan"
    crossvalidate.crossvalidate(training, examples, tmp_path, n=3, fold=0)
    assert [row["fold"] for row in table(tmp_path)] == ["0", "2", "mean", "sd"]
    with pytest.raises(InputError, match="fold is 3: give 0 to 2"):
        crossvalidate.crossvalidate(training, examples, tmp_path, n=3, fold=3)


def test_other_settings_in_the_same_folder(toy_examples, tmp_path):
    examples = toy_examples(6, 3, kind="depth")
    training = dataclasses.replace(TINY, kind="depth", epochs=1)
    crossvalidate.crossvalidate(training, examples, tmp_path, n=2, fold=0)
    for change, more, odd in (
        (dataclasses.replace(training, seed=1), {}, "seed"),
        (training, {"split": "frame"}, "split"),
        (training, {"n": 3}, "folds"),
    ):
        with pytest.raises(InputError, match=f"another {odd}: give another --out"):
            crossvalidate.crossvalidate(change, examples, tmp_path, **{"n": 2, "fold": 0, **more})
    crossvalidate.crossvalidate(dataclasses.replace(training, batch=8), examples, tmp_path, n=2, fold=0)  # is allowed
    (tmp_path / "fold_0" / crossvalidate.SCORES).write_text("{}")
    with pytest.raises(InputError, match=r"cannot read .*scores\.json"):
        crossvalidate.crossvalidate(training, examples, tmp_path, n=2, fold=0)


def test_everything_but_an_eighth_is_trained_on_without_folds(toy_examples, tmp_path):
    examples = toy_examples(8, 4, kind="joint")
    scores = crossvalidate.train_all(TINY, examples, tmp_path)
    assert scores is not None and scores["images"] == len(examples) / 8
    loaded = Estimator.load(tmp_path / "checkpoint.pt").loaded
    assert loaded.calibration.images == len(examples) // 8 and loaded.calibration != Calibration()
    assert crossvalidate.train_all(TINY, examples, tmp_path) == scores  # read, not made again
    with pytest.raises(InputError, match="another images"):
        crossvalidate.train_all(TINY, examples.take(np.arange(60)), tmp_path)


def test_depths_that_never_change_have_no_correlation_and_json_no_nan(toy_examples, tmp_path):
    examples = toy_examples(6, 3, kind="depth")
    still = dataclasses.replace(examples, depth=np.ones(len(examples), dtype=np.float32))
    training = dataclasses.replace(TINY, kind="depth", epochs=1)
    scores = crossvalidate.train_all(training, still, tmp_path)
    assert scores is not None and math.isnan(scores["r2"])
    text = (tmp_path / crossvalidate.SCORES).read_text()
    assert "NaN" not in text and json.loads(text)["scores"]["r2"] is None
    again = crossvalidate.train_all(training, still, tmp_path)
    assert again is not None and math.isnan(again["r2"])


def said_of(depth: np.ndarray, half: float = 1.0, unit: str = "um") -> Estimates:
    sd = np.full_like(depth, half)
    return Estimates(
        depth_um=depth, depth_sd_um=sd, depth_low_um=depth - half, depth_high_um=depth + half, depth_unit=unit
    )


def test_scaled_depths_are_only_correlated(toy_examples):
    examples = toy_examples(6, 3, kind="depth")
    scaled = dataclasses.replace(examples, depth=examples.depth / 10 + 0.5, depth_unit="scaled")
    found = assess.assess(scaled, said_of(examples.depth), "um")
    assert set(found) == {"images", "correlation", "correlation_within"}
    assert found["correlation"] == pytest.approx(1.0)
    both = assess.assess(scaled, said_of(scaled.depth + 0.1, unit="scaled"), "scaled")
    assert both["mse_scaled"] == pytest.approx(0.01, rel=1e-3) and both["coverage_90"] == 1.0


def test_correlation_within_sequences_does_not_mind_what_differs_between_them(toy_examples):
    examples = toy_examples(6, 4, kind="depth")
    rng = np.random.default_rng(0)
    offsets = rng.normal(0, 50, examples.sequence.max() + 1)[examples.sequence]
    found = assess.assess(examples, said_of(examples.depth + offsets), "um")
    assert found["correlation_within"] == pytest.approx(1.0, abs=1e-4) and abs(found["correlation"]) < 0.5
    short = dataclasses.replace(examples, sequence=np.arange(len(examples), dtype=np.int32))
    assert math.isnan(assess.assess(short, said_of(examples.depth), "um")["correlation_within"])


def test_coverage_counts_the_intervals(toy_examples):
    examples = toy_examples(5, 4, kind="depth")
    off = examples.depth + np.where(np.arange(len(examples)) % 5 == 0, 3.0, 0.5)
    assert assess.assess(examples, said_of(off, 1.0), "um")["coverage_90"] == pytest.approx(0.8)


def test_the_summary_names_every_part():
    scores = {"images": 4.0, "mse_um2": 0.5, "r2": 0.9, "mae_um": 0.6, "correlation": 0.96, "coverage_90": 0.9}
    (line,) = scores_table.lines([scores, {**scores, "mse_um2": 1.5}])
    assert "MSE (µm²) 1.0000 ± 0.7071" in line and "90 % intervals hold 0.9000" in line
    assert "±" not in scores_table.lines([scores])[0]
