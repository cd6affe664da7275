"""Files and folders: there whole, or as they were before."""

import os

import pytest

from microtwin import files
from microtwin.errors import InputError, RigError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    target = tmp_path / "run.json"
    with files.whole(target) as path:
        path.write_text("{}")
        assert not target.exists()
        assert path.suffix == ".json"  # writers that choose a format by it still do
        assert path.parent == tmp_path  # so that the last step is a rename
    assert target.read_text() == "{}"
    assert names(tmp_path) == ["run.json"]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("old", [None, "old"])
def test_an_exception_leaves_what_was_there(tmp_path, kind, old):
    target = tmp_path / "run.json"
    if old:
        target.write_text(old)
    with pytest.raises(kind), files.whole(target) as path:
        path.write_text("half")
        raise kind
    assert names(tmp_path) == (["run.json"] if old else [])
    if old:
        assert target.read_text() == old


def test_a_refusing_file_system_is_one_line(tmp_path):
    target = tmp_path / "run.json"
    with pytest.raises(InputError, match=r"cannot write .*run\.json \(No space left") as error, files.whole(target):
        raise OSError(28, "No space left on device")
    assert "\n" not in str(error.value)
    assert names(tmp_path) == []


def test_a_place_that_cannot_be_replaced(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(InputError, match="cannot write"), files.whole(tmp_path / "run.json") as path:
        path.write_text("{}")
    assert names(tmp_path) == ["run.json"]


def test_a_folder_that_went_away(tmp_path):
    """Removed while the run went on."""
    with pytest.raises(InputError, match="cannot write"), files.whole(tmp_path / "gone" / "run.json") as path:
        path.write_text("{}")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_file_gets_the_usual_permissions(tmp_path, mask):
    before = os.umask(mask)
    try:
        with files.whole(tmp_path / "run.json") as path:
            path.write_text("{}")
    finally:
        assert os.umask(before) == mask  # untouched by the library
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_folder_is_made_and_left_empty(tmp_path):
    folder = files.open_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert names(folder) == []
    (folder / "kept").write_text("1")
    assert files.open_folder(str(folder)) == folder
    assert names(folder) == ["kept"]


@pytest.mark.parametrize("below", ["", "sub", "sub/sub"])
def test_a_file_in_the_way(tmp_path, below):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"cannot write to .*file.*: give --out a folder") as error:
        files.open_folder(tmp_path / "file" / below)
    assert "\n" not in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_disk_with_too_little_room_is_told_before_it_is_full(tmp_path, monkeypatch):
    files.check_room(tmp_path)
    monkeypatch.setattr(files, "RESERVE_BYTES", 2**62)
    with pytest.raises(RigError, match=r"the disk of .* is full: free some space"):
        files.check_room(tmp_path)
