"""The shaded preview: in place and to scale where there is OpenGL, one clear line where there is none."""

import subprocess
import sys

import numpy as np
import pytest

from microtwin.errors import InputError
from microtwin.optics.preview import preview

BOX = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
FACES = np.array([corners for a, b, c, d in SIDES for corners in ((a, b, c), (a, c, d))])


@pytest.fixture(scope="module")
def drawn():
    """A box of 8 × 4 × 2 µm with its lower left corner at (1, 2), on 120 × 200 pixels of 0.1 µm."""
    pytest.importorskip("pyrender", reason="the extra preview is not installed")
    try:
        return preview(BOX * (8, 4, 2) + (1, 2, -30), FACES, (120, 200), 0.1)
    except InputError as error:
        pytest.skip(str(error))


def test_a_box_is_in_its_place_and_to_scale(drawn):
    assert drawn.shape == (120, 200, 3) and drawn.dtype == np.uint8
    rows, columns = np.nonzero((drawn < 250).any(axis=2))
    assert (columns.min(), columns.max()) == pytest.approx((110, 189), abs=1)  # x 1 to 9 µm
    assert (rows.min(), rows.max()) == pytest.approx((0, 39), abs=1)  # y 2 to 6 µm, up
    assert len(rows) == pytest.approx(80 * 40, rel=0.02)


def test_the_background_is_white_and_the_top_is_lit(drawn):
    assert np.all(drawn[60:] == 255)
    assert 90 < drawn[10:30, 120:180].mean() < 250


@pytest.fixture
def no_pyrender(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrender", None)


def test_without_pyrender_it_says_what_to_install(no_pyrender):
    with pytest.raises(InputError, match=r"pyrender, which is not installed: pip install 'microtwin\[preview\]'"):
        preview(BOX, FACES, (32, 32), 0.1)


def test_without_opengl_it_says_what_to_install(monkeypatch):
    class Broken:
        def __getattr__(self, name):
            if name == "OffscreenRenderer":
                raise AttributeError("'NoneType' object has no attribute 'eglQueryString'")
            return lambda *values, **options: Broken()

    monkeypatch.setitem(sys.modules, "pyrender", Broken())
    with pytest.raises(InputError, match=r"OpenGL gives no picture \(AttributeError: .*\): install libegl1"):
        preview(BOX, FACES, (32, 32), 0.1)


@pytest.mark.parametrize(
    ("vertices", "faces", "shape", "scale", "message"),
    [
        (BOX, np.zeros((0, 3), int), (32, 32), 0.1, "the mesh is empty"),
        (BOX[:, :2], FACES, (32, 32), 0.1, "give .V, 3. vertices"),
        (BOX, FACES + 1, (32, 32), 0.1, "not there or not finite"),
        (BOX * np.nan, FACES, (32, 32), 0.1, "not there or not finite"),
        (BOX, FACES, (0, 32), 0.1, "picture of .0, 32."),
        (BOX, FACES, (32, 32), 0.0, "scale is 0.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_any_library_is_asked(
    no_pyrender, vertices, faces, shape, scale, message
):
    with pytest.raises(InputError, match=message):
        preview(vertices, faces, shape, scale)


def test_nothing_heavy_is_imported_until_it_draws():
    code = "import sys, microtwin.optics.preview; print('pyrender' in sys.modules, 'OpenGL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
