import csv
import dataclasses
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from microtwin.errors import InputError
from microtwin.perception import checkpoint, fit, guards, state
from microtwin.perception.estimator import Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.progress import Report
from microtwin.perception.scores import depth_scores, pose_scores
from microtwin.perception.source import Augmentation, Stored
from microtwin.perception.task import Task
from microtwin.perception.training import Training

TINY = Training("joint", size=32, epochs=10, batch=16, learning_rate=4e-3, precision="float32",
                options={"widths": [8, 16], "blocks": 1, "dropout": 0.1})  # fmt: skip
SHORT = dataclasses.replace(TINY, epochs=3, batch=32)


def run(training: Training, examples: Examples, folder: Path, held: Examples | None = None, **more) -> Path | None:
    folder.mkdir(exist_ok=True)
    source = Stored(examples, augment=Augmentation() if training.augment else None, seed=training.seed)
    validation = None if held is None else Stored(held, shuffle=False)
    return fit.fit(training, Task.of(examples, training.kind), source, validation, folder, **more)


def weights(path: Path | None) -> dict[str, torch.Tensor]:
    assert path is not None
    return checkpoint.load(path).model.state_dict()


def same(one: Path | None, other: Path | None) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(first[name], second[name]) for name in first)


def shuffled(examples: Examples, seed: int = 0) -> Examples:
    order = np.random.default_rng(seed).permutation(len(examples))
    return dataclasses.replace(
        examples,
        pitch_deg=examples.pitch_deg[order],
        roll_deg=examples.roll_deg[order],
        depth=examples.depth[order],
    )


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small lose by sharing, and tests may run beside each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scored(tmp_path):
    """Accuracy of pitch and of roll, and R² of the depths, of a network on images it has not seen."""

    def of(examples: Examples, test: Examples) -> tuple[float, float, float]:
        made = run(TINY, examples, tmp_path, test.take(np.arange(0, len(test), 4)))
        assert made is not None
        said = Estimator.load(made).prepared(test.images)
        assert said.pitch_deg is not None and said.roll_deg is not None and said.depth_um is not None
        found = pose_scores(test.pitch_deg, test.roll_deg, said.pitch_deg, said.roll_deg)
        return found["pitch_accuracy"], found["roll_accuracy"], depth_scores(test.depth, said.depth_um)["r2"]

    return of


def test_a_network_learns_what_images_show(toy_examples, scored):
    pitch, roll, depth = scored(toy_examples(30, 4, kind="joint"), toy_examples(10, 4, kind="joint", seed=1))
    assert pitch > 0.95 and roll > 0.95 and depth > 0.8


def test_from_shuffled_labels_it_learns_nothing(toy_examples, scored):
    """The counterpart of the test above: the same images, and labels of other ones."""
    pitch, roll, depth = scored(shuffled(toy_examples(30, 4, kind="joint")), toy_examples(10, 4, kind="joint", seed=1))
    assert pitch < 0.7 and roll < 0.7 and depth < 0.2  # half of the poses have pitch 30, and half have roll 0


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(toy_examples, tmp_path):
    examples = toy_examples(kind="joint")
    one, two = run(SHORT, examples, tmp_path / "1"), run(SHORT, examples, tmp_path / "2")
    assert same(one, two)
    assert not same(one, run(dataclasses.replace(SHORT, seed=1), examples, tmp_path / "3"))


@pytest.mark.parametrize("after", [1, 7, 12])  # batches of 3 epochs with 5: in the first, the second, the third
def test_broken_off_and_resumed_it_gives_the_same_bits(toy_examples, tmp_path, after):
    examples, held = toy_examples(10, 4, kind="joint"), toy_examples(2, 2, kind="joint", seed=1)
    whole = run(SHORT, examples, tmp_path / "whole", held)
    seen = iter(range(after))
    assert run(SHORT, examples, tmp_path / "part", held, stop=lambda: next(seen, None) is None) is None
    assert not (tmp_path / "part" / fit.CHECKPOINT).exists()
    assert (tmp_path / "part" / state.NAME).exists() == (after >= 5)
    resumed = run(SHORT, examples, tmp_path / "part", held)
    assert same(whole, resumed)
    first, second = read(tmp_path / "whole"), read(tmp_path / "part")
    assert [{**row, "seconds": ""} for row in first] == [{**row, "seconds": ""} for row in second] and len(first) == 3
    assert checkpoint.load(whole).calibration == checkpoint.load(resumed).calibration  # pyright: ignore[reportArgumentType]
    assert not (tmp_path / "part" / state.NAME).exists()


def test_a_finished_training_is_not_done_again(toy_examples, tmp_path):
    examples = toy_examples(kind="joint")
    made = run(SHORT, examples, tmp_path)
    assert made is not None
    before = made.stat().st_mtime_ns
    reports: list[Report] = []
    assert run(SHORT, examples, tmp_path, report=reports.append) == made
    assert made.stat().st_mtime_ns == before and not reports
    with pytest.raises(InputError, match="another epochs"):
        run(dataclasses.replace(SHORT, epochs=4), examples, tmp_path)


def test_another_training_in_the_folder(toy_examples, tmp_path):
    examples = toy_examples(10, kind="joint")
    count = iter(range(6))
    run(SHORT, examples, tmp_path, stop=lambda: next(count, None) is None)
    with pytest.raises(InputError, match="another learning_rate"):
        run(dataclasses.replace(SHORT, learning_rate=1e-4), examples, tmp_path)
    with pytest.raises(InputError, match="another images"):
        run(SHORT, toy_examples(9, kind="joint"), tmp_path)
    (tmp_path / state.NAME).write_bytes((tmp_path / state.NAME).read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cannot read .*last\.pt"):
        run(SHORT, examples, tmp_path)


def test_it_may_go_on_with_another_batch(toy_examples, tmp_path):
    examples = toy_examples(10, kind="joint")
    count = iter(range(6))
    run(SHORT, examples, tmp_path, stop=lambda: next(count, None) is None)
    assert run(dataclasses.replace(SHORT, batch=16, precision="bfloat16"), examples, tmp_path)
    assert [row["epoch"] for row in read(tmp_path)] == ["1", "2", "3"]


def test_a_loss_that_is_not_a_number(toy_examples, tmp_path):
    examples = toy_examples(10, kind="joint")

    class Broken(Stored):
        def batches(self, epoch, batch):
            for images, labels in super().batches(epoch, batch):
                yield images * (float("nan") if epoch == 1 else 1.0), labels

    with pytest.raises(InputError, match=r"loss is nan in epoch 2 of 3 \(epoch 1 is kept\).*rate below 0\.004"):
        fit.fit(SHORT, Task.of(examples, "joint"), Broken(examples), None, tmp_path)
    kept = torch.load(tmp_path / state.NAME, weights_only=True)
    assert kept["epoch"] == 1 and all(torch.isfinite(value).all() for value in kept["model"].values())
    assert run(dataclasses.replace(SHORT, augment=False), examples, tmp_path / "new")  # the images are not to blame


def test_weights_that_the_last_step_of_an_epoch_spoils_are_not_kept(toy_examples, tmp_path, monkeypatch):
    examples, count = toy_examples(10, kind="joint"), iter(range(1, 100))

    def steep(task, outputs, labels):  # in the last of the second epoch's five batches
        return (0.0 * outputs.sum()).sqrt() if next(count) == 10 else loss_of(task, outputs, labels)

    loss_of = fit.loss_of
    monkeypatch.setattr(fit, "loss_of", steep)
    with pytest.raises(InputError, match=r"the gradient is nan in epoch 2 of 3 \(epoch 1 is kept\)"):
        run(SHORT, examples, tmp_path)
    kept = torch.load(tmp_path / state.NAME, weights_only=True)
    assert kept["epoch"] == 1 and all(torch.isfinite(value).all() for value in kept["model"].values())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
@pytest.mark.parametrize(("batch", "remedy"), [(32, "--batch 16"), (1, "a smaller --size or --network")])
def test_too_little_memory(toy_examples, tmp_path, monkeypatch, error, batch, remedy):
    def full(*_):
        raise error

    monkeypatch.setattr(fit, "loss_of", full)
    with pytest.raises(InputError, match=f"out of memory with batches of {batch} images of 32 px: try {remedy}"):
        run(dataclasses.replace(SHORT, batch=batch), toy_examples(kind="joint"), tmp_path)


def test_an_error_of_its_own_is_not_taken_for_too_little_memory(toy_examples, tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(fit, "loss_of", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(SHORT, toy_examples(kind="joint"), tmp_path)


def test_images_of_another_size_or_none(toy_examples, tmp_path):
    with pytest.raises(InputError, match="images of 32 px for a network of 64"):
        run(dataclasses.replace(SHORT, size=64), toy_examples(kind="joint"), tmp_path)
    examples = toy_examples(kind="joint")
    with pytest.raises(InputError, match="no images to train on"):
        fit.fit(SHORT, Task.of(examples, "joint"), Stored(examples, np.array([], dtype=int)), None, tmp_path)


def test_reports_tell_how_far_it_is(toy_examples, tmp_path, monkeypatch):
    monkeypatch.setattr("microtwin.perception.progress.EVERY_S", 0.0)
    reports: list[Report] = []
    training = dataclasses.replace(SHORT, device="cpu")  # on a GPU few batches are looked at: each look waits for it
    run(
        training, toy_examples(10, kind="joint"), tmp_path, toy_examples(2, kind="joint", seed=1), report=reports.append
    )
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0 and len(reports) == 3 * (5 + 1)
    assert [report.epoch for report in reports if report.new] == [1, 2, 3]
    assert reports[-1].seconds_left == 0.0 and all(report.images_s > 0 for report in reports)
    assert set(reports[-1].scores) == {"pitch_accuracy", "roll_accuracy", "depth_mse"}
    assert float(read(tmp_path)[-1]["loss"]) == pytest.approx(reports[-1].loss)
    assert list((tmp_path / "tb").iterdir())


def test_the_learning_rate_goes_up_then_down_to_nothing():
    rates = [fit.rate(TINY, epochs) for epochs in np.linspace(0, TINY.epochs, 201)]
    top = int(np.argmax(rates))
    assert max(rates) == pytest.approx(TINY.learning_rate, rel=1e-3) and top == 20
    assert (np.diff(rates[: top + 1]) > 0).all() and (np.diff(rates[top:]) < 0).all()
    assert rates[0] == pytest.approx(0.04 * TINY.learning_rate) and rates[-1] == 0.0


def test_the_callers_settings_are_left_alone(toy_examples, tmp_path):
    torch.manual_seed(11)
    expected = torch.rand(2)
    torch.manual_seed(11)
    threads = torch.get_num_threads()
    run(SHORT, toy_examples(kind="joint"), tmp_path)
    assert torch.equal(torch.rand(2), expected) and torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "said",
    [
        "adaptive_avg_pool2d_backward_cuda does not have a deterministic implementation, but you set it",
        "cuDNN Attention defaults to a non-deterministic algorithm. To explicitly enable determinism call torch",
    ],
)
def test_what_a_gpu_cannot_do_the_same_way_twice_is_done_without_a_word(said):
    with guards.deterministic(torch.device("cpu")):
        warnings.warn(said, stacklevel=1)
        with pytest.raises(UserWarning, match="batch"):
            warnings.warn("another one, of the batch", stacklevel=1)


@pytest.mark.parametrize("kind", ["pose", "depth"])
def test_each_kind_alone(toy_examples, tmp_path, kind):
    made = run(dataclasses.replace(SHORT, kind=kind), toy_examples(kind=kind), tmp_path, toy_examples(2, kind=kind))
    assert made is not None
    said = Estimator.load(made).prepared(toy_examples(1, 1).images)
    assert (said.pitch_deg is None) == (kind == "depth") and (said.depth_um is None) == (kind == "pose")
    scores = {"pose": {"pitch_accuracy", "roll_accuracy"}, "depth": {"depth_mse"}}[kind]
    assert scores == read(tmp_path)[0].keys() - {"epoch", "learning_rate", "loss", "seconds"}


def test_weights_are_decayed_and_offsets_are_not():
    from microtwin.perception import networks

    model = networks.build("twinnet", 3, size=32, options=TINY.options)
    decayed, kept = fit._groups(model, 0.5)
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.5, 0.0)
    assert {p.ndim for p in decayed["params"]} == {2, 4} and {p.ndim for p in kept["params"]} == {1}
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_killed_and_resumed_it_gives_the_same_bits(toy_examples, tmp_path):
    examples = toy_examples(10, kind="joint")
    np.savez(tmp_path / "examples.npz", images=examples.images, pitch=examples.pitch_deg, roll=examples.roll_deg,
             depth=examples.depth, robot=examples.robot, sequence=examples.sequence)  # fmt: skip
    text = f"""
import sys, time, torch
torch.set_num_threads(1)
from pathlib import Path
import numpy as np
from microtwin.perception.examples import Examples
from microtwin.perception import fit
from microtwin.perception.scores import depth_scores, pose_scores
from microtwin.perception.source import Augmentation, Stored
from microtwin.perception.task import Task
from microtwin.perception.training import Training
kept = np.load({str(tmp_path / "examples.npz")!r})
pitch, roll = kept["pitch"], kept["roll"]
examples = Examples(kept["images"], pitch, roll, kept["depth"], "um", kept["robot"], kept["sequence"],
                    [""] * len(pitch), "joint")
def report(now):
    if now.new and now.epoch == 2:
        print("second epoch", flush=True)
        time.sleep(600)
fit.fit({SHORT!r}, Task.of(examples, "joint"), Stored(examples, augment=Augmentation()), None, Path(sys.argv[1]),
        report=report)
"""
    (tmp_path / "part").mkdir()
    with subprocess.Popen([sys.executable, "-c", text, str(tmp_path / "part")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"second epoch\n"
        process.send_signal(signal.SIGKILL)
    assert torch.load(tmp_path / "part" / state.NAME, weights_only=True)["epoch"] == 2
    assert same(run(SHORT, examples, tmp_path / "part"), run(SHORT, examples, tmp_path / "whole"))
