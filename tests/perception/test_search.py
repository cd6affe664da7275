"""The search: Table I's space, the same trials however often it is broken off, and what it leaves behind."""

import csv
import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.perception import networks, search_clock, search_picture, search_results, search_space, search_trial
from microtwin.perception.checkpoint import load
from microtwin.perception.guards import TrainingFailed
from microtwin.perception.search import search
from microtwin.perception.search_settings import Search
from microtwin.perception.search_space import BATCHES, PAPER, Choice, need, suggest

QUICK: dict[str, Any] = {
    "size": 32,
    "epochs": 1,
    "memory_gb": 0.015,
    "augment": False,
    "precision": "float32",
    "device": "cpu",
}


DRAW = search_picture.draw
SPACE = {"NUM_FILTERS": (8, 48), "FC_DIM": (16, 96)}  # as wide as a test can wait for; what Table I says:
TABLE_I = {name: getattr(search_space, name) for name in SPACE}


@pytest.fixture(scope="module", autouse=True)
def cheap():
    """Thin networks, no picture after every trial; and one thread: they lose by sharing, most of all if it is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_picture, "draw", lambda path, *_: path.touch())
        for name, span in SPACE.items():
            patch.setattr(search_space, name, span)
        yield
    torch.set_num_threads(before)


def quick(kind: Any, **changes: Any) -> Search:
    return Search(**{"kind": kind, **QUICK, **changes})


def table(folder) -> list[dict[str, str]]:
    with (folder / "trials.csv").open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def without_clock(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A search that ran through, by its kind; made once."""
    folders = {}

    def of(examples, kind="pose", trials=7):
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(kind)
            assert search(quick(kind, trials=trials, epochs=2), examples, folders[kind])
        return folders[kind]

    return of


def test_a_search_leaves_its_trials_and_the_best_network(made, toy_examples):
    folder = made(toy_examples())
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "study.db", "trials.csv", "search.png", "best.json", "best.pt"}
    rows = table(folder)
    complete = [row for row in rows if row["state"] == "complete"]
    assert len(rows) == 7 and len(complete) >= 2
    best = json.loads((folder / "best.json").read_text())
    assert best["value"] == max(float(row["value"]) for row in complete)
    assert best["choice"]["num_conv"] == int(rows[best["trial"]]["num_conv"])
    loaded = load(folder / "best.pt")
    assert loaded.network == "nas_pose" and loaded.options["num_filters"] == best["choice"]["num_filters"]
    assert sum(p.numel() for p in loaded.model.parameters()) == best["params"]
    assert 0.0 <= best["test"]["pitch_accuracy"] <= 1.0 and best["paper"]["num_filters"] == 142


def test_depth_is_searched_for_the_least_error(made, toy_examples):
    folder = made(toy_examples(sequences=4, kind="depth"), "depth", trials=4)
    complete = [row for row in table(folder) if row["state"] == "complete"]
    best = json.loads((folder / "best.json").read_text())
    assert best["value"] == min(float(row["value"]) for row in complete)
    assert "µm²" in best["objective"] and math.isfinite(best["test"]["mse_um2"])
    assert load(folder / "best.pt").task.kind == "depth"


def test_trials_that_do_not_fit_the_memory_are_counted_and_say_why(made, toy_examples):
    rows = table(made(toy_examples()))
    too_large = [row for row in rows if float(row["memory_gb"]) > QUICK["memory_gb"]]
    assert too_large
    for row in too_large:
        assert row["state"] == "pruned" and row["epochs"] == "0" and row["value"] == ""
        assert row["reason"].startswith("needs ") and f"more than {QUICK['memory_gb']}" in row["reason"]


def test_a_search_that_is_broken_off_ends_as_one_that_is_not(made, toy_examples, tmp_path):
    """Also when a trial is at work: it is counted as failed, and done again, the same one."""
    examples, asked = toy_examples(), quick("pose", trials=7, epochs=2)
    straight = table(made(examples))
    at_work = [row["trial"] for row in straight if row["state"] == "complete"][1]
    reports = []

    def stop() -> bool:  # in the second trial that trains
        return len({r.done for r in reports if r.training}) > 1

    assert not search(asked, examples, tmp_path, report=reports.append, stop=stop)
    assert not (tmp_path / "best.json").exists()
    assert search(Search.of(tmp_path), examples, tmp_path, resume=True)
    broken = table(tmp_path)
    assert [row["trial"] for row in broken if row["state"] == "failed"] == [at_work]
    kept = [row for row in without_clock(broken) if row["state"] != "failed"]
    for one, other in zip(kept, without_clock(straight), strict=True):
        assert one | {"trial": ""} == other | {"trial": ""}
    first, second = (json.loads((folder / "best.json").read_text()) for folder in (made(examples), tmp_path))
    assert first | {"trial": 0} == second | {"trial": 0}


def test_a_trial_that_a_kill_left_at_work_is_done_again(toy_examples, tmp_path, monkeypatch):
    examples, asked = toy_examples(sequences=3, frames=2), quick("pose", trials=1, memory_gb=4.0)
    real = search_trial.fit

    def killed(*_, **__):
        raise SystemExit  # no handler of the search's hears of it

    monkeypatch.setattr(search_trial, "fit", killed)
    with pytest.raises(SystemExit):
        search(asked, examples, tmp_path)
    monkeypatch.setattr(search_trial, "fit", real)
    assert search(asked, examples, tmp_path, resume=True)
    first, second = table(tmp_path)
    assert (first["state"], second["state"]) == ("failed", "complete")
    assert all(first[name] == second[name] for name in search_space.NAMES)


def test_more_trials_go_on_where_the_search_ended(toy_examples, tmp_path):
    examples, asked = toy_examples(sequences=3, frames=2), quick("pose", trials=2)
    asked = Search(**{**vars(asked), "memory_gb": 4.0, "seed": 3})
    assert search(asked, examples, tmp_path)
    before = table(tmp_path)
    assert search(asked.extended(3, None), examples, tmp_path, resume=True)
    assert table(tmp_path)[:2] == before and len(table(tmp_path)) == 3
    assert Search.of(tmp_path).trials == 3


def scripted(monkeypatch, values):
    """A stand-in for trainings: the accuracies of each epoch of each trial."""
    from microtwin.perception.progress import Report

    trials = iter(values)

    def fit(training, task, train, validation, place, *, report, stop):
        for epoch, value in enumerate(next(trials), 1):
            if stop():
                return None
            scores = {"pitch_accuracy": value, "roll_accuracy": value}
            report(Report(epoch, training.epochs, epoch / training.epochs, 1.0, 1.0, 1.0, scores, True))
        (place / "checkpoint.pt").write_bytes(b"")
        return place / "checkpoint.pt"

    monkeypatch.setattr(search_trial, "fit", fit)
    monkeypatch.setattr("microtwin.perception.search._test", lambda *_: {})


def test_trials_that_lag_behind_are_cut_short(toy_examples, tmp_path, monkeypatch):
    good, bad = [0.3, 0.5, 0.7, 0.8], [0.3, 0.1, 0.1, 0.9]
    scripted(monkeypatch, [good] * 5 + [bad, good])
    asked = quick("pose", trials=7, epochs=4, memory_gb=1e3)
    assert search(asked, toy_examples(), tmp_path)
    rows = table(tmp_path)
    assert [row["state"] for row in rows] == ["complete"] * 5 + ["pruned", "complete"]
    assert rows[5]["epochs"] == "2" and rows[5]["reason"] == "worse than the median after 2 of 4 epochs"


def test_a_loss_that_is_not_finite_ends_its_trial_alone(toy_examples, tmp_path):
    examples = toy_examples(sequences=3, frames=2)
    hopeless = quick("pose", trials=2, memory_gb=4.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("microtwin.perception.fit.loss_of", lambda task, outputs, labels: outputs.sum() * math.nan)
        with pytest.raises(InputError, match="none of 2 trials was completed: the last one the loss is nan"):
            search(hopeless, examples, tmp_path)
    assert [row["state"] for row in table(tmp_path)] == ["pruned"] * 2


def test_memory_that_runs_out_ends_its_trial_alone(toy_examples, tmp_path, monkeypatch):
    real, calls = torch.optim.AdamW.step, []

    def step(self, *arguments, **named):
        calls.append(0)
        if len(calls) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return real(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    asked = quick("pose", trials=2, memory_gb=4.0)
    assert search(asked, toy_examples(sequences=3, frames=2), tmp_path)
    first, second = table(tmp_path)
    assert first["state"] == "pruned" and first["reason"].startswith("out of memory with batches of")
    assert second["state"] == "complete"


@pytest.mark.parametrize("failing", ["raised", "nan"])
def test_trials_that_fail_by_their_own_choice_are_counted(toy_examples, tmp_path, monkeypatch, failing):
    """One that Optuna calls failed would not be, and the same one be drawn for ever."""
    scripted(monkeypatch, [[0.5]] + [[math.nan]] * 5)
    if failing == "raised":
        real, calls = search_trial.fit, iter(range(9))

        def fit(*given, **named):
            if next(calls):
                raise TrainingFailed("whatever it says: try another")
            return real(*given, **named)

        monkeypatch.setattr(search_trial, "fit", fit)
    assert search(quick("pose", trials=3, memory_gb=1e3), toy_examples(), tmp_path)
    reason = "nan on validation" if failing == "nan" else "whatever it says"
    assert [(row["state"], row["reason"]) for row in table(tmp_path)] == [("complete", ""), *[("pruned", reason)] * 2]


def test_errors_that_another_choice_does_not_mend_end_the_search(toy_examples, tmp_path, monkeypatch):
    def full(*_, **__):
        raise InputError("cannot write last.pt (No space left on device): free space")

    monkeypatch.setattr(search_trial, "fit", full)
    with pytest.raises(InputError, match="No space left"):
        search(quick("pose", trials=2, memory_gb=1e3), toy_examples(), tmp_path)


def test_time_left_counts_down_to_the_last_trial(toy_examples, tmp_path, monkeypatch):
    """Trials of 10, 20 and 30 seconds, and none between them."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(search_clock, "time", clock)
    monkeypatch.setattr(search_trial, "time", clock)
    scripted(monkeypatch, [[0.5]] * 3)
    trained, lasting = search_trial.fit, iter((10.0, 20.0, 30.0))

    def fit(*given, **named):
        now[0] += next(lasting)
        return trained(*given, **named)

    monkeypatch.setattr(search_trial, "fit", fit)
    reports = []
    assert search(quick("pose", trials=3, memory_gb=1e3), toy_examples(), tmp_path, report=reports.append)
    ended = [report for report in reports if report.ended]
    assert [(report.done, report.seconds_left) for report in ended] == [(1, 20.0), (2, 15.0), (3, 0.0)]


def test_another_seed_searches_elsewhere(toy_examples, tmp_path, monkeypatch):
    choices = []
    for number in (5, 5, 6):
        scripted(monkeypatch, [[0.5]] * 2)
        folder = tmp_path / f"{len(choices)}"
        folder.mkdir()
        search(quick("pose", trials=2, seed=number, memory_gb=1e3), toy_examples(), folder)
        choices.append([[row[name] for name in search_space.NAMES] for row in table(folder)])
    assert choices[0] == choices[1] != choices[2]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_picture_shows_which_hyperparameter_matters(tmp_path, direction):
    import optuna

    study = optuna.create_study(direction=direction, sampler=optuna.samplers.RandomSampler(seed=0))
    assert search_picture.importances(study) == {}
    for _ in range(30):
        trial = study.ask()
        choice = suggest(trial)
        study.tell(trial, 0.1 + 0.08 * choice.num_conv + 1e-5 * choice.fc_dim)
    found = search_picture.importances(study)
    assert next(iter(found)) == "num_conv" and found["num_conv"] > 0.8 and set(found) == set(search_space.NAMES)
    DRAW(tmp_path / "search.png", study, search_results.rows(study), "accuracy", "a search")
    data = (tmp_path / "search.png").read_bytes()
    assert data.startswith(b"\x89PNG") and len(data) > 20_000


def test_the_space_is_table_i(monkeypatch):
    import optuna

    for name, span in TABLE_I.items():
        monkeypatch.setattr(search_space, name, span)
    study = optuna.create_study()
    trial = study.ask()
    choice = suggest(trial)
    drawn: dict[str, Any] = dict(trial.distributions)
    low_high = {n: (d.low, d.high) for n, d in drawn.items() if hasattr(d, "low")}
    assert low_high == {
        "num_conv": (1, 9), "num_filters": (16, 256), "fc_dim": (64, 1024), "dropout_rate": (0.0, 0.5),
        "learning_rate": (1e-5, 1e-2),
    }  # fmt: skip
    assert drawn["learning_rate"].log
    assert drawn["batch_size"].choices == (8, 16, 32, 64) and choice.batch_size in BATCHES
    assert set(drawn["use_bn"].choices) == {True, False}


@pytest.mark.parametrize(("kind", "params", "gmacs"), [("pose", 33.66e6, 3.11), ("depth", 9.71e6, 5.85)])
def test_the_papers_choices_cost_what_table_v_says(kind, params, gmacs):
    found = need(kind, PAPER[kind], n_outputs=20 if kind == "pose" else 1, size=224)
    assert found.params == pytest.approx(params, rel=0.04)
    assert found.macs == pytest.approx(gmacs * 1e9, rel=0.06)


choices = st.builds(
    Choice,
    st.integers(1, 9),
    st.integers(16, 48),
    st.integers(64, 200),
    st.floats(0.0, 0.5),
    st.booleans(),
    st.just(1e-3),
    st.sampled_from((8, 16)),
)


@settings(deadline=None, max_examples=10)
@given(choices, st.sampled_from(("pose", "depth")))
def test_memory_is_that_of_weights_and_activations(choice, kind):
    """Nothing is allocated for it, and it is no less than what autograd keeps."""
    found = need(kind, choice, 12, 32)
    model = networks.build(f"nas_{kind}", 12, size=32, options=choice.options)
    assert found.params == sum(p.numel() for p in model.parameters())
    kept = {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = model(torch.rand(choice.batch_size, 1, 32, 32))
    saved = sum(size for place, size in kept.items() if place not in weights)
    assert outputs.requires_grad
    activations = found.memory_bytes - 16 * found.params
    assert 0.4 * saved < activations < 3.0 * saved


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "joint"}, "kind is 'joint'"),
        ({"trials": 0}, "trials is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"memory_gb": math.nan}, "memory_gb is nan"),
        ({"split": "robot"}, "split is 'robot'"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        Search(**wrong)


def test_a_folder_that_holds_a_search_is_not_written_over(made, toy_examples):
    folder = made(toy_examples())
    before = (folder / "trials.csv").read_bytes()
    with pytest.raises(InputError, match="holds a search already"):
        search(quick("pose", trials=7), toy_examples(), folder)
    with pytest.raises(InputError, match="began with 80 images, these are 48"):
        search(Search.of(folder), toy_examples(frames=4, sequences=3), folder, resume=True)
    with pytest.raises(InputError, match="a search with another epochs"):
        search(quick("pose", trials=7, epochs=3), toy_examples(), folder, resume=True)
    assert Search.of(folder).epochs == 2
    assert (folder / "trials.csv").read_bytes() == before


@pytest.mark.parametrize("name", ["study.db", "config.json"])
def test_a_damaged_file_is_named(toy_examples, tmp_path, monkeypatch, name):
    scripted(monkeypatch, [[0.5]])
    asked = quick("pose", trials=1, memory_gb=1e3)
    search(asked, toy_examples(), tmp_path)
    (tmp_path / name).write_bytes(b"no such thing" * 100)
    with pytest.raises(InputError, match=name):
        search(Search.of(tmp_path), toy_examples(), tmp_path, resume=True)
