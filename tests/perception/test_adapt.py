"""A network adapted to a few images: it learns what is other about them and keeps what it knew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from microtwin.errors import InputError
from microtwin.perception import checkpoint, fit
from microtwin.perception.adapt import adapt
from microtwin.perception.calibration import Calibration
from microtwin.perception.camera import Camera
from microtwin.perception.checkpoint import Loaded
from microtwin.perception.estimator import Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.lights import LIGHT, Lights
from microtwin.perception.rendered import Rendered, task_of
from microtwin.perception.training import Training

SIZE = 32
TINY = Training("joint", size=SIZE, epochs=8, batch=32, learning_rate=4e-3, precision="float32",
                options={"widths": [8, 16], "blocks": 1, "dropout": 0.1})  # fmt: skip
PITCHES, ROLLS = (0, 30, 60), (0, 45)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def lights(n: int, seed: int, *, grown: float = 1.0) -> Lights:
    """A ring as wide as pitch says, a spot as large as roll says; ``grown`` is how much larger than rendered it is."""
    rng = np.random.default_rng(seed)
    pitch, roll = rng.choice(PITCHES, n), rng.choice(ROLLS, n)
    at = np.arange(LIGHT) - (LIGHT - 1) / 2
    r = np.hypot(at, at[:, None])[None] / grown
    depth = rng.uniform(-5, 5, n)
    ring = np.exp(-(((r - 18.0 - pitch[:, None, None] / 3) / 5) ** 2))
    spot = np.exp(-((r / (4.0 + roll[:, None, None] / 5)) ** 2))
    light = 1 + (0.5 + 0.05 * depth[:, None, None]) * (spot - ring)
    robot, sequence = np.full(n, 3, np.int16), np.arange(n, dtype=np.int32)
    pitch, roll = pitch.astype(np.int16), roll.astype(np.int16)
    return Lights(light.astype(np.float16), pitch, roll, depth.astype(np.float32), robot, sequence)


def crops(n: int, seed: int, **changes) -> Examples:
    """Pictures whose robots are a third larger than the rendered ones: what was learnt misreads their rings."""
    made = lights(n, seed, grown=1.35)
    values = {
        "images": Camera().expose(made.light, SIZE, np.random.default_rng(seed)),
        "pitch_deg": made.pitch_deg,
        "roll_deg": made.roll_deg,
        "depth": np.full(n, np.nan, np.float32),
        "depth_unit": "um",
        "robot": made.robot,
        "sequence": made.sequence,
        "paths": [f"{k}.png" for k in range(n)],
    }
    return Examples(**values | changes)


def accuracy(loaded: Loaded, images: np.ndarray, pitch_deg: np.ndarray) -> float:
    said = Estimator(loaded).prepared(images)
    assert said.pitch_deg is not None
    return float((said.pitch_deg == pitch_deg).mean())


TEACH = lights(300, 1)


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A checkpoint that renderings alone have taught."""
    folder = tmp_path_factory.mktemp("taught")
    made = fit.fit(TINY, task_of(TEACH, "joint"), Rendered(TEACH, SIZE), Rendered(lights(60, 2), SIZE), folder)
    assert made is not None
    return made


@pytest.fixture
def loaded(path) -> Loaded:
    return checkpoint.load(path)


def adapted(loaded: Loaded, real: Examples, **changes) -> Loaded:
    settings = {"steps": 60, "batch": 32, "learning_rate": 2e-3, "seed": 1} | changes
    return adapt(loaded, real, Rendered(TEACH, SIZE, seed=9), **settings)


def test_a_dozen_images_are_learnt_and_renderings_are_not_forgotten(loaded):
    fresh, renderings = crops(200, 7), lights(200, 8)
    drawn = Camera().expose(renderings.light, SIZE, np.random.default_rng(8))
    said = [
        (accuracy(network, fresh.images, fresh.pitch_deg), accuracy(network, drawn, renderings.pitch_deg))
        for network in (loaded, adapted(loaded, crops(12, 6)))
    ]
    (misread, knew), (reads, knows) = said
    assert misread < 0.2 and knew > 0.95  # a third too wide is the next class
    assert reads > 0.4 and knows > 0.8


def test_wrong_labels_teach_nothing_that_holds(loaded):
    real, fresh = crops(12, 6), crops(200, 7)
    right = accuracy(adapted(loaded, real), fresh.images, fresh.pitch_deg)
    wrong = adapted(loaded, replace(real, pitch_deg=np.roll(real.pitch_deg, 5)))
    assert accuracy(wrong, fresh.images, fresh.pitch_deg) < right - 0.15


def test_unknown_labels_teach_nothing(loaded):
    real = crops(12, 6)
    unknown = np.full(12, -1, np.int16)
    silent = replace(real, pitch_deg=unknown, roll_deg=unknown)
    images = {"images": crops(12, 60).images}
    one, other = adapted(loaded, silent, steps=3), adapted(loaded, replace(silent, **images), steps=3)
    for name, value in one.model.named_parameters():
        torch.testing.assert_close(value, dict(other.model.named_parameters())[name])


def test_the_checkpoint_is_left_as_it_was(loaded, path):
    before = {name: value.clone() for name, value in loaded.model.state_dict().items()}
    whole = path.read_bytes()
    made = adapted(loaded, crops(12, 6), steps=3)
    assert path.read_bytes() == whole and not loaded.model.training and not made.model.training
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert any(not torch.equal(value, before[name]) for name, value in made.model.state_dict().items())
    assert made.calibration == loaded.calibration != Calibration()
    assert (made.task, made.network, made.size) == (loaded.task, loaded.network, loaded.size)


def test_statistics_of_the_batch_normalisation_stay(loaded):
    made = adapted(loaded, crops(12, 6), steps=3)
    before, after = loaded.model.state_dict(), made.model.state_dict()
    running = [name for name in before if "running_" in name or "num_batches" in name]
    assert running and any(isinstance(module, nn.BatchNorm2d) for module in made.model.modules())
    for name in running:
        assert torch.equal(before[name], after[name])


def test_it_comes_out_the_same_and_leaves_the_generator_alone(loaded):
    real = crops(12, 6)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    one = adapted(loaded, real, steps=4).model.state_dict()
    assert torch.equal(torch.rand(1), expected)
    again, other = (adapted(loaded, real, steps=4, seed=seed).model.state_dict() for seed in (1, 2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert any(not torch.equal(value, other[name]) for name, value in one.items())


def test_an_adapted_network_can_be_kept(loaded, tmp_path):
    made = adapted(loaded, crops(1, 6), steps=2)  # a single image will do
    checkpoint.save(tmp_path / "few.pt", made.model, made.task, made.network, made.size, made.options, made.calibration)
    images = crops(5, 3).images
    one, other = Estimator(made).prepared(images), Estimator.load(tmp_path / "few.pt").prepared(images)
    assert one.depth_um is not None and other.depth_um is not None
    np.testing.assert_allclose(one.depth_um, other.depth_um, atol=0.05)


def test_it_tells_its_steps(loaded):
    said: list[int] = []
    adapted(loaded, crops(3, 6), steps=4, tick=said.append)
    assert said == [1, 2, 3, 4]


def test_images_that_cannot_teach_are_refused(loaded):
    real = crops(4, 6)
    with pytest.raises(InputError, match="no images to adapt to: give at least one"):
        adapted(loaded, real.take(np.arange(0)))
    with pytest.raises(InputError, match="images of 64 px for a network of 32"):
        adapted(loaded, replace(real, images=np.zeros((4, 64, 64), np.uint8)))
    with pytest.raises(InputError, match="pitch 15°, and the checkpoint knows 0, 30, 60°"):
        adapted(loaded, replace(real, pitch_deg=np.full(4, 15, np.int16)))
    scaled = {"depth": np.full(4, 0.5, np.float32), "depth_unit": "scaled"}
    with pytest.raises(InputError, match="depths are scaled, and the checkpoint's um"):
        adapted(loaded, replace(real, **scaled))
    assert adapted(loaded, replace(real, depth_unit="scaled"), steps=1)  # none is known
