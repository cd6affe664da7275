"""The camera's angle against a twin that is turned, or mirrored, by a known one."""

import cmath
import math
from dataclasses import replace

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.physics import Flow
from microtwin.rig import LostError
from microtwin.scene import PushScene
from microtwin_hardware.calibration.follow import RobotFollower
from microtwin_hardware.calibration.legs import EDGE_UM, HOME_UM, View, go_home, roll
from microtwin_hardware.calibration.rolling import measure_angle


class Watched:
    """A rig that remembers its last command, and whose frames can be changed."""

    def __init__(self, rig, change=lambda frame: frame):
        self.rig, self.change = rig, change
        self.frame_rate_hz = rig.frame_rate_hz
        self.last = RotatingField()

    def command(self, field):
        self.last = field
        return self.rig.command(field)

    def observe(self):
        return self.change(self.rig.observe())

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.command(RotatingField.off())


def twin(seed=0, angle_rad=0.0, mirrored=False, half_um=math.inf, **scene):
    """A twin, and where its robot is seen by a camera at an angle (of a mirrored picture, if so); no cargo near.

    The picture shows ± ``half_um`` about the robot's first place.
    """
    rng = np.random.default_rng(seed)
    rig, _ = PushScene(start_um=900.0, **scene).open(np.array([[300.0, 300.0], [400.0, 300.0]]), rng)
    begun = rig.world.positions_um[0, :2].copy()

    def locate(frame):
        place = complex(*(frame.positions_um[0, :2] - begun + 0.05 * rng.standard_normal(2)))
        seen = (place.conjugate() if mirrored else place) * cmath.rect(1.0, angle_rad)
        if max(abs(seen.real), abs(seen.imag)) > half_um:
            raise LostError("left the picture")
        return np.array([seen.real, seen.imag])

    def framed(frame):
        size = int(2 * min(half_um, 1000.0))
        return replace(frame, image=np.zeros((size, size), np.uint8), um_per_px=1.0, centre_um=(0.0, 0.0))

    return Watched(rig, framed), locate


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle_deg", [0.0, 3.0, -60.0, 175.0])
def test_the_angle_is_found(angle_deg, mirrored):
    rig, locate = twin(1, math.radians(angle_deg), mirrored, robot="nominal")
    found = measure_angle(rig, locate)
    assert found.mirrored is mirrored
    assert math.degrees(math.remainder(found.rotation_rad - math.radians(angle_deg), 2 * math.pi)) == pytest.approx(
        0, abs=1.0
    )
    assert 0 < math.degrees(found.error_rad) < 0.5
    assert rig.last.amplitude == 0


@pytest.mark.parametrize("toward_rad", [0.3, 2.0, -1.2])
def test_a_drift_of_the_liquid_is_not_taken_for_an_angle(toward_rad):
    rig, locate = twin(2, 0.2, flow=Flow("uniform", speed_um_s=4.0, direction_rad=toward_rad))
    found = measure_angle(rig, locate)
    assert math.degrees(found.rotation_rad - 0.2) == pytest.approx(0, abs=1.0)
    drift = 4.0 * np.array([math.cos(toward_rad + 0.2), math.sin(toward_rad + 0.2)])
    assert found.drift_um_s == pytest.approx(drift, abs=1.0)  # near the glass the liquid carries a body less


def test_a_robot_s_own_deviation_is_part_of_it():
    found = [measure_angle(*twin(seed, robot="population")).rotation_rad for seed in range(4)]
    assert 0.5 < abs(math.degrees(np.mean(found))) < 3.0  # what the calibration tracks show, 1.4° or so


def test_the_flip_makes_a_mirrored_picture_right():
    for angle_deg, flip in ((0.0, "vertical"), (20.0, "vertical"), (180.0, "horizontal"), (-165.0, "horizontal")):
        rig, locate = twin(0, math.radians(angle_deg), mirrored=True)
        found = measure_angle(rig, locate, rounds=1)
        assert found.flip == flip

        def flipped(frame, flip=flip, locate=locate):
            x, y = locate(frame)
            return np.array([x, -y] if flip == "vertical" else [-x, y])

        again = measure_angle(rig, flipped, rounds=1)
        assert not again.mirrored and abs(math.degrees(again.rotation_rad)) < 22


def test_it_stays_in_the_picture():
    rig, locate = twin(3, 0.7, half_um=75.0, flow=Flow("uniform", speed_um_s=3.0, direction_rad=1.0))
    assert math.degrees(measure_angle(rig, locate).rotation_rad - 0.7) == pytest.approx(0, abs=1.0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_leg_ends_at_the_edge_and_the_way_home_is_found(mirrored):
    rig, locate = twin(0, 0.5, mirrored, half_um=40.0)
    assert roll(rig, locate, 0.0, 12.0, 30.0) is None  # thirty seconds were asked for, the edge came after two
    place = np.abs(locate(rig.observe())).max()
    assert 40 - EDGE_UM - 2 < place < 40 - EDGE_UM + 3
    go_home(rig, locate, View(0.5, mirrored), 8.0)
    assert np.hypot(*locate(rig.observe())) < HOME_UM + 2


def test_a_robot_that_does_not_roll():
    rig, locate = twin(0)
    rig.rig.command = lambda field: field  # no coils
    with pytest.raises(RigError, match="free it, turn the coils' supply on"):
        measure_angle(rig, locate, rounds=1)
    rig, locate = twin(0)
    with pytest.raises(RigError, match="does not roll alike along x and y"):
        measure_angle(rig, lambda frame: locate(frame) * (1, 0.05), rounds=1)
    assert rig.last.amplitude == 0


def test_ctrl_c_turns_the_field_off():
    rig, locate = twin(0)
    left = iter(range(40))

    def interrupted(frame):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return locate(frame)

    with pytest.raises(KeyboardInterrupt):
        measure_angle(rig, interrupted)
    assert rig.last.amplitude == 0


def test_bad_input():
    rig, locate = twin(0)
    for headings in (3, 5, 2):
        with pytest.raises(InputError, match="even number"):
            measure_angle(rig, locate, headings=headings)
    with pytest.raises(InputError, match="positive time"):
        measure_angle(rig, locate, leg_s=0.0)


def turned_a_quarter(frame):
    """The picture of a camera that stands a quarter turn askew, and its truth."""
    x, y = frame.centre_um
    places = frame.positions_um[:, [1, 0, 2]] * (-1, 1, 1)
    return replace(frame, image=np.ascontiguousarray(np.rot90(frame.image)), centre_um=(-y, x), positions_um=places)


def upside_down(frame):
    x, y = frame.centre_um
    places = frame.positions_um * (1, -1, 1)
    return replace(frame, image=np.ascontiguousarray(frame.image[::-1]), centre_um=(x, -y), positions_um=places)


@pytest.mark.parametrize(("change", "angle_deg"), [(turned_a_quarter, 90.0), (upside_down, 0.0)])
def test_from_pixels(change, angle_deg):
    """The follower on rendered frames of a robot and a bead: the robot is the one that is followed."""
    nodes = np.array([[-50.0, -50.0], [50.0, 50.0]])
    scene = PushScene(observe="camera", start_um=60.0, start_bearing_rad=math.pi, drift_sd_um_s=0.0)
    rig, _ = scene.open(nodes, np.random.default_rng(5))
    follower, errors = RobotFollower(), []

    def locate(frame):
        seen = follower(frame)
        errors.append(seen - frame.positions_um[0, :2])
        return seen

    found = measure_angle(Watched(rig, change), locate, headings=4, rounds=1, leg_s=1.0)
    assert np.hypot(*np.array(errors).T).max() < 0.6
    assert found.mirrored is (change is upside_down)
    off = math.remainder(found.rotation_rad - math.radians(angle_deg), 2 * math.pi)
    assert math.degrees(off) == pytest.approx(0, abs=2.5)  # four legs of one second


def test_the_follower_says_what_it_misses(tmp_path):
    from microtwin.rig import Frame

    empty = np.random.default_rng(0).normal(120, 3, (256, 320)).clip(0, 255).astype(np.uint8)
    with pytest.raises(InputError):
        RobotFollower()(Frame(0, 0.0, empty, 0.1725))
