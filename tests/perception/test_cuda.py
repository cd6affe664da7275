"""What a GPU computes is what the processor does; checkpoints and broken-off trainings go from one to the other."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception import checkpoint, fit, networks, state
from microtwin.perception.estimator import Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.loss import loss
from microtwin.perception.shipped import SHIPPED
from microtwin.perception.source import Augmentation, Labels, Stored
from microtwin.perception.task import Task
from microtwin.perception.training import Training, device_of

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

SHORT = Training("joint", size=32, epochs=4, batch=16, learning_rate=2e-3, precision="float32", device="cuda",
                 options={"widths": [8, 16], "blocks": 1, "dropout": 0.0})  # fmt: skip


def run(training: Training, examples: Examples, folder: Path, **more) -> Path | None:
    folder.mkdir(exist_ok=True)
    device = device_of(training.device)
    learn = Stored(examples, augment=Augmentation(), seed=training.seed, device=device)
    hold = Stored(examples, shuffle=False, device=device)
    return fit.fit(training, Task.of(examples, training.kind), learn, hold, folder, **more)


def losses(path: Path | None) -> np.ndarray:
    assert path is not None
    return np.array([float(row.split(",")[2]) for row in (path.parent / "log.csv").read_text().splitlines()[1:]])


@pytest.mark.parametrize(("precision", "within"), [("float32", 0.03), ("bfloat16", 0.1)])
def test_a_training_goes_as_on_the_processor(toy_examples, tmp_path, precision, within):
    examples = toy_examples(20, 4, kind="joint")
    here, there = (
        run(dataclasses.replace(SHORT, device=device, precision=how), examples, tmp_path / device)
        for device, how in (("cpu", "float32"), ("cuda", precision))
    )
    assert losses(there) == pytest.approx(losses(here), rel=within)
    assert losses(here)[-1] < 0.8 * losses(here)[0]  # something was learnt


def test_the_same_seed_gives_the_same_weights(toy_examples, tmp_path):
    examples = toy_examples(10, 4, kind="joint")
    one, two = (run(SHORT, examples, tmp_path / name) for name in "12")
    assert one and two
    first, second = (checkpoint.load(path).model.state_dict() for path in (one, two))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_checkpoint_reads_the_same_on_both(toy_examples, name):
    loaded = checkpoint.load(Path(name))
    images = toy_examples(2, 2, size=loaded.size).images
    said = [Estimator(checkpoint.load(Path(name)), device).outputs(images) for device in ("cpu", "cuda")]
    assert np.abs(said[1] - said[0]).max() < 1e-3 * np.abs(said[0]).max()


@pytest.mark.parametrize(("first", "then"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_training_goes_on_where_it_was_not_begun(toy_examples, tmp_path, first, then):
    examples = toy_examples(10, 4, kind="joint")
    whole = run(SHORT, examples, tmp_path / "whole")
    seen = iter(range(25))  # batches of 10 in an epoch
    part = tmp_path / "part"
    assert run(dataclasses.replace(SHORT, device=first), examples, part, stop=lambda: next(seen, None) is None) is None
    assert (part / state.NAME).exists()
    made = run(dataclasses.replace(SHORT, device=then), examples, part)
    assert losses(made) == pytest.approx(losses(whole), rel=0.03)
    assert made and Estimator.load(made).prepared(examples.images).depth_um is not None


def test_a_label_that_is_no_class_is_not_learnt_as_another_one():
    task = Task("pose", (0, 30), (0,), (Pose(0, 0), Pose(30, 0)))
    outputs = torch.zeros(2, 3, device="cuda")

    def cost(pitch_deg: int) -> float:
        pitches, rolls = torch.tensor([0, pitch_deg]), torch.zeros(2, dtype=torch.int64)
        labels = Labels(pitches.cuda(), rolls.cuda(), torch.full((2,), math.nan).cuda())
        return loss(task, outputs, labels).item()

    assert math.isnan(cost(15)) and math.isfinite(cost(30)) and math.isfinite(cost(-1))


@pytest.mark.parametrize("name", networks.NAMES)
def test_every_network_takes_a_step(toy_examples, tmp_path, name):
    examples = toy_examples(2, 4, size=64, kind="depth")
    training = Training("depth", name, size=64, epochs=1, batch=16, learning_rate=1e-4, device="cuda")
    assert np.isfinite(losses(run(training, examples, tmp_path))).all()


def test_too_large_a_batch_is_one_line(toy_examples, tmp_path, monkeypatch):
    def no_room(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(networks.Network, "forward", no_room)
    with pytest.raises(InputError, match="out of memory with batches of 16 images of 32 px: try --batch 8"):
        run(SHORT, toy_examples(kind="joint"), tmp_path)
