"""A person's run: the wish is what is applied, and the score counts as any controller's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microtwin.control.by_hand import ByHand
from microtwin.control.corridor import Corridor
from microtwin.errors import InputError
from microtwin.field import PUSH_RAD, SPIN_CCW_RAD, SPIN_CW_RAD, RotatingField
from microtwin.paths import circle, figure_eight
from microtwin.physics import Liquid, World
from microtwin.recording import Trial
from microtwin.rig import Observation
from microtwin.robots import bead, nominal
from microtwin.run import run_trial
from microtwin.simulated import SimulatedRig, TruthObserver

LINE = np.stack([np.linspace(0.0, 100.0, 21), np.zeros(21)], axis=1)
ROLL = RotatingField(0.3, PUSH_RAD, 12.0)


def seen(robot, cargo, index=0):
    return Observation(index, index / 24, np.array(robot, dtype=float), np.array(cargo, dtype=float))


def begun(nodes=LINE, **options):
    hand = ByHand(nodes, **options)
    hand.act(seen(nodes[0] - [15.0, 0.0], nodes[0]))
    return hand


def test_nothing_is_applied_until_somebody_wishes_it():
    hand = ByHand(LINE)
    assert hand.act(seen([-50, 0], [0, 0])).amplitude == 0
    hand.wish = ROLL
    assert hand.act(seen([-50, 0], [0, 0])) is ROLL
    hand.wish = RotatingField(0.3, PUSH_RAD, 0.0)  # a stick that was let go
    assert hand.act(seen([-50, 0], [0, 0])).amplitude == 0
    hand.wish = RotatingField.off()
    assert hand.act(seen([-50, 0], [0, 0])).amplitude == 0


def test_the_approach_ends_at_the_approach_point_as_the_corridor_s_does():
    for x in np.arange(-60.0, -10.0, 0.5):
        hand, corridor = ByHand(LINE), Corridor(LINE, frequency_hz=12.0, width_um=5.0)
        here = seen([x, 0.5], [0, 0])
        hand.act(here)
        corridor.act(here)
        assert (hand.mode == "approach") == (corridor.mode == "approach"), f"robot at {x} µm"


@pytest.mark.parametrize("angle", np.arange(0.0, 2 * math.pi, 0.5))
def test_or_wherever_the_robot_is_at_the_object(angle):
    away = np.array([math.cos(angle), math.sin(angle)])
    hand = ByHand(LINE)
    hand.act(seen(30.0 * away, [0, 0]))
    assert hand.mode == "approach"
    hand.act(seen(14.0 * away, [0, 0]))
    assert hand.mode != "approach"
    hand.act(seen(60.0 * away, [0, 0]))
    assert hand.mode != "approach"  # time goes on, whatever the hand does then


@pytest.mark.parametrize(
    ("gamma", "mode"),
    [(PUSH_RAD, "push"), (SPIN_CCW_RAD, "spin_ccw"), (SPIN_CW_RAD, "spin_cw"), (0.7 * math.pi / 2, "push")],
)
def test_the_mode_is_what_the_field_does(gamma, mode):
    hand = begun()
    hand.wish = RotatingField(0.0, gamma, 12.0)
    hand.act(seen([-15, 0], [0, 0]))
    assert hand.mode == mode
    hand.wish = RotatingField.off()
    hand.act(seen([-15, 0], [0, 0]))
    assert hand.mode == "push"


@given(st.integers(0, 10**6))
def test_the_goal_goes_on_with_the_object_and_never_back(seed):
    rng = np.random.default_rng(seed)
    hand = begun(circle())
    goals = []
    for k in range(100):
        cargo = circle()[k] + rng.normal(0, 3, 2)
        hand.act(seen(cargo - 12.0, cargo, k))
        goals.append(hand.goal_index)
    assert (np.diff(goals) >= 0).all()
    assert abs(goals[50] - 50) <= 2


def test_a_path_that_crosses_itself_is_not_cut_short():
    nodes = figure_eight()
    hand = begun(nodes)
    for k, cargo in enumerate(nodes[:30]):  # through the crossing, at about the 25th
        hand.act(seen(cargo - 12.0, cargo, k))
    assert hand.goal_index == 29


def test_before_the_approach_has_ended_nothing_counts():
    hand = ByHand(LINE)
    hand.act(seen([300, 0], [100, 0]))  # the object lies on the last node
    assert (hand.mode, hand.goal_index, hand.done) == ("approach", 0, False)


def test_it_ends_with_the_object_at_the_last_node_and_the_field_off():
    hand = begun(circle())
    hand.wish = ROLL
    fields = [hand.act(seen(cargo - 12.0, cargo, k)) for k, cargo in enumerate(circle()[:-2])]
    assert not hand.done and fields[-1] is ROLL
    fields = [hand.act(seen(cargo - 12.0, cargo, k)) for k, cargo in enumerate(circle()[-2:], 98)]
    assert (hand.done, hand.mode, fields[-1].amplitude) == (True, "done", 0.0)
    assert hand.act(seen([0, 0], [50, 50])).amplitude == 0


def test_near_the_end_is_not_the_end_of_a_closed_path():
    hand = begun(circle())
    hand.act(seen(circle()[0] - [12.0, 0.0], circle()[0]))  # as near to the last node as to the next
    assert not hand.done


def test_a_run_by_hand_is_scored_as_any_other():
    """A hand that rolls straight behind the object, on the twin: done, with the time from the approach's end."""
    liquid = Liquid(kt_pn_um=0.0)
    world = World([nominal().at(-60, 0, 0.25), bead(range_um=0.04).at(0, 0, 0.4)], rng=0, liquid=liquid)
    rig, hand = SimulatedRig(world), ByHand(LINE)

    def steer(frame, observation, controller):
        way = observation.object_um - observation.robot_um + [0.0, -2.0 * observation.object_um[1]]
        hand.wish = RotatingField(math.atan2(way[1], way[0]), PUSH_RAD, 12.0)

    observer = TruthObserver(np.random.default_rng(0), noise_um=0.0)
    recording = run_trial(rig, observer, hand, time_limit_s=60.0, on_frame=steer)
    trial = Trial.measure(0, recording, LINE)
    assert trial.success, trial.reason
    assert 0 < trial.completion_time_s < trial.table.time_s.iloc[-1] - 0.5
    assert trial.spin_fraction == 0.0
    assert set(trial.table["mode"]) == {"approach", "push", "done"}


@pytest.mark.parametrize("values", [{"threshold_um": 0.0}, {"threshold_um": math.nan}, {"approach_um": -1.0}])
def test_bad_values(values):
    with pytest.raises(InputError) as error:
        ByHand(LINE, **values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("nodes", [np.zeros((1, 2)), np.zeros((3, 2)), [[0, 0], [math.nan, 1]]])
def test_bad_paths(nodes):
    with pytest.raises(InputError):
        ByHand(nodes)
