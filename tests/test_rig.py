"""The door to a rig, and the contract that the twin keeps as any other rig must."""

import math

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.field import RotatingField
from microtwin.physics import World
from microtwin.rig import Observer, Rig, open_rig
from microtwin.robots import bead, nominal
from microtwin.simulated import SimulatedRig, TruthObserver


def world():
    return World([nominal().at(0, 0, 0.3), bead(range_um=0.04).at(30, 0, 0.3)], rng=0)


def test_the_twin_is_a_backend():
    rig: Rig = open_rig("sim", world=world(), latency_frames=0)
    assert isinstance(rig, SimulatedRig)
    assert rig.frame_rate_hz == 24.0


@pytest.mark.parametrize("name", ["nope", "", "SIM", "a\nb"])
def test_an_unknown_backend_names_the_choices(name):
    with pytest.raises(InputError, match=r"choose one of .*sim") as error:
        open_rig(name)
    assert "\n" not in str(error.value)


def test_the_twin_keeps_the_contract():
    rig: Rig = SimulatedRig(world())
    observer: Observer = TruthObserver(np.random.default_rng(0))
    with rig as entered:
        assert entered is rig
        frames = []
        for _ in range(5):
            wanted = RotatingField(0.3, math.pi / 2, 8.0)
            assert rig.command(wanted) == wanted  # what is applied; the twin clips nothing
            frames.append(rig.observe())
            seen = observer(frames[-1])
            assert (seen.index, seen.time_s) == (frames[-1].index, frames[-1].time_s)
            assert seen.robot_um.shape == seen.object_um.shape == (2,)
    assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(np.diff([f.time_s for f in frames]), 1 / 24, rtol=1e-9)


def test_a_backend_s_own_mistake_is_not_taken_for_wrong_options(monkeypatch):
    class Entry:
        name = "bad"

        def load(self):
            return lambda port: 1 + port

    monkeypatch.setattr("microtwin.rig.entry_points", lambda group: [Entry()])
    with pytest.raises(TypeError, match="unsupported operand"):
        open_rig("bad", port="x")
    with pytest.raises(InputError, match="does not take these options"):
        open_rig("bad", speed=3)
