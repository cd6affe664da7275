import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from microtwin import paths
from microtwin.errors import InputError

coordinates = st.floats(-1e4, 1e4).map(lambda x: round(x, 3))
lines = arrays(float, st.tuples(st.integers(2, 12), st.just(2)), elements=coordinates).filter(
    lambda p: np.ptp(p, axis=0).max() > 1e-2
)


def steps(nodes, closed=False):
    return np.linalg.norm(np.diff(nodes, axis=0, append=nodes[:1] if closed else nodes[:0]), axis=1)


def test_circle_is_the_paper_s():
    nodes = paths.circle()
    radius = 538.0 / (2 * 100 * math.sin(math.pi / 100))
    assert nodes.shape == (100, 2)
    assert paths.path_length(nodes, closed=True) == pytest.approx(538.0, rel=1e-12)
    assert paths.path_length(nodes) == pytest.approx(538.0 * 99 / 100, rel=1e-12)
    assert steps(nodes) == pytest.approx(5.38, rel=1e-10)
    assert np.hypot(*nodes.T) == pytest.approx(radius, rel=1e-12)


def test_circle_starts_at_its_angle_and_runs_counter_clockwise():
    nodes = paths.circle(centre_um=(10, -20), start_angle_rad=math.pi / 2)
    radius = np.linalg.norm(nodes[0] - (10, -20))
    assert nodes[0] == pytest.approx((10, -20 + radius))
    assert nodes[1, 0] < 10
    clockwise = paths.circle(centre_um=(10, -20), start_angle_rad=math.pi / 2, clockwise=True)
    assert clockwise[1] == pytest.approx((20 - nodes[1, 0], nodes[1, 1]))


@pytest.mark.parametrize("shape", [paths.circle, paths.square, paths.figure_eight])
@given(length=st.floats(1e-3, 1e6), nodes=st.integers(8, 300))
def test_closed_shapes_have_the_length_asked_for(shape, length, nodes):
    made = shape(length, nodes, centre_um=(3.0, 4.0))
    assert made.shape == (nodes, 2)
    assert paths.path_length(made, closed=True) == pytest.approx(length, rel=1e-6)
    assert steps(made, closed=True).min() > 0


def test_square_has_its_corners_and_sides():
    nodes = paths.square(400.0, 100)
    assert np.abs(nodes).max(axis=1) == pytest.approx(50.0)
    assert nodes[[0, 25, 50, 75]] == pytest.approx(np.array([(50, -50), (50, 50), (-50, 50), (-50, -50)]))
    assert steps(nodes, closed=True) == pytest.approx(4.0)


def test_figure_eight_crosses_its_middle_and_turns_both_ways():
    nodes = paths.figure_eight()
    width = nodes[0, 0]
    assert nodes[0] == pytest.approx((width, 0.0)) and nodes[1, 1] > 0
    # x⁴ = w²(x² - y²), the lemniscate of Gerono
    assert nodes[:, 0] ** 4 == pytest.approx(width**2 * (nodes[:, 0] ** 2 - nodes[:, 1] ** 2), abs=1e-3 * width**4)
    x, y = np.vstack((nodes, nodes[:1])).T
    assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) == pytest.approx(0.0, abs=1e-6 * width**2)
    assert np.ptp(steps(nodes, closed=True)) < 0.05


@given(lines, st.integers(2, 400))
def test_resampling_keeps_ends_and_all_but_the_cut_corners(points, count):
    length = paths.path_length(points)
    nodes = paths.resample(points, nodes=count)
    assert nodes.shape == (count, 2)
    assert (nodes[0] == points[0]).all() and (nodes[-1] == points[-1]).all()
    step = length / (count - 1)
    assert steps(nodes).max() <= step * (1 + 1e-9) + 1e-9
    # Only a step that holds a corner is shorter, and there are at most as many as inner points.
    assert np.count_nonzero(steps(nodes) < step * (1 - 1e-6) - 1e-9) <= len(points) - 2
    assert length - step * (len(points) - 2) - 1e-6 * length <= steps(nodes).sum() <= length * (1 + 1e-9)


@given(lines, st.floats(1.0, 100.0))
def test_resampling_by_spacing_is_uniform_and_near_what_was_asked(points, spacing):
    length = paths.path_length(points)
    assume(length > spacing)
    count = len(paths.resample(points, spacing_um=spacing))
    # The actual step is length / (count - 1); rounding the number of steps changes it by half a step at most.
    assert abs(length / spacing - (count - 1)) <= 0.5 + 1e-9


@given(st.floats(0, 2 * math.pi), st.floats(1.0, 1e4), st.integers(2, 200))
def test_a_straight_line_is_divided_evenly(angle, length, count):
    end = length * np.array([math.cos(angle), math.sin(angle)])
    nodes = paths.polyline([(0, 0), end / 3, end], nodes=count)
    assert nodes == pytest.approx(np.linspace(0, 1, count)[:, None] * end, abs=1e-9 * length)


def test_polyline_uses_the_paper_s_spacing_unless_told():
    assert len(paths.polyline([(0, 0), (538, 0)])) == 101
    assert len(paths.polyline([(0, 0), (1, 0)])) == 2
    assert len(paths.polyline([(0, 0), (0, 0), (10, 0)], spacing_um=5)) == 3


@given(lines)
def test_csv_round_trip_is_exact(tmp_path_factory, points):
    file = tmp_path_factory.mktemp("csv") / "path.csv"
    points = points / 3.0
    paths.write_csv(file, points)
    assert paths.read_csv(file).tobytes() == points.tobytes()
    assert os.listdir(file.parent) == ["path.csv"]


def test_csv_reads_what_a_spreadsheet_writes(tmp_path):
    file = tmp_path / "drawn.csv"
    file.write_bytes("\ufeffname, x_um ,y_um\r\na,1,2\r\nb,1e1, -2.5\r\n".encode())
    assert paths.read_csv(file).tolist() == [[1.0, 2.0], [10.0, -2.5]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column x_um and no column y_um, found none"),
        ("x_um,y\n0,0\n1,1\n", "no column y_um, found x_um, y"),
        ("x_um,y_um\n0,0\n1,nan\n", "line 3: y_um is 'nan'"),
        ("x_um,y_um\n0,0\ninf,1\n", "line 3: x_um is 'inf'"),
        ("x_um,y_um\n0,zero\n", "line 2: y_um is 'zero'"),
        ("x_um,y_um\n1_0,0\n", "line 2: x_um is '1_0'"),
        ("x_um,y_um\n0,0\n1\n", "line 3: y_um is ''"),
        ("x_um,y_um\n", "of 0 points has no length"),
        ("x_um,y_um\n2,3\n2,3\n", "of 2 points has no length"),
        ("x_um,y_um\n\x00", "x_um"),
        (b"x_um,y_um\n\xff,0\n", "not a CSV file in UTF-8"),
    ],
)
def test_bad_csv_names_file_value_and_remedy(tmp_path, text, says):
    file = tmp_path / "bad.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        paths.read_csv(file)
    message = str(caught.value)
    assert says in message and "bad.csv" in message and "give" in message and "\n" not in message


def test_missing_csv_and_unwritable_place(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        paths.read_csv(tmp_path / "none.csv")
    with pytest.raises(InputError, match="cannot be read"):
        paths.read_csv(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        paths.write_csv(tmp_path / "none" / "path.csv", paths.circle())
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        paths.write_csv(tmp_path / "taken", paths.circle())
    assert os.listdir(tmp_path) == ["taken"]


def test_a_path_that_cannot_be_written_leaves_the_old_file(tmp_path):
    file = tmp_path / "path.csv"
    paths.write_csv(file, [(0, 0), (1, 0)])
    with pytest.raises(InputError):
        paths.write_csv(file, [(0, 0), (math.nan, 0)])
    assert paths.read_csv(file).tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("name", paths.SHAPES)
def test_named_shapes(name):
    nodes = paths.from_name(name)
    assert nodes.shape == (100, 2)
    assert paths.path_length(nodes, closed=True) == pytest.approx(538.0)
    assert len(paths.from_name(name, spacing_um=10.76)) == 50


def test_named_csv_is_resampled(tmp_path: Path):
    file = tmp_path / "line.csv"
    paths.write_csv(file, [(0, 0), (53.8, 0)])
    assert steps(paths.from_name(str(file))) == pytest.approx(5.38)


@pytest.mark.parametrize("name", ["", "cricle", "none.csv", "Circle"])
def test_unknown_name(name):
    with pytest.raises(InputError, match="CSV file"):
        paths.from_name(name)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, 0)],
        [(1, 1), (1, 1), (1, 1)],
        [(0, 0), (math.nan, 1)],
        [(0, 0), (1, math.inf)],
        [0, 1, 2],
        [(0, 0, 0), (1, 1, 1)],
        [(0, 0), (1,)],
        [("a", "b"), ("c", "d")],
        [(-1e308, 0), (1e308, 0)],
    ],
)
def test_bad_points(points):
    for use in (paths.path_length, paths.polyline):
        with pytest.raises(InputError):
            use(points)


@pytest.mark.parametrize(
    "call",
    [
        lambda: paths.circle(length_um=0),
        lambda: paths.circle(length_um=-538),
        lambda: paths.circle(length_um=math.nan),
        lambda: paths.circle(nodes=2),
        lambda: paths.circle(centre_um=(0, math.nan)),
        lambda: paths.circle(centre_um=(0, 0, 0)),
        lambda: paths.circle(start_angle_rad=math.inf),
        lambda: paths.square(nodes=3),
        lambda: paths.figure_eight(nodes=7),
        lambda: paths.resample([(0, 0), (1, 0)]),
        lambda: paths.resample([(0, 0), (1, 0)], nodes=2, spacing_um=1),
        lambda: paths.resample([(0, 0), (1, 0)], nodes=1),
        lambda: paths.resample([(0, 0), (1, 0)], spacing_um=0),
        lambda: paths.resample([(0, 0), (1, 0)], spacing_um=math.nan),
        lambda: paths.resample([(0, 0), (1, 0)], spacing_um=1e-12),
        lambda: paths.from_name("circle", spacing_um=0),
        lambda: paths.from_name("circle", spacing_um=500),
        lambda: paths.from_name("circle", spacing_um=1e-320),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(InputError, match="give"):
        call()
