"""How fast labelled images are drawn and written, at the default quality, and the memory of each worker.

Usage: ``python benchmarks/dataset.py [--json FILE] [--quick] [--workers 2] [--images 10000]``: the pose task, 20 depths
per sequence, through the generator that ``microtwin dataset`` uses, into a temporary folder. Beside it DeepTrack2 (its
brightfield, one plane wave, one image from slices that are there already, as in imaging.py) where it is installed, and
the 0.020 s per frame that the OTMR group states for a generative network on an A100.
"""

import os

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # as everywhere: cores

import json
import math
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import tyro
from imaging import bead_slices, deeptrack_image, milliseconds, verdict
from stepping import processor

from microtwin import files
from microtwin.errors import InputError, exit_code
from microtwin.otmr.generate import generate, versions
from microtwin.otmr.plan import Plan
from microtwin.otmr.workers import in_processes

PUBLISHED_IMAGES = 232_881  # OTMR
GROUP_S = 0.020  # per frame, on an A100
IMAGES_PER_SEQUENCE = 20
RATE_BOUND, RATE_WORKERS = 60.0, 2  # images per second, on so many cores
MEMORY_BOUND_MB = 500.0


class Watch:
    """Called with the number of images written: remembers when, and how large the workers have been."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, float]] = []
        self.peak_mb = math.nan

    def __call__(self, images: int) -> None:
        self.calls.append((images, time.perf_counter()))
        for process in multiprocessing.active_children():
            try:
                text = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:  # ended, or not Linux
                continue
            if match := re.search(r"VmHWM:\s*(\d+) kB", text):
                self.peak_mb = max(float(match[1]) * 1.024e-3, 0.0 if math.isnan(self.peak_mb) else self.peak_mb)


def run(plan: Plan, workers: int) -> dict[str, Any]:
    """Make a data set and throw it away: images, seconds, what a steady run does, and what it takes."""
    watch = Watch()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        generate(plan, Path(folder) / "set", run=in_processes(workers), report=watch)
        wall_s = time.perf_counter() - begun
        sizes = [path.stat().st_size for path in Path(folder).rglob("*.jpg")]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    images = watch.calls[-1][0]
    first, last = watch.calls[min(workers, len(watch.calls) - 2)], watch.calls[-1]  # each worker is warm
    return {
        "images": images,
        "workers": workers,
        "wall_s": wall_s,
        "images_per_s": images / wall_s,
        "steady_images_per_s": (last[0] - first[0]) / (last[1] - first[1]),
        "core_s_per_image": (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / images,
        "peak_mb_per_worker": watch.peak_mb,
        "mean_image_kb": sum(sizes) / len(sizes) / 1e3,
    }


def main(
    json_file: Annotated[Path | None, tyro.conf.arg(name="json", metavar="FILE")] = None,
    quick: bool = False,
    workers: int = 2,
    images: int = 10_000,
    seed: int = 0,
) -> None:
    """Images per second and memory of the data set generator, DeepTrack2 and the group's network beside.

    Args:
        json_file: where to write machine, versions and all figures.
        quick: one sequence of each of robot 3's poses.
        workers: processes that draw.
        images: at least so many; the pose task has 3,520 per sequence and pose.
        seed: of the data set.
    """
    if images < 1:
        raise InputError(f"images is {images}: give 1 or more")
    if json_file:
        files.open_folder(json_file.parent)
    each = len(Plan("pose", (), IMAGES_PER_SEQUENCE, 1, seed).items()) * IMAGES_PER_SEQUENCE
    plan = Plan("pose", (), IMAGES_PER_SEQUENCE, math.ceil(images / each), seed)
    if quick:
        plan = Plan("pose", (3,), IMAGES_PER_SEQUENCE, 1, seed)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    machine = {"processor": processor(), "cores": os.cpu_count(), "load_when_begun": load}
    print(f"{machine['processor']}, {machine['cores']} cores; load when begun {load:.1f}")
    found = run(plan, workers)
    rate, hours = found["images_per_s"], PUBLISHED_IMAGES / found["images_per_s"] / 3600
    bound = f"   ({verdict(rate, RATE_BOUND, least=True)})" if workers == RATE_WORKERS else ""
    print(f"  {found['images']:,} images on {workers} workers in {found['wall_s']:.1f} s, start and labels included")
    print(f"  {rate:.1f} images/s{bound}; {found['steady_images_per_s']:.1f} when under way")
    print(f"  {1e3 * found['core_s_per_image']:.1f} ms of one core per image, {found['mean_image_kb']:.1f} kB of JPEG")
    print(
        f"  {found['peak_mb_per_worker']:.0f} MB at most per worker   "
        f"({verdict(found['peak_mb_per_worker'], MEMORY_BOUND_MB)})"
    )
    print(f"  {PUBLISHED_IMAGES:,} images at this rate: {hours:.2f} h")
    print(
        f"  the group's {GROUP_S:.3f} s per frame on an A100: {1 / GROUP_S:.0f} images/s, here {rate * GROUP_S:.1f} ×"
    )
    delta_n, microscope = bead_slices()
    peer = deeptrack_image(delta_n, microscope)
    if peer:
        took = milliseconds(peer, 3 if quick else 15)
        found["deeptrack"] = took | {"ratio": took["core_ms"] / (1e3 * found["core_s_per_image"])}
        print(
            f"  DeepTrack2, one plane wave, no sensor, no file: {took['core_ms']:.0f} ms of one core per image; "
            f"microtwin is {found['deeptrack']['ratio']:.1f} × as fast"
        )
    else:
        print("  deeptrack is not installed: pip install deeptrack into this environment for the comparison")
    if json_file:
        report = {"machine": machine, "versions": versions(), "config": plan.config(), "dataset": found}
        with files.whole(json_file) as temporary:
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"wrote {json_file}")


if __name__ == "__main__":
    sys.exit(exit_code("dataset", lambda: tyro.cli(main)))
