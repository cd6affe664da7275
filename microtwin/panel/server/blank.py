"""What a page shows of an engine that never sent a picture."""

from microtwin.panel.messages import Header

SIZE = (640, 512)  # width, height


def blank_header(backend: str) -> Header:
    """A header in which everything is there and nothing is known."""
    return {
        "seq": -1,
        "frame": -1,
        "time_s": 0.0,
        "wall_s": 0.0,
        "backend": backend,
        "state": "preparing",
        "reason": "",
        "mode": "",
        "size": SIZE,
        "um_per_px": 1.0,
        "robot": None,
        "objects": [],
        "active": 0,
        "bodies": [],
        "paths": [],
        "goal": None,
        "goal_index": 0,
        "nodes": 0,
        "corridor": None,
        "field": {"alpha_deg": 0.0, "gamma_deg": 90.0, "frequency_hz": 0.0, "amplitude": 0.0},
        "error_um": None,
        "goal_um": None,
        "coils": {"names": [], "unit": "", "values": []},
        "latency_ms": 0.0,
        "wait_ms": 0.0,
        "dropped": 0,
        "jitter_ms": 0.0,
        "ticks_per_s": 0.0,
        "mask": [],
        "shown": None,
        "masks": {},
        "twin": None,
        "step_out_hz": None,
        "notices": [],
        "run": None,
    }


def blank_jpeg() -> bytes:
    """An even grey."""
    import cv2
    import numpy as np

    return cv2.imencode(".jpg", np.full(SIZE[::-1], 96, np.uint8))[1].tobytes()
