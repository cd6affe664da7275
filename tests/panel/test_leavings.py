"""What a killed engine leaves behind is swept at the next start; what somebody still writes, or owns, is not."""

import multiprocessing
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from microtwin.panel.engine import leavings
from microtwin.panel.engine.recorder import Recorder
from microtwin.panel.engine.serve import serve
from microtwin.panel.messages import EngineOptions, Quit
from microtwin.panel.packet import unpack
from microtwin.rig import Frame, Observation
from microtwin.run import Recording

pytest.importorskip("fcntl", reason="needs POSIX locks")
WRITER = """
import sys
from pathlib import Path
from microtwin.panel.engine import leavings

with leavings.held(Path(sys.argv[1])):
    print("writing", flush=True)
    sys.stdin.read()
"""


def unfinished(out, folder="20260101-120000", name=".video-ab12cd.mp4"):
    file = out / folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"half of a film")
    return file


def test_a_video_goes_once_its_writer_was_killed_and_not_before(tmp_path):
    file = unfinished(tmp_path)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", WRITER, file], stdin=pipe, stdout=pipe, text=True) as writer:
        try:
            assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
            assert leavings.sweep(tmp_path) == [] and file.exists()
        finally:
            writer.kill()
    assert leavings.sweep(tmp_path) == [file]
    assert list(tmp_path.iterdir()) == []  # the run's folder held nothing else


def test_this_process_is_a_writer_too(tmp_path):
    file = unfinished(tmp_path)
    with leavings.held(file):
        assert leavings.sweep(tmp_path) == []
    assert leavings.sweep(tmp_path) == [file]


def test_a_run_s_video_has_a_writer_from_its_first_frame_to_its_last(tmp_path):
    recorder = Recorder(tmp_path, np.array([[0.0, 0.0], [10.0, 0.0]]), 24.0, lambda *what: None)
    controller = SimpleNamespace(mode="push", goal_index=0, width_um=None)
    recorded = Recording(success=True)
    recorder.start()
    for k in range(8):
        seen = Observation(k, k / 24, np.zeros(2), np.ones(2))
        recorder.see(Frame(k, k / 24, np.full((64, 64), 120, np.uint8), 1.0), seen, controller)  # type: ignore[arg-type]
        recorded.rows.append((k, k / 24, 0.0, 0.0, 1.0, 1.0, 0.0, 1.5, 12.0, 1.0, "push", 1))
    deadline = time.monotonic() + 60.0
    while (not list(recorder.folder.glob(".video-*.mp4")) or recorder._queue.qsize()) and time.monotonic() < deadline:
        time.sleep(0.005)
    (begun,) = recorder.folder.glob(".video-*.mp4")
    assert leavings.sweep(tmp_path) == [] and begun.exists()
    recorder.finish(recorded, {})
    recorder.wait()
    assert leavings.sweep(tmp_path) == [] and (recorder.folder / "video.mp4").stat().st_size > 0


def test_a_folder_with_anything_else_in_it_stays(tmp_path):
    file = unfinished(tmp_path, "20260101-120000-2")
    (file.parent / "run.json").write_text("{}")
    assert leavings.sweep(tmp_path) == [file]
    assert [one.name for one in file.parent.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("20260101-120000", "video.mp4"),  # finished
        ("20260101-120000", ".video-notes.txt"),
        ("20260101-120000/deeper", ".video-ab12cd.mp4"),
        ("my-push", ".video-ab12cd.mp4"),  # of microtwin push, which may still be writing
        (".", ".video-ab12cd.mp4"),
    ],
)
def test_what_is_not_the_panel_s_own_leaving_stays(tmp_path, folder, name):
    file = unfinished(tmp_path, folder, name)
    assert leavings.sweep(tmp_path) == [] and file.exists()


def test_an_out_folder_that_is_not_there_has_none(tmp_path):
    assert leavings.sweep(tmp_path / "none") == []


def test_an_engine_sweeps_as_it_starts_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("microtwin.panel.engine.bench.open_twin", lambda settings: {}["no pictures wanted here"])
    file = unfinished(tmp_path)
    here, there = multiprocessing.Pipe()
    here.send(Quit())
    serve(EngineOptions(out=str(tmp_path)), there)
    words = []
    try:
        assert here.recv() == ("ready", None)
        while True:
            words += [one["text"] for one in unpack(here.recv_bytes())[0]["notices"]]
    except EOFError:
        pass
    assert not file.exists() and "removed the unfinished video of a run that was cut off" in words


@pytest.mark.parametrize(
    "options",
    [{"backend": "nonsense"}, {"backend": "hardware"}, {"backend_options": {"port": "x"}}],
    ids=["no such backend", "no config", "options for the twin"],
)
def test_a_start_that_the_engine_refuses_makes_no_folder(tmp_path, options):
    out = tmp_path / "runs" / "panel"
    here, there = multiprocessing.Pipe()
    serve(EngineOptions(out=str(out), **options), there)
    assert here.recv()[0] == "refused" and list(tmp_path.iterdir()) == []
