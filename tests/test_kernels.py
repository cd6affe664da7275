"""Compiled kernels on disk: dropped once a source that they were compiled from is newer, and not before."""

import os

import pytest

from microtwin.kernels import drop_stale


@pytest.fixture
def folders(tmp_path):
    """A folder with two kernels and a source, and another folder whose functions they call; all of one age."""
    own, called = tmp_path / "own", tmp_path / "called"
    (own / "__pycache__").mkdir(parents=True)
    called.mkdir()
    for name in ("own/law.py", "called/frame.py", "own/__pycache__/law.nbi", "own/__pycache__/law.1.nbc"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000.0, 1000.0))
    (own / "__pycache__" / "law.pyc").touch()
    os.utime(own / "__pycache__" / "law.pyc", (1.0, 1.0))
    return own, called


def kernels(own):
    return sorted(path.name for path in (own / "__pycache__").iterdir())


def test_kernels_as_old_as_their_sources_stay(folders):
    drop_stale(*folders)
    assert kernels(folders[0]) == ["law.1.nbc", "law.nbi", "law.pyc"]


@pytest.mark.parametrize("source", ["own/law.py", "called/frame.py"])
def test_a_newer_source_drops_the_kernels_and_nothing_else(folders, source, tmp_path):
    os.utime(tmp_path / source, (2000.0, 2000.0))
    drop_stale(*folders)
    assert kernels(folders[0]) == ["law.pyc"]


def test_grounds_that_are_not_named_do_not_count(folders, tmp_path):
    os.utime(tmp_path / "called/frame.py", (2000.0, 2000.0))
    drop_stale(folders[0])
    assert "law.nbi" in kernels(folders[0])
