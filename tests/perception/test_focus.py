"""Filter and controller on made-up readings, and what is cut out of a camera's frame."""

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.otmr.pose import Pose
from microtwin.otmr.randomisation import plain
from microtwin.otmr.render import render_sequence
from microtwin.perception.focus import FocusController, FromPixels, Reading
from microtwin.perception.focus_filter import PATIENCE, DriftFilter
from microtwin.rig import Frame, LostError
from microtwin.robots.catalogue import robot

PERIOD_S = 1 / 24


@given(start=st.floats(-10, 10), rate=st.floats(-2, 2), sd=st.floats(0.02, 0.3))
def test_a_steady_drift_is_learnt_without_lag(start, rate, sd):
    drift = DriftFilter()
    for k in range(120):
        drift.take(k * PERIOD_S, start + rate * k * PERIOD_S, sd)
    assert drift.rate_um_s == pytest.approx(rate, abs=0.05)
    assert drift.ahead(6.0) == pytest.approx(start + 6.0 * rate, abs=0.08)


def test_its_uncertainty_is_its_error():
    """Errors over many runs of the very process that it assumes."""
    rng, scaled, drift = np.random.default_rng(0), [], DriftFilter()
    for _ in range(300):
        drift.forget()
        depth, rate = float(rng.normal()), 0.0
        for k in range(60):
            step = rng.multivariate_normal(
                np.zeros(2), 1.5**2 * np.array([[PERIOD_S**3 / 3, PERIOD_S**2 / 2], [PERIOD_S**2 / 2, PERIOD_S]])
            )
            depth, rate = depth + rate * PERIOD_S + step[0], rate + step[1]
            drift.take(k * PERIOD_S, depth + 0.1 * rng.standard_normal(), 0.1)
        scaled.append((drift.depth_um - depth) / drift.sd_um)
    assert np.std(scaled) == pytest.approx(1.0, abs=0.12)
    assert 0.0 < drift.sd_um < 0.1


def test_a_bad_reading_is_left_out_and_a_new_place_is_believed_in_the_end():
    drift = DriftFilter()
    for k in range(48):
        assert drift.take(k * PERIOD_S, 1.0, 0.1)
    assert not drift.take(2.0, 5.0, 0.1)
    assert drift.depth_um == pytest.approx(1.0, abs=0.01)
    believed = [drift.take(2.0 + k * PERIOD_S, 5.0, 0.1) for k in range(1, PATIENCE)]
    assert believed == [False] * (PATIENCE - 2) + [True]
    assert drift.depth_um == 5.0


def test_before_any_reading_nothing_is_known():
    drift = DriftFilter()
    assert not drift.started and math.isinf(drift.sd_um)
    drift.take(0.0, 1.0, 0.1)
    assert drift.started and drift.sd_um == pytest.approx(0.1)
    drift.forget()
    assert not drift.started


def reads(*depths_um, sd_um=0.05):
    """A sight that gives these one after the other; None is a lost robot."""
    left = list(depths_um)

    def sight(frame):
        depth_um = left.pop(0)
        if depth_um is None:
            raise LostError("gone")
        return Reading(depth_um, sd_um)

    return sight


def steering(sight, **options) -> FocusController:
    return FocusController(sight, 2.0, **({"travel_um": (-10.0, 10.0), "period_s": PERIOD_S} | options))


def frame(k: int) -> Frame:
    return Frame(k, k * PERIOD_S)


def test_the_first_reading_sends_the_stage_the_whole_way_to_the_target():
    assert steering(reads(1.5)).act(frame(0), 4.0) == pytest.approx(4.5)


def test_a_long_way_is_gone_at_its_speed_and_not_past_the_travel():
    controller = steering(reads(-5.0, -5.0), fastest_um_s=24.0)
    assert controller.act(frame(0), 0.0) == pytest.approx(1.0)
    assert steering(reads(-50.0), fastest_um_s=1e6).act(frame(0), 0.0) == 10.0


def test_a_late_frame_is_compared_with_where_the_stage_was():
    """Two frames late: the move of 1 µm that a frame does not show yet is not asked for again."""
    controller = steering(reads(1.0, 1.0, 1.0, 2.0), latency_s=2 * PERIOD_S)
    stage_um = 0.0
    for k in range(4):
        stage_um = controller.act(frame(k), stage_um) or stage_um
        assert stage_um == pytest.approx(1.0, abs=0.02)
    assert controller.stage_um == pytest.approx(1.0, abs=0.02)


def test_a_lost_robot_leaves_the_stage_alone_and_says_why():
    controller = steering(reads(2.0, None, 2.0))
    assert controller.act(frame(0), 0.0) == pytest.approx(0.0)
    assert controller.act(frame(1), 0.0) is None
    assert controller.lost == "gone" and math.isnan(controller.reading.depth_um)
    assert controller.act(frame(2), 0.0) is not None and controller.lost == ""


def test_after_a_long_loss_the_drift_is_learnt_anew():
    controller = steering(reads(*[2.0 + 0.04 * k for k in range(40)], *[None] * 30, 2.0))
    for k in range(40):
        controller.act(frame(k), 0.0)
    assert controller.drift.rate_um_s > 0.5
    for k in range(40, 70):
        assert controller.act(frame(k), 0.0) is None
    assert controller.act(frame(70), 0.0) == pytest.approx(0.0)
    assert controller.drift.rate_um_s == 0.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"period_s": 0.0}, "frame period is 0.0"),
        ({"latency_s": -1.0}, "latency is -1.0 s"),
        ({"fastest_um_s": math.nan}, "speed is nan"),
    ],
)
def test_controllers_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        steering(reads(), **options)
    with pytest.raises(InputError, match="target is nan"):
        FocusController(reads(), math.nan, travel_um=(0.0, 1.0), period_s=0.1)


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    """(256, 256) of robot 7 in the middle, out of focus enough to have rings."""
    return render_sequence(robot(7).mesh, Pose(), [1.0], plain(), np.random.default_rng(0))[0]


class Watcher:
    """An estimator that keeps what it was shown."""

    def __init__(self, depth_um=1.0, sd_um=0.1):
        self.seen: list[np.ndarray] = []
        self.answer = SimpleNamespace(depth_um=np.array([depth_um]), depth_sd_um=np.array([sd_um]))

    def __call__(self, images):
        assert images.shape == (1, 256, 256) and images.dtype == np.uint8
        self.seen.append(images[0])
        return self.answer


def test_a_crop_is_shown_as_it_is(crop):
    watcher = Watcher()
    assert FromPixels(watcher)(Frame(0, 0.0, crop, 0.055)) == Reading(1.0, 0.1)
    np.testing.assert_array_equal(watcher.seen[0], crop)


def on_frame(crop, shape, row, column) -> np.ndarray:
    image = np.full(shape, np.median(crop), np.uint8)
    image = np.clip(image + np.random.default_rng(0).normal(0, 1, shape), 0, 255).astype(np.uint8)
    image[row : row + 256, column : column + 256] = crop
    return image


def test_a_robot_is_cut_out_of_a_frame_wherever_it_goes(crop):
    watcher = Watcher()
    sight = FromPixels(watcher)
    for k, (row, column) in enumerate([(100, 200), (112, 205), (390, 640), (400, 660)]):  # the third is a jump
        image = on_frame(crop, (700, 1000), row, column)
        try:
            sight(Frame(k, k * PERIOD_S, image, 0.055))
        except LostError:  # out of the window of where it was: looked for everywhere in the next frame
            sight(Frame(k, k * PERIOD_S, image, 0.055))
        again = watcher.seen[-1].astype(float)
        middle = np.s_[48:208, 48:208]
        shifts = [
            np.corrcoef(np.roll(again, (dy, dx), (0, 1))[middle].ravel(), crop[middle].ravel().astype(float))[0, 1]
            for dy in range(-3, 4)
            for dx in range(-3, 4)
        ]
        assert max(shifts) > 0.95


def test_another_scale_is_drawn_anew_at_the_image_sets(crop):
    watcher = Watcher()
    twice = cv2.resize(crop, None, fx=2.0, fy=2.0, interpolation=cv2.INTER_CUBIC)
    FromPixels(watcher)(Frame(0, 0.0, twice, 0.0275))
    assert np.abs(watcher.seen[0].astype(float) - crop).mean() < 2.0


def test_an_empty_picture_is_a_lost_robot(crop):
    noise = np.random.default_rng(0).normal(110, 1.2, (256, 256)).astype(np.uint8)
    with pytest.raises(LostError, match="no robot found"):
        FromPixels(Watcher())(Frame(0, 0.0, noise, 0.055))


@pytest.mark.parametrize(("depth_um", "sd_um"), [(1.0, 5.0), (math.nan, 0.1), (1.0, math.nan)])
def test_an_estimator_that_does_not_know_is_a_lost_robot(crop, depth_um, sd_um):
    with pytest.raises(LostError, match="depth unknown"):
        FromPixels(Watcher(depth_um, sd_um))(Frame(0, 0.0, crop, 0.055))


def test_a_camera_too_coarse_is_refused(crop):
    with pytest.raises(InputError, match=r"0\.345 µm per pixel"):
        FromPixels(Watcher())(Frame(0, 0.0, crop, 0.345))


def test_a_frame_too_small_for_a_crop_is_refused_in_its_own_words():
    for side, um_per_px in ((200, 0.055), (300, 0.03)):
        with pytest.raises(InputError, match="depth is read from 14 × 14 µm, give the camera a larger region"):
            FromPixels(lambda images: None)(Frame(0, 0.0, np.full((side, 300), 110, np.uint8), um_per_px))
