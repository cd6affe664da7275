"""The web server: pages, the stream, and one engine behind them."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

from microtwin import files
from microtwin.panel.messages import EngineOptions
from microtwin.panel.server.access import LOOPBACK_NAMES, Access, is_loopback, new_token
from microtwin.panel.server.desk import Desk
from microtwin.panel.server.engine_process import EngineProcess
from microtwin.panel.server.listening import address_of, listen
from microtwin.signals import ENDINGS, as_ctrl_c, heard_by

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#14202b"/>'
    '<circle cx="12" cy="19" r="6.5" fill="none" stroke="#4ea1ff" stroke-width="3"/>'
    '<circle cx="23" cy="10" r="3.5" fill="#53d18a"/></svg>'
)


def run(
    options: EngineOptions,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    checkpoint: Path | None = None,
) -> int:
    """Serve the panel until a signal ends it; prints its address once it listens.

    At the end the field is off, a run that was going on is saved, and the engine's process is gone.

    Args:
        options: what the engine opens.
        host: an address of this machine; on any but loopback a token is required, and printed.
        port: 0 for any that is free.
        checkpoint: for the OTMR page.

    Returns:
        130 after Ctrl-C, 0 after SIGTERM or SIGHUP.

    Raises:
        InputError: the port is in use, the engine refuses its options. RigError: the engine does not start.
    """
    with as_ctrl_c(), contextlib.closing(listen(host, port)) as sock:
        address, number = sock.getsockname()[:2]
        token = None if is_loopback(address) else new_token()
        url = address_of(sock, host) + (f"?token={token}" if token else "")
        engine = EngineProcess(options)
        out = Path(options.out)  # the engine makes it, once nothing can refuse the start any more
        desk = Desk(engine, out=out, backend=options.backend, checkpoint=checkpoint)
        try:
            engine.start(meanwhile=_load)
            guarded = Access(assemble(desk), token, {host, *LOOPBACK_NAMES}, cookie=f"microtwin-panel-{number}")
            ended_by = _serve(guarded, sock, desk, lambda: print(f"microtwin panel: {url}", flush=True))
        finally:
            with files.uninterrupted(*ENDINGS):
                engine.close()
    return 130 if ended_by in (None, signal.SIGINT) else 0


def _load() -> None:
    """Import what :func:`assemble` does: a second that an engine needs, too, to come up."""
    import uvicorn  # noqa: F401

    from microtwin.panel.otmr import page as otmr_page  # noqa: F401
    from microtwin.panel.page import main_page  # noqa: F401


def assemble(desk: Desk):
    """The ASGI application: NiceGUI's pages, and beside them what must not wait for NiceGUI.

    NiceGUI is one for a process, and so is this.
    """
    import nicegui.run
    from fastapi import FastAPI
    from nicegui import ui

    from microtwin.panel.otmr import page as otmr_page
    from microtwin.panel.page import main_page as page

    nicegui.run.process_pool_start_method = "spawn"  # a forked one would keep the engine's pipe open
    app = FastAPI(title="microtwin panel", docs_url=None, redoc_url=None, openapi_url=None)
    add_sockets(app, desk)
    page.build(desk)
    otmr_page.build(desk)
    ui.run_with(
        app,
        title="microtwin panel",
        favicon=ICON,
        dark=None,  # as the machine is set
        reconnect_timeout=10.0,
        gzip_middleware_factory=None,  # on the rig's own machine this only costs time
        show_welcome_message=False,
    )
    return app


def add_sockets(app, desk: Desk) -> None:
    """``/stream``, ``/replay/RUN`` and, for a page whose stream is down, ``POST /stop``, on a Starlette application."""
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    from microtwin.panel.server.stream import serve_stream

    async def stream(websocket: WebSocket) -> None:
        await serve_stream(websocket, desk, websocket.query_params.get("client", ""))

    async def replay(websocket: WebSocket) -> None:
        from microtwin.panel.server.replay import serve_replay

        await serve_replay(websocket, desk.out, websocket.path_params["run"], desk.stop)

    async def stop(request: Request) -> PlainTextResponse:
        desk.stop()
        return PlainTextResponse("stopped\n")

    app.router.routes += [
        WebSocketRoute("/stream", stream),
        WebSocketRoute("/replay/{run:path}", replay),
        Route("/stop", stop, methods=["POST"]),
    ]


def _serve(app, sock, desk: Desk, on_ready: Callable[[], None]) -> int | None:
    """Serve until a signal; returns its number."""
    import uvicorn

    class Server(uvicorn.Server):
        ended_by: int | None = None

        async def startup(self, sockets=None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

        async def shutdown(self, sockets=None) -> None:
            desk.stop("the panel was closed")  # first of all, browsers may take a while to go
            await super().shutdown(sockets)

        def handle_exit(self, sig, frame) -> None:
            self.ended_by = self.ended_by or sig
            self.should_exit = True  # asked again it is no quicker: that would leave pages and workers half closed

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            with heard_by(self.handle_exit, (signal.SIGINT, *ENDINGS)):
                yield

    server = Server(web_config(app))
    server.run(sockets=[sock])
    return server.ended_by


def web_config(app):
    """How uvicorn serves an ASGI application here: quietly, and without trusting what a proxy might have written."""
    import uvicorn

    return uvicorn.Config(
        app,
        ws="wsproto",  # NiceGUI's choice too; it answers a refusal in words, and waits for slow connections
        ws_per_message_deflate=False,  # pictures are compressed already
        log_level="warning",
        access_log=False,  # it would show the token
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
