"""The same data set in other formats: read back as their own tools read them."""

import json
import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.spatial import KDTree

from microtwin.errors import InputError
from microtwin.otmr import bop, manifest
from microtwin.otmr.depth import STAGE_PER_BAR
from microtwin.otmr.export import export
from microtwin.otmr.generate import Drawn, generate
from microtwin.otmr.plan import Plan
from microtwin.otmr.render import CROP, PIXEL_UM
from microtwin.robots.catalogue import robot, rotations

sys.path.insert(0, str(Path(__file__).parent))

import cheap

PLAN = Plan("both", (3, 7, 17), 2, 1, 1)


def draw(sequence, randomise, streams) -> Drawn:
    drawn = cheap.draw(sequence, randomise, streams)
    return drawn._replace(places_um=streams[2].uniform(-2, 2, (sequence.images, 2)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "set"
    generate(PLAN, folder, draw=draw)
    assert export(folder, "huggingface") and export(folder, "bop")
    return folder


def test_exports_leave_the_data_set_as_it_was(made):
    assert manifest.verify(made).problems == []
    assert sorted(path.name for path in made.iterdir()) == [
        "Image_Depth", "Image_Pose", "bop", "dataset.json", "huggingface", "manifest.sha256", "metadata.parquet",
    ]  # fmt: skip


def test_images_are_links(made):
    for path in [*made.glob("bop/train/*/gray/*.jpg"), *(made / "huggingface").rglob("*.jpg")]:
        assert path.stat().st_nlink == 3


def test_the_imagefolder_has_a_row_for_every_image(made):
    """What datasets' ImageFolder asks for: metadata.csv in the split's folder, file_name relative to it."""
    split = made / "huggingface" / "train"
    rows = pd.read_csv(split / "metadata.csv")
    images = {path.relative_to(split).as_posix() for path in split.rglob("*.jpg")}
    assert set(rows.file_name) == images and len(rows) == len(images) == 42 * 2
    table = pd.read_parquet(made / "metadata.parquet")
    pd.testing.assert_frame_equal(rows.drop(columns="file_name"), table.drop(columns="path"), check_dtype=False)


def scenes(folder: Path):
    """(scene, image number, K, R, t in mm, object, info) as a BOP loader reads them."""
    for scene in sorted((folder / "bop" / "train").iterdir()):
        cameras, truths, infos = (
            json.loads((scene / f"scene_{name}.json").read_text()) for name in ("camera", "gt", "gt_info")
        )
        numbers = {f"{int(number):06d}" for number in cameras}
        assert numbers == {path.stem for path in (scene / "gray").iterdir()}
        assert cameras.keys() == truths.keys() == infos.keys()
        for number, ((truth,), (info,)) in {k: (truths[k], infos[k]) for k in truths}.items():
            k = np.reshape(cameras[number]["cam_K"], (3, 3))
            turn = np.reshape(truth["cam_R_m2c"], (3, 3))
            yield scene, int(number), k, turn, np.array(truth["cam_t_m2c"]), truth["obj_id"], info


def test_bops_poses_are_rotations_and_project_where_the_table_says(made):
    table = pd.read_parquet(made / "metadata.parquet")
    found = list(scenes(made))
    assert len(found) == len(table)
    by_scene = list(table.groupby(["task", "robot", "sequence"], sort=False))
    for scene, number, k, turn, place, obj, _ in found:
        row = by_scene[int(scene.name)][1].iloc[number]
        assert obj == row.robot
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
        u, v, w = k @ place
        expected = [127.5 + row.x_um / PIXEL_UM, 127.5 - row.y_um / PIXEL_UM]
        np.testing.assert_allclose([u / w, v / w], expected, atol=0.05)


def test_bops_camera_is_nearer_where_the_robot_is_higher(made):
    """Larger depths lift the robot's image-side focus towards the objective: away from a camera at the lamp's side."""
    table = pd.read_parquet(made / "metadata.parquet")
    low, high = (bop.pose_in_camera(row)[1][2] for row in table.sort_values("depth_um").iloc[[0, -1]].itertuples())
    travel_um = np.ptp(table.depth_um)
    assert (low - high) * 1e3 == pytest.approx(1.333 / 1.515 * travel_um / STAGE_PER_BAR, rel=0.01)


def test_bops_masks_are_the_models_silhouettes(made):
    for scene, number, k, turn, place, obj, info in scenes(made):
        name = f"{number:06d}_000000.png"
        mask = cv2.imread(str(scene / "mask" / name), cv2.IMREAD_GRAYSCALE)
        assert mask is not None and mask.shape == CROP and set(np.unique(mask)) <= {0, 255}
        assert (scene / "mask_visib" / name).read_bytes() == (scene / "mask" / name).read_bytes()
        corners = 1e-3 * np.asarray(robot(obj).mesh[0]) @ turn.T + place
        seen = corners @ k.T
        seen = seen[:, :2] / seen[:, 2:]
        columns, rows = np.clip(np.round(seen), 0, 255).astype(int).T
        assert (mask[rows, columns] > 0).mean() > 0.9  # corners on the rim may round outwards
        x, y, width, height = info["bbox_obj"]
        low, high = np.clip(seen, 0, 255).min(axis=0), np.clip(seen, 0, 255).max(axis=0)
        np.testing.assert_allclose([x, y, x + width - 1, y + height - 1], [*low, *high], atol=1.5)
        assert info["px_count_all"] == (mask > 0).sum() > 500 and info["visib_fract"] == 1.0


def test_bops_models_are_in_mm_with_their_symmetries(made):
    import trimesh

    infos = json.loads((made / "bop" / "models" / "models_info.json").read_text())
    assert sorted(map(int, infos)) == [3, 7, 17]
    for number, info in infos.items():
        model = trimesh.load_mesh(made / "bop" / "models" / f"obj_{int(number):06d}.ply")
        text = (made / "bop" / "models" / f"obj_{int(number):06d}.ply").read_text()
        assert "property float nx" in text
        body = robot(int(number))
        assert isinstance(model, trimesh.Trimesh) and model.is_watertight
        assert model.volume == pytest.approx(1e-9 * body.volume_um3, rel=1e-3)
        np.testing.assert_allclose([info[f"size_{axis}"] for axis in "xyz"], 1e-3 * np.array(body.size_um), rtol=1e-3)
        assert max(info["size_x"], info["size_y"], info["size_z"]) <= info["diameter"] < 0.02
        turns = [np.reshape(turn, (4, 4)) for turn in info.get("symmetries_discrete", [])]
        assert len(turns) == (0 if body.isotropic else len(rotations(body)) - 1)
        for turn in turns:
            moved = model.vertices @ turn[:3, :3].T + turn[:3, 3]
            for limit in (np.min, np.max):
                np.testing.assert_allclose(limit(moved, axis=0), limit(model.vertices, axis=0), atol=5e-5)  # 0.05 µm
            assert (
                KDTree(model.vertices).query(moved)[0].max() < 0.6 * model.edges_unique_length.max()
            )  # it is between corners
        assert ("symmetries_continuous" in info) == body.isotropic


def test_what_is_there_is_not_written_again(made):
    before = (made / "bop" / "camera.json").stat()
    assert not export(made, "bop")
    assert (made / "bop" / "camera.json").stat() == before


def test_an_incomplete_data_set_is_not_exported(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "set"))
    (copy / "manifest.sha256").unlink()
    with pytest.raises(InputError, match="is not complete: run the command that began it again"):
        export(copy, "bop")
    with pytest.raises(InputError, match=r"dataset\.json"):
        export(tmp_path / "nothing", "bop")


def test_bops_models_must_be_those_of_the_images(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns("bop", "huggingface")))
    path = copy / "dataset.json"
    text = path.read_text()
    shapes = json.loads(text)["versions"]["shapes"]
    for there, said in [
        (text.replace(shapes, "0123"), f"drawn with shapes 0123, this is {shapes}"),
        (text.replace('"opencv": "', '"opencv": "0.'), r"drawn with opencv 0\."),
        (text.replace('"robots"', '"robot"'), "names no robots: restore it"),
    ]:
        path.write_text(there)
        with pytest.raises(InputError, match=said) as raised:
            export(copy, "bop")
        assert "\n" not in str(raised.value)
        assert not (copy / "bop").exists() and not (copy / ".parts").exists()
    assert export(copy, "huggingface")  # its images and labels are the data set's own
    path.write_text(text)
    assert export(copy, "bop")


def test_nobody_else_works_in_the_folder_meanwhile(made, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns("bop", "huggingface")))
    tried: list[str] = []

    def meanwhile(root, out):
        (out / "half").write_text("x")
        for other in (
            lambda: generate(PLAN, copy, draw=draw),
            lambda: export(copy, "huggingface"),
            lambda: export(copy, "bop"),
        ):
            with pytest.raises(InputError, match="another microtwin dataset is at work"):
                other()
            tried.append((out / "half").read_text())

    monkeypatch.setattr(bop, "write", meanwhile)
    assert export(copy, "bop")
    assert tried == ["x"] * 3
    assert [path.name for path in (copy / "bop").iterdir()] == ["half"] and not (copy / ".parts").exists()


def test_a_lock_that_cannot_be_written_is_one_error(made, tmp_path):
    copy = Path(shutil.copytree(made, tmp_path / "set", ignore=shutil.ignore_patterns("bop")))
    (copy / ".parts" / "lock").mkdir(parents=True)
    for work in (lambda: export(copy, "bop"), lambda: generate(PLAN, copy, draw=draw)):
        with pytest.raises(InputError, match=r"cannot write .*lock .*: allow writing there"):
            work()


def test_an_export_that_fails_leaves_nothing_and_can_be_done_again(made, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(made, tmp_path / "set"))
    shutil.rmtree(copy / "bop")
    lost = next(copy.rglob("*.jpg"))
    lost.rename(tmp_path / "lost")
    with pytest.raises(InputError, match=r"cannot write .*bop .*No such file"):
        export(copy, "bop")
    assert not (copy / "bop").exists() and not (copy / ".parts").exists()
    (tmp_path / "lost").rename(lost)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    assert export(copy, "bop")
    assert next(copy.glob("bop/train/*/gray/*.jpg")).stat().st_nlink == 1
