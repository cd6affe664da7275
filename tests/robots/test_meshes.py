"""Mesh files of one's own: every format, scaled to µm; what is no closed surface is refused in one line."""

import numpy as np
import pytest
import trimesh

from microtwin.errors import InputError
from microtwin.robots.meshes import load_mesh


@pytest.mark.parametrize("suffix", [".stl", ".obj", ".ply", ".off", ".glb"])
def test_a_mesh_of_one_s_own_is_read_and_scaled(tmp_path, suffix):
    cube = trimesh.creation.box((4e-3, 2e-3, 1e-3))
    path = tmp_path / f"cube{suffix}"
    cube.export(path)
    mesh = load_mesh(path, unit="mm")
    np.testing.assert_allclose(np.sort(np.ptp(mesh.vertices_um, axis=0)), (1, 2, 4), rtol=1e-5)
    assert len(mesh.vertices_um) == 8 and len(mesh.faces) == 12  # corners merged


def test_two_bodies_in_one_file_are_fine(tmp_path):
    ball = trimesh.creation.icosphere(radius=1.0).apply_translation((3, 0, 0))
    pair = trimesh.util.concatenate([trimesh.creation.box((1, 1, 1)), ball])
    pair.export(tmp_path / "pair.stl")
    assert np.ptp(load_mesh(tmp_path / "pair.stl").vertices_um[:, 0]) == pytest.approx(4.5, abs=0.01)


def test_above_50_um_a_warning_names_the_unit(tmp_path):
    trimesh.creation.box((60, 10, 10)).export(tmp_path / "large.stl")
    with pytest.warns(UserWarning, match=r"60 µm large in um: check its unit"):
        load_mesh(tmp_path / "large.stl")


def box(**changes):
    mesh = trimesh.creation.box(changes.pop("extents", (5, 5, 5)))
    if changes.pop("open", False):
        mesh.update_faces(np.arange(len(mesh.faces)) != 0)
    if changes.pop("inverted", False):
        mesh.invert()
    if changes.pop("mixed", False):
        mesh.faces[0] = mesh.faces[0][::-1]
    return mesh


@pytest.mark.parametrize(
    ("changes", "unit", "message"),
    [
        ({"open": True}, "um", "not watertight"),
        ({"inverted": True}, "um", "inside out"),
        ({"mixed": True}, "um", "both ways"),
        ({}, "nm", "0.005 µm large in nm: give its unit"),
        ({}, "mm", "large in mm: give its unit"),
        ({}, "inch", "unit 'inch': choose from nm, um, mm, m"),
    ],
)
def test_meshes_that_cannot_be_used_are_refused_in_one_line(tmp_path, changes, unit, message):
    path = tmp_path / "bad.ply"  # keeps the winding as it is
    box(**changes).export(path)
    with pytest.raises(InputError, match=message) as error:
        load_mesh(path, unit=unit)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.stl", None, "no mesh file"),
        ("empty.stl", b"", "cannot read|no faces"),
        ("noise.stl", b"\x00\xff" * 300, "cannot read|no faces"),
        ("words.obj", b"hello\n", "cannot read|no faces"),
        ("page.pdf", b"%PDF", "cannot read"),
        ("nan.obj", b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN|not watertight|no faces|cannot read"),
    ],
)
def test_files_that_are_no_meshes_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_mesh(path)
