"""``microtwin render``: one whole PNG, the same for the same seed, and bad input refused before any work."""

import cv2
import numpy as np
import pytest

from microtwin.cli import render as module
from microtwin.cli.render import render
from microtwin.errors import InputError


@pytest.fixture(autouse=True, scope="module")
def sprites_of_its_own(tmp_path_factory):
    """Nothing from earlier runs; a robot at three polar angles."""
    from microtwin.optics import scene

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(scene, "POLAR_STEPS", 2)
        yield


def shot(path, **settings) -> np.ndarray:
    small = {"shape": (120, 160), "binning": 3, "cells": 1, "debris": 1}
    assert render(scene=True, out=path, **small | settings) == 0
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_it_writes_one_frame_of_the_asked_shape(tmp_path, capsys):
    path = tmp_path / "new folder" / "scene.png"
    picture = shot(path)
    assert picture.shape == (120, 160) and picture.dtype == np.uint8
    assert [p.name for p in path.parent.iterdir()] == ["scene.png"]
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert 70 < np.median(picture) < 90
    middle = picture[40:80, 60:100]
    assert middle.min() < 30 < 60 < np.median(picture[:20, :20])  # robot and bead are there


def test_the_seed_alone_decides_the_picture(tmp_path):
    one, again, other = (shot(tmp_path / f"{k}.png", seed=seed) for k, seed in enumerate((1, 1, 2)))
    assert np.array_equal(one, again)
    assert (np.abs(one.astype(int) - other) > 20).sum() > 100


def test_focus_changes_the_picture(tmp_path):
    sharp, blurred = (shot(tmp_path / f"{focus}.png", cells=0, debris=0, focus=focus) for focus in (0.0, 6.0))
    assert np.abs(sharp.astype(int) - blurred)[40:80, 60:100].max() > 30


def test_no_two_bodies_overlap():
    from microtwin.optics.scene import Camera

    placed = module._lay_out(Camera(binning=2), 3, 12, 30)
    assert [kind for kind, *_ in placed] == ["robot", "bead"] + ["cell"] * 12 + ["debris"] * 30
    for k, (_, radius, x, y) in enumerate(placed):
        for _, other_radius, other_x, other_y in placed[:k]:
            assert np.hypot(x - other_x, y - other_y) > radius + other_radius


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scene": False}, "nothing to render: give --scene"),
        ({"seed": -1}, "seed is -1"),
        ({"cells": -1}, "cells is -1"),
        ({"debris": -2}, "debris is -2"),
        ({"cells": 500}, "500 cells and 12 specks do not fit"),
        ({"focus": float("nan")}, "focus is nan µm"),
        ({"focus": 1e6}, "focus is 1000000.0 µm: give -50 to 50"),
        ({"shape": (2049, 640), "binning": 1}, "larger than the chip of 2048 × 2448"),
        ({"shape": (1024, 1225)}, "larger than the chip of 1024 × 1224"),
        ({"shape": (8, 640)}, "at least 16"),
        ({"shape": (16, 640), "binning": 1}, "give at least 20 µm"),
        ({"binning": 0}, "binning is 0"),
        ({"out": "scene.jpg"}, "give a file that ends in .png"),
        ({"out": "folder.png"}, "a folder"),
    ],
)
def test_bad_input_is_refused_before_any_work(settings, message, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_picture", lambda *_: pytest.fail("work was spent"))
    (tmp_path / "folder.png").mkdir()
    out = tmp_path / settings.get("out", "made/scene.png")
    with pytest.raises(InputError, match=message) as error:
        render(**{"scene": True} | settings | {"out": out})
    assert "\n" not in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.png"]


def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_picture", lambda *_: pytest.fail("work was spent"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to"):
        render(scene=True, out=tmp_path / "file" / "scene.png")
