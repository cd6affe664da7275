import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from stable_baselines3 import PPO, SAC
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from microtwin.control.policy import load
from microtwin.errors import InputError
from microtwin.learn import algorithms, checkpoint, watch
from microtwin.learn.checkpoint import Progress
from microtwin.learn.train import train
from microtwin.learn.watch import Report
from microtwin.paths import circle
from microtwin.rig import Observation

from .conftest import quick, quick_goal

FILES = {"config.json", "checkpoint.zip", "eval.csv", "curve.png", "best.zip", "policy.zip", "card.md", "tb"}
CLASSES: dict[str, Any] = {"ppo": PPO, "sac": SAC}


@pytest.fixture(scope="module", params=["ppo", "sac"])
def trained(request, tmp_path_factory):
    """(folder, training, reports) of a training that was never interrupted."""
    folder = tmp_path_factory.mktemp(request.param)
    reports: list[Report] = []
    training = quick(request.param)
    assert train(training, folder, report=reports.append)
    return folder, training, reports


def counters(folder: Path, algo: str) -> tuple:
    archive: Any
    with zipfile.ZipFile(folder / "checkpoint.zip") as archive:
        model = CLASSES[algo].load(io.BytesIO(archive.read("model.zip")), device="cpu")
        if "replay.pkl" in archive.namelist():
            with archive.open("replay.pkl") as member:
                model.load_replay_buffer(io.BufferedReader(member))  # type: ignore[arg-type]
    return model.num_timesteps, model._n_updates, getattr(model, "replay_buffer", None) and model.replay_buffer.pos


def saved_steps(folder: Path) -> int:
    if not (folder / "checkpoint.zip").exists():
        return 0
    with zipfile.ZipFile(folder / "checkpoint.zip") as archive:
        return json.loads(archive.read("progress.json"))["steps"]


def test_everything_is_there(trained):
    folder, training, _ = trained
    assert {entry.name for entry in folder.iterdir()} == FILES
    assert list((folder / "tb").glob("events.*"))
    table = pd.read_csv(folder / "eval.csv")
    assert table.steps.tolist()[0] == 0 and table.steps.is_monotonic_increasing and len(table) == 3
    assert table.steps.iloc[-1] == 2048 and table.success.between(0, 1).all()
    assert counters(folder, training.algo)[0] == 2048


def test_the_policy_runs_in_the_loop_and_in_stable_baselines3(trained):
    folder, training, _ = trained
    policy = load(folder / "policy.zip", circle())
    assert policy.task.residual and policy.task.limit_hz == 60.0 and policy.task.law.cruise_hz == 15.0
    start = circle()[0]
    field = policy.act(Observation(0, 0.0, start - [0.0, 15.0], start))
    assert np.isfinite(field.alpha_rad) and 0 <= field.frequency_hz <= 60.0
    assert CLASSES[training.algo].load(folder / "policy.zip", device="cpu").num_timesteps <= 2048


def test_tensorboard_holds_every_evaluation(trained):
    folder, *_ = trained
    board = EventAccumulator(str(folder / "tb")).Reload()
    seen = {event.step: event.value for event in board.Scalars("eval/return")}
    table = pd.read_csv(folder / "eval.csv")
    assert max(seen) == 2048 and seen[2048] == pytest.approx(table["return"].iloc[-1], abs=1e-4)


def test_reports_rise_to_the_end(trained):
    *_, reports = trained
    assert [r.steps for r in reports] == sorted(r.steps for r in reports)
    assert reports[-1].fraction == 1.0 and reports[-1].seconds_left == 0.0
    assert sum(r.new for r in reports) == 3
    assert all(r.evaluation for r in reports)


def test_the_card_says_what_it_is(trained):
    folder, training, _ = trained
    card = (folder / "card.md").read_text()
    about = json.loads((folder / "config.json").read_text())
    assert card.startswith(f"# Policy: {training.algo.upper()} on microtwin/PushPath-v0")
    for text in (training.command, "`path-residual/1`", "2,048 environment steps", "16 held-out episodes",
                 f"torch {about['versions']['torch']}", "seed\n0, in one go", '"robot": "population"'):  # fmt: skip
        assert text in card
    assert "nan" not in card.lower().split("## training")[0]


def test_the_same_seed_gives_the_same_training(trained, tmp_path):
    folder, training, _ = trained
    assert train(training, tmp_path)
    first, again = (pd.read_csv(f / "eval.csv").drop(columns="minutes") for f in (folder, tmp_path))
    pd.testing.assert_frame_equal(first, again)
    assert not (first["return"].iloc[0] == first["return"]).all()  # it has learnt something


def test_a_training_that_was_stopped_goes_on(trained, tmp_path):
    """Same counters as the one never interrupted, no evaluation lost or made twice."""
    folder, training, _ = trained
    steps: list[int] = []
    assert not train(
        training, tmp_path, report=lambda r: steps.append(r.steps), stop=lambda: bool(steps) and steps[-1] >= 1000
    )
    assert not (tmp_path / "policy.zip").exists()
    stopped = counters(tmp_path, training.algo)
    assert 1000 <= stopped[0] < 2048
    assert train(training, tmp_path, resume=True)
    assert counters(tmp_path, training.algo) == counters(folder, training.algo)
    table = pd.read_csv(tmp_path / "eval.csv")
    assert table.steps.tolist() == pd.read_csv(folder / "eval.csv").steps.tolist()
    assert table.minutes.is_monotonic_increasing
    assert "in 2 sessions" in (tmp_path / "card.md").read_text()


def test_a_finished_training_is_extended(trained, tmp_path):
    folder, training, _ = trained
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert train(training.extended(2560, None), tmp_path, resume=True)
    assert counters(tmp_path, training.algo)[0] == 2560
    assert pd.read_csv(tmp_path / "eval.csv").steps.iloc[-1] == 2560


def test_a_new_training_does_not_overwrite_one(trained):
    folder, training, _ = trained
    with pytest.raises(InputError, match="holds a training already: go on with --resume"):
        train(training, folder)


def test_goals_are_learnt_with_hindsight(tmp_path):
    assert train(quick_goal(steps=800), tmp_path)
    assert train(quick_goal(steps=1200), tmp_path, resume=True)
    assert saved_steps(tmp_path) == 1200
    seen = {"observation": np.zeros(18), "achieved_goal": np.zeros(2), "desired_goal": np.ones(2)}
    assert SAC.load(tmp_path / "policy.zip", device="cpu").predict(seen)[0].shape == (4,)
    card = (tmp_path / "card.md").read_text()
    assert "# Policy: SAC on microtwin/Push-v0" in card and "distance left (µm)" in card and "`goal/1`" in card
    assert '"goal_selection_strategy": "future"' in card and "time of those" not in card
    with pytest.raises(InputError, match="train one with --task path to push along them"):
        load(tmp_path / "policy.zip", circle())


def test_goals_are_not_for_every_algorithm(tmp_path):
    with pytest.raises(InputError, match="choose ppo, sac, td3 or tqc"):
        train(quick_goal("crossq", hyper={}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_learning_rate_falls_to_zero_over_the_budget(still, tmp_path):
    assert train(quick(hyper={"n_steps": 32, "net_arch": [8], "learning_rate": "lin_0.008"}), tmp_path)
    with zipfile.ZipFile(tmp_path / "checkpoint.zip") as archive:
        model = PPO.load(io.BytesIO(archive.read("model.zip")), device="cpu")
    # eight updates of 256 steps: the last began with an eighth of the budget left
    assert model.policy.optimizer.param_groups[0]["lr"] == pytest.approx(0.001)


def test_a_budget_in_minutes_ends(tmp_path, monkeypatch):
    """A second of which each look at the clock takes a fiftieth: one update of 32 steps does not fill it, two do."""
    looks = count()
    monkeypatch.setattr(watch, "time", SimpleNamespace(perf_counter=lambda: next(looks) / 50))
    assert train(quick(steps=None, minutes=1 / 60, evaluations=1), tmp_path)
    assert counters(tmp_path, "ppo")[0] == 2 * 8 * 32
    assert pd.read_csv(tmp_path / "eval.csv").minutes.iloc[-1] >= 1 / 60


def test_bad_options_leave_nothing_behind(tmp_path):
    for options in ({"colour": 3}, {"robot": "blue"}, {"path": "nowhere.csv"}):
        with pytest.raises(InputError) as error:
            train(quick(options=options), tmp_path)
        assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="tau is not one of ppo"):
        train(quick(hyper={"tau": 1}), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_holds_weights_optimiser_buffer_and_random_numbers(still, tmp_path):
    model = algorithms.create(quick("sac", hyper={"net_arch": [8], "learning_starts": 10, "batch_size": 8}), still)
    model.learn(100)
    checkpoint.save(tmp_path, model, Progress(steps=100, seconds=3.0, sessions=1))
    drawn = torch.rand(3), np.random.rand()  # noqa: NPY002
    model.learn(20, reset_num_timesteps=False)  # the file is not the living model
    found = checkpoint.load(tmp_path, SAC, still, "cpu")
    assert found is not None
    again, progress = found
    assert progress == Progress(steps=100, seconds=3.0, sessions=1)
    assert (torch.rand(3), np.random.rand()) == (pytest.approx(drawn[0]), drawn[1])  # noqa: NPY002
    assert again.num_timesteps == 100 and again.replay_buffer.size() == 50  # type: ignore[attr-defined]
    kept = again.policy.actor.optimizer.state_dict()["state"]  # type: ignore[union-attr]
    assert kept and all(float(entry["step"]) > 0 for entry in kept.values())
    checkpoint.save(tmp_path, again, progress)
    third, _ = checkpoint.load(tmp_path, SAC, still, "cpu")  # type: ignore[misc]
    for a, b in zip(again.policy.parameters(), third.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_large_buffer_is_left_out(still, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "LARGEST_BUFFER", 1000)
    model = algorithms.create(quick("sac"), still)
    checkpoint.save(tmp_path, model, Progress())
    assert (tmp_path / "checkpoint.zip").stat().st_size < 200_000
    assert checkpoint.load(tmp_path, SAC, still, "cpu") is not None


def test_a_broken_checkpoint_is_named(still, tmp_path):
    (tmp_path / "checkpoint.zip").write_bytes(b"PK half")
    with pytest.raises(InputError, match="cannot read") as error:
        checkpoint.load(tmp_path, PPO, still, "cpu")
    assert "\n" not in str(error.value)


def test_without_a_checkpoint_it_begins_anew(still, tmp_path):
    (tmp_path / ".checkpoint-half.zip").write_bytes(b"PK")
    assert checkpoint.load(tmp_path, PPO, still, "cpu") is None
    assert not list(tmp_path.iterdir())  # what a kill left is gone


def test_killed_at_any_moment_it_goes_on(tmp_path):
    """SIGKILL, and nothing is corrupt."""
    training = quick(steps=100_000, checkpoint_minutes=0.001)
    code = (
        "import json, sys; from pathlib import Path; from microtwin.learn.train import train; "
        "from microtwin.learn.training import Training; train(Training(**json.loads(sys.argv[1])), Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(asdict(training)), str(tmp_path)])
    try:
        deadline = time.monotonic() + 120
        while not saved_steps(tmp_path) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = counters(tmp_path, "ppo")[0]
    assert before > 0
    short = training.extended(before + 512, None)
    assert train(short, tmp_path, resume=True)
    assert counters(tmp_path, "ppo")[0] >= before + 512
    assert {entry.name for entry in tmp_path.iterdir()} == FILES
