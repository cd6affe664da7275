"""Poses that a robot's symmetry makes one view: which they are, and that the pictures agree."""

import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin.errors import InputError
from microtwin.image_axes import to_image
from microtwin.otmr.framing import CROP, PIXEL_UM, laid
from microtwin.otmr.pose import POSES, Pose, about_z, rotation
from microtwin.otmr.randomisation import plain
from microtwin.otmr.render import intensities, orientation
from microtwin.otmr.symmetry import in_plane_rad, indistinguishable, pose_class, view_angle_deg
from microtwin.robots.catalogue import robot, rotations

degrees = st.integers(0, 90)
poses = st.builds(Pose, degrees, degrees)


def names(number):
    return {(one.name, other.name) for one, other in indistinguishable(number)}


def matrix(pose):
    return rotation(math.radians(pose.pitch_deg), math.radians(pose.roll_deg))


@pytest.mark.parametrize("number", sorted(POSES))
def test_no_two_poses_of_the_grid_are_one_view(number):
    assert names(number) == set()
    assert all(pose_class(number, pose) == pose for pose in POSES[number])


@pytest.mark.parametrize(("number", "same"), [(1, True), (10, True), (2, False), (3, False)])
def test_four_arms_make_tipping_about_either_axis_one_view(number, same):
    for angle in (10, 45, 90):
        apart = view_angle_deg(number, Pose(angle, 0), Pose(0, angle))
        assert (apart < 1e-6) if same else (apart > 5.0)


@given(degrees)
def test_from_the_side_pitch_is_an_angle_in_the_plane(pitch):
    assert view_angle_deg(3, Pose(pitch, 90), Pose(0, 90)) == pytest.approx(0.0, abs=1e-5)
    assert view_angle_deg(3, Pose(pitch, 0), Pose(0, 0)) == pytest.approx(pitch, abs=1e-5)


def test_mirrored_poses_are_told_apart():
    assert view_angle_deg(3, Pose(40, 40), Pose(50, 40)) > 5.0


def test_without_help_from_symmetry_the_angle_between_views_is_the_change_of_pitch():
    assert view_angle_deg(3, Pose(10, 0), Pose(25, 0)) == pytest.approx(15.0)
    assert view_angle_deg(3, Pose(90, 0), Pose(90, 60)) == pytest.approx(60.0)
    assert view_angle_deg(7, Pose(10, 0), Pose(70, 50)) == 0.0  # a ball


@given(st.sampled_from(sorted(POSES)), poses, poses, poses)
@settings(deadline=None)
def test_the_angle_between_views_is_a_distance(number, one, other, third):
    apart = view_angle_deg(number, one, other)
    assert 0 <= apart <= 180 and apart == pytest.approx(view_angle_deg(number, other, one), abs=1e-6)
    assert apart <= view_angle_deg(number, one, third) + view_angle_deg(number, third, other) + 1e-6


def test_every_pair_is_joined_by_a_turn_and_a_symmetry():
    for number, one, other in [
        (1, Pose(30, 0), Pose(0, 30)),
        (10, Pose(0, 75), Pose(75, 0)),
        (3, Pose(20, 90), Pose(0, 90)),
    ]:
        turned = about_z(in_plane_rad(number, one, other)) @ matrix(one)
        assert min(np.abs(turned - matrix(other) @ element).max() for element in rotations(robot(number))) < 1e-6


def test_classes_are_the_pairs():
    for number, grid in POSES.items():
        classes = {pose.name: pose_class(number, pose) for pose in grid}
        assert {(a, b) for a, b in itertools.combinations(classes, 2) if classes[a] == classes[b]} == names(number)
        assert all(pose_class(number, pose_class(number, pose)) == pose_class(number, pose) for pose in grid)


def test_robots_without_a_grid_have_no_pairs():
    for number in (7, 8, 16):
        assert indistinguishable(number) == []
        assert pose_class(number, Pose()) == Pose()


def test_an_unknown_robot_is_refused():
    with pytest.raises(InputError, match="no robot 19"):
        view_angle_deg(19, Pose(), Pose())


def picture(number, pose):
    draw = plain()
    (drawn,), middle = intensities(robot(number).mesh, orientation(pose, draw), [2.0], draw)
    return laid(drawn, to_image(middle, CROP, PIXEL_UM), CROP)


@pytest.mark.parametrize(
    ("number", "one", "other", "likest", "least"),
    [
        (1, Pose(30, 0), Pose(0, 30), 1.0, 0.995),
        (10, Pose(45, 0), Pose(0, 45), 1.0, 0.995),
        (2, Pose(45, 0), Pose(0, 45), 0.9, -1.0),
    ],
)
def test_pictures_of_one_view_agree_and_of_two_do_not(number, one, other, likest, least):
    pixels = cv2.getRotationMatrix2D((127.5, 127.5), math.degrees(in_plane_rad(number, one, other)), 1.0)
    turned = cv2.warpAffine(picture(number, one), pixels, CROP, flags=cv2.INTER_CUBIC, borderValue=1.0)
    assert least < np.corrcoef(turned.ravel(), picture(number, other).ravel())[0, 1] < likest
