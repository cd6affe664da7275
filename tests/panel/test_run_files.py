"""Files of past runs over HTTP: those of runs, nothing else, and small pictures for the list."""

import asyncio
import os
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from microtwin import paths, recording
from microtwin.panel.server.run_files import THUMBNAIL, add_run_files, address, thumbnail
from microtwin.pushing import Push

NAME = "panel/20260131-120000"
NODES = paths.polyline([(0.0, 0.0), (40.0, 0.0)])


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("out")
    folder = out / NAME
    folder.mkdir(parents=True)
    run = Push(NODES, 12.0, trials=3, time_limit_s=0.5)
    recording.save(folder, run.settings("line"), NODES, list(run.run()), 1.0)
    (folder / "secret.txt").write_text("mine")
    (out / "run.json").write_text("mine")
    return out


def get(out: Path, where: str, **options) -> httpx.Response:
    app = Starlette()
    add_run_files(app, out)

    async def asked():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://panel") as client:
            return await client.get(where, **options)

    return asyncio.run(asked())


@pytest.mark.parametrize("file", ["run.json", "telemetry.parquet", "path.csv"])
def test_a_file_is_downloaded_as_it_is(out, file):
    answer = get(out, address(NAME, file))
    assert answer.status_code == 200
    assert answer.content == (out / NAME / file).read_bytes()
    assert answer.headers["content-disposition"] == f'attachment; filename="panel-20260131-120000-{file}"'


def test_the_picture_is_shown_and_can_be_downloaded(out):
    where = address(NAME, "trajectory.png")
    assert get(out, where).headers["content-disposition"].startswith("inline")
    assert get(out, f"{where}?download").headers["content-disposition"].startswith("attachment")


def test_a_video_can_be_asked_for_in_parts(out):
    (out / NAME / "video.mp4").write_bytes(bytes(range(100)))
    answer = get(out, address(NAME, "video.mp4"), headers={"Range": "bytes=10-19"})
    (out / NAME / "video.mp4").unlink()
    assert answer.status_code == 206 and answer.content == bytes(range(10, 20))


@pytest.mark.parametrize(
    "where",
    [
        address(NAME, "secret.txt"),
        address(NAME, "video.mp4"),
        address("nothing", "run.json"),
        "/run-files/panel/run.json",
        "/run-files/./run.json",
        "/run-files/%2e/run.json",
        "/run-files/panel/../run.json",
        "/run-files/panel/%2e%2e/run.json",
        "/run-files/%2e%2e/%2e%2e/etc/passwd",
        "/run-files//etc/passwd",
        "/run-files/a%00b/run.json",
        f"/run-files/{NAME}/..%2frun.json",
    ],
)
def test_nothing_else_is_given_away(out, where):
    answer = get(out, where)
    assert answer.status_code == 404
    assert answer.text.count("\n") <= 1 and "mine" not in answer.text


def small(jpeg: bytes) -> np.ndarray:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_a_thumbnail_is_small(out):
    answer = get(out, address(NAME, THUMBNAIL))
    assert answer.headers["content-type"] == "image/jpeg"
    assert len(answer.content) < 20_000
    rows, columns = small(answer.content).shape[:2]
    assert 150 <= rows <= 180 and 150 <= columns <= 220


def test_a_thumbnail_shows_the_object_s_way_in_the_first_trial(tmp_path):
    """A picture of three trials: object left, robot right, the legend below."""
    picture = np.zeros((3 * 462 + 66, 990, 3), np.uint8)
    picture[:462, :495] = 0, 200, 0
    cv2.imwrite(str(tmp_path / "trajectory.png"), picture)
    jpeg = thumbnail(tmp_path / "trajectory.png")
    assert jpeg
    shown = small(jpeg)[2:-2, 2:-2]
    assert np.abs(shown.astype(int) - (0, 200, 0)).mean() < 4


def test_a_thumbnail_is_made_once_and_again_when_the_picture_changes(tmp_path, monkeypatch):
    made, read = [], cv2.imread
    monkeypatch.setattr("microtwin.panel.server.run_files.cv2.imread", lambda *a: (made.append(1), read(*a))[1])
    picture = tmp_path / "trajectory.png"
    cv2.imwrite(str(picture), np.full((400, 400, 3), 50, np.uint8))
    before_ns = picture.stat().st_mtime_ns
    first = thumbnail(picture)
    assert first and thumbnail(picture) == first and len(made) == 1
    cv2.imwrite(str(picture), np.full((400, 400, 3), 200, np.uint8))
    os.utime(picture, ns=(0, before_ns + 1))  # the clock of files is too coarse for a quick machine
    assert thumbnail(picture) != first and len(made) == 2


@pytest.mark.parametrize("content", [None, b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_no_thumbnail_of_what_is_no_picture(tmp_path, content):
    if content is not None:
        (tmp_path / "trajectory.png").write_bytes(content)
    assert thumbnail(tmp_path / "trajectory.png") is None


def test_pictures_of_odd_shapes_are_survived(tmp_path):
    for k, shape in enumerate([(1, 1, 3), (1, 900, 3), (900, 1, 3), (5000, 20, 3)]):
        picture = tmp_path / f"{k}.png"
        cv2.imwrite(str(picture), np.zeros(shape, np.uint8))
        small = thumbnail(picture)
        assert small and small.startswith(b"\xff\xd8")


def test_a_second_call_changes_the_folder(out, tmp_path):
    app = Starlette()
    add_run_files(app, tmp_path)
    add_run_files(app, out)
    assert len(app.routes) == 1 and app.state.run_files_below == out
