"""A start that is refused leaves nothing behind, whoever refuses it."""

import contextlib

import pytest

pytest.importorskip("nicegui", reason="the panel extra is not installed")

from microtwin.cli import main
from microtwin.panel.server.listening import listen


def test_a_port_in_use_leaves_no_folder(tmp_path, capsys):
    with contextlib.closing(listen("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["panel", "--port", port, "--out", str(tmp_path / "runs" / "panel")]) == 2
    assert "port" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
