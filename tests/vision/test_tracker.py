"""The tracker against known truth: accuracy, touch, faults, loss."""

import math
from dataclasses import replace

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.vision import LostError, Tracker, to_image


def follow(tracker, studio, film, picture, frames=None, change=lambda k, image: image, extra=lambda k: []):
    """Errors (n, 2, 2), µm, of robot and cargo, at every frame but those left out by ``change``."""
    errors, kept = [], []
    for k in range(len(film.robot_um) if frames is None else frames):
        image = change(k, studio.image([*film.bodies(k), *extra(k)]))
        if image is None:
            continue
        seen = tracker(picture(image, k, k / 24))
        errors.append([seen.robot_um - film.robot_um[k], seen.object_um - film.cargo_um[k]])
        kept.append(k)
    return np.array(errors), np.array(kept)


def clicked(film, studio, **options):
    starts = [to_image(one[0], studio.shape, 0.1725) + (9, -8) for one in (film.robot_um, film.cargo_um)]
    return Tracker(robot_start_px=starts[0], cargo_start_px=starts[1], **options)


def distances(errors):
    return np.hypot(errors[..., 0], errors[..., 1])


@pytest.mark.parametrize("seed", range(4))
def test_pushing_is_followed_to_a_tenth_of_a_micrometre(studio, pushing, picture, seed):
    film = pushing(seed)
    tracker = clicked(film, studio)
    errors, kept = follow(tracker, studio, film, picture)
    rms = np.sqrt((distances(errors) ** 2).mean(axis=0))
    assert (rms < 0.15).all()
    touching = np.array([film.apart_um(k) < 10.2 for k in kept])
    line = film.cargo_um[kept] - film.robot_um[kept]
    line /= np.linalg.norm(line, axis=1, keepdims=True)
    along = np.einsum("kbi,ki->kb", errors, line)
    assert touching.sum() > 20
    assert (np.abs(along[touching].mean(axis=0)) < 0.1).all()
    assert distances(errors).max() < 0.5  # a swap would be 10
    assert tracker.state == "tracking"


@pytest.mark.parametrize("defocus_um", [-3.0, -1.5, 1.5, 3.0])
def test_out_of_focus_nothing_is_swapped_or_lost(studio, pushing, picture, defocus_um):
    film = pushing(5)
    studio.defocus_um = defocus_um
    errors, _ = follow(clicked(film, studio), studio, film, picture)
    assert distances(errors).max() < 1.0
    assert (np.sqrt((distances(errors) ** 2).mean(axis=0)) < 0.25).all()


@pytest.mark.parametrize("seed", range(3))
def test_faults_of_lamp_and_camera_swap_nothing(studio, pushing, picture, seed):
    film = pushing(seed + 10)
    rng = np.random.default_rng(seed)
    last = [None]

    def change(k, image):
        image = np.clip(image * (1 + 0.3 * math.sin(k / 15)), 0, 255).astype(np.uint8)
        if k == 100:
            image = last[0]
        last[0] = image
        return None if k and k != 100 and rng.random() < 0.02 else image

    tracker = clicked(film, studio)
    errors, kept = follow(tracker, studio, film, picture, change=change)
    off = distances(errors)
    assert off[kept != 100].max() < 0.5
    assert off.max() < 3  # the frozen frame is where the bodies are expected
    assert tracker.dropped == len(film.robot_um) - len(kept)


def test_a_frozen_frame_is_told(studio, pushing, picture):
    film = pushing(1)
    tracker = clicked(film, studio)
    image = studio.image(film.bodies(0))
    tracker(picture(image, 0, 0.0))
    assert not tracker.frozen
    seen = tracker(picture(image, 1, 1 / 24))
    assert tracker.frozen and tracker.state == "searching" and tracker.robot.confidence == 0
    assert np.allclose(seen.robot_um, film.robot_um[0], atol=0.3)
    tracker(picture(studio.image(film.bodies(2)), 2, 2 / 24))
    assert not tracker.frozen and tracker.state == "tracking" and tracker.robot.confidence > 0.3
    with pytest.raises(LostError, match=r"robot lost: the camera's image is frozen for 1\.0"):
        image = studio.image(film.bodies(3))
        for k in range(3, 40):
            tracker(picture(image, k, k / 24))


@pytest.mark.parametrize("contrast", [0.35, 1.0])
@pytest.mark.parametrize("gap_um", [5.0, 1.0])
def test_a_cell_that_passes_is_not_taken_for_either(studio, pushing, picture, body, contrast, gap_um):
    film = pushing(3)
    rng = np.random.default_rng(0)

    def cell(k):
        beside = film.robot_um[k] if (k // 60) % 2 else film.cargo_um[k]
        other = film.cargo_um[k] if (k // 60) % 2 else film.robot_um[k]
        angle = 2 * math.pi * k / 60
        place = beside
        for _ in range(40):
            place = beside + (10.0 + gap_um) * np.array([math.cos(angle), math.sin(angle)])
            if np.hypot(*(place - other)) > 10.0 + gap_um:
                break
            angle += 0.2
        return [body(tuple(place + 0.1 * rng.standard_normal(2)), contrast=contrast, radius_um=5.0)]

    errors, _ = follow(clicked(film, studio), studio, film, picture, extra=cell)
    assert distances(errors).max() < 1.0


def test_velocity(studio, body, picture):
    tracker = Tracker()
    speed = np.array([24.0, 12.0])
    for k in range(20):
        place = np.array([-20.0, -5.0]) + speed * k / 24
        tracker(picture(studio.image([body(tuple(place), cap=(k * 0.7, 0.5)), body((20.0, -15.0))]), k, k / 24))
    assert tracker.robot.velocity_um_s == pytest.approx(speed, abs=1.5)
    assert tracker.cargo.velocity_um_s == pytest.approx((0, 0), abs=1.0)


def test_a_body_that_vanishes_is_searched_then_lost(studio, body, picture):
    robot, cargo = body((-10.0, 0.0), cap=(0.8, 0.0)), body((10.0, 0.0))
    tracker = Tracker()
    for k in range(10):
        tracker(picture(studio.image([robot, cargo]), k, k / 24))
    k, seen = 0, None
    with pytest.raises(LostError, match=r"cargo lost: not found for 1\.00 s, last seen at x 10\.0 µm, y -?0\.0 µm"):
        for k in range(10, 60):
            seen = tracker(picture(studio.image([robot]), k, k / 24))
            assert tracker.state == tracker.cargo.state == "searching"
            assert tracker.robot.state == "tracking"
            assert seen.object_um == pytest.approx((10, 0), abs=0.5)
    assert tracker.state == tracker.cargo.state == "lost"
    assert k == 9 + 24


def test_a_search_finds_what_comes_back_elsewhere(studio, body, picture):
    robot, cargo = body((-10.0, 0.0), cap=(0.8, 0.0)), body((10.0, 0.0))
    tracker, seen = Tracker(), None
    for k in range(30):
        bodies = [robot, cargo] if k < 10 else [robot] if k < 22 else [robot, body((18.0, 9.0))]
        seen = tracker(picture(studio.image(bodies), k, k / 24))
    assert tracker.state == "tracking"
    assert seen and seen.object_um == pytest.approx((18, 9), abs=0.1)


def test_masks_leave_the_other_body_out(studio, body, picture):
    tracker = Tracker()
    tracker(picture(studio.image([body((-5.0, 0.0), cap=(0.8, 0.0)), body((5.0, 0.0))]), 0, 0.0))
    robot, cargo = (mask > 0 for mask in tracker.masks())
    assert not (robot & cargo).any()
    disc = math.pi * (5 / 0.1725) ** 2
    assert robot.sum() == pytest.approx(disc, rel=0.15) and cargo.sum() == pytest.approx(disc, rel=0.15)
    assert robot[256, 320 - 29] and cargo[256, 320 + 29]


def test_a_click_selects_touching_bodies(studio, body, picture):
    bodies = [body((-5.0, 0.0), cap=(0.8, 0.0)), body((5.0, 0.0))]
    starts = [to_image(np.array(place), studio.shape, 0.1725) for place in ((-7.0, 2.0), (6.0, -3.0))]
    seen = Tracker(robot_start_px=starts[0], cargo_start_px=starts[1])(picture(studio.image(bodies), 0, 0.0))
    assert seen.robot_um == pytest.approx((-5, 0), abs=0.3)
    assert seen.object_um == pytest.approx((5, 0), abs=0.3)


def test_bad_clicks_and_frames(studio, body, picture):
    frame = picture(studio.image([body((-10.0, 0.0), cap=(0.8, 0.0)), body((10.0, 0.0))]), 0, 0.0)
    on = to_image(np.array([10.0, 0.0]), studio.shape, 0.1725)
    with pytest.raises(InputError, match="is on nothing"):
        Tracker(robot_start_px=(60, 60), cargo_start_px=on)(frame)
    with pytest.raises(InputError, match="is outside"):
        Tracker(robot_start_px=(600, 60), cargo_start_px=on)(frame)
    with pytest.raises(InputError, match="same body"):
        Tracker(robot_start_px=on + 3, cargo_start_px=on)(frame)
    with pytest.raises(InputError, match="two numbers"):
        Tracker(robot_start_px="here")
    with pytest.raises(InputError, match="positive number"):
        Tracker(lost_after_s=0)
    with pytest.raises(InputError, match="velocity gain"):
        Tracker(velocity_gain=2)
    with pytest.raises(InputError, match="positive number"):
        Tracker(um_per_px=-1)
    with pytest.raises(InputError, match="set up for"):
        Tracker(um_per_px=0.2)(frame)
    for image, said in (
        (frame.image.astype(np.float32), "8-bit"),
        (frame.image[None], "shape"),
        (frame.image[:20], "32 pixels"),
        (None, "NoneType"),
    ):
        with pytest.raises(InputError, match=said):
            Tracker()(replace(frame, image=image))
    tracker = Tracker()
    tracker(frame)
    with pytest.raises(InputError, match="start a new tracker"):
        tracker(replace(frame, image=frame.image[:400]))
    with pytest.raises(InputError, match="in order"):
        tracker(replace(frame, time_s=-1.0))
    with pytest.raises(InputError, match="no robot detected"):
        Tracker()(picture(studio.image([body((0.0, 0.0))]), 0, 0.0))


def test_a_robot_as_fast_as_they_get_is_followed_from_rest(studio, picture, body):
    """120 µm/s: 5 µm a frame, weaving, away from a bead it passes close by."""
    angle = np.concatenate([[0.0], np.cumsum(0.5 * np.sin(0.9 * np.arange(20)))])
    steps = 5.0 * np.column_stack((np.cos(angle), np.sin(angle)))
    places = np.vstack([np.full((3, 2), [-45.0, 0.0]), [-45.0, 0.0] + np.cumsum(steps, axis=0)])
    tracker, bead = None, np.array([0.0, -13.0])
    for k, place in enumerate(places):
        image = studio.image([body(tuple(place), (0.8 * k, angle[max(0, k - 3)])), body(tuple(bead))])
        if tracker is None:
            clicks = [to_image(one, studio.shape, 0.1725) for one in (place, bead)]
            tracker = Tracker(robot_start_px=clicks[0], cargo_start_px=clicks[1])
        seen = tracker(picture(image, k, k / 24))
        assert math.dist(seen.robot_um, place) < 0.5
        assert math.dist(seen.object_um, bead) < 0.5
