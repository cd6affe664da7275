"""The plan: a model that does not turn with the scene, a search whose cost never rises, a distance that is kept."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin import paths
from microtwin.control import Predictive
from microtwin.control.path_frame import arc_lengths, wrapped
from microtwin.control.predictive import BLOCKS, PLAN, REACH, SIZE, Plan, move, refine
from microtwin.errors import InputError
from microtwin.pushing import Push
from microtwin.rig import Observation
from microtwin.scene import PushScene

angle = st.floats(-math.pi, math.pi)
LINE = np.column_stack((5.0 * np.arange(40), np.zeros(40)))


@given(heading=angle, go=st.floats(0.0, 2.0), apart=st.floats(12.0, 30.0))
def test_the_object_moves_along_the_line_between_the_two(heading, go, apart):
    rx, ry, ox, oy = move(0.0, 0.0, apart, 0.0, heading, go, 15.0, 0.0, 0.0)
    assert (rx, ry) == pytest.approx((go * math.cos(heading), go * math.sin(heading)))
    assert oy == 0.0
    assert ox - apart == pytest.approx(go * math.cos(heading) * (15.0 / apart) ** 3)


def test_a_robot_that_pushes_settles_at_the_reach():
    for apart in (12.0, 22.0):
        places = (0.0, 0.0, apart, 0.0)
        for _ in range(400):
            places = move(*places, 0.0, 0.5, 15.0, 0.0, 0.0)
        assert places[2] - places[0] == pytest.approx(15.0, abs=0.1)


@given(seed=st.integers(0, 999))
@settings(max_examples=40)
def test_refining_never_makes_a_plan_worse(seed):
    rng = np.random.default_rng(seed)
    nodes, numbers = paths.circle(), Plan().numbers()
    fitted = np.zeros(SIZE)
    fitted[REACH] = 16.0
    headings = fitted[PLAN:]
    headings[:] = 1.6 + rng.normal(0, 1.0, BLOCKS)
    start = (nodes[0, 0] + rng.normal(0, 3), nodes[0, 1] - 16.0, nodes[0, 0] + rng.normal(0, 3), nodes[0, 1])
    costs = [refine(headings, start, 1.6, 0.0, 25.0, fitted, nodes, arc_lengths(nodes), numbers) for _ in range(6)]
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(costs))
    assert np.isfinite(headings).all()


def fields(nodes, places, **options):
    controller = Predictive(nodes, Plan(**options))
    out = []
    for index, (robot, cargo) in enumerate(places):
        out.append(controller.act(Observation(index, index / 24, np.array(robot), np.array(cargo))))
    return controller, out


def straight(apart, frames=30, across=0.0):
    """A robot that pushes along the line, at a constant distance."""
    return [((k - apart, across), (float(k), across)) for k in range(frames)]


@given(by=angle, x=st.floats(-300, 300), across=st.floats(-4, 4))
@settings(max_examples=25)
def test_a_turned_and_moved_scene_is_controlled_alike(by, x, across):
    rotation = np.array([[math.cos(by), -math.sin(by)], [math.sin(by), math.cos(by)]])
    places = straight(16.0, across=across)
    there = [tuple(rotation @ np.array(point) + x for point in pair) for pair in places]
    _, here = fields(LINE, places)
    _, turned = fields(np.ascontiguousarray(LINE @ rotation.T + x), there)
    for one, other in zip(here, turned, strict=True):
        assert wrapped(other.alpha_rad - one.alpha_rad - by) == pytest.approx(0.0, abs=1e-3)
        assert other.frequency_hz == pytest.approx(one.frequency_hz, abs=1e-6)


def test_an_object_left_of_the_path_is_pushed_from_further_left():
    for side in (1.0, -1.0):
        controller, out = fields(LINE, straight(16.0, across=2.0 * side))
        assert controller.mode == "push"
        assert side * wrapped(out[-1].alpha_rad) > 0.05


def test_the_frequency_keeps_the_distance():
    near, far = fields(LINE, straight(10.3))[1][-1], fields(LINE, straight(16.0))[1][-1]
    assert far.frequency_hz == 15.0
    assert 5.0 <= near.frequency_hz < 12.0
    assert fields(LINE, straight(9.5))[1][-1].frequency_hz == 5.0
    assert fields(LINE, straight(9.5), cruise_hz=4.0)[1][-1].frequency_hz == 4.0  # it never goes faster


def test_the_reach_is_identified():
    """An object that goes as fast as the robot is at its reach."""
    controller, _ = fields(LINE, straight(18.0, frames=60))
    assert controller.reach_um == pytest.approx(18.0, abs=0.2)


@pytest.mark.parametrize("path", ["circle", "square"])
def test_it_pushes_a_bead_more_accurately_than_the_corridor_can(path):
    """0.4 × the corridor's most accurate setting, 1.25 µm on the circle."""
    (trial,) = Push(paths.from_name(path), 15.0, controller="predictive", trials=1).run()
    assert trial.success and trial.mae_um < 0.55
    assert trial.completion_time_s < 27.0
    assert trial.spin_fraction == 0.0 and trial.switches_per_s == 0.0


def test_a_robot_that_would_climb_on_its_object_stays_behind():
    """The median calibration robot touches the bead; at 15 Hz it climbs on it and loses it."""
    (trial,) = Push(paths.circle(), 15.0, controller="predictive", trials=1, scene=PushScene(robot="nominal")).run()
    assert trial.success and trial.mae_um < 0.6


@pytest.mark.parametrize(
    "options",
    [
        {"cruise_hz": 0.0},
        {"horizon_um": math.nan},
        {"progress": -1.0},
        {"clear_um": 10.0},
        {"touch_hz": 0.0},
        {"delay_frames": 0},
        {"delay_frames": 9},
    ],
    ids=str,
)
def test_plans_that_are_none(options):
    with pytest.raises(InputError, match=next(iter(options)).split("_")[0]) as error:
        Plan(**options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["threshold_um", "approach_um", "lost_um", "frame_rate_hz"])
def test_values_that_are_not_positive(name):
    with pytest.raises(InputError, match="positive"):
        Predictive(LINE, None, **{name: 0.0})
