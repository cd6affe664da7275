"""The files of past runs over HTTP: to download, and the trajectory as a small picture for the list."""

import functools
from pathlib import Path
from urllib.parse import quote

import cv2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from microtwin.errors import InputError
from microtwin.panel.server.past_runs import FILES, PICTURE, folder_of

THUMBNAIL = "thumbnail.jpg"  # made of the picture, nowhere written
HEIGHT_PX = 180  # of a thumbnail, twice that of its place on the page
FIRST_ROW = 0.47  # of the picture's width: the height of its first trial
LARGEST_BYTES = 64 * 2**20
ROUTE = "microtwin-run-files"


def address(name: str, file: str) -> str:
    """Where a file of a run is served."""
    return f"/run-files/{quote(name)}/{file}"


def add_run_files(app: Starlette, out: Path) -> None:
    """Serve the files of the runs below ``out``; a second call changes ``out``."""
    app.state.run_files_below = Path(out)
    if not any(getattr(route, "name", "") == ROUTE for route in app.routes):
        # before NiceGUI's own, the last of which catches all
        app.router.routes.insert(0, Route("/run-files/{run:path}/{file}", _answer, name=ROUTE))


async def _answer(request: Request) -> Response:
    run, file = request.path_params["run"], request.path_params["file"]
    try:
        folder = await run_in_threadpool(folder_of, request.app.state.run_files_below, run)
    except InputError as error:
        return PlainTextResponse(f"{error}\n", 404)
    if file == THUMBNAIL:
        jpeg = await run_in_threadpool(thumbnail, folder / PICTURE)
        if jpeg is None:
            return PlainTextResponse(f"no {PICTURE} that can be read\n", 404)
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-cache"})
    if file not in FILES or not (folder / file).is_file():
        return PlainTextResponse(f"no such file: choose one of {', '.join(FILES)}\n", 404)
    shown = file == PICTURE and "download" not in request.query_params
    name = f"{run.replace('/', '-')}-{file}"  # several downloads go to one folder
    return FileResponse(folder / file, filename=name, content_disposition_type="inline" if shown else "attachment")


def thumbnail(picture: Path) -> bytes | None:
    """JPEG of the object's way in the first trial, a few kB; None of a picture that cannot be read."""
    try:
        state = picture.stat()
    except OSError:
        return None
    return _thumbnail(picture, state.st_mtime_ns) if 0 < state.st_size < LARGEST_BYTES else None


@functools.lru_cache(maxsize=512)
def _thumbnail(picture: Path, mtime_ns: int) -> bytes | None:
    try:
        whole = cv2.imread(str(picture), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV takes
        return None
    if whole is None:
        return None
    rows, columns = whole.shape[:2]
    part = whole[: max(1, min(rows, round(FIRST_ROW * columns))), : (columns + 1) // 2]
    scale = min(1.0, HEIGHT_PX / part.shape[0])
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
