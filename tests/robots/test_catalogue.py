import importlib.util
import math
import shutil
import struct
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import trimesh

from microtwin.errors import InputError
from microtwin.robots.catalogue import cad_folder, catalogue, records, robot, rotations
from microtwin.robots.designs import DESIGNS
from microtwin.robots.meshes import load_mesh
from microtwin.robots.shapes import overlap_um3

BUILD_CAD = Path(__file__).parents[2] / "experiments" / "build_cad.py"


@pytest.fixture(scope="module")
def build_cad():
    spec = importlib.util.spec_from_file_location("build_cad", BUILD_CAD)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["build_cad"] = module
    spec.loader.exec_module(module)
    return module


def body(number):
    mesh = robot(number).mesh
    return trimesh.Trimesh(mesh.vertices_um, mesh.faces)


def overlap_after(mesh, axis, degrees):
    """Shared volume after a turn about the centroid, of the whole."""
    turned = mesh.copy()
    turned.apply_transform(trimesh.transformations.rotation_matrix(math.radians(degrees), axis, mesh.center_mass))
    return overlap_um3(mesh, turned) / mesh.volume


def test_the_catalogue_has_the_eighteen_with_otmr_s_own_folder_names():
    robots = catalogue()
    assert list(robots) == list(range(1, 19))
    published = {number: item.folder for number, item in robots.items() if item.folder_published}
    assert published == {
        1: "robot_1_four_ball",
        2: "robot_2_six_ball",
        3: "robot_3_stable_bot_l6s3",
        4: "robot_4_robot_with_holder",
        5: "robot_5_satble_bot_cylinder_r3l5",
        6: "robot_6_satble_bot_cylinder_r3l6",
        8: "robot_8_robot",
        10: "robot_10_eight_ball",
        12: "robot_12_BallHolderStableBot",
        14: "robot_14_new_FourBallRobot",
        16: "robot_16_SphericalArm",
        18: "robot_18_TwinRobot2",
    }
    assert len({item.folder for item in robots.values()}) == 18
    assert all(item.folder.startswith(f"robot_{number}_") for number, item in robots.items())


@pytest.mark.parametrize("number", range(1, 19))
def test_every_file_is_what_its_design_and_the_catalogue_say(number):
    item, mesh = robot(number), body(number)
    assert item.mesh_path.stat().st_size <= 2**20
    assert mesh.is_watertight and mesh.is_winding_consistent and mesh.body_count == 1
    np.testing.assert_allclose(mesh.extents, item.size_um, atol=0.002)
    assert mesh.volume == pytest.approx(item.volume_um3, rel=1e-4)
    built = DESIGNS[number].mesh()
    assert built.volume == pytest.approx(item.volume_um3, rel=1e-4), "run experiments/build_cad.py"
    np.testing.assert_allclose(built.bounds, mesh.bounds, atol=0.002)


@pytest.mark.parametrize("number", range(1, 19))
def test_listed_symmetries_hold_and_finer_or_other_turns_do_not(number):
    item, mesh = robot(number), body(number)
    if item.isotropic:
        assert overlap_after(mesh, (1, 2, 3), 77) > 0.98
        assert not item.symmetries
        return
    for axis, order in item.symmetries:
        assert overlap_after(mesh, axis, 360 / order) > 0.98
        for finer in {2 * order, 3 * order}:
            assert overlap_after(mesh, axis, 360 / finer) < 0.97
    listed = {axis for axis, _ in item.symmetries}
    for axis in {(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)} - listed:
        assert overlap_after(mesh, axis, 180) < 0.97


def test_symmetries_known_from_the_shapes():
    z = (0.0, 0.0, 1.0)
    orders = {number: dict(item.symmetries).get(z) for number, item in catalogue().items()}
    assert (orders[1], orders[2], orders[10], orders[15], orders[11]) == (4, 6, 8, 4, 4)
    assert all(orders[number] == 2 for number in (3, 4, 5, 6, 8, 12, 13, 14, 17, 18))
    assert dict(robot(16).symmetries) == {(0.0, 1.0, 0.0): 2}
    assert [number for number, item in catalogue().items() if item.isotropic] == [7]


@pytest.mark.parametrize(("number", "count"), [(10, 8), (3, 2), (9, 1), (16, 2)])
def test_rotations_are_the_whole_group(number, count):
    group = rotations(robot(number))
    assert len(group) == count
    np.testing.assert_array_equal(group[0], np.eye(3))
    np.testing.assert_allclose(np.linalg.det(group), 1)
    products = np.einsum("aij,bjk->abik", group, group).reshape(-1, 3, 3)
    assert all(np.abs(group - product).max(axis=(1, 2)).min() < 1e-9 for product in products)


def test_a_sphere_has_rotations_without_number():
    with pytest.raises(InputError, match="robot 7 looks the same"):
        rotations(robot(7))


def test_a_flat_cross_also_turns_over(build_cad):
    cross = DESIGNS[1].mesh(elevation_deg=0, bend_deg=0)
    found = dict(build_cad.symmetries(cross))
    assert found[0.0, 0.0, 1.0] == 4
    assert found[1.0, 0.0, 0.0] == found[0.0, 1.0, 0.0] == 2
    assert len(found) == 5  # and the two diagonals


def test_depth_ranges_come_from_the_published_scores():
    # robot 8: CNN to NAS, mean MSE 0.058 µm² over mean 1 − R² 0.003875 → variance 14.97 µm², uniform over 13.4 µm
    assert robot(8).depth_range_um == pytest.approx(13.4, abs=0.05)
    assert robot(14).depth_range_um == pytest.approx(16.4, abs=0.6)
    assert all(11.5 <= item.depth_range_um <= 14 for number, item in catalogue().items() if number != 14)


@pytest.mark.parametrize("number", [0, 19])
def test_an_unknown_robot_is_refused(number):
    with pytest.raises(InputError, match="choose 1 to 18"):
        robot(number)


def test_a_mesh_cannot_be_changed_by_one_of_its_users():
    mesh = robot(3).mesh
    assert mesh is robot(3).mesh
    with pytest.raises(ValueError, match="read-only"):
        mesh.vertices_um[0, 0] = 0.0


def test_the_same_sizes_give_the_same_bytes_and_keep_the_catalogue(build_cad, tmp_path):
    runs = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(cad_folder() / "catalogue.toml", folder)
        assert build_cad.main(assets=folder, robots=(17,)) == 0
        runs.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert runs[0] == runs[1]
    assert set(runs[0]) == {"catalogue.toml", "robot_17.stl"}
    assert runs[0]["robot_17.stl"] == robot(17).mesh_path.read_bytes()
    assert tomllib.loads(runs[0]["catalogue.toml"].decode()) == tomllib.loads(
        (cad_folder() / "catalogue.toml").read_text(encoding="utf-8")
    )


def test_a_changed_size_is_built_and_kept(build_cad, tmp_path):
    tables = records()
    tables[7]["sizes"]["ball_diameter_um"] = 3.25
    tables[7]["provenance"] = 'a "quoted" back\\slash'
    build_cad.write_catalogue(tables, tmp_path / "catalogue.toml")
    assert build_cad.main(assets=tmp_path, robots=(7,)) == 0
    again = records(tmp_path / "catalogue.toml")
    assert again[7]["sizes"] == {"ball_diameter_um": 3.25}
    assert again[7]["provenance"] == 'a "quoted" back\\slash'
    assert np.ptp(load_mesh(tmp_path / "robot_07.stl").vertices_um, axis=0) == pytest.approx(3.25, abs=0.02)
    assert again[8] == records()[8]


def test_building_an_unknown_robot_is_refused(build_cad):
    with pytest.raises(InputError, match="no robot 20"):
        build_cad.main(robots=(20,))


def test_the_contact_sheet_is_a_picture(build_cad, tmp_path):
    tables = {number: table for number, table in records().items() if number in (3, 7)}
    build_cad.draw(tables, {number: body(number) for number in tables}, tmp_path / "sheet.png")
    data = (tmp_path / "sheet.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1000 and height > 100
