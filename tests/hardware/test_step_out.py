"""The sweep against robots whose step-out is known."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from microtwin.errors import InputError, RigError
from microtwin.field import RotatingField
from microtwin.rig import Frame
from microtwin.scene import PushScene
from microtwin_hardware.calibration.legs import View
from microtwin_hardware.calibration.step_out import sweep


@dataclass
class Roller:
    """A robot on paper: f − √(f² − f_c²) of the turns are lost above the step-out f_c, and the liquid drifts."""

    step_out_hz: float
    um_per_turn: float = 2.0
    drift: complex = 0.0
    turn_rad: float = 0.0
    noise_um: float = 0.1
    half_um: float = 150.0
    frame_rate_hz: float = 24.0

    def __post_init__(self):
        self.place, self.count, self.field = 0j, 0, RotatingField.off()
        self.rng = np.random.default_rng(0)

    def command(self, field):
        self.field = field
        return field

    def observe(self):
        f = self.field.frequency_hz * (self.field.amplitude > 0)
        turns = f - math.sqrt(max(f**2 - self.step_out_hz**2, 0.0))
        heading = self.field.alpha_rad + self.turn_rad
        velocity = self.um_per_turn * turns * complex(math.cos(heading), math.sin(heading)) + self.drift
        self.place += velocity / self.frame_rate_hz
        self.count += 1
        size = int(2 * self.half_um)
        return Frame(self.count, self.count / self.frame_rate_hz, np.zeros((size, size), np.uint8), 1.0)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.command(RotatingField.off())

    def locate(self, frame):
        return np.array([self.place.real, self.place.imag]) + self.noise_um * self.rng.standard_normal(2)


@pytest.mark.parametrize("step_out_hz", [17.0, 43.0, 61.5, 110.0])
@pytest.mark.parametrize("drift", [0.0, 2.0 - 1.5j])
def test_the_step_out_is_found(step_out_hz, drift):
    robot = Roller(step_out_hz, drift=drift)
    found = sweep(robot, robot.locate)
    assert found.frequency_hz == pytest.approx(step_out_hz, rel=0.06)
    assert found.slipped_hz > step_out_hz * 0.99
    assert found.um_per_turn == pytest.approx(2.0, rel=0.03)
    assert robot.field.amplitude == 0
    assert (np.diff(found.frequencies_hz) > 0).all() and len(found.speeds_um_s) == len(found.frequencies_hz)


def test_the_picture_s_angle_is_taken_into_account():
    robot = Roller(40.0, drift=4j, turn_rad=1.2, half_um=70.0)  # a wrong way home would leave the picture
    found = sweep(robot, robot.locate, highest_hz=60.0, view=View(1.2))
    assert found.frequency_hz == pytest.approx(40.0, rel=0.06)


def test_a_robot_that_follows_everything():
    robot = Roller(500.0)
    found = sweep(robot, robot.locate, highest_hz=60.0)
    assert found.frequency_hz == pytest.approx(60.0) and math.isinf(found.slipped_hz)


@pytest.mark.parametrize("robot", ["nominal", "paper"])
def test_the_twin_steps_out_where_the_paper_s_robot_does(robot):
    rng = np.random.default_rng(0)
    rig, _ = PushScene(robot=robot, start_um=900.0).open(np.array([[500.0, 500.0], [600.0, 500.0]]), rng)
    begun = rig.world.positions_um[0, :2].copy()

    def locate(frame: Any):
        return frame.positions_um[0, :2] - begun

    found = sweep(rig, locate, highest_hz=100.0)
    assert 52 < found.frequency_hz < 68  # about 60 Hz (section III)


def test_bad_input():
    robot = Roller(60.0)
    for low, high in ((4.0, 4.0), (0.1, 60.0), (4.0, 300.0)):
        with pytest.raises(InputError, match="give a range"):
            sweep(robot, robot.locate, lowest_hz=low, highest_hz=high)
    with pytest.raises(RigError, match="free it, or check the coils"):
        stuck = Roller(60.0, um_per_turn=0.0)
        sweep(stuck, stuck.locate)
    with pytest.raises(InputError, match=r"no room to roll|after 30 s"):
        small = Roller(60.0, half_um=14.0)
        sweep(small, small.locate)
    assert robot.field.amplitude == 0
