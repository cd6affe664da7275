"""Heat maps: on the robot once a network has learnt to look at it, of the right shape for every network."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.perception import explain_picture, networks
from microtwin.perception.calibration import Calibration
from microtwin.perception.checkpoint import Loaded
from microtwin.perception.estimator import Estimates, Estimator
from microtwin.perception.examples import Examples
from microtwin.perception.explain import grown, heat_maps, share_on
from microtwin.perception.explain_picture import captions, overlaid, pair, write_sheet
from microtwin.perception.fit import fit
from microtwin.perception.source import Stored
from microtwin.perception.task import Task
from microtwin.perception.training import Training

PIXEL_UM = 0.055
SMALL = {"num_conv": 3, "num_filters": 16, "fc_dim": 64, "dropout": 0.0}
POSES = (Pose(0, 0), Pose(0, 30), Pose(30, 0), Pose(30, 30))


def robots(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, 256, 256) pictures, where the robot is in each (bool), and its pose.

    It is a rod anywhere in the picture: bright for roll 30, with a hole for pitch 30. A square speck beside it, as
    bright or dark, says nothing.
    """
    rng = np.random.default_rng(seed)
    images, outlines = np.empty((n, 256, 256), np.uint8), np.empty((n, 256, 256), bool)
    poses = rng.integers(0, len(POSES), n)
    for k, pose in enumerate(poses):
        centre = tuple(int(c) for c in rng.integers(70, 186, 2))
        inside = np.zeros((256, 256), np.uint8)
        cv2.ellipse(inside, centre, (42, 24), float(rng.uniform(0, 180)), 0, 360, 1, -1)
        outlines[k] = inside > 0
        light = np.where(outlines[k], 160.0 if POSES[pose].roll_deg else 60.0, 110.0)
        row, column = ((c + 128) % 256 for c in centre[::-1])  # as far away as can be
        light[max(row - 16, 0) : row + 16, max(column - 16, 0) : column + 16] = rng.choice([60.0, 160.0])
        if POSES[pose].pitch_deg:
            hole = np.zeros((256, 256), np.uint8)
            cv2.circle(hole, centre, 12, 1, -1)
            light[hole > 0] = 110.0
        images[k] = np.clip(light + rng.normal(0, 4, light.shape), 0, 255)
    return images, outlines, poses


def examples_of(images: np.ndarray, poses: np.ndarray, size: int) -> Examples:
    small = np.array([cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA) for image in images])
    pitch = np.array([POSES[pose].pitch_deg for pose in poses], dtype=np.int16)
    roll = np.array([POSES[pose].roll_deg for pose in poses], dtype=np.int16)
    n = len(images)
    return Examples(
        small, pitch, roll, np.full(n, np.nan, np.float32), None, np.full(n, 3, np.int16),
        np.arange(n, dtype=np.int32), [f"{k}.png" for k in range(n)],
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small lose by sharing, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(one_thread, tmp_path_factory) -> Estimator:
    """A small network that has learnt the rods' poses."""
    images, _, poses = robots(480, seed=0)
    examples = examples_of(images, poses, 64)
    training = Training(
        network="nas_pose", size=64, epochs=12, batch=32, learning_rate=2e-3, options=SMALL, precision="float32"
    )
    folder = tmp_path_factory.mktemp("trained")
    path = fit(training, Task.of(examples, "pose"), Stored(examples), None, folder)
    assert path
    return Estimator.load(path)


def untrained(name: str, task: Task, size: int, options: dict | None = None) -> Estimator:
    torch.manual_seed(0)
    model = networks.build(name, task.n_outputs, size=size, options=options)
    return Estimator(Loaded(model, task, name, size, options or {}, Calibration()))


def shares(estimator: Estimator, images: np.ndarray, outlines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of heat on the robot grown by 1 µm, and of the area that this is."""
    heat, _ = heat_maps(estimator, images)
    near = [grown(outline, 1.0, PIXEL_UM) for outline in outlines]
    drawn = [cv2.resize(one, (256, 256), interpolation=cv2.INTER_LINEAR) for one in heat]
    return np.array([share_on(h, m) for h, m in zip(drawn, near, strict=True)]), np.array([m.mean() for m in near])


def test_a_trained_network_looks_at_the_robot(trained):
    images, outlines, poses = robots(40, seed=1)
    said = trained(images)
    right = np.array([POSES[pose] == Pose(int(p), int(r)) for pose, p, r in
                      zip(poses, said.pitch_deg, said.roll_deg, strict=True)])  # fmt: skip
    assert right.mean() > 0.9
    on_it, area = shares(trained, images, outlines)
    assert np.nanmedian(on_it) > 0.5 and area.mean() < 0.2
    assert (on_it[right] > area[right]).mean() > 0.8  # a map may be cold all over


def test_an_untrained_network_does_not_look_at_the_robot_as_much(trained):
    images, outlines, _ = robots(40, seed=1)
    blank = untrained("nas_pose", trained.task, 64, SMALL)
    assert np.nanmedian(shares(blank, images, outlines)[0]) < np.nanmedian(shares(trained, images, outlines)[0]) - 0.1


def test_heat_maps_do_not_depend_on_their_company(trained):
    """Batches, and what was explained before, leave no trace."""
    images, _, _ = robots(20, seed=2)
    together, _ = heat_maps(trained, images)
    alone = np.concatenate([heat_maps(trained, images[k : k + 1])[0] for k in (0, 7, 19)])
    assert alone == pytest.approx(together[[0, 7, 19]], abs=1e-3)
    assert together.min() >= 0.0 and together.max() == pytest.approx(1.0, abs=1e-3)
    assert all(p.grad is None for p in trained.model.parameters())


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("kind", ["pose", "depth"])
def test_every_network_of_the_zoo_is_explained(name, kind):
    images, _, _ = robots(3, seed=3)
    if kind == "depth":
        task = Task("depth", depth_mean=0.0, depth_sd=1.0, depth_unit="um")
    else:
        task = Task.of(examples_of(images, np.arange(3), 64), "pose")
    heat, said = heat_maps(untrained(name, task, 64), images)
    assert heat.shape == (3, 64, 64) and np.isfinite(heat).all()
    assert heat.min() >= 0.0 and heat.max() <= 1.0
    assert (said.pitch_deg is None) == (kind == "depth")


def test_the_depth_is_explained_and_not_its_variance():
    """Grad-CAM's own target is the largest output, which of an untrained network may be the variance."""
    images, _, _ = robots(2, seed=4)
    task = Task("depth", depth_mean=0.0, depth_sd=1.0, depth_unit="um")
    estimator = untrained("twinnet", task, 64)
    heat, _ = heat_maps(estimator, images)
    head: Any = estimator.model.get_submodule("body.head")
    with torch.no_grad():
        head.weight[1] *= -3.0
        head.bias[1] = 50.0  # by far the largest
    again, _ = heat_maps(estimator, images)
    assert again == pytest.approx(heat, abs=1e-6)


def test_a_joint_network_is_asked_for_one_part_or_the_other(toy_examples):
    task = Task.of(toy_examples(kind="joint"), "joint")
    estimator = untrained("twinnet", task, 64)
    images, _, _ = robots(2, seed=5)
    pose, _ = heat_maps(estimator, images)
    assert np.array_equal(pose, heat_maps(estimator, images, "pose")[0])
    assert not np.allclose(pose, heat_maps(estimator, images, "depth")[0], atol=0.01)


def test_a_part_that_is_not_there_is_refused(trained):
    with pytest.raises(InputError, match="part is depth, and the checkpoint was trained for pose"):
        heat_maps(trained, robots(1, seed=6)[0], "depth")


def test_share_of_heat_inside_an_outline():
    heat = np.zeros((8, 8), np.float32)
    heat[:, :4] = 0.25
    heat[2:4, 6:8] = 1.0
    outline = np.zeros((8, 8), bool)
    outline[:, 4:] = True
    assert share_on(heat, outline) == pytest.approx(4.0 / 12.0)
    assert share_on(heat, ~outline) == pytest.approx(8.0 / 12.0)
    assert np.isnan(share_on(np.zeros_like(heat), outline))


@pytest.mark.parametrize("by_um", [0.5, 1.0, 2.0])
def test_a_disc_grows_by_its_radius(by_um):
    y, x = np.mgrid[:200, :200] - 100
    grown_by = grown(np.hypot(x, y) <= 30, by_um, PIXEL_UM)
    assert np.sqrt(grown_by.sum() / np.pi) - 30 == pytest.approx(by_um / PIXEL_UM, abs=0.7)
    assert not grown(np.zeros((9, 9), bool), by_um, PIXEL_UM).any()


def test_the_hottest_place_is_drawn_red_beside_the_crop():
    crop = np.full((256, 256), 90, np.uint8)
    heat = np.zeros((16, 16), np.float32)
    heat[2, 12] = 1.0
    drawn = pair(crop, heat)
    assert drawn.shape == (256, 516, 3)
    assert (drawn[:, :256] == 90).all() and (drawn[:, 256:260] == 255).all()
    redness = overlaid(crop, heat)[..., 0].astype(int) - overlaid(crop, heat)[..., 2]
    row, column = np.unravel_index(redness.argmax(), redness.shape)
    assert abs(row / 16 - 2.5) < 1 and abs(column / 16 - 12.5) < 1
    assert redness[200, 20] < 0


@pytest.mark.parametrize(("unit", "word"), [("um", "µm"), ("scaled", "scaled")])
def test_depths_are_said_with_their_unit(unit, word):
    said = Estimates(depth_um=np.array([0.5]), depth_sd_um=np.array([0.1]), depth_unit=unit)
    assert captions(["a"], said) == [f"a   depth +0.50 ± 0.10 {word}"]


def test_a_sheet_holds_the_first_and_says_what_was_read(trained, tmp_path, monkeypatch):
    images, _, _ = robots(5, seed=7)
    heat, said = heat_maps(trained, images)
    lines = captions([f"image_{k}" for k in range(5)], said)
    assert all(line.startswith(f"image_{k}") and "pitch" in line and "roll" in line for k, line in enumerate(lines))
    assert write_sheet(tmp_path / "sheet.png", images, heat, lines) == 5
    large = cv2.imread(str(tmp_path / "sheet.png"))
    assert large is not None and large.shape[1] > 1000 and large.shape[0] > 400
    monkeypatch.setattr(explain_picture, "MOST", 2)
    assert write_sheet(tmp_path / "sheet.png", images, heat, lines) == 2
    small = cv2.imread(str(tmp_path / "sheet.png"))
    assert small is not None and small.shape[0] < large.shape[0]
