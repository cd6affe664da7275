"""The twin on the bench: what its settings do, one by one; a scene that can be pushed in; knocks that hurt nothing."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, RotatingField
from microtwin.optics import scene
from microtwin.panel.engine import bench
from microtwin.panel.engine.twin import EDGE_UM, KNOCK_FRAMES, KNOCK_UM, BenchTwin, TwinSettings, _world, open_twin
from microtwin.panel.messages import EngineOptions
from microtwin.rig import Watched
from microtwin.vision import Tracker

CALM = TwinSettings(brownian=False)
ROLL = RotatingField(0.0, PUSH_RAD, 10.0)


@pytest.fixture(autouse=True, scope="module")
def quick_sprites(tmp_path_factory):
    """Coarse optics and two polar angles of the robot: a focus takes twenty seconds otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "POLAR_STEPS", 1)
        patch.setattr(scene, "SLICE_UM", 2.0)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("sprites")))
        yield


class NoScene:
    """A microscope for what needs no picture."""

    def expose(self, *args):
        return np.zeros((16, 16), np.uint8)

    um_per_px, camera = 0.345, scene.Camera()


def blind(wanted: TwinSettings) -> BenchTwin:
    return BenchTwin(wanted, _world(wanted), NoScene(), np.random.default_rng(0))  # type: ignore[arg-type]


def places(wanted: TwinSettings) -> np.ndarray:
    return _world(wanted).positions_um.copy()


def after(twin: BenchTwin, frames: int, field: RotatingField | None = None) -> np.ndarray:
    if field:
        twin.command(field)
    for _ in range(frames):
        twin.observe()
    return twin.world.positions_um.copy()


@settings(max_examples=40, deadline=None)
@given(
    objects=st.integers(1, 6),
    cells=st.integers(0, 6),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([("paper", "bead"), ("paper", "cell"), ("nominal", "bead"), ("population", "bead")]),
)
def test_every_scene_is_in_view_apart_and_within_reach(objects, cells, seed, kind):
    wanted = TwinSettings(robot=kind[0], cargo=kind[1], objects=objects, cells=cells, seed=seed)
    world = _world(wanted)
    xy, radii = world.positions_um[:, :2], world.radii_um
    assert len(world.bodies) == 1 + objects + cells
    kinds = [body.kind for body in world.bodies]
    assert kinds == ["robot"] + [kind[1]] * objects + ["cell"] * cells
    assert [body.anchored for body in world.bodies] == [False] * (1 + objects) + [True] * cells
    assert (np.abs(xy) <= np.array([640, 512]) * 0.1725 - EDGE_UM + 1e-9).all()
    gaps = [math.dist(xy[i], xy[j]) - radii[i] - radii[j] for i, j in itertools.combinations(range(len(xy)), 2)]
    assert min(gaps) > 5.0
    from_robot = np.hypot(*(xy[1:] - xy[0]).T)
    assert np.argmin(from_robot) == 0
    assert 30.0 <= from_robot[0] <= 60.0


def test_the_picture_is_the_promised_one_and_shows_what_lies_there():
    twin = open_twin(CALM)
    assert isinstance(twin, Watched)
    with twin:
        frame = twin.observe()
    assert frame.image is not None and frame.image.shape == (512, 640)
    assert frame.um_per_px == pytest.approx(0.345)
    assert frame.centre_um == (0.0, 0.0)
    background = float(np.median(frame.image))
    for body, (x, y) in zip(twin.world.bodies, twin.view.to_px(twin.world.positions_um[:, :2]), strict=True):
        half = round(body.radius_um / frame.um_per_px)
        row, column = round(float(y)), round(float(x))
        crop = frame.image[row - half : row + half, column - half : column + half].astype(float)
        assert crop.std() > 0.04 * background, f"{body.kind} is not in the picture at ({x:.0f}, {y:.0f})"
    robot_x, robot_y = twin.view.to_px(twin.world.positions_um[0, :2]).round().astype(int)
    assert frame.image[robot_y, robot_x] < 0.3 * background  # the cap's shadow


def test_the_same_settings_give_the_same_scene_and_frames():
    one, two = open_twin(TwinSettings()), open_twin(TwinSettings())
    for twin in (one, two):
        twin.command(ROLL)
    for _ in range(5):
        np.testing.assert_array_equal(one.observe().image, two.observe().image)
    np.testing.assert_array_equal(one.world.positions_um, two.world.positions_um)


def test_another_seed_gives_another_scene_and_another_robot_of_the_population():
    assert not np.allclose(places(CALM), places(replace(CALM, seed=1)))
    drawn = [_world(replace(CALM, robot="population", seed=seed)).bodies[0] for seed in (0, 1, 0)]
    assert drawn[0].moment_pn_um_per_mt != drawn[1].moment_pn_um_per_mt
    assert drawn[0] == drawn[2]


def test_without_brownian_motion_and_flow_nothing_moves_and_with_it_everything_free_does():
    still = blind(CALM)
    start = still.world.positions_um.copy()
    assert np.abs(after(still, 48) - start)[:, :2].max() < 1e-3
    moved = np.hypot(*(after(blind(TwinSettings()), 48) - start)[:, :2].T)
    assert (moved[:4] > 0.01).all()
    assert (moved[4:] < 1e-3).all()  # resting cells


@pytest.mark.parametrize("degrees", [0.0, 90.0, -150.0])
def test_the_flow_carries_free_bodies_its_way(degrees):
    wanted = replace(CALM, flow_um_s=10.0, flow_deg=degrees)
    shift = (after(blind(wanted), 49) - places(wanted))[:, :2]
    for body in range(4):
        assert math.degrees(math.atan2(shift[body, 1], shift[body, 0])) == pytest.approx(degrees, abs=5.0)
        assert np.hypot(*shift[body]) == pytest.approx(10.0 * 49 / 24, rel=0.05)  # the liquid drifts as a whole
    assert np.abs(shift[4:]).max() < 1e-3


@pytest.mark.parametrize("latency", [0, 1, 5])
def test_the_latency_is_the_frames_own(latency):
    twin = blind(replace(CALM, latency_frames=latency))
    assert twin.latency_s == pytest.approx(latency / 24)
    twin.observe()
    twin.command(ROLL)
    shown = [twin.observe().positions_um[0, 0] for _ in range(latency + 2)]
    start = places(CALM)[0, 0]
    assert np.abs(np.array(shown[:latency]) - start).max(initial=0.0) < 1e-6
    assert shown[latency] > start + 0.3


def test_defocus_changes_the_picture_and_is_rounded():
    pair = replace(CALM, objects=1, cells=0)
    sharp, blurred = open_twin(pair), open_twin(replace(pair, defocus_um=8.13))
    assert blurred.settings.defocus_um == 8.0
    first, second = (twin.observe().image for twin in (sharp, blurred))
    assert first is not None and second is not None
    x, y = sharp.view.to_px(sharp.world.positions_um[1, :2]).round().astype(int)
    crop = np.s_[y - 30 : y + 30, x - 30 : x + 30]
    difference = np.abs(first[crop].astype(float) - second[crop].astype(float))
    assert difference.max() > 10 * difference[:5].max()  # the sensor's noise beside the body
    np.testing.assert_array_equal(sharp.world.positions_um, blurred.world.positions_um)


def test_the_coils_reading_follows_the_command():
    twin = blind(CALM)
    assert twin.coil_reading().values == (0.0, 0.0, 0.0)
    twin.command(ROLL)
    reading = twin.coil_reading()
    assert (reading.names, reading.unit) == (("x", "y", "z"), "mT")
    x, y, z = reading.values
    assert z == pytest.approx(13 * (1 - 0.1294), rel=0.01)  # rolling along x: the field turns in the x–z plane
    assert x == pytest.approx(3 * (1 - 0.1294), rel=0.01)
    assert y == 0.0
    twin.command(RotatingField.off())
    assert twin.coil_reading().values == (0.0, 0.0, 0.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), objects=st.integers(1, 6), cells=st.integers(0, 6))
def test_a_knock_moves_the_objects_and_nothing_else_and_overlaps_nothing(seed, objects, cells):
    twin = blind(replace(CALM, seed=seed, objects=objects, cells=cells))
    twin.observe()
    before = twin.world.positions_um.copy()
    words = twin.knock()
    now = after(twin, KNOCK_FRAMES)
    moved = np.hypot(*(now - before)[:, :2].T)
    assert words.startswith(f"knocked {int((moved > 4.0).sum())} object")
    assert (moved[1 : 1 + objects] > KNOCK_UM[0] - 0.2).all()
    assert (moved[1 : 1 + objects] < KNOCK_UM[1] + 0.2).all()
    assert max(moved[0], moved[1 + objects :].max(initial=0.0)) < 0.2  # only what the liquid carries along
    radii = twin.world.radii_um
    for i, j in itertools.combinations(range(len(radii)), 2):
        assert np.linalg.norm(now[i] - now[j]) > radii[i] + radii[j] + 0.5
    assert twin.view.contains(now[1 : 1 + objects, :2], 20.0).all()
    later = after(twin, 24)
    assert np.abs(later - now)[:, :2].max() < 0.2  # it is over, and the world goes on


def test_a_knock_while_the_robot_pushes_leaves_a_world_that_goes_on():
    twin = blind(replace(CALM, objects=1, cells=0, seed=3))
    for _ in range(8):
        for _ in range(24):
            robot, cargo = twin.world.positions_um[:2, :2]
            way = cargo - robot
            twin.command(RotatingField(math.atan2(way[1], way[0]), PUSH_RAD, 12.0))
            twin.observe()
        twin.knock()
        after(twin, KNOCK_FRAMES)
        gap = np.linalg.norm(np.diff(twin.world.positions_um[:2], axis=0)) - twin.world.radii_um[:2].sum()
        assert gap > 0
    assert np.isfinite(twin.world.positions_um).all()


def test_a_tracker_follows_through_a_knock():
    twin = open_twin(replace(CALM, objects=1, cells=0))
    robot_px, object_px = twin.view.to_px(twin.world.positions_um[:2, :2])[:, ::-1]
    tracker = Tracker(robot_start_px=robot_px, cargo_start_px=object_px)
    start = tracker(twin.observe()).object_um
    twin.knock()
    frames = [twin.observe() for _ in range(2 * KNOCK_FRAMES)]
    observation = [tracker(frame) for frame in frames][-1]
    assert math.dist(observation.object_um, start) > KNOCK_UM[0] - 1.0
    assert math.dist(observation.object_um, frames[-1].positions_um[1, :2]) < 0.5


def test_two_knocks_are_two_directions():
    twin = blind(replace(CALM, objects=1, cells=0))
    steps = []
    for _ in range(2):
        before = after(twin, 1)[1, :2]
        twin.knock()
        steps.append(after(twin, KNOCK_FRAMES)[1, :2] - before)
    assert math.dist(*steps) > 0.5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("robot", "wheel"),
        ("cargo", "yeast"),
        ("objects", 0),
        ("objects", 7),
        ("objects", 2.5),
        ("objects", "3"),
        ("cells", -1),
        ("cells", 7),
        ("seed", -1),
        ("seed", math.nan),
        ("brownian", 1),
        ("flow_um_s", -1.0),
        ("flow_um_s", 1000.0),
        ("flow_um_s", math.nan),
        ("flow_deg", math.inf),
        ("latency_frames", -1),
        ("latency_frames", 100_000),
        ("latency_frames", True),
        ("defocus_um", 16.0),
        ("defocus_um", None),
        ("speed", 0.0),
        ("speed", -1.0),
        ("speed", math.nan),
    ],
)
def test_bad_settings_are_one_line_that_names_the_value(name, value):
    with pytest.raises(InputError) as error:
        TwinSettings(**{name: value})
    assert str(value) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_robot_that_is_not_known_in_culture_medium():
    with pytest.raises(InputError, match="choose paper"):
        TwinSettings(robot="nominal", cargo="cell")


def test_whole_numbers_may_come_from_a_page_as_floats():
    wanted = TwinSettings(objects=2.0, seed=5.0, latency_frames=0.0, speed=math.inf)  # type: ignore[arg-type]
    assert (wanted.objects, wanted.seed, wanted.latency_frames) == (2, 5, 0)
    assert isinstance(wanted.objects, int)


@pytest.mark.parametrize("robot", ["paper", "nominal", "population"])
def test_a_spinning_robot_s_step_out_is_known_and_lower(monkeypatch, robot):
    """Measured in the twin: 45 to 48 Hz spinning, 57 to 63 Hz rolling; among measured robots each varies."""
    monkeypatch.setattr(bench, "open_twin", blind)
    opened = bench.Bench(EngineOptions(twin=replace(CALM, robot=robot)))
    assert opened.step_out_hz is None and opened.spin_step_out_hz is None
    opened.open()
    assert opened.spin_step_out_hz is not None and opened.step_out_hz is not None
    assert 44 < opened.spin_step_out_hz < 49 < 55 < opened.step_out_hz < 65
    opened.close()
    assert opened.spin_step_out_hz is None
