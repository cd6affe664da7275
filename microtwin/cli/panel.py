"""``microtwin panel``: the operator's window, a live page for the twin and for the rig."""

from pathlib import Path
from typing import Annotated, Literal

import tyro


def panel(
    backend: str = "sim",
    config: Path | None = None,
    backend_options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME=VALUE")] = (),
    host: str = "127.0.0.1",
    port: int = 8080,
    out: Path = Path("runs/panel"),
    checkpoint: Path | None = None,
    robot: Literal["paper", "nominal", "population"] = "paper",
    cargo: Literal["bead", "cell"] = "bead",
    objects: int = 3,
    cells: int = 2,
    seed: int = 0,
    brownian: bool = True,
    flow: float = 0.0,
    flow_direction: Annotated[float, tyro.conf.arg(metavar="DEG")] = 0.0,
    latency: int = 1,
    defocus: float = 0.0,
    speed: float = 1.0,
) -> int:
    """Open the operator's window in a browser, for the twin or for a rig.

    Prints the address to open. One browser at a time holds control, others watch; anyone may stop. Every run is
    recorded in a folder of its own below --out. Ctrl-C turns the field off, saves a run that goes on, and ends.

    Args:
        backend: sim is the twin; hardware the rig that --config describes.
        config: the rig's own settings, a TOML file; see docs/hardware.md.
        backend_options: what else that rig's backend takes.
        host: address to be reached at. Anything but this machine itself needs the token in the address that is printed.
        port: number of the port; 0 is any that is free.
        out: folder for the runs.
        checkpoint: what reads pose and depth on the OTMR page: a file of microtwin train, or a shipped one's name.
        robot: of the twin: the one the paper's times ask for, the median measured one, or a draw from the spread.
        cargo: of the twin: 10 µm silica beads in water, or 13.5 µm cells in culture medium.
        objects: how many free bodies lie in the twin's view.
        cells: how many resting cells, which are in the way.
        seed: of everything that is drawn.
        brownian: thermal motion.
        flow: of the liquid, µm/s.
        flow_direction: where it goes, degrees counter-clockwise from the right.
        latency: frames between exposure and arrival.
        defocus: how far above the cargo's centre the microscope is focused, µm.
        speed: seconds of the twin to a second.
    """
    from importlib.util import find_spec

    from microtwin.cli.assignments import assignments
    from microtwin.errors import InputError

    if find_spec("nicegui") is None:
        raise InputError("the panel needs nicegui, which is not installed: pip install 'microtwin[panel]'")

    from microtwin.panel.engine.twin import TwinSettings
    from microtwin.panel.messages import EngineOptions
    from microtwin.perception.shipped import SHIPPED, named
    from microtwin.rig import known_backend

    known_backend(backend)
    twin = TwinSettings(
        robot=robot,
        cargo=cargo,
        objects=objects,
        cells=cells,
        seed=seed,
        brownian=brownian,
        flow_um_s=flow,
        flow_deg=flow_direction,
        latency_frames=latency,
        defocus_um=defocus,
        speed=speed,
    )
    options = assignments(backend_options, "--backend-options")
    if config is not None:
        if "config" in options:
            raise InputError(f"config is {config} and --backend-options {options['config']}: give it once")
        if not config.is_file():
            raise InputError(f"config {config} is no file: give the rig's TOML file, see docs/hardware.md")
        options["config"] = str(config)
    if backend == "sim" and options:
        raise InputError(f"config or backend options are {options}: add --backend hardware, the twin takes none")
    if backend != "sim" and twin != TwinSettings():
        raise InputError(f"backend is {backend!r}: leave out what describes the twin (robot, cargo, objects, seed …)")
    if checkpoint is not None:
        checkpoint = named(checkpoint)
        if not checkpoint.is_file():
            raise InputError(
                f"checkpoint {checkpoint} is no file: give one of microtwin train, or {', '.join(SHIPPED)}"
            )

    from microtwin.panel.server import run_server as server

    chosen = EngineOptions(backend=backend, backend_options=options, twin=twin, out=str(out))
    return server.run(chosen, host=host, port=port, checkpoint=checkpoint)
