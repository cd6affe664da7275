"""``microtwin render``: one whole PNG, the same for the same seed, and bad input refused before any work."""

import cv2
import numpy as np
import pytest

import microtwin.otmr.render
from microtwin.cli import main
from microtwin.cli import render_scene as module
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
        ({"robot": 3}, "--scene and --robot together: choose one"),
        ({"pitch": 0}, "--pitch has no meaning with --scene: leave it out"),
        ({"roll": 5}, "--roll has no meaning with --scene"),
        ({"in_plane": 0.0}, "--in-plane has no meaning with --scene"),
        ({"depth": 0.0}, "--depth has no meaning with --scene"),
        ({"stack": (-1.0, 1.0, 3)}, "--stack has no meaning with --scene"),
        ({"frame": True}, "--frame has no meaning with --scene"),
        ({"randomise": True}, "--randomise has no meaning with --scene"),
        ({"unit": "nm"}, "--unit has no meaning with --scene"),
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


def robot_shot(path, *arguments) -> np.ndarray:
    assert main(["render", "--out", str(path), *map(str, arguments)]) == 0
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None and picture.dtype == np.uint8
    return picture


def test_a_robot_is_a_crop_or_a_whole_frame(tmp_path, capsys):
    path = tmp_path / "new" / "x.png"
    crop = robot_shot(path, "--robot", 3, "--pitch", 30, "--roll", 0, "--depth", 1.5)
    assert capsys.readouterr().out == f"wrote {path}\n"
    assert crop.shape == (256, 256)
    assert [p.name for p in path.parent.iterdir()] == ["x.png"]
    frame = robot_shot(path, "--robot", 3, "--pitch", 30, "--depth", 1.5, "--frame")
    assert frame.shape == (488, 678)
    window = frame[116:372, 211:467].astype(float)
    assert np.corrcoef(window.ravel(), crop.ravel())[0, 1] > 0.99
    rows, columns = np.nonzero(np.abs(crop.astype(float) - np.median(crop)) > 25)
    assert abs(rows.mean() - 127.5) < 15 and abs(columns.mean() - 127.5) < 15  # in the middle, whatever the pose


def test_pose_depth_and_in_plane_angle_change_the_picture(tmp_path):
    def shot(*arguments):
        return robot_shot(tmp_path / "x.png", "--robot", 8, *arguments).astype(float)

    usual = shot()
    assert np.array_equal(usual, shot())
    for change in (["--pitch", 45], ["--depth", 3], ["--in-plane", 60]):
        assert np.corrcoef(usual.ravel(), shot(*change).ravel())[0, 1] < 0.9
    noise = shot("--seed", 1)
    assert not np.array_equal(usual, noise)
    assert np.corrcoef(usual.ravel(), noise.ravel())[0, 1] > 0.99
    assert np.corrcoef(np.rot90(usual).ravel(), shot("--in-plane", 90).ravel())[0, 1] > 0.98


def test_randomised_pictures_differ_by_seed_alone(tmp_path):
    one, again, other = (
        robot_shot(tmp_path / "x.png", "--robot", 7, "--randomise", "--seed", seed) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert abs(np.median(one).astype(float) - np.median(other)) > 2  # another background


def test_a_stack_is_a_montage_or_a_folder_of_pictures(tmp_path, capsys):
    montage = robot_shot(tmp_path / "stack.png", "--robot", 7, "--stack", -3, 3, 7)
    assert montage.shape[0] > 2 * 256 and montage.shape[1] > 6 * 256  # two rows of six
    folder = tmp_path / "stack"
    assert main(["render", "--robot", "7", "--stack", "-3", "3", "3", "--out", str(folder)]) == 0
    assert "3 pictures" in capsys.readouterr().out
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["000_depth-3.00.png", "001_depth+0.00.png", "002_depth+3.00.png"]
    far, _, near = (np.asarray(cv2.imread(str(folder / name), 0))[118:138, 118:138].mean() for name in names)
    assert near > 1.3 * far  # a ball's spot is at larger depths


def test_an_in_plane_angle_of_0_holds_in_a_randomised_picture(tmp_path):
    def shot(*arguments):
        return robot_shot(tmp_path / "x.png", "--robot", 8, "--randomise", "--seed", 4, *arguments).astype(float)

    drawn, fixed = shot(), shot("--in-plane", 0)
    assert np.corrcoef(drawn.ravel(), fixed.ravel())[0, 1] < 0.9
    assert np.corrcoef(np.rot90(fixed).ravel(), shot("--in-plane", 90).ravel())[0, 1] > 0.7  # noise and slope stay


def test_every_depth_of_the_data_set_can_be_rendered(tmp_path, monkeypatch):
    """Its sweeps lie about the middle of the leaning body's height, which is far from the origin of a V."""
    from microtwin.otmr.pose import Pose
    from microtwin.otmr.randomisation import Randomisation
    from microtwin.otmr.render import depth_limits_um, orientation
    from microtwin.robots.catalogue import robot

    def blank(mesh, pose, depths, draw, rng, shape, origin):
        return np.zeros((len(depths), *shape), dtype=np.uint8)

    monkeypatch.setattr(microtwin.otmr.render, "render_sequence", blank)
    rng = np.random.default_rng(0)
    for number in (1, 3, 14):
        for pitch, roll in ((0, 0), (30, 0), (60, 45)):
            draw = Randomisation().draw(rng)
            body = robot(number)
            limits = depth_limits_um(body.mesh, orientation(Pose(pitch, roll), draw), draw, body.depth_range_um)
            for depth in (*limits, 0.0):
                robot_shot(
                    tmp_path / "x.png", "--robot", number, "--pitch", pitch, "--roll", roll, "--depth", f"{depth:.4f}"
                )


def test_a_mesh_of_one_s_own_is_in_true_micrometres(tmp_path):
    """1.8 of them are one of OTMR's scale bar, by which robot 7 is sized."""
    import trimesh

    from microtwin.robots.catalogue import robot

    def likeness(own):
        return np.corrcoef(robot_shot(tmp_path / "7.png", "--robot", 7).ravel(), own.ravel())[0, 1]

    path, radius = tmp_path / "ball.stl", robot(7).size_um[0] / 2
    trimesh.creation.icosphere(4, radius).export(path)
    assert likeness(robot_shot(tmp_path / "x.png", "--mesh", path)) < 0.8
    trimesh.creation.icosphere(4, 1.8 * radius).apply_translation([40.0, 0.0, 7.0]).export(path)
    own = robot_shot(tmp_path / "x.png", "--mesh", path)
    assert likeness(own) > 0.98
    assert np.corrcoef(own.ravel(), own[::-1, ::-1].ravel())[0, 1] > 0.98
    trimesh.creation.icosphere(4, 1.8e-3 * radius).export(path)
    in_mm = robot_shot(tmp_path / "x.png", "--mesh", path, "--unit", "mm")
    assert np.abs(own.astype(float) - in_mm).max() <= 2  # a file's numbers have 32 bits


@pytest.mark.parametrize(
    ("extents", "arguments", "warning"),
    [
        ((60, 10, 4), "--frame", "x.stl is 60 µm large in um: check its unit (nm, um, mm, m)"),
        ((60, 10, 4), "", "x.stl is 60 µm large in um: check its unit"),
        ((10, 40, 4), "", "x.stl is 10 × 40 µm in this pose, the crop 25 × 25 µm: give --frame to see all of it"),
        ((10, 40, 4), "--in-plane 90", "x.stl is 40 × 10 µm in this pose, the crop"),
        ((10, 40, 4), "--frame", ""),
    ],
)
def test_a_large_mesh_is_drawn_with_a_warning_of_one_line(extents, arguments, warning, tmp_path, monkeypatch, capsys):
    import trimesh

    drawn = microtwin.otmr.render.render_sequence
    if arguments != "--frame":  # drawn once, for the time it takes
        monkeypatch.setattr(microtwin.otmr.render, "render_sequence", lambda *given: np.zeros((1, *given[5]), np.uint8))
    trimesh.creation.box(extents).export(tmp_path / "x.stl")
    picture = robot_shot(tmp_path / "x.png", "--mesh", tmp_path / "x.stl", *arguments.split())
    said = capsys.readouterr().err
    assert said.count("\n") == bool(warning) and warning in said
    if arguments == "--frame":
        assert drawn is microtwin.otmr.render.render_sequence
        changed = np.abs(picture.astype(float) - np.median(picture)) > 30
        rows, columns = (np.ptp(changed.nonzero()[axis]) * 0.055 * 1.8 for axis in (0, 1))
        assert (columns, rows) == pytest.approx(extents[:2], abs=4)


@pytest.fixture(scope="module")
def bad_meshes(tmp_path_factory):
    import trimesh

    folder = tmp_path_factory.mktemp("meshes")
    ball = trimesh.creation.icosphere(2, 1.5)
    ball.export(folder / "good.stl")
    trimesh.Trimesh(ball.vertices, ball.faces[:-3]).export(folder / "open.stl")
    ball.copy().apply_scale(20.0).export(folder / "large.stl")
    ball.copy().apply_scale(0.03).export(folder / "small.stl")
    (folder / "text.stl").write_text("no mesh")
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--robot 19", "no robot 19: choose 1 to 18"),
        ("--robot 3 --pitch 91", "pitch is 91°"),
        ("--robot 3 --roll -5", "roll is -5°"),
        ("--robot 7 --depth 9", "depth is 9 µm: give -7 to 7 for robot 7 in this pose"),
        ("--robot 3 --depth nan", "depth is nan µm"),
        ("--robot 3 --stack -19 3 5", "depth is -19 µm"),
        ("--robot 3 --stack nan 3 5", "depth is nan µm"),
        ("--robot 3 --stack -3 3 0", "stack of 0 pictures"),
        ("--robot 3 --stack 5 -5 1", "stack from 5 to -5 µm: give the lower depth first"),
        ("--robot 3 --stack -5 5 1", "stack from -5 to 5 µm in 1 picture: give 2 or more"),
        ("--robot 3 --stack -3 3 3 --depth 0", "--depth and --stack together: choose one"),
        ("--robot 3 --cells 6", "--cells has no meaning with --robot: leave it out"),
        ("--robot 3 --debris 0", "--debris has no meaning with --robot"),
        ("--robot 3 --binning 2", "--binning has no meaning with --robot"),
        ("--robot 3 --focus 1", "--focus has no meaning with --robot"),
        ("--robot 3 --unit um", "--unit has no meaning with --robot"),
        ("--mesh {meshes}/good.stl --shape 512 640", "--shape has no meaning with --mesh"),
        ("--robot 3 --in-plane 1000", "in-plane is 1000"),
        ("--robot 3 --seed -1", "seed is -1"),
        ("--robot 3 --scene", "--scene and --robot together"),
        ("--robot 3 --mesh {meshes}/good.stl", "--robot and --mesh together"),
        ("--mesh {meshes}/none.stl", "none.stl"),
        ("--mesh {meshes}/text.stl", "text.stl"),
        ("--mesh {meshes}/open.stl", "not watertight"),
        ("--mesh {meshes}/large.stl", "is 60 × 60 µm in this pose, the frame 67 × 48 µm: turn or rescale it"),
        (
            "--mesh {meshes}/small.stl",
            "small.stl is 0.09 µm large in um: rescale it to 0.54 to 67 µm, or give its --un",
        ),
        ("--mesh {meshes}/good.stl --unit nm", "0.003 µm large in nm: give its unit (nm, um, mm, m)"),
        ("--mesh {meshes}/good.stl --depth 10", "give -9 to 9"),
        ("--robot 3 --out {out}/x.jpg", "ends in .png"),
        ("--robot 3 --out {out}/folder", "ends in .png"),
        ("--robot 3 --out {out}/folder.png", "a folder"),
        ("--robot 3 --stack 0 1 2 --out {out}/full", "not an empty folder"),
    ],
)
def test_bad_robots_are_refused_in_one_line(arguments, message, bad_meshes, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(microtwin.otmr.render, "render_sequence", lambda *_: pytest.fail("work was spent"))
    for name in ("folder.png", "full"):
        (tmp_path / name).mkdir()
    (tmp_path / "full" / "kept").write_text("")
    before = sorted(tmp_path.rglob("*"))
    given = arguments.format(meshes=bad_meshes, out=tmp_path).split()
    out = [] if "--out" in given else ["--out", str(tmp_path / "new" / "x.png")]
    assert main(["render", *given, *out]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
