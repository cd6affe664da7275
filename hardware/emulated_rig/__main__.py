"""``python -m emulated_rig``: a rig for ``microtwin push --backend hardware`` where there is none."""

import sys
import tempfile
from pathlib import Path
from typing import Literal

PORT = Path(tempfile.gettempdir()) / "microtwin-rig"


def emulate(
    path: str = "circle",
    seed: int = 0,
    trial: int = 0,
    camera: Literal["y4m", "mjpeg", "gige", "none"] = "y4m",
    camera_port: int = 0,
    port: Path = PORT,
    toml: Path = Path("rig.toml"),
    report: Path | None = None,
    latency: int = 1,
    seconds: float = float("inf"),
    quiet: bool = False,
) -> int:
    """Run the emulated rig in real time until Ctrl-C: the firmware in an AVR emulator, its coils, world and camera.

    Says one line when a host may open it, then one each second. Orders on standard input, one to a line: unplug, plug,
    freeze, thaw, camera-gone, report (a line of JSON), quit.

    Args:
        path: along which the robot and its cargo are placed, as for microtwin push.
        seed: trial k of a seed has the bodies that microtwin push gives it.
        trial: which.
        camera: lossless stream, motion JPEG, GigE Vision, or none.
        camera_port: TCP port of the first two; 0 for any free one.
        port: name of the serial port.
        toml: where the settings of this rig are written for the host.
        report: file for a line of JSON at the end: when the coils were driven, latencies, lateness.
        latency: frames between exposure and arrival.
        seconds: end after so many.
        quiet: no line each second.
    """
    import contextlib
    import signal

    from emulated_rig.bench import EmulatedRig
    from emulated_rig.driven import WatchedCoils
    from emulated_rig.pty_port import PtyPort
    from emulated_rig.serve import RealTime, take_orders
    from microtwin import files, paths
    from microtwin.errors import InputError
    from microtwin.scene import PushScene
    from microtwin.simulated import check_latency

    check_latency(latency)
    if seed < 0 or trial < 0:
        raise InputError(f"seed {seed}, trial {trial}: give 0 or more")
    files.open_folder(toml.absolute().parent)
    if report:
        files.open_folder(report.absolute().parent)
    scene = PushScene(observe="truth" if camera == "none" else "camera", latency_frames=0)
    nodes_um = paths.from_name(path)
    with contextlib.ExitStack() as stack:
        rig = EmulatedRig.of(scene, nodes_um, seed, trial, coils=WatchedCoils.lab())
        stack.callback(rig.close)
        source = _camera(camera, rig, camera_port)
        if source:
            stack.callback(source.close)
        joint = stack.enter_context(PtyPort(port.absolute()))
        service = RealTime(rig, joint, source, latency_frames=latency, say=_say)
        _write_settings(toml, port.absolute(), camera, source, rig)
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: service.stop.set())
        if hasattr(signal, "SIGTTIN"):
            signal.signal(signal.SIGTTIN, signal.SIG_IGN)  # in the background of a terminal: no orders, but no stop
        take_orders(service.orders)
        _say(f"ready: coils at {port.absolute()}, camera at {source.url if source else 'none'}, settings in {toml}")
        try:
            service.run(seconds, None if quiet else _say)
        finally:
            _write_report(service.report(), report)
    return 0


def _camera(kind: str, rig, port: int):
    from emulated_rig.streams import MjpegServer, Y4mServer

    match kind:
        case "y4m":
            return Y4mServer(rig.shape, rig.frame_rate_hz, port)
        case "mjpeg":
            return MjpegServer(rig.shape, rig.frame_rate_hz, port)
        case "gige":
            from emulated_rig.gige import GigeCamera

            return GigeCamera(rig.shape, rig.frame_rate_hz)
    return None


def _write_settings(toml: Path, port: Path, kind: str, source, rig) -> None:
    from microtwin_hardware.config import CameraConfig, CoilsConfig, RigConfig, save

    full_scale_mt = tuple(rig.coils.full_scale_mt.tolist())
    camera = CameraConfig()
    if source:
        camera = CameraConfig(
            driver="aravis" if kind == "gige" else "opencv",
            source=source.url,
            shape=rig.shape,
            um_per_px=rig.um_per_px,
            frame_rate_hz=rig.frame_rate_hz,
        )
    save(RigConfig(coils=CoilsConfig(port=str(port), full_scale_mt=full_scale_mt), camera=camera), toml)


def _write_report(found: dict, path: Path | None) -> None:
    import json

    from microtwin import files

    if path is None:
        _say(json.dumps(found))
        return
    with files.whole(path) as temporary:
        temporary.write_text(json.dumps(found) + "\n", encoding="utf-8")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    import tyro

    from microtwin.errors import exit_code

    return exit_code(
        "emulated_rig",
        lambda: tyro.cli(emulate, prog="python -m emulated_rig", use_underscores=False),
        stopped="stopped before it was ready",
    )


if __name__ == "__main__":
    sys.exit(main())
