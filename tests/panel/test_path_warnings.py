"""The robot's own way to the object's far side, and shapes that are laid clear of bodies."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtwin import paths
from microtwin.control import Corridor
from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.fitted_shape import EDGE_UM, SHORTEST_UM, fit
from microtwin.panel.engine.notice_board import NoticeBoard
from microtwin.panel.engine.object_paths import ObjectPaths
from microtwin.panel.engine.path_plan import load
from microtwin.panel.engine.path_warnings import Around, clearance_um, obstacles, warnings
from microtwin.panel.engine.place import Place, Seen
from microtwin.panel.engine.robot_way import STEP_UM, THRESHOLD_UM, way_behind
from microtwin.panel.engine.twin import TwinSettings, _world
from microtwin.panel.messages import Draw, LoadPath
from microtwin.rig import Frame
from microtwin.run import run_trial
from microtwin.simulated import SimulatedRig, TruthObserver

VIEW = FieldOfView((512, 640), 0.345)  # 221 × 177 µm
RIGHTWARDS = np.stack([np.linspace(0.0, 60.0, 13), np.zeros(13)], axis=1)
APPROACH_UM = 15.0


def at(x: float, y: float, nodes=RIGHTWARDS):
    """An object that is to be pushed to the right from (x, y), and what lies round it."""
    here = np.array([x, y])
    return nodes + here, Around(here, 5.0, [], VIEW)


def body(x: float, y: float, radius: float = 6.75):
    return np.array([x, y]), radius, "a resting cell"


# the way


@given(st.floats(30, 150), st.floats(-math.pi, math.pi))
def test_the_way_leads_behind_the_object_and_never_through_it(away, bearing):
    robot = away * np.array([math.cos(bearing), math.sin(bearing)])
    way = way_behind(robot, np.zeros(2), RIGHTWARDS, APPROACH_UM)
    np.testing.assert_array_equal(way[0], robot)
    np.testing.assert_allclose(np.hypot(*np.diff(way, axis=0).T), STEP_UM)
    assert math.hypot(*way[-1]) < 30.0  # it has arrived behind an object that drifted meanwhile
    assert np.hypot(*way.T).min() > 9.0


@pytest.mark.parametrize("away", [0.0, 4.0])
def test_a_robot_that_is_there_already_has_no_way_to_go(away):
    assert len(way_behind(np.array([-APPROACH_UM - away, 0.0]), np.zeros(2), RIGHTWARDS, APPROACH_UM)) == 1


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_it_is_the_way_that_the_twin_s_robot_takes(seed):
    world = _world(TwinSettings(seed=seed, brownian=False))
    robot, cargo = world.positions_um[:2, :2].copy()
    nodes = fit("circle", VIEW, cargo)
    way = way_behind(robot, cargo, nodes, APPROACH_UM)
    taken: list[np.ndarray] = []

    def on_frame(frame, seen, controller):
        if controller.mode != "approach":
            raise KeyboardInterrupt
        taken.append(frame.positions_um[0, :2])

    controller = Corridor(
        nodes, frequency_hz=12.0, width_um=5.0, threshold_um=THRESHOLD_UM, approach_um=APPROACH_UM, lost_um=1e3
    )
    with SimulatedRig(world, rng=0) as rig:
        run_trial(rig, TruthObserver(np.random.default_rng(0)), controller, time_limit_s=30.0, on_frame=on_frame)
    assert len(taken) > 24
    assert max(clearance_um(way, place)[0] for place in taken) < 9.0
    assert math.dist(way[-1], taken[-1]) < 12.0


# what is said of it


def test_a_robot_that_must_round_an_object_near_the_edge_leaves_the_picture():
    nodes, around = at(20.0, -68.0)
    (line,) = warnings(nodes, replace(around, robot_um=np.array([75.0, -78.0])))
    assert line.startswith("the robot's own way behind the object leaves the picture at the bottom, at x ")
    assert "drive it to the object's other side first" in line
    assert warnings(nodes, replace(around, robot_um=np.array([-40.0, -68.0]))) == []  # it is behind it already
    assert warnings(nodes, around) == []  # nobody knows where it is


def test_where_there_is_room_nothing_is_said():
    nodes, around = at(0.0, 0.0)
    for bearing in np.linspace(0, 2 * math.pi, 12, endpoint=False):
        assert warnings(nodes, replace(around, robot_um=50.0 * np.array([math.cos(bearing), math.sin(bearing)]))) == []


def test_a_robot_at_the_edge_that_comes_in_from_there_does_not_leave():
    nodes, around = at(0.0, 0.0)
    assert warnings(nodes, replace(around, robot_um=np.array([-106.0, 0.0]))) == []


def test_a_body_in_the_robot_s_own_way_is_named():
    nodes, around = at(0.0, 0.0)
    robot = np.array([0.0, 70.0])
    way = way_behind(robot, np.zeros(2), nodes, APPROACH_UM)
    on_it = body(*way[len(way) // 2])
    assert clearance_um(nodes, on_it[0])[0] > 20.0  # the path itself is clear of it
    (line,) = warnings(nodes, replace(around, others=[on_it], robot_um=robot))
    assert line.startswith("the robot's own way behind the object goes through a resting cell, at x ")
    behind_it = np.array([-60.0, -20.0])
    assert warnings(nodes, replace(around, others=[on_it], robot_um=behind_it)) == []


def test_one_line_is_enough_where_there_is_no_room_behind_the_object():
    nodes, around = at(-95.0, 0.0)
    (line,) = warnings(nodes, replace(around, robot_um=np.array([-50.0, 0.0])))
    assert line.startswith("no room for the robot behind the object on the left")


# shapes


def through(bodies):
    return lambda nodes: any(clearance_um(nodes, place)[0] < radius + 8.0 for place, radius, _ in bodies)


@settings(max_examples=40)
@given(
    name=st.sampled_from(paths.SHAPES),
    start=st.tuples(st.floats(-60, 60), st.floats(-45, 45)),
    bodies=st.lists(st.tuples(st.floats(-100, 100), st.floats(-80, 80)).map(lambda p: body(*p)), max_size=4),
)
def test_a_shape_keeps_clear_of_bodies_where_any_does_and_lies_as_ever_where_none_does(name, start, bodies):
    here, blocked = np.array(start), through(bodies)
    usual, nodes = fit(name, VIEW, here), fit(name, VIEW, here, None, blocked)
    np.testing.assert_allclose(nodes[0], here, atol=1e-9)
    assert VIEW.contains(nodes, EDGE_UM - 1.0).all()
    assert paths.path_length(nodes, closed=True) > 0.99 * SHORTEST_UM
    if blocked(nodes) or not blocked(usual):
        np.testing.assert_array_equal(nodes, usual)


def test_a_circle_goes_round_the_cell_that_the_usual_one_meets():
    here = np.array([-30.0, 0.0])
    usual = load("circle", VIEW, start_um=here)
    cell = body(*usual[len(usual) // 2])
    around = Around(here, 5.0, [cell], VIEW)
    assert obstacles(usual, around)
    nodes = load("circle", VIEW, start_um=here, blocked=lambda way: bool(obstacles(way, around)))
    assert obstacles(nodes, around) == []
    assert paths.path_length(nodes, closed=True) > 150.0  # not merely as small as it may be


def test_a_length_that_was_asked_for_is_kept_by_turning_alone():
    here, length = np.array([-20.0, 0.0]), 180.0
    usual = fit("square", VIEW, here, length)
    blocked = through([body(*usual[len(usual) // 2])])
    nodes = fit("square", VIEW, here, length, blocked)
    assert blocked(usual) and not blocked(nodes)
    assert paths.path_length(nodes, closed=True) == pytest.approx(length)


def test_a_shape_about_the_middle_grows_smaller_to_stay_within_a_ring_of_cells():
    usual = fit("circle", VIEW)
    ring = through([body(*node) for node in usual[::10]])
    nodes = fit("circle", VIEW, None, None, ring)
    assert not ring(nodes)
    assert paths.path_length(nodes, closed=True) < 0.9 * paths.path_length(usual, closed=True)


def test_a_shape_without_room_is_refused_whatever_is_in_its_way():
    with pytest.raises(InputError, match="no room for a circle of 900 µm in the picture: give at most"):
        fit("circle", VIEW, None, 900.0, lambda nodes: True)


# as the commands say it


def bench(robot_um, *objects, bodies=()) -> Any:
    """What :class:`ObjectPaths` asks of an engine: a picture, what is selected in it, and notices."""
    selection = SimpleNamespace(
        robot=None if robot_um is None else Place(np.array(robot_um), 5.0),
        objects=[Place(np.array(one), 5.0) for one in objects],
        bodies=[Seen(np.array(one), 6.75, "other") for one in bodies],
        refresh=lambda frame: None,
    )
    frame = Frame(0, 0.0, np.zeros((512, 640), np.uint8), 0.345)
    return SimpleNamespace(selection=selection, picture=frame, notices=NoticeBoard(), out=Path("nowhere"))


def texts(live) -> list[str]:
    return [one["text"] for one in live.notices.kept()]


def drawn(live, number: int, to_um) -> Draw:
    line = VIEW.to_px(np.array([live.selection.objects[number].at_um, to_um]))
    return Draw(tuple((float(x), float(y)) for x, y in line), number)


def test_the_robot_s_own_way_is_looked_at_when_a_path_is_drawn_and_again_once_it_was_driven_elsewhere():
    live = bench([75.0, -78.0], [20.0, -68.0])
    paths_ = ObjectPaths(live)
    paths_.draw(drawn(live, 0, [80.0, -68.0]))
    assert [text[:22] for text in texts(live)] == ["the robot's own way be"]
    paths_.look_again()
    assert len(texts(live)) == 1  # nothing has changed
    live.selection.robot.at_um = np.array([-40.0, -68.0])
    paths_.look_again()
    assert len(texts(live)) == 1  # it was driven to where it must be
    live.selection.robot.at_um = np.array([75.0, -80.0])
    paths_.look_again()
    assert len(texts(live)) == 2


def test_the_first_object_is_looked_at_again_also_if_the_second_had_its_path_last():
    live = bench([-40.0, -68.0], [20.0, -68.0], [-40.0, 40.0])
    paths_ = ObjectPaths(live)
    paths_.draw(drawn(live, 0, [80.0, -68.0]))
    live.selection.robot.at_um = np.array([75.0, -78.0])
    paths_.draw(drawn(live, 1, [-80.0, 40.0]))
    assert texts(live) == []
    paths_.look_again()
    assert len(texts(live)) == 1 and "the robot's own way" in texts(live)[0]


def test_a_second_object_is_approached_from_where_the_first_is_left():
    live = bench([-60.0, -70.0], [-40.0, 40.0], [20.0, -68.0])
    paths_ = ObjectPaths(live)
    paths_.draw(drawn(live, 1, [80.0, -68.0]))
    assert texts(live) == []  # it would come from the left
    paths_.draw(drawn(live, 0, [85.0, -50.0]))
    live.notices = NoticeBoard()
    paths_.draw(drawn(live, 1, [80.0, -68.0]))
    assert len(texts(live)) == 1 and "the robot's own way" in texts(live)[0]  # but it comes from the right


def test_a_shape_is_loaded_clear_of_the_bodies_in_the_picture():
    free = bench([-60.0, 0.0], [-30.0, 0.0])
    ObjectPaths(free).load(LoadPath("circle"))
    usual = free.selection.objects[0].nodes_um
    cell = usual[len(usual) // 2]
    live = bench([-60.0, 0.0], [-30.0, 0.0], bodies=[cell])
    ObjectPaths(live).load(LoadPath("circle"))
    assert texts(live) == []
    assert clearance_um(live.selection.objects[0].nodes_um, cell)[0] > 10.0 > clearance_um(usual, cell)[0]
