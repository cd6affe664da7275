"""A rig in a path's coordinates: shifted once, on entering; left again when nothing is seen."""

import numpy as np
import pytest

from microtwin.field import RotatingField
from microtwin.on_path import OnPath
from microtwin.rig import Frame, LostError, Observation

START_UM = np.array([100.0, -40.0])


class Bench:
    """A rig whose stage has moved: its frames' middle is at (3, 4)."""

    frame_rate_hz = 24.0

    def __init__(self):
        self.frames, self.inside = 0, False

    def command(self, field):
        return field

    def observe(self):
        self.frames += 1
        return Frame(self.frames, self.frames / 24, centre_um=(3.0, 4.0))

    def __enter__(self):
        self.inside = True
        return self

    def __exit__(self, *exception):
        self.inside = False


def seen(frame: Frame) -> Observation:
    """The object 10 µm right of the frame's middle and moving by 1 µm a frame, the robot 20 µm left of it."""
    middle = np.array(frame.centre_um)
    return Observation(frame.index, frame.time_s, middle - [20.0, 0.0], middle + [9.0 + frame.index, 0.0])


def test_the_object_is_at_the_start_when_it_is_entered_and_the_world_stays_put_from_then_on():
    rig = Bench()
    with OnPath(rig, seen, START_UM) as shifted:
        for moved in (1.0, 2.0):
            observation = seen(shifted.observe())
            np.testing.assert_allclose(observation.object_um, START_UM + [moved, 0.0])
        np.testing.assert_allclose(observation.robot_um, START_UM + [-30.0, 0.0])
        assert shifted.command(RotatingField(0.3, 1.0, 9.0)) == RotatingField(0.3, 1.0, 9.0)
        assert shifted.frame_rate_hz == 24.0
    assert not rig.inside


def test_a_rig_on_which_nothing_is_found_is_left():
    """Leaving is what turns the field off."""
    rig = Bench()

    def nothing(frame):
        assert rig.inside
        raise LostError("no object for 1 frame")

    with pytest.raises(LostError), OnPath(rig, nothing, START_UM):
        pass
    assert not rig.inside
