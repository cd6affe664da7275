"""The twin of looking: whose pictures, which depth, whose time."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.focusing.picture import Picture, sweep_um
from microtwin.focusing.twin import FocusScene, Truth, TwinStage
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import Randomisation, plain
from microtwin.otmr.render import middle_um, orientation, render_sequence
from microtwin.robots.catalogue import catalogue, robot

QUIET = FocusScene(robot=7, drift_um_s=0.0, vibration_um=0.0)


def test_pictures_are_those_of_the_image_set():
    """The same waves and the same sensor; the grid is a little larger, which shows in faint rings at its edge."""
    item, draw = robot(8), plain()
    turn = orientation(Pose(), draw)
    aside = middle_um(item.mesh, turn)
    picture = Picture(item, Pose(), draw)
    depths = np.linspace(*picture.limits_um, 3)
    origin = (-aside[0], -aside[1])
    wanted = render_sequence(item.mesh, Pose(), depths, draw, np.random.default_rng(4), origin_um=origin)
    rng = np.random.default_rng(4)
    for depth, image in zip(depths, wanted, strict=True):
        seen = picture.expose(float(depth), rng)
        assert np.corrcoef(seen.ravel().astype(float), image.ravel().astype(float))[0, 1] > 0.97


@pytest.mark.parametrize("number", sorted(catalogue()))
def test_every_robot_has_a_middle_within_its_sweep(number):
    item = robot(number)
    low, high = sweep_um(item, Pose())
    height = np.ptp(item.mesh[0][:, 2])
    middle = FocusScene(robot=number).middle_um
    assert high - low == pytest.approx(item.depth_range_um) and middle == pytest.approx((low + high) / 2)
    assert abs(middle) < height * 2 + 1.0


def test_targets_are_depths_of_the_sweep():
    QUIET.check_target(-6.0)
    for beyond in (6.1, -6.1, math.nan, math.inf):
        with pytest.raises(InputError, match=r"give a depth of robot 7, -6\.0 to 6\.0"):
            QUIET.check_target(beyond)


def test_the_depth_is_the_stage_plus_what_disturbs_it():
    rig = replace(QUIET, start_um=0.5, latency_frames=0).open(0, blind=True)
    with rig:
        assert rig.observe().depth_um == 0.5
        rig.stage.head_for(2.0)
        assert rig.observe().depth_um == pytest.approx(2.5, abs=1e-3)


@pytest.mark.parametrize("latency", [0, 1, 3])
def test_frames_arrive_late_and_say_when_they_were_taken(latency):
    rig = replace(QUIET, latency_frames=latency).open(0, blind=True)
    first = rig.observe()
    assert first.index == 0 and first.time_s == 0.0
    rig.stage.head_for(1.0)
    depths = [rig.observe().depth_um for _ in range(5)]
    moved = int(np.argmax(np.array(depths) > first.depth_um + 0.5))
    assert moved == latency


def test_the_same_seed_is_the_same_run_with_images_or_without():
    scene = FocusScene(robot=7)
    one, two, blind, other = scene.open(3), scene.open(3), scene.open(3, blind=True), scene.open(4)
    for _ in range(3):
        a, b, c, d = one.observe(), two.observe(), blind.observe(), other.observe()
        assert np.array_equal(np.asarray(a.image), np.asarray(b.image))
        assert a.depth_um == b.depth_um == c.depth_um and c.image is None
        assert a.depth_um != d.depth_um and not np.array_equal(np.asarray(a.image), np.asarray(d.image))


@given(
    there=st.floats(-15, 15),
    speed=st.floats(1, 500),
    settle=st.floats(1e-3, 0.1),
    parts=st.integers(1, 40),
)
def test_a_stage_arrives_never_overshoots_and_time_may_be_cut_anywhere(there, speed, settle, parts):
    whole, cut = (TwinStage((-15.0, 15.0), speed, settle) for _ in range(2))
    duration = 0.5 * (abs(there) / speed + 2 * settle)
    for stage in (whole, cut):
        stage.head_for(there)
    whole.advance(duration)
    before = 0.0
    for _ in range(parts):
        cut.advance(duration / parts)
        assert abs(before) <= abs(cut.position_um) + 1e-12 and abs(cut.position_um) <= abs(there) + 1e-12
        assert abs(cut.position_um - before) <= speed * duration / parts + 1e-9
        before = cut.position_um
    assert cut.position_um == pytest.approx(whole.position_um, abs=1e-9)
    whole.advance(abs(there) / speed + 60 * settle)
    assert whole.position_um == pytest.approx(there, abs=1e-6)


def test_a_stage_stays_within_its_travel():
    stage = TwinStage((-5.0, 5.0), 100.0, 0.005)
    stage.head_for(4.0)
    for beyond in (5.1, -5.1, math.nan):
        with pytest.raises(InputError, match="give -5 to 5 µm"):
            stage.head_for(beyond)
    stage.advance(1.0)
    assert stage.position_um == pytest.approx(4.0)


def test_it_has_no_coils():
    rig = QUIET.open(0, blind=True)
    assert rig.command(RotatingField.off()) == RotatingField.off()
    with pytest.raises(InputError, match="no coils"):
        rig.command(RotatingField())


def test_the_truth_is_as_noisy_as_asked():
    rig, sight = QUIET.open(0, blind=True), Truth(0.1, 1)
    frame = rig.observe()
    read = np.array([sight(frame).depth_um for _ in range(4000)])
    assert read.std() == pytest.approx(0.1, rel=0.05) and read.mean() == pytest.approx(frame.depth_um, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"robot": 0}, "no robot 0"),
        ({"robot": 8, "pose": Pose(30, 5)}, "robot 8 has no pose P30_R5"),
        ({"latency_frames": -1}, "latency is -1"),
        ({"frame_rate_hz": 0.0}, "frame rate is 0.0"),
        ({"travel_um": (1.0, 5.0)}, "give a range that holds 0"),
        ({"settle_ms": 0.0}, "settle_ms of the stage is 0.0"),
        ({"start_um": math.inf}, "depth at the start is inf"),
        ({"drift_um_s": math.nan}, "drift is nan"),
        ({"vibration_um": -1.0}, "vibration is -1.0"),
    ],
)
def test_scenes_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        FocusScene(**changes)


def test_a_pose_of_the_set_may_be_asked_for():
    scene = FocusScene(robot=3, pose=Pose(30, 5), randomise=Randomisation.off())
    assert scene.middle_um != FocusScene(robot=3).middle_um
