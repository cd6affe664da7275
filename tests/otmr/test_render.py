"""A robot's images: flat where nothing is, spots and rings on their sides of focus, turned and moved as the body is."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import trimesh

from microtwin.errors import InputError
from microtwin.image_axes import to_image
from microtwin.otmr import render as module
from microtwin.otmr.depth import depth_of, focus_um
from microtwin.otmr.framing import CROP, FRAME, PIXEL_UM, laid
from microtwin.otmr.pose import Pose, about_z
from microtwin.otmr.randomisation import Randomisation, plain
from microtwin.otmr.render import (
    depth_limits_um,
    intensities,
    microscope,
    middle_um,
    orientation,
    places_um,
    render_sequence,
    silhouette,
)

RADIUS_UM = 1.4
SHARP = plain(condenser_na=0.06, spherical_waves=0.0)
ROW, COLUMN = np.indices(CROP) - 127.5
RADIUS_PX = np.hypot(ROW, COLUMN)


def ball(radius=RADIUS_UM, at=(0.0, 0.0, 0.0)):
    made = trimesh.creation.icosphere(3, radius)
    return np.array(made.vertices) + at, np.array(made.faces)


def bar():
    """A robot without symmetry in the picture."""
    vertices, faces = zip(ball(1.3, (-1.6, 0, 0)), ball(0.8, (1.7, 0.4, 0)), strict=True)
    return np.concatenate(vertices), np.concatenate([faces[0], faces[1] + len(vertices[0])])


def light(mesh, depths, draw=SHARP, pose=Pose(), origin=(0.0, 0.0), shape=CROP):  # noqa: B008
    pictures, middle = intensities(mesh, orientation(pose, draw), depths, draw)
    return np.stack([laid(p, to_image(np.add(origin, middle), shape, PIXEL_UM), shape) for p in pictures])


def likeness(one, other):
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_focus_towards_the_objective_is_a_bright_spot_and_towards_the_lamp_a_dark_disc_in_rings():
    low, high = light(ball(), [6.0, -6.0])
    assert focus_um(6.0, 0.0, microscope(SHARP, 1.0)) < 0 < focus_um(-6.0, 0.0, microscope(SHARP, 1.0))
    middle, disc = RADIUS_PX < 4, (RADIUS_PX > 14) & (RADIUS_PX < 24)
    assert low[middle].mean() > 2.5 and low[disc].mean() < 0.6  # a lens's focus in a dark halo
    assert high[middle].mean() < 1.2 and high[RADIUS_PX < 22].mean() < 0.7
    profile = [high[(RADIUS_PX >= r) & (RADIUS_PX < r + 1)].mean() for r in range(20, 80)]
    assert max(profile) > 1.25  # the bright ring round it
    turns = np.flatnonzero(np.diff(np.sign(np.diff(profile))))
    assert len(turns) >= 4  # and more outside


def test_an_empty_background_is_level_but_for_the_noise():
    draw = plain(prnu=0.0, background_dn=110.0)
    (image,) = render_sequence(ball(), Pose(), [2.0], draw, np.random.default_rng(0), FRAME)
    empty = image[:, :150].astype(float)
    assert empty.mean() == pytest.approx(110.0, abs=0.3)
    tiles = empty[:480].reshape(8, 60, 5, 30).mean(axis=(1, 3))
    assert np.ptp(tiles) < 0.6
    expected = 110 / math.sqrt(draw.electrons) * math.hypot(1, draw.read_noise_e / math.sqrt(draw.electrons))
    quiet = render_sequence(ball(), Pose(), [2.0], replace(draw, interpolation_px=0.0), np.random.default_rng(0), FRAME)
    assert quiet[0, :, :150].std() == pytest.approx(expected, rel=0.1)
    assert empty.std() < 0.7 * expected  # interpolation averages


def test_nothing_but_the_body_is_in_the_light():
    picture = light(ball(), [0.0], shape=FRAME)[0]
    far = np.hypot(*(np.indices(FRAME) - np.array([243.5, 338.5])[:, None, None])) > 180
    assert (picture[far] == 1).all()


def test_turning_the_body_turns_its_image():
    straight = light(bar(), [-2.0, 2.0])
    quarter = light(bar(), [-2.0, 2.0], replace(SHARP, in_plane_deg=90.0))
    assert likeness(np.rot90(straight, axes=(1, 2)), quarter) > 0.999  # counter-clockwise
    oblique = light(bar(), [-2.0, 2.0], replace(SHARP, in_plane_deg=33.0))
    for before, after in zip(straight, oblique, strict=True):
        turned = cv2.warpAffine(
            before, cv2.getRotationMatrix2D((127.5, 127.5), 33.0, 1.0), CROP, flags=cv2.INTER_CUBIC, borderValue=1.0
        )
        assert likeness(turned, after) > 0.99
        assert likeness(before, after) < 0.9


@pytest.mark.parametrize("offset", [(10, -6), (0.5, 0.25), (-3.3, 7.7)])
def test_moving_the_body_moves_its_image(offset):
    right, up = offset
    here = light(bar(), [1.0])[0]
    there = light(bar(), [1.0], origin=(right * PIXEL_UM, up * PIXEL_UM))[0]
    moved = np.fft.ifft2(
        np.fft.fft2(here) * np.exp(-2j * np.pi * (np.fft.fftfreq(256) * right + np.fft.fftfreq(256)[:, None] * -up))
    ).real
    inner = np.s_[20:-20, 20:-20]
    assert np.abs(there - moved)[inner].max() < 0.01 < np.abs(there - here)[inner].max()
    drawn_there = light((bar()[0] + [right * PIXEL_UM, up * PIXEL_UM, 0], bar()[1]), [1.0])[0]
    assert likeness(there, drawn_there) > 0.9999


def test_raising_the_body_is_the_same_as_looking_lower():
    raised = light((bar()[0] + [0, 0, 1.2], bar()[1]), [0.0])[0]
    depth = depth_of(-1.2, 0.0, microscope(SHARP, 1.0))
    assert likeness(raised, light(bar(), [depth])[0]) > 0.995
    assert likeness(raised, light(bar(), [-depth])[0]) < 0.9


def test_a_crop_is_the_middle_of_the_frame():
    crop, frame = light(bar(), [3.0])[0], light(bar(), [3.0], shape=FRAME)[0]
    assert np.array_equal(crop, frame[116:372, 211:467])


def test_the_robot_stands_where_the_draw_puts_it_and_the_crop_follows():
    draw = plain(place_x_um=5.0, place_y_um=3.0, electrons=1e5, dust=40, dust_depth=0.5)
    (frame,) = render_sequence(bar(), Pose(), [0.0], draw, np.random.default_rng(0), FRAME)
    (crop,) = render_sequence(bar(), Pose(), [0.0], draw, np.random.default_rng(0), CROP)
    top, left = 116 - round(3.0 / PIXEL_UM), 211 + round(5.0 / PIXEL_UM)
    window = frame[top : top + 256, left : left + 256].astype(float)
    assert np.abs(window - crop)[2:-2, 2:-2].max() < 8  # noise and quantisation: the dust is at the same places too


def test_the_background_is_as_drawn_where_the_robot_is():
    draw = plain(place_x_um=8.0, gradient_x=0.06, gradient_y=-0.03, background_dn=100.0, prnu=0.0, read_noise_e=0.0)
    (crop,) = render_sequence(ball(0.4), Pose(), [0.0], draw, np.random.default_rng(0))
    edges = crop[100:156, :10].mean(), crop[100:156, -10:].mean(), crop[:10, 100:156].mean(), crop[-10:, 100:156].mean()
    away = 1 - 5 / 128  # middles of these strips
    assert np.array(edges) == pytest.approx([100 * (1 + s * away) for s in (-0.06, 0.06, 0.03, -0.03)], abs=0.6)


def test_jitter_moves_the_robot_as_reported():
    draw = plain(centring_um=0.2, drift_um=0.05, electrons=1e5)
    images = render_sequence(ball(), Pose(), [1.0] * 6, draw, np.random.default_rng(5)).astype(float)
    places = places_um(6, draw, np.random.default_rng(5))
    assert np.std(places) > 0.1
    for image, place in zip(images, places, strict=True):
        dark = np.clip(90.0 - image, 0, None)
        row, column = (float((dark * axis).sum() / dark.sum()) for axis in np.ogrid[:256, :256])
        assert (row, column) == pytest.approx(to_image(place, CROP, PIXEL_UM), abs=0.3)


def test_the_same_draw_and_generator_make_the_same_bytes():
    ranges = Randomisation(substrate=1.0)

    def made(seed):
        rng = np.random.default_rng(seed)
        return render_sequence(bar(), Pose(30, 15), [-2.0, 0.0, 3.0], ranges.draw(rng), rng)

    one = made(1)
    assert one.shape == (3, 256, 256) and one.dtype == np.uint8
    assert one.tobytes() == made(1).tobytes() != made(2).tobytes()


def test_the_grid_is_large_enough_that_its_period_does_not_show(monkeypatch):
    usual = light(bar(), [-5.0, 0.0, 5.0])
    monkeypatch.setattr(module, "_GRIDS", (320,))
    monkeypatch.setattr(module, "_RINGS", (6, 6))
    for small, large in zip(usual, light(bar(), [-5.0, 0.0, 5.0]), strict=True):
        assert likeness(small, large) > 0.995


def test_a_wider_body_and_a_wider_condenser_need_more_source_points():
    assert [microscope(plain(condenser_na=na), 9.0).source_points for na in (0.02, 0.05, 0.1, 0.4)] == [7, 19, 37, 37]
    assert microscope(plain(condenser_na=0.05), 1.0).source_points == 7


def test_the_silhouette_is_the_outline():
    outline = silhouette(ball(2.0), np.eye(3), CROP, PIXEL_UM)
    assert outline.shape == CROP and outline.dtype == bool
    assert outline.sum() * PIXEL_UM**2 == pytest.approx(math.pi * 2.0**2, rel=0.03)
    turned = silhouette(bar(), about_z(math.pi / 2), CROP, PIXEL_UM)
    assert (turned == np.rot90(silhouette(bar(), np.eye(3), CROP, PIXEL_UM))).mean() > 0.999
    large = silhouette(ball(8.0), np.eye(3), (64, 64), PIXEL_UM)
    assert large.all()  # what sticks out is left out
    x, y = middle_um(bar(), about_z(math.pi / 2))
    row, column = (np.flatnonzero(turned.any(axis=1 - axis))[[0, -1]].mean() for axis in (0, 1))
    assert (row, column) == pytest.approx(to_image(np.array([x, y]), CROP, PIXEL_UM), abs=1)


def test_a_sweep_of_depths_has_the_middle_of_the_turned_body_s_height_in_its_middle():
    mesh, scope = ball(1.0, (0.0, 0.0, 3.0)), microscope(plain(), 1.0)
    low, high = depth_limits_um(mesh, orientation(Pose(), plain()), plain(), 12.0)
    assert high - low == pytest.approx(12.0)
    assert focus_um((low + high) / 2, 0.0, scope) == pytest.approx(3.0)
    assert low + high < 0  # what is above the origin is in focus at smaller depths
    assert depth_limits_um(mesh, np.diag([1.0, -1.0, -1.0]), plain(), 12.0) == pytest.approx((-high, -low))
    assert depth_limits_um(mesh, orientation(Pose(pitch_deg=90), plain()), plain(), 12.0) == pytest.approx(
        (-6, 6), abs=0.05
    )


def test_leaning_is_in_the_world_and_turns_with_the_picture():
    straight, leaning = orientation(Pose(30, 15), plain()), orientation(Pose(30, 15), plain(lean_x_deg=5.0))
    angle = math.degrees(math.acos((np.trace(leaning @ straight.T) - 1) / 2))
    assert angle == pytest.approx(5.0)
    turned = orientation(Pose(30, 15), plain(lean_x_deg=5.0, in_plane_deg=40.0))
    assert turned == pytest.approx(about_z(math.radians(40)) @ leaning)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (600, 600)}, "picture of"),
        ({"shape": (8, 256)}, "picture of"),
        ({"depths_um": [float("nan")]}, "give finite numbers"),
        ({"mesh": (ball()[0] * 1000, ball()[1])}, "2.8e"),
        ({"mesh": (ball()[0] / 1000, ball()[1])}, "give a mesh in µm"),
        ({"mesh": (ball()[0], ball()[1][:-1])}, "not closed"),
    ],
)
def test_bad_input_is_refused(change, message):
    settings = {"mesh": ball(), "depths_um": [0.0], "shape": CROP} | change
    with pytest.raises(InputError, match=message):
        render_sequence(pose=Pose(), draw=plain(), rng=np.random.default_rng(0), **settings)
