"""Light before the camera: what the data set's renderer shows, cut to a frame that a camera can turn in."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.otmr.draw import Draw
from microtwin.otmr.fabrication import printed
from microtwin.otmr.plan import Plan, Sequence
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import Randomisation
from microtwin.otmr.render import depth_limits_um, middle_um, orientation, render_sequence
from microtwin.perception.camera import Camera
from microtwin.perception.lights import LIGHT, Lights, render_lights
from microtwin.robots.catalogue import robot

SEED = 5
STILL_SENSOR = {"gradient_x": 0.0, "gradient_y": 0.0, "read_noise_e": 0.0, "prnu": 0.0, "interpolation_px": 0.0,
                "dust": 0, "place_x_um": 0.0, "place_y_um": 0.0, "centring_um": 0.0, "drift_um": 0.0,
                "electrons": 1e6, "background_dn": 100.0}  # fmt: skip
NO_CAMERA = Camera(
    in_plane=False, centring_um=0.0, scale=0.0, blur_px=(0.0, 0.0), contrast=0.0, gradient=0.0,
    background_dn=(100.0, 100.0), noise_dn=(0.0, 0.0), dust=0,
)  # fmt: skip
ROUND = replace(Randomisation(), astigmatism_waves=0.0, coma_waves=0.0)  # optics that no turn changes


class Turned(np.random.Generator):
    """Draws the camera's in-plane angle as told, and nothing else."""

    def __init__(self, angle_rad: float) -> None:
        super().__init__(np.random.PCG64(0))
        self._angle = angle_rad

    def uniform(self, low=0.0, high=1.0, size=None):  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._angle if high > 6.0 and low == 0.0 else low


def here(work: Callable[[Any], Any], jobs: Iterable[Any]):
    """In this process."""
    yield from map(work, jobs)


def sequence(number: int, index: int = 0, images: int = 2) -> Sequence:
    return Plan("both", (number,), images, 2, SEED).items()[index]


def rendered(item: Sequence, randomise: Any = ROUND, shape: float = 0.0) -> Lights:
    return Lights.together(render_lights([item], randomise, SEED, here, shape))


def as_the_data_set(item: Sequence, depths_um: np.ndarray, in_plane_deg: float, randomise: Any = ROUND) -> np.ndarray:
    """(n, 128, 128) of the data set's renderer: no sensor, and what is in the light's middle in the crop's."""
    mesh = robot(item.robot).mesh
    draw: Draw = replace(randomise.draw(item.streams(SEED)[1]), in_plane_deg=0.0, **STILL_SENSOR)
    x, y = middle_um(printed(mesh, draw), orientation(item.pose, draw))
    c, s = np.cos(np.radians(in_plane_deg)), np.sin(np.radians(in_plane_deg))
    draw = replace(draw, in_plane_deg=in_plane_deg)
    off = (s * y - c * x, -s * x - c * y)
    crops = render_sequence(mesh, item.pose, depths_um, draw, np.random.default_rng(0), origin_um=off)
    return np.stack([cv2.resize(crop, (128, 128), interpolation=cv2.INTER_AREA) for crop in crops])


def alike(one: np.ndarray, other: np.ndarray) -> float:
    """The least correlation of two stacks' pictures."""
    pairs = zip(one.astype(float), other.astype(float), strict=True)
    return min(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in pairs)


@pytest.fixture(scope="module")
def bar() -> tuple[Sequence, Lights]:
    """Robot 3, which has no symmetry to hide a mistake, in an odd pose."""
    item = next(item for item in Plan("pose", (3,), 2, 1, SEED).items() if item.pose == Pose(45, 30))
    return item, rendered(item)


@pytest.fixture(scope="module")
def chain() -> tuple[Sequence, Lights]:
    """Robot 16, which has no poses, and optics as they come."""
    item = sequence(16)
    return item, rendered(item, Randomisation())


def test_light_is_that_of_the_data_set(bar, chain):
    for (item, lights), randomise in ((bar, ROUND), (chain, Randomisation())):
        expected = as_the_data_set(item, lights.depth_um, 0.0, randomise)
        seen = NO_CAMERA.expose(lights.light, 128, np.random.default_rng(0))
        assert alike(seen, expected) > 0.995
        assert alike(seen[:, ::-1], expected) < 0.8 and alike(seen.transpose(0, 2, 1), expected) < 0.8
        assert np.abs(seen.astype(int) - expected).mean() < 1.0  # of 100


@pytest.mark.parametrize("degrees", [37.0, -110.0])
def test_the_camera_turns_light_as_the_renderer_turns_bodies(bar, degrees):
    item, lights = bar
    expected = as_the_data_set(item, lights.depth_um, degrees)
    camera = replace(NO_CAMERA, in_plane=True)
    assert alike(camera.expose(lights.light, 128, Turned(np.radians(degrees))), expected) > 0.99
    assert alike(camera.expose(lights.light, 128, Turned(-np.radians(degrees))), expected) < 0.7


def test_light_says_what_it_shows(bar, chain):
    for item, lights in (bar, chain):
        assert lights.light.shape == (2, LIGHT, LIGHT) and lights.light.dtype == np.float16
        assert np.median(lights.light) == pytest.approx(1.0, abs=0.02)
        for name, value in (("pitch_deg", item.pose.pitch_deg), ("roll_deg", item.pose.roll_deg),
                            ("robot", item.robot), ("sequence", item.number)):  # fmt: skip
            assert getattr(lights, name).tolist() == [value, value]
    assert bar[1].roll_deg[0] == 30 and chain[1].pitch_deg[0] == 0


def test_depths_are_spread_over_the_sweep(monkeypatch):
    item = sequence(8, images=20)

    def flat(mesh, turn, depths_um, draw, rings):
        return (np.ones((120, 120), np.float32) for _ in depths_um), np.zeros(2)

    monkeypatch.setattr("microtwin.otmr.render.intensities", flat)
    depths = rendered(item).depth_um
    draw = ROUND.draw(item.streams(SEED)[1])
    body = robot(8)
    low, high = depth_limits_um(body.mesh, orientation(item.pose, draw), draw, body.depth_range_um)
    share = (depths - low) / (high - low) * 20
    assert np.floor(share).tolist() == list(range(20))  # one in each twentieth
    assert 0.05 < (share % 1).std()  # and not in its middle


@pytest.mark.parametrize("side", [120, 128, 144, 160, 200])
def test_light_of_any_grid_keeps_its_middle(side, monkeypatch):
    across = np.arange(side) - (side - 1) / 2
    spot = 1.0 + np.exp(-(across**2 + across[:, None] ** 2) / 50) + 0.01 * across
    monkeypatch.setattr(
        "microtwin.otmr.render.intensities",
        lambda mesh, turn, depths, *_, **__: ((spot.astype(np.float32) for _ in depths), np.zeros(2)),
    )
    (light, _) = rendered(sequence(8)).light.astype(float)
    across = np.arange(LIGHT) - (LIGHT - 1) / 2
    expected = 1.0 + np.exp(-(across**2 + across[:, None] ** 2) / 50) + 0.01 * across
    outside = np.maximum(np.abs(across), np.abs(across)[:, None]) > side / 2
    np.testing.assert_allclose(light, np.where(outside, 1.0, expected), atol=2e-3)


def test_light_depends_on_the_seed_and_on_nothing_else():
    one, two = (sequence(8, index, images=1) for index in (0, 1))
    alone = rendered(two)
    after = list(render_lights([one, two], ROUND, SEED, here))[1]
    for name, value in vars(alone).items():
        np.testing.assert_array_equal(value, getattr(after, name))
    (other,) = render_lights([two], ROUND, SEED + 1, here)
    varied = rendered(two, shape=1.0)
    assert alike(other.light, alone.light) < 0.999 and alike(varied.light, alone.light) < 0.999


@given(st.lists(st.integers(0, 5), max_size=3), st.integers(0, 2**31))
def test_lights_are_taken_apart_and_put_together(counts, seed):
    rng = np.random.default_rng(seed)

    def some(n: int) -> Lights:
        whole = [rng.integers(0, 90, n, dtype=np.int16) for _ in range(3)]
        light = rng.uniform(size=(n, 2, 2)).astype(np.float16)
        depth, number = rng.normal(size=n).astype(np.float32), rng.integers(0, 9, n, dtype=np.int32)
        return Lights(light, whole[0], whole[1], depth, whole[2], number)

    parts = [some(n) for n in [*counts, 3]]
    every = Lights.together(parts)
    assert len(every) == sum(counts) + 3
    first = 0
    for part in parts:
        back = every.take(np.arange(first, first + len(part)))
        for name, value in vars(part).items():
            np.testing.assert_array_equal(getattr(back, name), value)
            assert getattr(back, name).dtype == value.dtype
        first += len(part)
    masked = every.take(every.robot > 40)
    assert len(masked) == (every.robot > 40).sum() and (masked.robot > 40).all()
