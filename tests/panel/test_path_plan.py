"""Paths as an operator gives them: drawn, named, saved; what is refused and what is warned of, in words."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from microtwin import paths
from microtwin.errors import InputError
from microtwin.panel.engine.field_of_view import FieldOfView
from microtwin.panel.engine.fitted_shape import EDGE_UM, ROOM_UM
from microtwin.panel.engine.path_plan import from_drawing, load, save, saved
from microtwin.panel.engine.path_warnings import Around, clearance_um, warnings
from microtwin.panel.engine.slipping import frequency_warning
from microtwin.rig import Frame

VIEW = FieldOfView((512, 640), 0.345)
SHIFTED = FieldOfView((512, 640), 0.345, (300.0, -40.0))
OBJECT = {"object_um": np.array([-50.0, 0.0]), "object_radius_um": 5.0, "view": VIEW}
AHEAD = np.stack([np.linspace(-50.0, 50.0, 20), np.zeros(20)], axis=1)

views = st.builds(
    FieldOfView,
    st.tuples(st.integers(16, 3000), st.integers(16, 3000)),
    st.floats(0.05, 2.0),
    st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
)
numbers = st.floats(-1e4, 1e4)


@given(views, st.lists(st.tuples(numbers, numbers), min_size=1))
def test_places_there_and_back(view, points):
    np.testing.assert_allclose(view.to_world(view.to_px(points)), points, atol=1e-6)


def test_the_picture_s_middle_and_axes():
    np.testing.assert_allclose(SHIFTED.to_px([[300.0, -40.0]]), [[319.5, 255.5]])
    right, up = SHIFTED.to_px([[301.0, -40.0], [300.0, -39.0]]) - [319.5, 255.5]
    np.testing.assert_allclose(right, [1 / 0.345, 0.0], atol=1e-9)
    np.testing.assert_allclose(up, [0.0, -1 / 0.345], atol=1e-9)  # y up in the world, down in the picture


@given(views)
def test_the_outermost_pixels_are_inside_and_their_neighbours_outside(view):
    rows, columns = view.shape
    corners = np.array([[0, 0], [columns - 1, 0], [0, rows - 1], [columns - 1, rows - 1]])
    assert view.contains(view.to_world(corners)).all()
    assert not view.contains(view.to_world(corners * 1.0 + np.where(corners > 0, 1, -1))).any()
    assert not view.contains(view.to_world(corners), 2 * view.um_per_px).any()


def test_a_frame_s_own_field():
    frame = Frame(0, 0.0, np.zeros((20, 30), np.uint8), 0.5, (1.0, 2.0))
    assert FieldOfView.of(frame) == FieldOfView((20, 30), 0.5, (1.0, 2.0))
    with pytest.raises(InputError, match="no picture"):
        FieldOfView.of(Frame(0, 0.0))
    with pytest.raises(InputError, match="scale is nan"):
        FieldOfView.of(Frame(0, 0.0, np.zeros((20, 30), np.uint8)))


def drawn(nodes_um, view=VIEW, tremor_um=0.0, seed=0):
    """What a browser sends of a line drawn by hand: uneven, doubled, shaken."""
    rng = np.random.default_rng(seed)
    fine = paths.resample(nodes_um, spacing_um=0.7)
    fine = fine[np.sort(rng.choice(len(fine), len(fine) * 2 // 3, replace=True))]
    fine[0], fine[-1] = nodes_um[0], nodes_um[-1]
    shaken = fine + tremor_um * rng.standard_normal(fine.shape) * (np.arange(len(fine)) % (len(fine) - 1) > 0)[:, None]
    return [tuple(point) for point in view.to_px(shaken)]


CURVE = paths.circle(length_um=300.0)[:80]


@pytest.mark.parametrize("view", [VIEW, SHIFTED])
def test_a_drawing_keeps_its_ends_and_its_way_and_has_even_nodes(view):
    curve = CURVE + view.centre_um
    nodes = from_drawing(drawn(curve, view), view)
    np.testing.assert_allclose(nodes[[0, -1]], curve[[0, -1]], atol=1e-9)
    steps = np.hypot(*np.diff(nodes, axis=0).T)
    np.testing.assert_allclose(steps, paths.SPACING_UM, rtol=0.1)
    assert max(clearance_um(curve, node)[0] for node in nodes) < 0.5


def test_the_hand_s_tremor_is_taken_out():
    nodes = from_drawing(drawn(CURVE, tremor_um=1.0), VIEW)
    raw = paths.resample(VIEW.to_world(np.array(drawn(CURVE, tremor_um=1.0))), spacing_um=paths.SPACING_UM)

    def turning(line):
        steps = np.diff(line, axis=0)
        headings = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
        return float(np.abs(np.diff(headings)).sum())

    assert turning(nodes) < 0.5 * turning(raw)
    assert max(clearance_um(CURVE, node)[0] for node in nodes) < 1.5
    assert paths.path_length(nodes) == pytest.approx(paths.path_length(CURVE), rel=0.05)


def test_a_corner_that_was_meant_stays_one():
    corner = np.array([[-60.0, -40.0], [40.0, -40.0], [40.0, 50.0]])
    nodes = from_drawing(drawn(corner), VIEW)
    assert clearance_um(nodes, corner[1])[0] < 3.5


@given(st.lists(st.tuples(st.floats(0, 639), st.floats(0, 511)), min_size=0, max_size=30))
def test_any_drawing_gives_a_path_or_one_line(points):
    try:
        nodes = from_drawing(points, VIEW)
    except InputError as error:
        assert "drawing" in str(error) and "\n" not in str(error)
    else:
        assert np.isfinite(nodes).all() and paths.path_length(nodes) > 0
        np.testing.assert_allclose(VIEW.to_px(nodes[[0, -1]]), np.array(points)[[0, -1]], atol=1e-6)


@pytest.mark.parametrize(
    ("points", "where"),
    [
        ([(100, 100), (700, 200)], "on the right"),
        ([(100, 100), (-9, 200), (300, 300)], "on the left"),
        ([(100, 100), (100, 512)], "at the bottom"),
        ([(100, -1), (100, 300)], "at the top"),
    ],
)
def test_a_drawing_that_leaves_the_picture_is_refused_and_told_where(points, where):
    with pytest.raises(InputError, match=rf"leaves the picture {where}, at x .* draw within the picture"):
        from_drawing(points, VIEW)


@pytest.mark.parametrize(
    "points", [[], [(1, 2)], [(5, 5)] * 9, [(10, 10), (20, 10)], [(math.nan, 1), (9, 9)], [(1, 2, 3)], "ab", [None, 3]]
)
def test_a_drawing_that_is_none(points):
    with pytest.raises(InputError, match="drawing") as error:
        from_drawing(points, VIEW)
    assert "\n" not in str(error.value)


def test_a_drawing_must_go_beyond_the_threshold():
    line = [(100, 100), (150, 100)]  # 17 µm
    assert len(from_drawing(line, VIEW, threshold_um=8.0)) >= 2
    with pytest.raises(InputError, match=r"within 17.2 µm .* 20 µm"):
        from_drawing(line, VIEW, threshold_um=20.0)


def closed_length(nodes):
    return paths.path_length(nodes, closed=True)


@pytest.mark.parametrize("name", paths.SHAPES)
@pytest.mark.parametrize("view", [VIEW, SHIFTED])
def test_a_shape_without_a_place_is_about_the_middle_and_fills_the_picture(name, view):
    nodes = load(name, view)
    assert view.contains(nodes, ROOM_UM - 1.0).all()
    assert not view.contains(view.centre_um + 1.08 * (nodes - view.centre_um), ROOM_UM).all()
    np.testing.assert_allclose(0.5 * (nodes.max(axis=0) + nodes.min(axis=0)), view.centre_um, atol=3.0)


def test_a_large_picture_gives_the_paper_s_circle():
    nodes = load("circle", FieldOfView((2000, 2000), 0.345))
    np.testing.assert_allclose(nodes, paths.circle(), atol=1e-6)


@settings(max_examples=60)
@given(
    name=st.sampled_from(paths.SHAPES),
    x=st.floats(-95, 95),
    y=st.floats(-75, 75),
    length=st.none() | st.floats(100, 300),
)
def test_a_shape_begins_at_the_object_and_stays_in_the_picture(name, x, y, length):
    start = np.array([x, y])
    try:
        nodes = load(name, VIEW, start_um=start, length_um=length)
    except InputError as error:
        assert "no room" in str(error) and "\n" not in str(error)
        assert length is not None or max(abs(x) / 110, abs(y) / 88) > 0.85
        return
    np.testing.assert_allclose(nodes[0], start, atol=1e-9)
    assert VIEW.contains(nodes[1:], min(EDGE_UM, 110.4 - abs(x), 88.3 - abs(y)) - 1.0).all()
    if length is not None:
        assert closed_length(nodes) == pytest.approx(length)
    # the same shape, only turned, mirrored, moved and scaled: its size against its length
    assume(length is None or length > 150)
    like = paths.from_name(name)
    size, wanted = (np.hypot(*(line - line.mean(axis=0)).T).max() / closed_length(line) for line in (nodes, like))
    assert size == pytest.approx(wanted, rel=0.06)


def test_a_shape_lies_as_usual_where_there_is_room():
    view = FieldOfView((2000, 2000), 0.345)
    nodes = load("square", view, start_um=np.array([10.0, 20.0]), length_um=200.0)
    usual = paths.square(length_um=200.0, nodes=len(nodes))
    np.testing.assert_allclose(nodes - nodes[0], usual - usual[0], atol=1e-6)


def test_a_length_that_does_not_fit_is_told_the_one_that_does():
    with pytest.raises(InputError, match=r"circle of 900 µm in the picture: give at most (\d+) µm") as error:
        load("circle", VIEW, length_um=900.0)
    most = float(str(error.value).split()[-2])
    assert VIEW.contains(load("circle", VIEW, length_um=most)).all()


@pytest.mark.parametrize("length", [0.0, -5.0, math.nan, math.inf])
def test_bad_lengths(length):
    with pytest.raises(InputError, match="give a positive number"):
        load("circle", VIEW, length_um=length)


def test_an_object_in_the_corner_has_no_room_for_a_shape_that_goes_round_it():
    with pytest.raises(InputError, match="outside the picture"):
        load("circle", VIEW, start_um=np.array([200.0, 0.0]))


def test_what_is_saved_is_loaded_and_listed(tmp_path):
    folder = tmp_path / "paths"
    assert saved(folder) == []
    assert save(folder, "round_the-cell2", CURVE).is_file()
    save(folder, "B", AHEAD)
    assert saved(folder) == ["B", "round_the-cell2"]
    loaded = load("round_the-cell2", VIEW, folder=folder)
    np.testing.assert_allclose(loaded[[0, -1]], CURVE[[0, -1]])
    assert max(clearance_um(CURVE, node)[0] for node in loaded) < 0.2
    moved = load("B", VIEW, start_um=np.array([-40.0, 30.0]), folder=folder)
    np.testing.assert_allclose(moved - moved[0], AHEAD - AHEAD[0], atol=0.5)
    np.testing.assert_allclose(moved[0], [-40.0, 30.0])


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "ä", "x" * 65, "a.csv", "circle", "a\nb"])
def test_names_that_cannot_be_saved(tmp_path, name):
    with pytest.raises(InputError, match="path name") as error:
        save(tmp_path, name, AHEAD)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_saved_path_is_never_written_over(tmp_path):
    save(tmp_path, "mine", AHEAD)
    before = (tmp_path / "mine.csv").read_bytes()
    with pytest.raises(InputError, match="is there already"):
        save(tmp_path, "mine", CURVE)
    assert (tmp_path / "mine.csv").read_bytes() == before


def test_a_file_that_leaves_the_picture_is_refused(tmp_path):
    far = tmp_path / "far.csv"
    paths.write_csv(far, AHEAD + [70.0, 0.0])
    with pytest.raises(InputError, match=r"leaves the picture on the right, at x .*: let it begin at the object"):
        load(str(far), VIEW)
    assert len(load(str(far), VIEW, start_um=np.array([-50.0, 0.0]))) > 10
    with pytest.raises(InputError, match="choose an object elsewhere"):
        load(str(far), VIEW, start_um=np.array([50.0, 0.0]))


@pytest.mark.parametrize("name", ["nope", "../../etc/passwd", "/etc/passwd", "", "mine"])
def test_what_is_not_there_is_told_what_is(tmp_path, name):
    save(tmp_path, "yours", AHEAD)
    with pytest.raises(InputError, match=r"choose circle, .*yours") as error:
        load(name, VIEW, folder=tmp_path)
    assert "root:" not in str(error.value)


def test_a_clear_path_has_nothing_to_say():
    assert warnings(AHEAD, Around(others=[(np.array([0.0, 40.0]), 6.75, "a resting cell")], **OBJECT)) == []


@pytest.mark.parametrize(
    ("y", "said"), [(0.0, "goes through"), (11.0, "goes through"), (13.0, "passes"), (15.5, ""), (-13.0, "passes")]
)
def test_another_body_in_the_way_is_named_with_its_place(y, said):
    found = warnings(AHEAD, Around(others=[(np.array([20.0, y]), 6.75, "a resting cell")], **OBJECT))
    if not said:
        assert found == []
        return
    (line,) = found
    assert line.startswith(f"the path {said} a resting cell")
    assert "70 µm on" in line and f"at x 20 µm, y {y:.0f} µm" in line


def test_between_two_nodes_and_on_the_way_to_the_first_one_counts_too():
    two = np.array([[-50.0, 0.0], [50.0, 0.0]])
    cell = [(np.array([3.0, 2.0]), 6.75, "a resting cell")]
    assert "through a resting cell" in warnings(two, Around(others=cell, **OBJECT))[0]
    later = np.stack([np.linspace(20.0, 60.0, 9), np.zeros(9)], axis=1)
    first, second = warnings(later, Around(others=cell, **OBJECT))
    assert "begins 70 µm from the object" in first and "draw from the object" in first
    assert "through a resting cell 53 µm on" in second


def test_bodies_are_named_in_the_order_of_the_path():
    cells = [(np.array([30.0, 0.0]), 5.0, "object 2"), (np.array([-10.0, 0.0]), 6.75, "a resting cell")]
    found = warnings(AHEAD, Around(others=cells, **OBJECT))
    assert [("cell" in line, "object 2" in line) for line in found] == [(True, False), (False, True)]


def test_a_path_drawn_towards_the_object():
    (line,) = [one for one in warnings(AHEAD[::-1], Around(others=[], **OBJECT)) if "begins" in one]
    assert "begins 100 µm" in line and "the other way round" in line


def test_no_room_for_the_robot_behind_an_object_at_the_edge():
    at_edge = {"object_um": np.array([-95.0, 0.0]), "object_radius_um": 5.0, "view": VIEW}
    inwards = np.stack([np.linspace(-95.0, 0.0, 20), np.zeros(20)], axis=1)
    (line,) = warnings(inwards, Around(others=[], **at_edge))
    assert line.startswith("no room for the robot behind the object on the left")
    along = np.stack([np.full(20, -95.0), np.linspace(0.0, 60.0, 20)], axis=1)
    assert warnings(along, Around(others=[], **at_edge)) == []


def test_a_body_where_the_robot_must_begin():
    (line,) = warnings(AHEAD, Around(others=[(np.array([-68.0, 3.0]), 6.75, "a resting cell")], **OBJECT))
    assert line.startswith("a resting cell lies behind the object")


def test_a_path_along_the_edge():
    low = np.stack([np.linspace(-50.0, 50.0, 20), np.linspace(0.0, -85.0, 20)], axis=1)
    (line,) = warnings(low, Around(others=[], **OBJECT))
    assert "edge at the bottom" in line


def test_frequencies_above_the_step_out():
    assert frequency_warning(12.0, 62.7) is None
    assert frequency_warning(62.7, 62.7) is None
    assert frequency_warning(100.0, None) is None
    assert frequency_warning(None, 62.7) is None
    line = frequency_warning(70.0, 62.7)
    assert line is not None and "70 Hz is above" in line and "give 62 Hz or less" in line


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20), st.tuples(numbers, numbers))
def test_the_clearance_is_the_least_distance_along_the_whole_line(points, point):
    way, here = np.array(points), np.array(point)
    assume(np.hypot(*np.diff(way, axis=0).T).sum() > 1.0)
    away, along = clearance_um(way, here)
    share = np.linspace(0, 1, 200)[:, None, None]
    dense = ((1 - share) * way[:-1] + share * way[1:]).reshape(-1, 2)
    nearest = np.hypot(*(dense - here).T).min()
    longest = np.hypot(*np.diff(way, axis=0).T).max()
    assert nearest - longest / 199 - 1e-6 <= away <= nearest + 1e-6
    assert 0 <= along <= np.hypot(*np.diff(way, axis=0).T).sum() + 1e-6
