"""A stand-in for the panel's server, for the OTMR page alone: ``python otmr_stand_in.py FOLDER`` says its address.

NiceGUI is one for a process, so this has one of its own.
"""

import socket
import sys
from pathlib import Path
from types import SimpleNamespace

NO_READING = Path("no-such-checkpoint.pt")  # so that no PyTorch is loaded


def serve(out: Path) -> None:
    import uvicorn
    from fastapi import FastAPI
    from nicegui import ui

    from microtwin.panel.otmr import page as otmr_page

    app = FastAPI()
    desk = SimpleNamespace(out=out, checkpoint=NO_READING, backend="sim", header=None)
    otmr_page.build(desk)  # type: ignore[arg-type]
    ui.run_with(app, dark=None, reconnect_timeout=120.0, show_welcome_message=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}/otmr", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
