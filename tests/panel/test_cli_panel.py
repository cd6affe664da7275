"""``microtwin panel``: what it checks before anything starts, and what it hands on."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the panel extra is not installed")

from microtwin.cli import main
from microtwin.errors import InputError
from microtwin.panel.engine.twin import TwinSettings
from microtwin.panel.messages import EngineOptions
from microtwin.panel.server import run_server as server
from microtwin.panel.server.listening import listen
from microtwin.perception.shipped import ZERO_SHOT, shipped


@pytest.fixture
def started(monkeypatch):
    """What the server would have been started with."""
    calls = []

    def run(options, **more):
        calls.append((options, more))
        return 0

    monkeypatch.setattr(server, "run", run)
    return calls


def refused(capsys, *arguments: str) -> str:
    """The one line that the command says when it exits with 2."""
    assert main(["panel", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


def test_without_options_it_is_the_twin_on_loopback(started):
    assert main(["panel"]) == 0
    [(options, more)] = started
    assert options == EngineOptions() and options.twin == TwinSettings()
    assert more == {"host": "127.0.0.1", "port": 8080, "checkpoint": None}


def test_the_twins_options_are_its_settings(started):
    words = "--robot nominal --objects 2 --cells 1 --seed 7 --no-brownian --flow 1.5 --flow-direction 90 --latency 2"
    assert main(["panel", *words.split(), "--defocus", "-1", "--speed", "2", "--out", "here", "--port", "0"]) == 0
    [(options, more)] = started
    assert options.twin == TwinSettings("nominal", "bead", 2, 1, 7, False, 1.5, 90.0, 2, -1.0, 2.0)
    assert options.out == "here" and more["port"] == 0


def test_a_rigs_config_goes_to_its_backend(started, tmp_path):
    config = tmp_path / "rig.toml"
    config.touch()
    assert main(["panel", "--backend", "hardware", "--config", str(config), "--backend-options", "dry_run=true"]) == 0
    assert started[0][0].backend_options == {"config": str(config), "dry_run": True}


def test_a_shipped_checkpoint_goes_by_its_name(started):
    name = ZERO_SHOT.removesuffix(".pt")
    assert main(["panel", "--checkpoint", name]) == 0
    assert started[0][1]["checkpoint"] == shipped(ZERO_SHOT)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backend", "magic"], ["'magic'", "sim"]),
        (["--config", "rig.toml"], ["rig.toml", "is no file"]),
        (["--backend", "hardware", "--config", "none.toml"], ["none.toml", "docs/hardware.md"]),
        (["--backend-options", "gamma=1"], ["gamma", "--backend hardware"]),
        (["--backend-options", "gamma"], ["name=value"]),
        (["--backend", "hardware", "--objects", "2"], ["'hardware'", "leave out"]),
        (["--backend", "hardware", "--config", "a", "--backend-options", "config=b"], ["give it once"]),
        (["--checkpoint", "none.pt"], ["none.pt", "microtwin train"]),
        (["--objects", "-1"], ["-1"]),
        (["--seed", "-1"], ["-1"]),
        (["--flow", "nan"], ["nan"]),
        (["--speed", "0"], ["0"]),
        (["--cargo", "cell", "--robot", "nominal"], ["nominal", "paper"]),
    ],
)
def test_bad_input_is_one_line_and_nothing_starts(capsys, started, arguments, words):
    line = refused(capsys, *arguments)
    assert all(word in line for word in words), line
    assert not started


def test_a_missing_extra_is_said_with_the_remedy(capsys, started, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nicegui" else find(name))
    assert "pip install 'microtwin[panel]'" in refused(capsys)
    assert not started


def test_a_port_in_use_is_said_before_an_engine_starts(capsys, monkeypatch, tmp_path):
    def no_engine(*arguments, **options):
        raise AssertionError("started")

    monkeypatch.setattr(server, "EngineProcess", no_engine)
    with contextlib.closing(listen("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        line = refused(capsys, "--port", port, "--out", str(tmp_path))
    assert f"port {port} is in use" in line and "--port" in line


def test_what_the_engine_refuses_is_one_line_and_frees_the_port(capsys, monkeypatch, tmp_path):
    class Refusing:
        def __init__(self, options):
            pass

        def start(self, meanwhile):
            raise InputError("the twin cannot hold 6 cells: give fewer")

        def close(self):
            pass

    opened = []
    monkeypatch.setattr(server, "listen", lambda *where: opened.append(listen(*where)) or opened[-1])
    monkeypatch.setattr(server, "EngineProcess", Refusing)
    line = refused(capsys, "--port", "0", "--out", str(tmp_path))
    assert line == "microtwin: the twin cannot hold 6 cells: give fewer\n"
    assert opened and opened[0].fileno() == -1  # closed


def test_a_folder_that_cannot_be_written_to(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert "--out" in refused(capsys, "--out", str(tmp_path / "file"), "--port", "0")


def test_asking_for_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom microtwin.cli import main\n"
        "try: main(['panel', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('nicegui', 'uvicorn', 'numba', 'cv2', 'microtwin.scene') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert said.stdout.rstrip().endswith("[]") and "--checkpoint" in said.stdout
