"""How fast the microscope draws: scene frames, the tracker on them, and propagation beside DeepTrack2's brightfield.

Usage: ``python benchmarks/imaging.py [--json FILE] [--quick] [--seed 0]``, on one thread. The peer is DeepTrack2's
``Brightfield.get`` on the same index slices and grid, without its scatterers and sample machinery, on NumPy, which is
its default; ``pip install deeptrack`` into the same environment, or its row is left out.
"""
# ruff: noqa: E402

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"  # one core; NumPy reads them when it is loaded
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as everywhere: a core against a core

import importlib.metadata
import json
import math
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import tyro
from stepping import processor

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.optics import Microscope, propagate
from microtwin.optics.appearance import Appearance
from microtwin.optics.scene import Camera, Scene
from microtwin.recording import versions
from microtwin.rig import Frame
from microtwin.simulated import FRAME_RATE_HZ
from microtwin.vision import Tracker, to_image

SIZES = {(512, 640): (4, 15.0), (2048, 2448): (40, 250.0)}  # frame: cells round robot and bead, bound (ms)
TRACKER_BOUND_MS = 3.0
PEER_BOUND = 3.0
ROLL_RAD = 2 * math.pi * 12 / FRAME_RATE_HZ * 0.9  # per frame, at 12 Hz; a whole turn would repeat the frame
GRID, SLICES, SLICE_UM = 256, 40, 0.25


def milliseconds(call: Callable[[int], Any], calls: int) -> dict[str, float]:
    """Median of single calls after a first that is not counted: the core's time and the wall's."""
    call(0)
    core, wall = [], []
    for k in range(1, calls + 1):
        core_begun, wall_begun = time.process_time(), time.perf_counter()
        call(k)
        core.append(time.process_time() - core_begun)
        wall.append(time.perf_counter() - wall_begun)
    return {"core_ms": 1e3 * statistics.median(core), "wall_ms": 1e3 * statistics.median(wall), "calls": calls}


class Stage:
    """A robot rolls behind a bead, among resting cells; unbinned."""

    def __init__(self, shape: tuple[int, int], cells: int, seed: int):
        self._rng = np.random.default_rng(seed)
        self._cells = np.zeros((cells, 3))
        half_um = 0.5 * Microscope.objective_20x().pixel_um * np.array(shape[::-1])
        for place in self._cells:
            while np.hypot(*place[:2]) < 30:  # clear of the two in the middle
                place[:2] = self._rng.uniform(-half_um, half_um)
        self._cells[:, 2] = 6.75
        looks = [Appearance("robot", 5.0), Appearance("bead", 5.0)]
        looks += [Appearance("cell", 6.75, seed=k % 4) for k in range(cells)]
        heights = [5.0, 5.0] + [6.75] * cells
        microscope = Microscope.objective_20x(medium_index=1.337 if cells else 1.333)
        self.scene = Scene(looks, heights, microscope=microscope, camera=Camera(shape=shape, focus_um=5.0))

    def frame(self, k: int) -> Frame:
        """The k-th of a film in which both move 25 µm/s along +x."""
        along = 25.0 * k / FRAME_RATE_HZ % 20.0 - 10.0
        positions = np.concatenate([[[along - 6.0, 0.0, 5.0], [along + 6.0, 0.0, 5.0]], self._cells])
        velocities = np.zeros_like(positions)
        velocities[:2, 0] = 25.0
        turns = np.tile([1.0, 0.0, 0.0, 0.0], (len(positions), 1))
        turns[0] = (math.cos(ROLL_RAD * k / 2), 0.0, math.sin(ROLL_RAD * k / 2), 0.0)
        image = self.scene.expose(positions, turns, velocities, self._rng)
        return Frame(k, k / FRAME_RATE_HZ, image, self.scene.um_per_px)


def time_tracker(calls: int, seed: int) -> dict[str, float]:
    """One frame of 640 × 512 with robot and bead through the tracker; the drawing is not counted."""
    stage = Stage((512, 640), 0, seed)
    shown = [stage.frame(k) for k in range(11)]  # 10 µm: before the film starts again
    shown += shown[-2:0:-1]  # there and back, so that nothing jumps
    starts = to_image(np.array([[-16.0, 0.0], [-4.0, 0.0]]), (512, 640), stage.scene.um_per_px)
    tracker = Tracker(robot_start_px=tuple(starts[0]), cargo_start_px=tuple(starts[1]))

    def track(k: int) -> None:
        frame = shown[k % len(shown)]
        tracker(Frame(k, k / FRAME_RATE_HZ, frame.image, frame.um_per_px))

    return milliseconds(track, calls)


def bead_slices() -> tuple[np.ndarray, Microscope]:
    """A 10 µm silica bead on the grid both propagate through, and a microscope with one source point.

    NA 0.9: DeepTrack2 applies the pupil at every slice, at 0.4 that takes light which belongs to the image.
    """
    microscope = Microscope.objective_20x(na=0.9, condenser_na=0.0, source_points=1)
    delta = Appearance("bead", 0.49 * SLICES * SLICE_UM).delta_n(
        (0.0, 0.0, 1.0), microscope.medium_index, (GRID, GRID), microscope.pixel_um, SLICE_UM
    )
    return np.real(delta).copy(), microscope


def deeptrack_image(delta_n: np.ndarray, microscope: Microscope) -> Callable[[int], np.ndarray] | None:
    """DeepTrack2's image of the same slices, in focus at their middle; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import deeptrack  # type: ignore
            from deeptrack import units_registry  # type: ignore
            from deeptrack.backend.units import create_context  # type: ignore
    except ImportError:
        return None
    step = (microscope.pixel_um * 1e-6, microscope.pixel_um * 1e-6, SLICE_UM * 1e-6)
    optics = deeptrack.Brightfield(
        NA=microscope.na,
        wavelength=microscope.wavelength_um * 1e-6,
        refractive_index_medium=microscope.medium_index,
        resolution=step,
        magnification=1.0,
    )
    # it pads by at least a pixel, and multiplies contrast by k in the medium instead of in vacuum
    volume = np.moveaxis(delta_n, 0, 2)[1:-1, 1:-1].astype(complex) / microscope.medium_index
    slices = volume.shape[2]
    limits = np.array([[0, GRID - 2], [0, GRID - 2], [-(slices // 2), slices - slices // 2]])
    settings = {
        "NA": microscope.na,
        "wavelength": microscope.wavelength_um * 1e-6,
        "refractive_index_medium": microscope.medium_index,
        "padding": (1, 1, 1, 1),
        "output_region": (None, None, None, None),
        "voxel_size": np.array(step),
    }

    def image(_: int) -> np.ndarray:
        with units_registry.context(create_context(*step, 1, 1, 1)):
            return np.asarray(optics.get(volume, limits, [], **settings))[..., 0]

    return image


def compare_propagation(calls: int) -> dict[str, Any]:
    """Images per second of one source point, the library's and the peer's, and how alike the two images are."""
    delta_n, microscope = bead_slices()
    low = -0.5 * len(delta_n) * SLICE_UM

    def own(_: int) -> np.ndarray:
        return propagate(delta_n, microscope, microscope.pixel_um, SLICE_UM, low).image(0.0)

    figures: dict[str, Any] = {"grid": GRID, "slices": len(delta_n), "library": milliseconds(own, calls)}
    peer = deeptrack_image(delta_n, microscope)
    if peer:
        figures["deeptrack"] = milliseconds(peer, max(3, calls // 4))
        figures["ratio"] = figures["deeptrack"]["core_ms"] / figures["library"]["core_ms"]
        pair = np.stack([own(0)[1:-1, 1:-1].ravel(), peer(0).ravel()])
        figures["correlation"] = float(np.corrcoef(pair)[0, 1])
    return figures


def verdict(value: float, bound: float, least: bool = False) -> str:
    passed = value >= bound if least else value <= bound
    return f"{'pass' if passed else 'MISS'}, {'≥' if least else '≤'} {bound:g}"


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    quick: bool = False,
    seed: int = 0,
) -> None:
    """Scene frames, tracker and propagation on one thread, DeepTrack2 beside.

    Args:
        json_file: where to write machine, versions and all medians.
        quick: a tenth of the calls.
        seed: where the cells lie, and the sensor's noise.
    """
    if seed < 0:
        raise InputError(f"seed is {seed}: give 0 or more")
    if json_file:
        files.open_folder(json_file.parent)
    cv2.setNumThreads(1)
    part = 10 if quick else 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    machine = {"processor": processor(), "cores": os.cpu_count(), "threads": 1, "system": platform.platform()}
    print(f"{machine['processor']}, one thread; medians of single calls after a first; load when begun {load:.1f}")
    print("the core's own time counts, the wall clock beside it; they agree when nothing else runs")
    scenes = {}
    for shape, (cells, bound) in SIZES.items():
        found = milliseconds(Stage(shape, cells, seed).frame, 200 // part if shape[0] < 1000 else 40 // part)
        scenes[f"{shape[1]}x{shape[0]}"] = found | {"cells": cells, "frames_per_s": 1e3 / found["core_ms"]}
        print(
            f"  scene {shape[1]:5} × {shape[0]:<5} {found['core_ms']:8.2f} ms   wall {found['wall_ms']:8.2f} ms   "
            f"{1e3 / found['core_ms']:6.1f} frames/s   {cells + 2} bodies   ({verdict(found['core_ms'], bound)})"
        )
    tracker = time_tracker(300 // part, seed)
    print(
        f"  tracker 640 × 512   {tracker['core_ms']:8.2f} ms   wall {tracker['wall_ms']:8.2f} ms   two bodies"
        f"   ({verdict(tracker['core_ms'], TRACKER_BOUND_MS)})"
    )
    light = compare_propagation(60 // part)
    print(f"one source point through {light['slices']} slices of {GRID} × {GRID}, one image")
    for name in ("library", "deeptrack"):
        if name in light:
            row = light[name]
            called = {"library": "microtwin", "deeptrack": "DeepTrack2"}[name]
            print(
                f"  {called:18}  {row['core_ms']:8.2f} ms   wall {row['wall_ms']:8.2f} ms   "
                f"{1e3 / row['core_ms']:6.1f} images/s"
            )
    if "ratio" in light:
        print(
            f"  microtwin is {light['ratio']:.1f} × as fast   ({verdict(light['ratio'], PEER_BOUND, least=True)}); "
            f"the images correlate to {light['correlation']:.4f}"
        )
    else:
        print("  deeptrack is not installed: pip install deeptrack into this environment for the comparison")
    if json_file:
        found = versions()
        for name in ("deeptrack", "torch"):
            if "ratio" in light:
                found[name] = importlib.metadata.version(name)
        report = {"machine": machine | {"load_when_begun": load}, "versions": found, "scene_frame": scenes}
        report |= {"tracker": tracker, "propagation": light}
        with files.whole(json_file) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {json_file}")


if __name__ == "__main__":
    sys.exit(exit_code("imaging", lambda: tyro.cli(main)))
